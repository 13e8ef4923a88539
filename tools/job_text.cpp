// One place for the words about jobs, so that list, show, watch and JSON agree.
// Not here: escaping; cells and JSON are escaped where they are printed.
#include "tools/job_text.hpp"

#include <algorithm>
#include <charconv>

#include "tools/time_text.hpp"

namespace rebottle::tools {
namespace {

using statemachine::Phase;
using statemachine::State;

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1) return std::nullopt;
  return value;
}

Tone tone_of(State state) {
  switch (statemachine::row_of(state).phase) {
    case Phase::waiting: return Tone::plain;
    case Phase::untouched:
    case Phase::touched: return Tone::busy;
    case Phase::attention: return Tone::bad;
    case Phase::final_: break;
  }
  if (state == State::succeeded) return Tone::good;
  return state == State::cancelled || state == State::resolved ? Tone::faint : Tone::warned;
}

std::string_view symbol_of(State state) {
  switch (statemachine::row_of(state).phase) {
    case Phase::waiting: return "· ";
    case Phase::untouched:
    case Phase::touched: return "▸ ";
    case Phase::attention: return "! ";
    case Phase::final_: break;
  }
  if (state == State::succeeded) return "✓ ";
  return state == State::rolled_back ? "↩ " : "✗ ";
}

// What keeps a job that nobody has claimed.
Waiting waiting_in_queue(const schema::Job& job, const Context& context, bool service_runs) {
  if (job.blocked_by) return {"blocked", "blocked by job " + std::to_string(*job.blocked_by)};
  if (job.frozen_by) return {"frozen", "frozen: " + *job.frozen_by};
  if (job.approval.scheduled_at > context.now())
    return {"scheduled", "scheduled: " + context.when(job.approval.scheduled_at)};
  if (!service_runs) return {"no_service", "no service runs"};
  return {"turn", "waits for its turn"};
}

Json optional_json(const std::optional<std::int64_t>& value) { return value ? Json(*value) : Json(nullptr); }

std::string text_at(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto field = object.find(key);
  return field != object.end() && field->is_string() ? field->get<std::string>() : std::string();
}

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

}  // namespace

Result<schema::Job> find_job(Context& context, const std::string& reference) {
  const auto store = context.store();
  if (!store) return store.error();
  std::string_view id = reference;
  const auto says = [&id](std::string_view prefix) {
    const bool said = id.starts_with(prefix);
    if (said) id.remove_prefix(prefix.size());
    return said;
  };
  const bool says_job = says("job:");
  const bool says_approval = !says_job && says("approval:");
  const auto number = whole_number(id);
  std::optional<schema::Job> by_number, by_approval;
  if (number && !says_approval) by_number = (*store)->job(*number);
  if (!says_job) by_approval = (*store)->job_of_approval(std::string(id));
  if (by_number && by_approval && by_number->job_id != by_approval->job_id)
    return Failure{Errc::conflict,
                   "ambiguous: job " + reference + " (approval " + by_number->approval.approval_id + "), approval " +
                       reference + " (job " + std::to_string(by_approval->job_id) + ")",
                   "write job:" + reference + " or approval:" + reference};
  if (by_number) return *std::move(by_number);
  if (by_approval) return *std::move(by_approval);
  return Failure{Errc::not_found,
                 std::string("there is no ") +
                     (says_job        ? "job "
                      : says_approval ? "approval "
                                      : "job or approval ") +
                     std::string(id),
                 "`rebottle list --all` shows the jobs that exist"};
}

Result<schema::Job> find_job_unless_backend(Context& context, const std::string& reference) {
  auto job = find_job(context, reference);
  if (job || job.error().errc != Errc::not_found) return job;
  const auto store = context.store();
  if (!store) return job;
  const auto of_backend = [&reference](const auto& row) { return row.backend == reference; };
  if (!std::ranges::any_of((*store)->capabilities(), of_backend)) return job;
  return Failure{Errc::usage, reference + " is a backend, and no bottle is named", "name a BOTTLE of it, or a job"};
}

Cell state_cell(State state, bool symbol) {
  const std::string word(statemachine::to_string(state));
  return {symbol ? std::string(symbol_of(state)) + word : word, tone_of(state)};
}

std::optional<Waiting> waiting_of(const schema::Job& job, const Context& context, bool service_runs) {
  if (statemachine::is_final(job.state)) return std::nullopt;
  if (job.state == State::queued) return waiting_in_queue(job, context, service_runs);
  if (job.state == State::needs_attention) return Waiting{"attention", "a person decides: retry, rollback or resolve"};
  if (!service_runs) return Waiting{"no_service", "no service runs; one that starts resumes it"};
  if (job.retry_at && *job.retry_at > context.now())
    return Waiting{"retry_pause", "tries again " + context.when(job.retry_at)};
  if (job.frozen_by && statemachine::row_of(job.state).phase == Phase::untouched)
    return Waiting{"frozen", "frozen: " + *job.frozen_by};
  return std::nullopt;
}

std::optional<State> interrupted_now(const schema::Job& job) {
  const bool stands = job.state == State::needs_attention || job.state == State::resolved;
  return stands ? job.interrupted : std::nullopt;
}

schema::Milliseconds downtime_of(const schema::Job& job, schema::Milliseconds now) {
  const schema::Milliseconds present = job.down_since ? std::max<schema::Milliseconds>(0, now - *job.down_since) : 0;
  return job.downtime_ms + present;
}

Json job_json(const schema::Job& job) {
  const auto& approval = job.approval;
  const auto interrupted = interrupted_now(job);
  return {{"job_id", job.job_id},
          {"approval_id", approval.approval_id},
          {"run", job.run},
          {"kind", approval.kind},
          {"backend", approval.backend},
          {"bottle", approval.bottle},
          {"state", statemachine::to_string(job.state)},
          {"interrupted", interrupted ? Json(statemachine::to_string(*interrupted)) : Json(nullptr)},
          {"attempt", job.attempt},
          {"crashes", job.crashes},
          {"target", text_or_null(job.target)},
          {"reason_code", text_or_null(job.reason_code)},
          {"message", text_or_null(job.message)},
          {"detail", json_of_column(job.detail)},
          {"cancel_by", text_or_null(job.cancel_by)},
          {"blocked_by", optional_json(job.blocked_by)},
          {"frozen_by", job.frozen_by ? Json(*job.frozen_by) : Json(nullptr)},
          {"approved_by", approval.approved_by},
          {"justification", approval.justification},
          {"priority", approval.priority},
          {"scheduled_at", approval.scheduled_at},
          {"expires_at", optional_json(approval.expires_at)},
          {"created_at", job.created_at},
          {"claimed_at", optional_json(job.claimed_at)},
          {"updated_at", job.updated_at},
          {"finalized_at", optional_json(job.finalized_at)},
          {"retry_at", optional_json(job.retry_at)},
          {"down_since", optional_json(job.down_since)},
          {"downtime_ms", job.downtime_ms},
          {"undoes", optional_json(job.undoes)},
          {"undone_by", optional_json(job.undone_by)}};
}

Json history_json(const schema::HistoryRow& row) {
  return {{"job_id", row.job_id},
          {"seq", row.seq},
          {"at", row.at},
          {"event", row.event},
          {"from_state", text_or_null(row.from_state)},
          {"to_state", text_or_null(row.to_state)},
          {"actor", row.actor},
          {"data", json_of_column(row.data)}};
}

Json request_json(const schema::Request& request) {
  return {{"request_id", request.request_id},
          {"kind", request.kind},
          {"job_id", optional_json(request.job_id)},
          {"backend", text_or_null(request.backend)},
          {"bottle", text_or_null(request.bottle)},
          {"requested_by", request.requested_by},
          {"created_at", request.created_at},
          {"outcome", text_or_null(request.outcome)},
          {"message", request.message},
          {"answer", json_of_column(request.answer)},
          {"answered_at", optional_json(request.answered_at)}};
}

std::string what_of(const schema::HistoryRow& row, bool all) {
  Json data = json_of_column(row.data);
  if (!data.is_object()) return json_summary(row.data);
  std::string text;
  if (row.event == "effect") {
    // One that failed has its reason where one that is done has what it did.
    const Json about = data.value("summary", Json::object());
    text = text_at(about, "summary");
    if (text.empty()) text = text_at(data, "effect") + ": " + text_at(about, "message");
    if (text_at(data, "direction") == "undo") text.insert(0, "undo: ");
    data.erase("summary");
    if (!all) {
      data.erase("effect");
      data.erase("direction");
      if (text_at(data, "outcome") == "done") data.erase("outcome");
    }
  } else {
    for (const auto* key : {"message", "note", "ignored"}) {
      if (!text.empty()) break;
      text = text_at(data, key);
      if (!text.empty()) data.erase(key);
    }
  }
  const auto rest = json_summary(json_line(data));
  return text.empty() || rest.empty() ? text + rest : text + " (" + rest + ")";
}

// Minimal widths keep the lines of a history aligned when they are printed one by one.
std::vector<Column> history_columns() {
  return {{.title = "SEQ", .width_min = 3},
          {.title = "AT", .width_min = 8},
          {.title = "EVENT", .width_min = 11},
          {.title = "STATE", .width_min = 20},
          {.title = "ACTOR", .wide_only = true, .width_min = 10},
          {.title = "WHAT", .stretches = true}};
}

Record history_record(const Context& context, const schema::HistoryRow& row, schema::Milliseconds start) {
  const bool tty = context.environment().out_is_tty;
  const bool moves = !row.from_state.empty() && row.from_state != row.to_state;
  const auto state = statemachine::state_from(row.to_state);
  return {.object = history_json(row),
          .name = std::to_string(row.seq),
          .cells = {{std::to_string(row.seq)},
                    {tty ? "+" + duration_text(row.at - start) : rfc3339(row.at), Tone::faint},
                    {row.event},
                    {moves ? row.from_state + " → " + row.to_state : row.to_state,
                     state && moves ? state_cell(*state, false).tone : Tone::plain},
                    {row.actor},
                    {what_of(row, context.format() == Format::wide)}}};
}

Outcome outcome_of(State state) {
  if (state == State::succeeded) return {};
  if (state == State::needs_attention) return Failure{Errc::needs_attention, {}, {}};
  return Failure{Errc::not_succeeded, {}, {}};
}

}  // namespace rebottle::tools
