// list: which jobs there are.
// Not here: the fields of one job (show.cpp).
#include <algorithm>
#include <map>

#include "tools/command_line.hpp"
#include "tools/job_text.hpp"
#include "tools/listing.hpp"
#include "tools/time_text.hpp"
#include "tools/verbs.hpp"

namespace rebottle::tools {
namespace {

struct ListOptions {
  std::vector<std::string> states;
  std::string backend;
  std::string bottle;
  bool all = false;
  std::string before;  // a job; empty: from the newest on
  int limit = 20;
};

constexpr int page = 500;

Result<schema::JobFilter> filter_of(const ListOptions& options) {
  schema::JobFilter filter;
  filter.backend = options.backend;
  filter.bottle = options.bottle;
  for (const auto& word : options.states) {
    const auto state = statemachine::state_from(word);
    if (!state) {
      std::vector<std::string> known;
      for (const auto& row : statemachine::state_rows) known.emplace_back(to_string(row.state));
      return unknown_word("state", word, known);
    }
    filter.states.push_back(*state);
  }
  return filter;
}

// Page by page, so that no single read holds the WAL for long.
std::vector<schema::Job> every_job(schema::OperatorStore& store, schema::JobFilter filter) {
  std::vector<schema::Job> jobs;
  filter.limit = page;
  for (;;) {
    auto part = store.jobs(filter);
    const bool last = part.size() < static_cast<std::size_t>(page);
    std::ranges::move(part, std::back_inserter(jobs));
    if (last) return jobs;
    filter.before_job_id = jobs.back().job_id;
  }
}

struct Page {
  std::vector<schema::Job> jobs;           // newest first
  std::optional<std::int64_t> older_than;  // where the next page starts, if there is one
};

Page newest(schema::OperatorStore& store, schema::JobFilter filter, int limit) {
  filter.limit = limit + 1;
  Page result{store.jobs(filter), {}};
  if (result.jobs.size() <= static_cast<std::size_t>(limit)) return result;
  result.jobs.pop_back();
  result.older_than = result.jobs.back().job_id;
  return result;
}

// By default what is still to end, however old, and the latest others.
Page selected(schema::OperatorStore& store, const schema::JobFilter& filter, const ListOptions& options) {
  if (options.all) return {every_job(store, filter), {}};
  Page latest = newest(store, filter, options.limit);
  if (filter.before_job_id || !options.states.empty()) return latest;
  std::map<std::int64_t, schema::Job, std::greater<>> merged;
  auto unfinished = filter;
  unfinished.unfinished_only = true;
  for (auto& job : every_job(store, unfinished)) merged.emplace(job.job_id, std::move(job));
  for (auto& job : latest.jobs) merged.emplace(job.job_id, std::move(job));
  Page result{{}, latest.older_than};
  for (auto& [id, job] : merged) result.jobs.push_back(std::move(job));
  return result;
}

std::string note_of(const schema::Job& job, const Context& context, bool service_runs) {
  if (const auto waiting = waiting_of(job, context, service_runs)) {
    const bool says_more = waiting->code == "attention" && !job.message.empty();
    return says_more ? job.message : waiting->text;
  }
  if (job.reason_code.empty()) return job.message;
  return job.message.empty() ? job.reason_code : job.reason_code + ": " + job.message;
}

Record record_of(const schema::Job& job, const Context& context, bool service_runs) {
  const auto& approval = job.approval;
  const auto down = downtime_of(job, context.now());
  return {.object = job_json(job),
          .name = std::to_string(job.job_id),
          .cells = {{std::to_string(job.job_id)},
                    state_cell(job.state, context.environment().out_is_tty),
                    {approval.backend},
                    {approval.bottle},
                    {approval.approval_id},
                    {std::to_string(job.run)},
                    {approval.approved_by},
                    {context.when(job.created_at)},
                    {down == 0 ? "-" : duration_text(down)},
                    {context.when(job.updated_at), Tone::faint},
                    {note_of(job, context, service_runs)}}};
}

Outcome run_list(Context& context, const ListOptions& options) {
  auto filter = filter_of(options);
  if (!filter) return filter.error();
  const auto store = context.store();
  if (!store) return store.error();
  if (!options.before.empty()) {
    const auto before = find_job(context, options.before);
    if (!before) return before.error();
    filter->before_job_id = before->job_id;
  }
  const Page found = selected(**store, *filter, options);
  const bool service_runs = context.service_runs();

  Listing listing{.columns = {{.title = "JOB"},
                              {.title = "STATE"},
                              {.title = "BACKEND"},
                              {.title = "BOTTLE"},
                              {.title = "APPROVAL", .wide_only = true},
                              {.title = "RUN", .wide_only = true},
                              {.title = "BY", .wide_only = true},
                              {.title = "CREATED", .wide_only = true},
                              {.title = "DOWNTIME", .wide_only = true},
                              {.title = "UPDATED"},
                              {.title = "NOTE", .stretches = true}},
                  .records = {},
                  .empty = "no job matches"};
  for (const auto& job : found.jobs) listing.records.push_back(record_of(job, context, service_runs));
  print_listing(context, listing);
  if (found.older_than)
    context.say("there are older ones: --before " + std::to_string(*found.older_than) + ", or --all");
  return {};
}

}  // namespace

void add_list(CommandLine& line) {
  auto options = std::make_shared<ListOptions>();
  CLI::App& verb = add_verb(line,
                            {.name = "list",
                             .summary = "List jobs, newest first: the unfinished ones and the last 20",
                             .examples = "list\nlist --state needs_attention\nlist --bottle dev-fix-12 --all -o json"},
                            options, run_list);
  add_repeated(verb, "--state", options->states, "Only jobs in this state; once for each state")->type_name("STATE");
  verb.add_option("--backend", options->backend, "Only jobs of this backend")->type_name("NAME");
  verb.add_option("--bottle", options->bottle, "Only jobs on this bottle")->type_name("NAME");
  auto* const all = verb.add_flag("--all", options->all, "Every job that matches");
  verb.add_option("--before", options->before, "Only jobs older than this one")->type_name("JOB");
  verb.add_option("--limit", options->limit, "How many of the latest jobs, 10000 at most (default: 20)")
      ->type_name("N")
      ->check(CLI::Range(1, 10'000).description(""))
      ->excludes(all);
}

}  // namespace rebottle::tools
