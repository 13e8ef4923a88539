// show JOB: all that an operator asks about one job, on one screen.
// Not here: lists.
#include <ostream>

#include "schema/args.hpp"
#include "tools/command_line.hpp"
#include "tools/downtime.hpp"
#include "tools/job_text.hpp"
#include "tools/text.hpp"
#include "tools/time_text.hpp"
#include "tools/verbs.hpp"

namespace rebottle::tools {
namespace {

using statemachine::State;

struct ShowOptions {
  std::string job;
};

// All that is read, before anything is printed.
struct Shown {
  schema::Job job;
  std::optional<Waiting> waiting;
  std::vector<schema::JournalRow> journal;
  std::vector<schema::Leftover> leftovers;
  std::vector<schema::Request> requests;
  std::vector<schema::HistoryRow> history;
};

constexpr std::size_t last_events = 8;    // and requests
constexpr std::size_t change_lines = 12;  // of a Dockerfile or of commands; -o wide shows all

// The words of a change, without its text.
struct ChangeSummary {
  std::string word;  // dockerfile, image, image_file, commands; empty if args cannot be read
  std::string line;
  std::vector<std::string> text;   // its lines
  std::vector<std::string> terms;  // all else that was approved: what is expected, kept, verified, and the limits
  std::string sha256;
};

std::string counted(std::size_t count, const std::string& thing) {
  return std::to_string(count) + ' ' + thing + (count == 1 ? "" : "s");
}

void summarise(ChangeSummary& summary, const schema::Args::Dockerfile& dockerfile) {
  summary.text = printable_lines(dockerfile.text);
  summary.line = "a Dockerfile of " + counted(summary.text.size(), "line");
}
void summarise(ChangeSummary& summary, const schema::Args::Image& image) { summary.line = "image " + image.reference; }
void summarise(ChangeSummary& summary, const schema::Args::ImageFile& image) {
  summary.line = "image file " + image.file + ", sha256 " + image.sha256;
}
void summarise(ChangeSummary& summary, const schema::Args::Commands& commands) {
  summary.text = commands.lines;
  summary.line = counted(commands.lines.size(), "command");
}

ChangeSummary change_of(const schema::Approval& approval) {
  ChangeSummary summary;
  if (approval.kind != schema::kind_capability_block) {
    summary.line = "of a kind that is not known here";
    return summary;
  }
  const auto parsed = schema::parse_args(approval.args);
  if (const auto* error = std::get_if<schema::ArgsError>(&parsed)) {
    summary.line = "cannot be read: " + error->text();
    return summary;
  }
  const auto& args = std::get<schema::Args>(parsed);
  std::visit([&summary](const auto& change) { summarise(summary, change); }, args.change);
  summary.word = schema::change_word(args);
  summary.sha256 = args.change_sha256;
  Json terms = json_of_column(approval.args);
  terms.erase("change");
  summary.terms = json_lines(json_line(terms));
  return summary;
}

class Screen {
 public:
  explicit Screen(const Context& context) : context_(context), out_(context.out()) {}

  void field(const std::string& label, const Cell& value) const {
    if (value.text.empty()) return;
    out_ << painted({label, Tone::faint}, context_.colour()) << std::string(label_width - label.size(), ' ')
         << painted(value, context_.colour()) << '\n';
  }
  void heading(const std::string& text) const {
    out_ << '\n' << painted({text, Tone::strong}, context_.colour()) << '\n';
  }
  void line(const std::string& text) const { out_ << "  " << printable(text) << '\n'; }

 private:
  static constexpr std::size_t label_width = 14;
  const Context& context_;
  std::ostream& out_;
};

void print_state(const Context& context, const Screen& screen, const Shown& shown) {
  const auto& job = shown.job;
  const auto& row = statemachine::row_of(job.state);
  screen.field("job", {std::to_string(job.job_id) + (job.run > 1 ? ", run " + std::to_string(job.run) : "")});
  if (job.undoes) screen.field("undoes", {"job " + std::to_string(*job.undoes)});
  if (job.undone_by) screen.field("undone by", {"job " + std::to_string(*job.undone_by)});
  screen.field("state", state_cell(job.state, context.environment().out_is_tty));
  screen.field("meaning", {std::string(row.meaning)});
  if (const auto step = interrupted_now(job)) screen.field("interrupted", {"in " + std::string(to_string(*step))});
  if (shown.waiting) screen.field("waiting", {shown.waiting->text, Tone::warned});
  screen.field("reason", {job.reason_code});
  screen.field("message", {job.message});
  const auto detail = json_lines(job.detail);
  for (std::size_t i = 0; i < detail.size(); ++i) screen.field(i == 0 ? "detail" : "", {detail[i]});
  if (!job.cancel_by.empty()) screen.field("cancel", {"asked for by " + job.cancel_by});
  screen.field("bottle is", {std::string(row.bottle)});
  // An undo that has ended is not run again.
  screen.field("you can", {job.undoes && job.finalized_at ? "" : std::string(row.operator_)});
  if (job.attempt > 1) screen.field("attempt", {std::to_string(job.attempt)});
  if (job.crashes > 0) screen.field("crashes", {std::to_string(job.crashes) + " of the worker in this step"});
  const auto downtime = downtime_parts(shown.job, shown.history, shown.journal, context.now());
  if (downtime.total > 0)
    screen.field("downtime", {downtime_text(downtime) + (job.down_since ? ", and still down" : "")});
  if (downtime.old_back_after)
    screen.field("old one back", {duration_text(*downtime.old_back_after) + " after its stop"});
}

void print_approval(const Context& context, const Screen& screen, const Shown& shown) {
  const auto& approval = shown.job.approval;
  screen.heading("Approval");
  screen.field("approval", {approval.approval_id});
  screen.field("kind", {approval.kind});
  screen.field("bottle", {approval.backend + " " + approval.bottle});
  screen.field("target", {shown.job.target});
  screen.field("approved by", {approval.approved_by});
  screen.field("justification", {approval.justification});
  screen.field("created", {context.when(shown.job.created_at)});
  if (approval.scheduled_at > shown.job.created_at) screen.field("not before", {context.when(approval.scheduled_at)});
  if (approval.expires_at) screen.field("expires", {context.when(approval.expires_at)});
  if (approval.priority != 0) screen.field("priority", {std::to_string(approval.priority)});
  if (shown.job.finalized_at) screen.field("ended", {context.when(shown.job.finalized_at)});
}

void print_change(const Context& context, const Screen& screen, const ChangeSummary& change) {
  screen.heading("Change");
  screen.line(change.line);
  const auto style = context.table_style();
  const std::size_t shown = style.wide ? change.text.size() : std::min(change.text.size(), change_lines);
  bool cut = false;
  for (std::size_t i = 0; i < shown; ++i) {
    const std::string whole = printable(change.text[i]);
    // "  | " stands before it.
    const std::string text =
        style.wide || style.width <= 4 ? whole : fit(whole, static_cast<std::size_t>(style.width) - 4);
    cut = cut || text != whole;
    screen.line("| " + text);
  }
  if (const auto more = change.text.size() - shown; more > 0)
    screen.line("… " + counted(more, "more line") + ", -o wide shows all");
  else if (cut)
    screen.line("… -o wide shows all");
  for (const auto& term : change.terms) screen.line(term);
}

void print_rest(const Context& context, const Screen& screen, const Shown& shown) {
  if (!shown.leftovers.empty()) {
    screen.heading("Left to remove");
    for (const auto& leftover : shown.leftovers)
      screen.line(leftover.kind + " " + json_summary(leftover.reference) + ", " + context.when(leftover.not_before) +
                  (leftover.way_back ? ", the way back of `rebottle undo`" : "") +
                  (leftover.last_error.empty() ? "" : ", last try: " + leftover.last_error));
  }
  if (!shown.requests.empty()) {
    const std::size_t first = shown.requests.size() - std::min(shown.requests.size(), last_events);
    screen.heading(first > 0 ? "Last requests (all: -o json)" : "Requests");
    for (std::size_t i = first; i < shown.requests.size(); ++i) {
      const auto& request = shown.requests[i];
      screen.line(request.kind + " by " + request.requested_by + ", " + context.when(request.created_at) + ": " +
                  (request.outcome.empty() ? "not answered yet" : request.outcome) +
                  (request.message.empty() ? "" : ": " + request.message));
    }
  }
  screen.heading(shown.history.size() > last_events ? "Last events (all: `rebottle history`)" : "Events");
  std::vector<std::vector<Cell>> rows;
  // Cancels that came too late are among the requests: they must not push away what was done.
  auto events = shown.history;
  std::erase_if(events, [](const auto& row) { return row.event == "cancel" && row.from_state == row.to_state; });
  const std::size_t first = events.size() - std::min(events.size(), last_events);
  for (std::size_t i = first; i < events.size(); ++i)
    rows.push_back(history_record(context, events[i], shown.job.created_at).cells);
  auto style = context.table_style();
  style.titles = false;
  print_table(context.out(), history_columns(), rows, style);
}

Json shown_json(const Context& context, const Shown& shown) {
  Json object = job_json(shown.job);
  const auto& row = statemachine::row_of(shown.job.state);
  object["meaning"] = row.meaning;
  object["bottle_is"] = row.bottle;
  object["operator_can"] = row.operator_;
  object["waiting"] =
      shown.waiting ? Json{{"code", shown.waiting->code}, {"text", shown.waiting->text}} : Json(nullptr);
  object["downtime_now_ms"] = downtime_of(shown.job, context.now());
  object["downtime"] = downtime_json(downtime_parts(shown.job, shown.history, shown.journal, context.now()));
  const ChangeSummary change = change_of(shown.job.approval);
  object["change"] = {{"word", change.word}, {"summary", change.line}, {"sha256", change.sha256}};
  // What the strict parser refuses is shown as it came: a lenient reading could differ from the approver's.
  const bool readable = shown.job.approval.kind != schema::kind_capability_block || !change.word.empty();
  object["args"] = readable ? json_of_column(shown.job.approval.args) : Json(shown.job.approval.args);
  object["meta"] = json_of_column(shown.job.approval.meta);
  object["journal"] = Json::array();
  for (const auto& effect : shown.journal)
    object["journal"].push_back({{"direction", to_string(effect.direction)},
                                 {"effect", effect.effect},
                                 {"step", to_string(effect.step)},
                                 {"status", to_string(effect.status)},
                                 {"tries", effect.tries},
                                 {"opened_at", effect.opened_at},
                                 {"closed_at", effect.closed_at ? Json(*effect.closed_at) : Json(nullptr)},
                                 {"result", json_of_column(effect.result)}});
  object["leftovers"] = Json::array();
  for (const auto& leftover : shown.leftovers)
    object["leftovers"].push_back({{"leftover_id", leftover.leftover_id},
                                   {"kind", leftover.kind},
                                   {"reference", json_of_column(leftover.reference)},
                                   {"not_before", leftover.not_before},
                                   {"tries", leftover.tries},
                                   {"way_back", leftover.way_back},
                                   {"last_error", leftover.last_error}});
  object["requests"] = Json::array();
  for (const auto& request : shown.requests) object["requests"].push_back(request_json(request));
  object["history"] = Json::array();
  for (const auto& event : shown.history) object["history"].push_back(history_json(event));
  return object;
}

Outcome run_show(Context& context, const ShowOptions& options) {
  const auto job = find_job(context, options.job);
  if (!job) return job.error();
  schema::OperatorStore& store = **context.store();
  const Shown shown{.job = *job,
                    .waiting = waiting_of(*job, context, context.service_runs()),
                    .journal = store.journal(job->job_id),
                    .leftovers = store.leftovers(job->job_id),
                    .requests = store.requests_on(job->job_id),
                    .history = store.history(job->job_id, 0)};
  if (context.is_json()) {
    print_object(context, shown_json(context, shown));
    return {};
  }
  if (context.format() == Format::name) {
    context.out() << job->job_id << '\n';
    return {};
  }
  const Screen screen(context);
  print_state(context, screen, shown);
  print_approval(context, screen, shown);
  print_change(context, screen, change_of(shown.job.approval));
  print_rest(context, screen, shown);
  return {};
}

}  // namespace

void add_show(CommandLine& line) {
  auto options = std::make_shared<ShowOptions>();
  CLI::App& verb =
      add_verb(line,
               {.name = "show",
                .summary = "Show a job: its state, why it waits, its change, what is left, the last events",
                .examples = "show 7\nshow prop-7f3\nshow 7 -o json"},
               options, run_show);
  add_argument(verb, "JOB", options->job, "Id of a job or of an approval");
}

}  // namespace rebottle::tools
