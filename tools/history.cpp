// history and watch: the events of a job, as they were and as they come.
// Not here: waiting without printing (wait.cpp).
#include <ostream>

#include "tools/command_line.hpp"
#include "tools/job_text.hpp"
#include "tools/listing.hpp"
#include "tools/time_text.hpp"
#include "tools/verbs.hpp"
#include "tools/waiter.hpp"

namespace rebottle::tools {
namespace {

using statemachine::State;

struct HistoryOptions {
  std::string job;
  bool follow = false;
};

struct WatchOptions {
  std::string job;
  bool exit_status = false;
  std::optional<std::chrono::milliseconds> timeout;
};

// Prints events one by one; a single JSON document has to wait for the last one.
class EventPrinter {
 public:
  EventPrinter(const Context& context, const schema::Job& job) : context_(context), start_(job.created_at) {}

  void print(const schema::HistoryRow& row) {
    Record record = history_record(context_, row, start_);
    if (context_.format() == Format::json) {
      document_.push_back(std::move(record.object));
      return;
    }
    if (context_.format() == Format::jsonl)
      print_object(context_, record.object);
    else if (context_.format() == Format::name)
      context_.out() << record.name << '\n';
    else
      print_line(record);
    context_.out().flush();
  }

  void finish() const {
    if (context_.format() == Format::json) context_.out() << json_document(document_) << '\n';
  }

 private:
  void print_line(const Record& record) {
    auto style = context_.table_style();
    style.titles = false;
    print_table(context_.out(), history_columns(), {record.cells}, style);
  }

  const Context& context_;
  schema::Milliseconds start_;
  Json document_ = Json::array();
};

// Until the job ends, or only a person can move it on.
Outcome follow(Context& context, schema::OperatorStore& store, const schema::Job& job,
               std::optional<std::chrono::milliseconds> timeout, State& last) {
  EventPrinter printer(context, job);
  Waiter waiter(context.environment(), store, timeout);
  std::int64_t seen = 0;
  bool warned = false;
  for (;;) {
    // The state first: events that come between the two reads are printed, never skipped.
    const auto now = store.job(job.job_id);
    for (const auto& row : store.history(job.job_id, seen)) {
      printer.print(row);
      seen = row.seq;
    }
    if (now && (statemachine::is_final(now->state) || now->state == State::needs_attention)) {
      last = now->state;
      printer.finish();
      const auto& row = statemachine::row_of(last);
      context.say("job " + std::to_string(job.job_id) + ' ' + std::string(to_string(last)) + ": " +
                  std::string(row.meaning) + (now->message.empty() ? "" : " " + now->message));
      return {};
    }
    const Wake wake = waiter.next();
    if (wake == Wake::timed_out) {
      printer.finish();
      return Failure{Errc::timed_out,
                     "job " + std::to_string(job.job_id) + " has not ended after " + duration_text(timeout->count()),
                     "it goes on"};
    }
    if (wake == Wake::interrupted) {
      printer.finish();
      return Failure{Errc::interrupted, "interrupted; the job goes on without being watched", {}};
    }
    if (wake == Wake::tick && !warned && !context.service_runs()) {
      context.say("no service runs; waiting for one");
      warned = true;
    }
  }
}

Outcome run_history(Context& context, const HistoryOptions& options) {
  const auto job = find_job(context, options.job);
  if (!job) return job.error();
  const auto store = context.store();
  if (!store) return store.error();
  State last{};
  if (options.follow) return follow(context, **store, *job, {}, last);
  Listing listing{.columns = history_columns(), .records = {}, .empty = {}};
  for (const auto& row : (*store)->history(job->job_id, 0))
    listing.records.push_back(history_record(context, row, job->created_at));
  print_listing(context, listing);
  return {};
}

Outcome run_watch(Context& context, const WatchOptions& options) {
  const auto job = find_job(context, options.job);
  if (!job) return job.error();
  const auto store = context.store();
  if (!store) return store.error();
  State last{};
  if (auto outcome = follow(context, **store, *job, options.timeout, last); !outcome) return outcome;
  return options.exit_status ? outcome_of(last) : Outcome{};
}

}  // namespace

void add_history(CommandLine& line) {
  auto options = std::make_shared<HistoryOptions>();
  CLI::App& history = add_verb(line,
                               {.name = "history",
                                .summary = "Show every event of a job",
                                .examples = "history 7\nhistory prop-7f3 -o jsonl\nhistory 7 --follow"},
                               options, run_history);
  add_argument(history, "JOB", options->job, "Id of a job or of an approval");
  history.add_flag("--follow", options->follow, "Print further events until the job ends or needs a person");

  auto watch_options = std::make_shared<WatchOptions>();
  CLI::App& watch = add_verb(line,
                             {.name = "watch",
                              .summary = "Print a job's events as they come, until it ends or needs a person",
                              .examples = "watch 7\nwatch prop-7f3 --exit-status\nwatch 7 -o jsonl"},
                             watch_options, run_watch);
  add_argument(watch, "JOB", watch_options->job, "Id of a job or of an approval");
  watch.add_flag("--exit-status", watch_options->exit_status, "Exit 6 unless it succeeded, 7 if it needs a person");
  add_duration(watch, "--timeout", watch_options->timeout, "Give up after this long (default: never)");
}

}  // namespace rebottle::tools
