// What follows from the end of a try: the decision, the row that records it, and the reason that people read.
// Not here: the rules; statemachine is asked.
#include <algorithm>
#include <cstdlib>
#include <exception>
#include <utility>

#include "statemachine/machine.hpp"
#include "worker/backends/plan_lists.hpp"
#include "worker/engine/job_runner.hpp"
#include "worker/engine/json_text.hpp"
#include "worker/engine/log.hpp"
#include "worker/engine/takeover.hpp"

namespace rebottle::worker {

using statemachine::Event;
using statemachine::to_string;

namespace {

constexpr Milliseconds silent_pause_max = 2'000;      // a bottle that may be down is looked at often
constexpr Milliseconds silent_record_pause = 30'000;  // between history rows about an engine that is silent

schema::Advance::EffectResult failure_of(const StepEnd& end) {
  schema::Advance::EffectResult result;
  result.direction = end.direction;
  result.effect = end.effect;
  result.outcome = end.outcome == Outcome::unreachable || end.outcome == Outcome::unknown ? "unknown" : "failed";
  result.result = "{}";
  result.summary = to_text({{"reason_code", end.reason_code}, {"message", end.message}});
  return result;
}

std::string_view word(Outcome outcome) {
  switch (outcome) {
    case Outcome::done: return "done";
    case Outcome::transient: return "transient";
    case Outcome::unreachable: return "unreachable";
    case Outcome::permanent: return "permanent";
    case Outcome::unknown: return "unknown";
    case Outcome::unsupported: return "unsupported";
    case Outcome::stale: return "stale";
  }
  std::abort();
}

}  // namespace

std::optional<Milliseconds> JobRunner::down_for() const {
  if (untouched()) return std::nullopt;
  const auto now = engine_.clock.steady();
  // A bottle whose engine is silent may be down: that time counts, too.
  if (down_since_) return now - *down_since_;
  if (silent_since_) return now - *silent_since_;
  return std::nullopt;
}

awaitable<JobRunner::Go> JobRunner::settle(StepEnd end) {
  // A try that the halt cut short is no failure and costs no attempt; and what halts before stop is not stopped.
  if (must_halt() && (end.outcome != Outcome::done || job_.state == State::snapshot)) {
    co_await flush();
    co_return Go::ended;
  }
  if (job_.state == State::snapshot && end.outcome == Outcome::done) {
    const auto& approval = job_.approval;
    if (approval.expires_at && engine_.clock.now() >= *approval.expires_at)
      end = ended(Outcome::stale, "approval_expired", "The approval expired before the bottle was stopped.",
                  {{"expires_at", *approval.expires_at}});
    // What was observed before a freeze is too old to act on after it.
    else if (engine_.frozen(approval.backend, approval.bottle)) {
      co_await flush();
      co_return Go::on;
    }
  }
  if (end.outcome == Outcome::unreachable && !silent_since_) {
    silent_since_ = engine_.clock.steady();
    engine_.doubt(job_.approval.backend);
  }
  const auto budget = context_.args.limits.max_downtime_s.value_or(engine_.config.service.max_downtime_s);
  statemachine::StepFacts facts{
      job_.state, end.outcome, std::max(1, job_.attempt), std::nullopt, std::chrono::seconds(budget), cancel_wanted()};
  if (const auto down = down_for()) facts.down_for = std::chrono::milliseconds(*down);
  const auto decision = statemachine::decide(facts, engine_.jitter(), engine_.policy);
  const bool silent = decision.event == Event::step_retry && !decision.attempt_spent;
  if (decision.alert && (!silent || silence_is_due())) alert(engine_, job_, end.reason_code, end.message);
  if (silent) {
    const auto go = co_await wait_for_engine(std::move(end));
    co_return go;
  }
  co_await move(decision.event, std::move(end), decision.pause.count(), decision.attempt_spent);
  co_return Go::on;
}

// No attempt is spent, so nothing limits the number of rows but this: one for the first time, then now and then.
bool JobRunner::silence_is_due() const {
  return silent_tries_ == 0 || engine_.clock.steady() - silence_recorded_at_ >= silent_record_pause;
}

awaitable<JobRunner::Go> JobRunner::wait_for_engine(StepEnd end) {
  const bool record = silence_is_due();
  ++silent_tries_;
  const auto pause = std::min(statemachine::pause_before(silent_tries_ + 1, engine_.jitter(), engine_.policy).count(),
                              silent_pause_max);
  if (record) {
    silence_recorded_at_ = engine_.clock.steady();
    co_await move(Event::step_retry, std::move(end), pause, false);
  } else {
    co_await flush();
  }
  not_before_ = engine_.clock.steady() + pause;
  co_return Go::on;
}

awaitable<void> JobRunner::move(Event event, StepEnd end, Milliseconds pause, bool attempt_spent) {
  const auto from = job_.state;
  auto advance = new_advance();
  if (end.performed && !advance.finished) advance.finished = failure_of(end);
  advance.move = make_move(event, end, pause, attempt_spent);
  if (event == Event::cancel) advance.actor = control_->cancel_by.empty() ? job_.cancel_by : control_->cancel_by;
  add_ending(advance, advance.move->to);
  const auto to = advance.move->to;
  const bool moved = co_await commit(std::move(advance));
  if (!moved) {
    // A freeze came meanwhile: the gate waits for its end, and the step is looked at anew.
    engine_.look_again();
    co_await flush();
    co_return;
  }
  not_before_.reset();
  if (to != from) {
    silent_since_.reset();
    silent_tries_ = 0;
  }
  log::info("job moved", {{"job", job_.job_id},
                          {"bottle", job_.approval.bottle},
                          {"step", to_string(from)},
                          {"event", to_string(event)},
                          {"state", to_string(to)},
                          {"attempt", job_.attempt},
                          {"reason", end.reason_code},
                          {"detail", end.message},
                          {"epoch", engine_.epoch_id}});
}

schema::Advance::Move JobRunner::make_move(Event event, const StepEnd& end, Milliseconds pause,
                                           bool attempt_spent) const {
  const auto answer = statemachine::answer(job_.state, event);
  if (answer.verdict != statemachine::Verdict::moved) {
    log::error("no such transition",
               {{"job", job_.job_id}, {"state", to_string(job_.state)}, {"event", to_string(event)}});
    std::abort();
  }
  schema::Advance::Move move;
  move.event = event;
  move.to = answer.to;
  const int attempt = std::max(1, job_.attempt);
  const bool same_step = answer.to == job_.state;
  const bool over = !statemachine::is_working(answer.to);
  move.attempt = same_step ? attempt + (attempt_spent ? 1 : 0) : (over ? attempt : 1);
  move.crashes = same_step ? job_.crashes : 0;
  if (answer.to == State::needs_attention) move.interrupted = job_.state;
  if (event == Event::step_retry) move.retry_at = engine_.clock.now() + pause;
  json data{{"attempt", attempt}};
  if (event != Event::step_done && event != Event::cancel) {
    data["outcome"] = word(end.outcome);
    data["reason_code"] = end.reason_code;
    data["message"] = end.message;
    if (!end.effect.empty()) data["effect"] = end.effect;
    if (event == Event::step_retry) data["pause_ms"] = pause;
  }
  move.data = to_text(data);
  explain(move, end);
  return move;
}

// The job's reason is the one that sent it off its way: a rollback that works does not hide why it was needed.
void JobRunner::explain(schema::Advance::Move& move, const StepEnd& end) const {
  // A rollback that is tried again keeps its cause in view; any other step shows what keeps it.
  if (move.event == Event::step_retry && job_.state == State::rollback) return;
  if (move.event == Event::step_done) {
    if (job_.state != State::rollback) return;
    const auto detail = json::parse(job_.detail, nullptr, false);
    if (!detail.is_object() || !detail.contains("cause")) return;
    move.reason_code = detail["cause"].value("reason_code", "");
    move.message = detail["cause"].value("message", "");
    move.detail = to_text(detail["cause"].value("detail", json::object()));
    return;
  }
  if (move.event == Event::cancel) {
    const auto& by = control_->cancel_by.empty() ? job_.cancel_by : control_->cancel_by;
    move.reason_code = "cancelled";
    move.message = "Cancelled by " + by + " in step " + std::string(to_string(job_.state)) + ".";
    move.detail = to_text({{"cancelled_by", by}, {"step", to_string(job_.state)}});
    return;
  }
  move.reason_code = end.reason_code;
  move.message = end.message;
  auto detail = end.detail.is_object() ? end.detail : json{{"evidence", end.detail}};
  detail["step"] = to_string(job_.state);
  if (!end.effect.empty()) detail["effect"] = end.effect;
  if (job_.state == State::rollback) {
    const auto before = json::parse(job_.detail, nullptr, false);
    const bool known = before.is_object() && before.contains("cause");
    detail["cause"] = known ? before["cause"]
                            : json{{"reason_code", job_.reason_code},
                                   {"message", job_.message},
                                   {"detail", before.is_object() ? before : json::object()}};
  }
  move.detail = to_text(detail);
}

void JobRunner::add_ending(schema::Advance& advance, State to) const {
  if (!statemachine::is_final(to) || backend_ == nullptr || args_error_) return;
  advance.leftovers = leftovers_of(*backend_, context_, job_, to, advance.now);
  if (advance.move && !advance.leftovers.empty()) {
    // The history says what the plan said: what will be removed now.
    auto data = json::parse(advance.move->data);
    for (const auto& leftover : advance.leftovers) data["to_remove"].push_back(text_of(leftover));
    advance.move->data = to_text(data);
  }
  if (to != State::succeeded) return;
  try {
    advance.current = to_text(backend_->current(context_));
  } catch (const std::exception& error) {
    log::error("the backend could not say what is current", {{"job", job_.job_id}, {"error", error.what()}});
  }
}

}  // namespace rebottle::worker
