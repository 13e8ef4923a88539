// plan: asks the service what a change would do, without doing it.
// Not here: any guess of our own.
#include <ostream>

#include "tools/ask.hpp"
#include "tools/change_options.hpp"
#include "tools/job_text.hpp"
#include "tools/text.hpp"
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
    const auto job = find_job(context, options.backend_or_job);
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

void print_part(const Context& context, const Json& plan, const char* key, const std::string& heading) {
  const auto part = plan.find(key);
  if (part == plan.end() || !part->is_array() || part->empty()) return;
  context.out() << painted({heading, Tone::strong}, context.colour()) << '\n';
  for (const auto& entry : *part)
    context.out() << "  " << printable(entry.is_string() ? entry.get<std::string>() : json_line(entry)) << '\n';
}

std::string text_of(const Json& plan, const char* key) {
  const auto field = plan.find(key);
  return field != plan.end() && field->is_string() ? field->get<std::string>() : std::string();
}

void print_plan(const Context& context, const Json& plan, bool possible) {
  if (context.is_json()) return print_object(context, plan);
  context.out() << painted({possible ? "possible" : "not possible", possible ? Tone::good : Tone::warned},
                           context.colour());
  if (const auto reason = text_of(plan, "reason_code"); !reason.empty()) context.out() << ": " << printable(reason);
  context.out() << '\n';
  if (const auto message = text_of(plan, "message"); !message.empty()) context.out() << printable(message) << '\n';
  if (const auto detail = plan.find("detail"); detail != plan.end())
    if (const auto summary = json_summary(json_line(*detail)); !summary.empty())
      context.out() << printable(summary) << '\n';
  print_part(context, plan, "makes", "Makes");
  print_part(context, plan, "changes", "Changes");
  print_part(context, plan, "removes", "Removes");
  print_part(context, plan, "irreversible", "Cannot be undone");
}

Outcome run_plan(Context& context, const PlanOptions& options) {
  auto request = request_of(context, options);
  if (!request) return request.error();
  const auto answered =
      ask(context, *std::move(request), {.timeout = options.timeout.value_or(milliseconds(30'000)), .no_wait = false});
  if (!answered) return answered.error();
  if (answered->outcome != "done")
    return Failure{
        answered->outcome == "refused" ? Errc::conflict : Errc::failure, "no plan: " + answered->message, {}};
  const Json plan = json_of_column(answered->answer);
  const auto possible = plan.find("possible");
  if (possible == plan.end() || !possible->is_boolean())
    return Failure{Errc::failure, "the service's answer is no plan: " + json_line(plan),
                   "update rebottle and rebottled together"};
  print_plan(context, plan, possible->get<bool>());
  if (*possible == false) return Failure{Errc::failure, {}, {}};
  return {};
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
