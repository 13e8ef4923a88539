// wait JOB [--for STATE]
// Not here: deadlines of the job itself.
#include "tools/wait.hpp"

#include <algorithm>
#include <ostream>

#include "tools/command_line.hpp"
#include "tools/job_text.hpp"
#include "tools/time_text.hpp"
#include "tools/verbs.hpp"
#include "tools/waiter.hpp"

namespace rebottle::tools {
namespace {

using statemachine::State;

Result<std::optional<State>> wanted_state(const std::string& word) {
  if (word.empty()) return std::optional<State>{};
  if (const auto state = statemachine::state_from(word)) return state;
  std::vector<std::string> known;
  for (const auto& row : statemachine::state_rows) known.emplace_back(to_string(row.state));
  return unknown_word("state", word, known);
}

// Short states pass between two looks; the history has them all.
bool was_in(schema::OperatorStore& store, const schema::Job& job, State state) {
  const auto rows = store.history(job.job_id, 0);
  return job.state == state ||
         std::ranges::any_of(rows, [state](const auto& row) { return row.to_state == to_string(state); });
}

bool is_settled(const schema::Job& job) {
  return statemachine::is_final(job.state) || job.state == State::needs_attention;
}

void print_end(const Context& context, const schema::Job& job) {
  if (context.is_json()) return print_object(context, job_json(job));
  const std::string id = std::to_string(job.job_id);
  if (context.format() == Format::name)
    context.out() << id << '\n';
  else
    context.out() << "job " << id << ' '
                  << painted(state_cell(job.state, context.environment().out_is_tty), context.colour()) << '\n';
  if (!job.message.empty()) context.say("job " + id + ": " + job.message);
}

// The job stands still in a state that was not the wanted one, if one was wanted.
Outcome settled_outcome(const schema::Job& job, std::optional<State> wanted) {
  const auto outcome = outcome_of(job.state);
  if (outcome && wanted)
    return Failure{
        Errc::not_succeeded,
        "job " + std::to_string(job.job_id) + " has succeeded and was never in " + std::string(to_string(*wanted)),
        {}};
  return outcome;
}

Outcome run_wait(Context& context, const WaitOptions& options) {
  const auto job = find_job(context, options.job);
  if (!job) return job.error();
  return wait_for(context, job->job_id, options);
}

}  // namespace

Outcome wait_for(Context& context, std::int64_t job_id, const WaitOptions& options) {
  const auto wanted = wanted_state(options.state);
  if (!wanted) return wanted.error();
  const auto opened = context.store();
  if (!opened) return opened.error();
  schema::OperatorStore& store = **opened;

  Waiter waiter(context.environment(), store, options.timeout);
  bool warned = false;
  for (;;) {
    const auto job = store.job(job_id);
    if (!job) return Failure{Errc::not_found, "job " + std::to_string(job_id) + " is gone", {}};
    const bool reached = *wanted && was_in(store, *job, **wanted);
    if (reached || is_settled(*job)) {
      print_end(context, *job);
      return reached ? Outcome{} : settled_outcome(*job, *wanted);
    }
    switch (waiter.next()) {
      case Wake::changed: break;
      case Wake::tick:
        if (!warned && !context.service_runs()) context.say("no service runs; waiting for one");
        warned = warned || !context.service_runs();
        break;
      case Wake::timed_out:
        return Failure{Errc::timed_out,
                       "job " + std::to_string(job_id) + " was still in " + std::string(to_string(job->state)) +
                           " after " + duration_text(options.timeout->count()),
                       "`rebottle show " + std::to_string(job_id) + "` says what it waits for"};
      case Wake::interrupted:
        return Failure{Errc::interrupted, "the wait was interrupted; the job goes on without it", {}};
    }
  }
}

void add_wait(CommandLine& line) {
  auto options = std::make_shared<WaitOptions>();
  CLI::App& verb = add_verb(line,
                            {.name = "wait",
                             .summary = "Wait until a job ends, or needs a person",
                             .examples = "wait 7\nwait prop-7f3 --timeout 10m\nwait 7 --for verify"},
                            options, run_wait);
  add_argument(verb, "JOB", options->job, "Id of a job or of an approval");
  verb.add_option("--for", options->state, "Return as soon as the job is, or was, in this state")->type_name("STATE");
  add_duration(verb, "--timeout", options->timeout, "Give up after this long (default: never)");
}

}  // namespace rebottle::tools
