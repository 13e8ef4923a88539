// cancel, retry, rollback, resolve, undo, freeze, unfreeze: wishes that the service answers.
// Not here: whether a wish is granted; that is the service's decision.
#include <algorithm>
#include <ostream>

#include "tools/ask.hpp"
#include "tools/command_line.hpp"
#include "tools/job_text.hpp"
#include "tools/plan_text.hpp"
#include "tools/text.hpp"
#include "tools/verbs.hpp"

namespace rebottle::tools {
namespace {

using std::chrono::milliseconds;

struct RequestOptions {
  std::string kind;
  std::string job;      // for the verbs on a job; for undo, a backend if a bottle is named
  std::string backend;  // for freezes; empty: every backend
  std::string bottle;   // empty: every bottle
  bool all = false;
  bool plan = false;  // undo: only ask
  std::string outcome;
  std::string reason;
  std::optional<milliseconds> expires_in;
  std::optional<milliseconds> timeout;
  bool no_wait = false;
};

// Of the job that was made, or acted on; of the freeze; else of the request itself.
std::int64_t id_of(const schema::Request& request) {
  const Json answer = json_of_column(request.answer);
  if (answer.is_object())
    for (const auto* key : {"job_id", "freeze_id"})
      if (const auto id = answer.find(key); id != answer.end() && id->is_number_integer()) return *id;
  return request.job_id.value_or(request.request_id);
}

// The answer goes to stdout even when it is a refusal: it is what was asked for. A refusal has no id to print.
void print_request(const Context& context, const schema::Request& request) {
  if (context.is_json()) return print_object(context, request_json(request));
  const bool answered = !request.outcome.empty();
  const bool done = request.outcome == "done";
  if (context.format() == Format::name) {
    if (done || !answered)
      context.out() << id_of(request) << '\n';
    else
      context.say(request.kind + ' ' + request.outcome + ": " + request.message);
    return;
  }
  const Tone tone = done ? Tone::good : answered ? Tone::warned : Tone::plain;
  context.out() << request.kind << ' ' << painted({answered ? request.outcome : "recorded", tone}, context.colour());
  if (!request.message.empty()) context.out() << ": " << printable(request.message);
  const auto more = json_lines(request.answer);
  if (more.size() == 1) context.out() << " (" << printable(more.front()) << ')';
  context.out() << '\n';
  if (more.size() > 1)
    for (const auto& line : more) context.out() << "  " << printable(line) << '\n';
}

Outcome send(Context& context, schema::Request request, const RequestOptions& options) {
  const auto answered = ask(context, std::move(request), {.timeout = options.timeout, .no_wait = options.no_wait});
  if (!answered) return answered.error();
  print_request(context, *answered);
  if (answered->outcome == "refused") return Failure{Errc::conflict, {}, {}};
  if (answered->outcome == "failed") return Failure{Errc::failure, {}, {}};
  return {};
}

Outcome run_on_job(Context& context, const RequestOptions& options) {
  Json args = Json::object();
  if (options.kind == "resolve") {
    const std::vector<std::string> outcomes{"changed", "restored", "abandoned"};
    if (std::ranges::find(outcomes, options.outcome) == outcomes.end())
      return unknown_word("outcome", options.outcome, outcomes);
    args = {{"outcome", options.outcome}, {"reason", options.reason}};
  }
  const auto job = find_job(context, options.job);
  if (!job) return job.error();
  schema::Request request;
  request.kind = options.kind;
  request.job_id = job->job_id;
  request.args = json_line(args);
  return send(context, std::move(request), options);
}

Outcome run_undo(Context& context, const RequestOptions& options) {
  schema::Request request;
  request.kind = options.kind;
  if (options.bottle.empty()) {
    const auto job = find_job_unless_backend(context, options.job);
    if (!job) return job.error();
    request.job_id = job->job_id;
  } else {
    request.backend = options.job;
    request.bottle = options.bottle;
  }
  if (!options.plan) return send(context, std::move(request), options);
  request.args = json_line({{"plan", true}});
  const auto answered = ask(context, std::move(request), {.timeout = options.timeout, .no_wait = false});
  if (!answered) return answered.error();
  return print_plan(context, *answered);
}

Outcome run_freeze(Context& context, const RequestOptions& options) {
  if (options.all != options.backend.empty())
    return Failure{
        Errc::usage,
        options.all ? "--all and a backend contradict each other" : options.kind + " needs to know which bottles",
        "name a BACKEND, or a BACKEND and a BOTTLE, or give --all"};
  Json args = Json::object();
  if (!options.reason.empty()) args["reason"] = options.reason;
  if (options.expires_in) args["expires_at"] = context.now() + options.expires_in->count();
  schema::Request request;
  request.kind = options.kind;
  request.backend = options.backend;
  request.bottle = options.bottle;
  request.args = json_line(args);
  return send(context, std::move(request), options);
}

void add_sending_options(CLI::App& verb, RequestOptions& options) {
  auto* const timeout =
      add_duration(verb, "--timeout", options.timeout, "How long to wait for the answer (default: 30s)");
  verb.add_flag("--no-wait", options.no_wait, "Record the request and return; the service answers it when it can")
      ->excludes(timeout);
}

std::shared_ptr<RequestOptions> add_on_job(CommandLine& line, CLI::App*& verb, const VerbText& text) {
  auto options = std::make_shared<RequestOptions>();
  options->kind = text.name;
  verb = &add_verb(line, text, options, run_on_job);
  add_argument(*verb, "JOB", options->job, "Id of a job or of an approval");
  add_sending_options(*verb, *options);
  return options;
}

}  // namespace

void add_requests(CommandLine& line) {
  CLI::App* verb = nullptr;
  add_on_job(line, verb,
             {.name = "cancel",
              .summary = "Cancel a job; one that has stopped its bottle already is rolled back",
              .examples = "cancel 7\ncancel prop-7f3 --no-wait"});
  add_on_job(line, verb,
             {.name = "retry",
              .summary = "Try again: the interrupted step, or for an ended job a new job of the same approval",
              .examples = "retry 7"});
  add_on_job(line, verb,
             {.name = "rollback",
              .summary = "Bring the old bottle back, for a job that needs attention",
              .examples = "rollback 7"});
  const auto options =
      add_on_job(line, verb,
                 {.name = "resolve",
                  .summary = "Record how a person settled a job that needed attention",
                  .examples = "resolve 7 --outcome restored --reason 'started the old container by hand'"});
  verb->add_option("--outcome", options->outcome, "changed, restored or abandoned")->required()->type_name("WORD");
  verb->add_option("--reason", options->reason, "What was done, for the record")->required()->type_name("TEXT");
}

void add_undo(CommandLine& line) {
  auto options = std::make_shared<RequestOptions>();
  options->kind = "undo";
  CLI::App& verb = add_verb(line,
                            {.name = "undo",
                             .summary = "Put back what a bottle's last change replaced, while that is kept",
                             .examples = "undo docker dev-fix-12\nundo prop-7f3 --plan"},
                            options, run_undo);
  add_argument(verb, "BACKEND|JOB", options->job, "A backend, or the id of a job or of an approval");
  verb.add_option("BOTTLE", options->bottle, "A bottle of that backend")->type_name("");
  auto* const plan = verb.add_flag("--plan", options->plan, "Only tell what it would do, or why it would be refused");
  add_sending_options(verb, *options);
  verb.get_option("--no-wait")->excludes(plan);
}

void add_freezes(CommandLine& line) {
  const auto add = [&line](const VerbText& text) {
    auto options = std::make_shared<RequestOptions>();
    options->kind = text.name;
    CLI::App& verb = add_verb(line, text, options, run_freeze);
    verb.add_option("BACKEND", options->backend, "Every bottle of this backend")->type_name("");
    verb.add_option("BOTTLE", options->bottle, "Only this bottle of it")->type_name("");
    verb.add_flag("--all", options->all, "Every bottle of every backend");
    add_sending_options(verb, *options);
    return std::pair{&verb, options};
  };
  const auto [freeze, options] = add({.name = "freeze",
                                      .summary = "Let no job begin, or go past the snapshot, on these bottles",
                                      .examples = "freeze docker dev-fix-12 --reason 'release day'\n"
                                                  "freeze docker --reason 'engine upgrade' --expires-in 2h\n"
                                                  "freeze --all --reason 'disk is being replaced'"});
  freeze->add_option("--reason", options->reason, "Why, for everyone who waits")->required()->type_name("TEXT");
  add_duration(*freeze, "--expires-in", options->expires_in, "Thaw by itself after this long");
  add({.name = "unfreeze",
       .summary = "Lift the freezes on exactly these bottles",
       .examples = "unfreeze docker dev-fix-12\nunfreeze --all"});
}

}  // namespace rebottle::tools
