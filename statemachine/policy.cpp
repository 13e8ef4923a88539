// The retry policy, written as one decision per outcome. Not here: the clock, the dice, the counters.
#include "statemachine/policy.hpp"

#include <algorithm>
#include <cstdlib>

#include "statemachine/machine.hpp"
#include "statemachine/states.hpp"

namespace rebottle::statemachine {
namespace {

// Another try, if both the attempts and the downtime budget allow one.
Decision retry_or_give_up(const StepFacts& facts, bool spends_attempt, double jitter, const RetryPolicy& policy) {
  const bool attempts_left = !spends_attempt || facts.attempt < policy.attempts_max;
  const bool budget_left = !facts.down_for || *facts.down_for < facts.downtime_max;
  if (facts.state == State::rollback) {
    // The old bottle must come back: only an answer that says "never" ends a rollback.
    if (!attempts_left && spends_attempt) return {Event::step_failed, {}, true, false};
    return {Event::step_retry, pause_before(facts.attempt + 1, jitter, policy), spends_attempt, !budget_left};
  }
  if (attempts_left && budget_left)
    return {Event::step_retry, pause_before(facts.attempt + 1, jitter, policy), spends_attempt, false};
  return {Event::step_failed, {}, spends_attempt, false};
}

Decision by_outcome(const StepFacts& facts, double jitter, const RetryPolicy& policy) {
  const bool touched = row_of(facts.state).phase == Phase::touched;
  // A wish to cancel wins over everything but a rollback that is under way and a step that just proved itself:
  // verify that is done is the commit point.
  const bool cancel = facts.cancel_requested && facts.state != State::rollback;
  if (cancel && !(facts.state == State::verify && facts.outcome == Outcome::done))
    return {Event::cancel, {}, false, false};

  switch (facts.outcome) {
    case Outcome::done: return {Event::step_done, {}, false, false};
    case Outcome::transient: return retry_or_give_up(facts, true, jitter, policy);
    case Outcome::unreachable: return retry_or_give_up(facts, !touched, jitter, policy);
    case Outcome::permanent: return {Event::step_failed, {}, true, false};
    case Outcome::unknown: return {Event::step_unknown, {}, true, false};
    // Past stop a missing capability or drift cannot be refused any more: the old bottle must come back.
    case Outcome::unsupported: return {touched ? Event::step_failed : Event::unsupported, {}, true, false};
    case Outcome::stale: return {touched ? Event::step_failed : Event::stale, {}, true, false};
  }
  std::abort();
}

}  // namespace

milliseconds pause_before(int next_attempt, double jitter, const RetryPolicy& policy) {
  const int doublings = std::clamp(next_attempt - 2, 0, 20);
  const auto whole = std::min(policy.pause_first * (std::int64_t{1} << doublings), policy.pause_max);
  const auto half = whole / 2;
  return half + milliseconds(static_cast<std::int64_t>(static_cast<double>((whole - half).count()) * jitter));
}

Decision decide(const StepFacts& facts, double jitter, const RetryPolicy& policy) {
  auto decision = by_outcome(facts, jitter, policy);
  if (answer(facts.state, decision.event).to == State::needs_attention) decision.alert = true;
  return decision;
}

Event takeover_event(int crashes, const RetryPolicy& policy) {
  return crashes >= policy.crashes_max ? Event::poison : Event::resume;
}

}  // namespace rebottle::statemachine
