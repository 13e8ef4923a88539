// plan: asks the service what a change would do, without doing it.
// Not here: any guess of our own.
#include "tools/ask.hpp"
#include "tools/change_options.hpp"
#include "tools/job_text.hpp"
#include "tools/plan_text.hpp"
#include "tools/verbs.hpp"

namespace rebottle::tools {
namespace {

using std::chrono::milliseconds;

struct PlanOptions {
  std::string backend_or_job;
  std::string bottle;  // empty: the first one is a job
  ChangeOptions change;
  std::optional<milliseconds> timeout;
};

Result<schema::Request> request_of(Context& context, const PlanOptions& options) {
  schema::Request request;
  request.kind = "plan";
  if (options.bottle.empty()) {
    if (names_a_change(options.change))
      return Failure{Errc::usage, "a job has its change already", "name a BACKEND and a BOTTLE to plan another one"};
    const auto job = find_job_unless_backend(context, options.backend_or_job);
    if (!job) return job.error();
    request.job_id = job->job_id;
    return request;
  }
  const auto args = args_text(context, options.change);
  if (!args) return args.error();
  request.backend = options.backend_or_job;
  request.bottle = options.bottle;
  request.args = json_line({{"kind", options.change.kind}, {"args", json_of_column(*args)}});
  return request;
}

Outcome run_plan(Context& context, const PlanOptions& options) {
  auto request = request_of(context, options);
  if (!request) return request.error();
  const auto answered = ask(context, *std::move(request), {.timeout = options.timeout, .no_wait = false});
  if (!answered) return answered.error();
  return print_plan(context, *answered);
}

}  // namespace

void add_plan(CommandLine& line) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App& verb = add_verb(line,
                            {.name = "plan",
                             .summary = "Ask what a change would make, change and remove, or why it would be refused",
                             .examples = "plan docker dev-fix-12 --dockerfile Dockerfile\nplan 7"},
                            options, run_plan);
  add_argument(verb, "BACKEND|JOB", options->backend_or_job, "A backend, or the id of a job or of an approval");
  verb.add_option("BOTTLE", options->bottle, "A bottle of that backend, with the options of a change")->type_name("");
  add_duration(verb, "--timeout", options->timeout, "How long to wait for the answer (default: 30s)");
  add_change_options(verb, options->change);
}

}  // namespace rebottle::tools
