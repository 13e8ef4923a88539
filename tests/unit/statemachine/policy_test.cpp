// The decisions of design.md section 3, "hard cases", outcome by outcome and state by state.
// Not here: transitions (machine_test.cpp).
#include "statemachine/policy.hpp"

#include <gtest/gtest.h>

#include <array>

#include "statemachine/machine.hpp"
#include "statemachine/states.hpp"

namespace rebottle::statemachine {
namespace {

using namespace std::chrono_literals;

constexpr RetryPolicy policy{};
constexpr std::array untouched{State::prepare, State::snapshot};
constexpr std::array forward_touched{State::stop, State::apply, State::restart, State::verify};
constexpr std::array outcomes{Outcome::done,    Outcome::transient,   Outcome::unreachable, Outcome::permanent,
                              Outcome::unknown, Outcome::unsupported, Outcome::stale};

StepFacts facts(State state, Outcome outcome, int attempt = 1) {
  return {state, outcome, attempt, std::nullopt, 300s, false};
}

StepFacts down(State state, Outcome outcome, milliseconds down_for, int attempt = 1) {
  return {state, outcome, attempt, down_for, 300s, false};
}

TEST(Policy, EveryDecisionIsAMoveOfTheTable) {
  for (const auto& row : state_rows) {
    if (!is_working(row.state)) continue;
    for (const auto outcome : outcomes)
      for (const int attempt : {1, policy.attempts_max, policy.attempts_max + 1})
        for (const bool cancel : {false, true})
          for (const auto down_for :
               {std::optional<milliseconds>{}, std::optional<milliseconds>{1s}, std::optional<milliseconds>{1h}}) {
            const auto decision = decide({row.state, outcome, attempt, down_for, 300s, cancel}, 0.5, policy);
            EXPECT_EQ(answer(row.state, decision.event).verdict, Verdict::moved)
                << to_string(row.state) << " raises " << to_string(decision.event);
            EXPECT_EQ(decision.pause > 0ms, decision.event == Event::step_retry);
          }
  }
}

TEST(Policy, TransientFailuresAreRetriedUntilTheAttemptsAreUsedUp) {
  for (const auto state : {State::prepare, State::stop, State::verify, State::rollback}) {
    EXPECT_EQ(decide(facts(state, Outcome::transient, policy.attempts_max - 1), 0, policy).event, Event::step_retry);
    EXPECT_EQ(decide(facts(state, Outcome::transient, policy.attempts_max), 0, policy).event, Event::step_failed);
  }
}

TEST(Policy, UnreachableEngineCostsAttemptsOnlyBeforeStop) {
  for (const auto state : untouched) {
    EXPECT_TRUE(decide(facts(state, Outcome::unreachable), 0, policy).attempt_spent);
    EXPECT_EQ(decide(facts(state, Outcome::unreachable, policy.attempts_max), 0, policy).event, Event::step_failed);
  }
  for (const auto state : forward_touched) {
    const auto decision = decide(down(state, Outcome::unreachable, 10s, 1000), 0, policy);
    EXPECT_EQ(decision.event, Event::step_retry);
    EXPECT_FALSE(decision.attempt_spent);
  }
}

TEST(Policy, DowntimeBudgetTurnsTheGoalIntoRollback) {
  for (const auto state : forward_touched) {
    EXPECT_EQ(decide(down(state, Outcome::unreachable, 300s), 0, policy).event, Event::step_failed);
    EXPECT_EQ(decide(down(state, Outcome::transient, 300s), 0, policy).event, Event::step_failed);
    EXPECT_EQ(answer(state, Event::step_failed).to, State::rollback);
  }
}

TEST(Policy, RollbackOfAnUnreachableEngineIsTriedForEverWithAnAlert) {
  const auto decision = decide(down(State::rollback, Outcome::unreachable, 1000s, 1000), 0, policy);
  EXPECT_EQ(decision.event, Event::step_retry);
  EXPECT_FALSE(decision.attempt_spent);
  EXPECT_TRUE(decision.alert);
}

TEST(Policy, DriftAndMissingCapabilityAreRefusedBeforeStopAndRolledBackAfterIt) {
  for (const auto state : untouched) {
    EXPECT_EQ(decide(facts(state, Outcome::stale), 0, policy).event, Event::stale);
    EXPECT_EQ(decide(facts(state, Outcome::unsupported), 0, policy).event, Event::unsupported);
  }
  for (const auto state : forward_touched) {
    EXPECT_EQ(decide(facts(state, Outcome::stale), 0, policy).event, Event::step_failed);
    EXPECT_EQ(decide(facts(state, Outcome::unsupported), 0, policy).event, Event::step_failed);
  }
}

TEST(Policy, AnUnprovableOutcomeOfATouchedBottleAlertsAPerson) {
  for (const auto state : forward_touched) {
    const auto decision = decide(facts(state, Outcome::unknown), 0, policy);
    EXPECT_EQ(decision.event, Event::step_unknown);
    EXPECT_TRUE(decision.alert);
  }
  EXPECT_FALSE(decide(facts(State::prepare, Outcome::unknown), 0, policy).alert);
}

TEST(Policy, NothingStopsForAPersonWithoutAnAlert) {
  int stopped = 0;
  for (const auto& row : state_rows) {
    if (!is_working(row.state)) continue;
    for (const auto outcome : outcomes)
      for (const int attempt : {1, policy.attempts_max})
        for (const bool cancel : {false, true})
          for (const auto down_for : {std::optional<milliseconds>{}, std::optional<milliseconds>{1h}}) {
            const auto decision = decide({row.state, outcome, attempt, down_for, 300s, cancel}, 0, policy);
            const bool stops = answer(row.state, decision.event).to == State::needs_attention;
            const bool over_budget = row.state == State::rollback && decision.event == Event::step_retry && down_for;
            EXPECT_EQ(decision.alert, stops || over_budget)
                << to_string(row.state) << " raises " << to_string(decision.event);
            stopped += stops ? 1 : 0;
          }
  }
  EXPECT_GT(stopped, 0);
}

TEST(Policy, CancelWinsBeforeTheCommitPointAndNotInRollback) {
  auto wanted = facts(State::verify, Outcome::transient);
  wanted.cancel_requested = true;
  EXPECT_EQ(decide(wanted, 0, policy).event, Event::cancel);
  wanted.outcome = Outcome::done;
  EXPECT_EQ(decide(wanted, 0, policy).event, Event::step_done);
  wanted.state = State::restart;
  EXPECT_EQ(decide(wanted, 0, policy).event, Event::cancel);
  wanted.state = State::rollback;
  EXPECT_EQ(decide(wanted, 0, policy).event, Event::step_done);
}

TEST(Policy, PausesDoubleUpToTheirMaximumWithinTheirJitter) {
  EXPECT_EQ(pause_before(2, 0.0, policy), 250ms);
  EXPECT_EQ(pause_before(3, 0.0, policy), 500ms);
  EXPECT_EQ(pause_before(4, 0.0, policy), 1000ms);
  EXPECT_EQ(pause_before(1'000'000, 0.0, policy), 15s);
  for (int attempt = 2; attempt < 12; ++attempt) {
    const auto low = pause_before(attempt, 0.0, policy);
    const auto high = pause_before(attempt, 0.999, policy);
    EXPECT_LT(low, high);
    EXPECT_LE(high, 2 * low);
    EXPECT_LE(high, policy.pause_max);
  }
}

TEST(Policy, PoisonComesWithTheLastAllowedCrash) {
  EXPECT_EQ(takeover_event(0, policy), Event::resume);
  EXPECT_EQ(takeover_event(policy.crashes_max - 1, policy), Event::resume);
  EXPECT_EQ(takeover_event(policy.crashes_max, policy), Event::poison);
}

}  // namespace
}  // namespace rebottle::statemachine
