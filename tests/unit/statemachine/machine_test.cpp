// Every State × Event pair against a golden matrix, and the properties that the table must keep.
// Not here: what raises an event (policy_test.cpp).
#include "statemachine/machine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "statemachine/states.hpp"

namespace rebottle::statemachine {
namespace {

template <class F>
void for_each_state(F f) {
  for (const auto& row : state_rows) f(row.state);
}

template <class F>
void for_each_event(F f) {
  for (std::size_t i = 0; i < event_count; ++i) f(static_cast<Event>(i));
}

// One line per pair: state, event, verdict, target (for each interrupted step where that decides).
std::string matrix() {
  std::ostringstream out;
  for_each_state([&](State state) {
    for_each_event([&](Event event) {
      const auto line = [&](std::optional<State> interrupted) {
        const auto given = answer(state, event, interrupted);
        out << to_string(state) << ' ' << to_string(event);
        if (interrupted) out << " interrupted=" << to_string(*interrupted);
        switch (given.verdict) {
          case Verdict::moved: out << " -> " << to_string(given.to) << '\n'; break;
          case Verdict::ignored: out << " ignored\n"; break;
          case Verdict::refused: out << " refused\n"; break;
        }
      };
      line(std::nullopt);
      if (state == State::needs_attention && event == Event::retry) for_each_state([&](State step) { line(step); });
    });
  });
  return out.str();
}

TEST(Machine, EveryStateEventPairAnswersAsTheGoldenMatrixSays) {
  const std::string path = std::string(GOLDEN_DIR) + "/matrix.txt";
  if (std::getenv("REBOTTLE_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << matrix();
  std::ifstream file(path);
  ASSERT_TRUE(file) << path;
  std::ostringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(matrix(), golden.str());
}

TEST(Machine, FinalStatesMoveOnNothing) {
  for_each_state([](State state) {
    if (!is_final(state)) return;
    for_each_event([&](Event event) {
      EXPECT_NE(answer(state, event, State::stop).verdict, Verdict::moved) << to_string(state) << to_string(event);
    });
  });
}

TEST(Machine, CancelIsNeverRefusedButWhereAPersonAlreadyDecides) {
  for_each_state([](State state) {
    const auto verdict = answer(state, Event::cancel).verdict;
    EXPECT_EQ(verdict == Verdict::refused, state == State::needs_attention) << to_string(state);
  });
}

TEST(Machine, CancelBeforeStopLeavesTheBottleUntouchedAndAfterItRollsBack) {
  for_each_state([](State state) {
    if (row_of(state).phase == Phase::untouched || row_of(state).phase == Phase::waiting) {
      EXPECT_EQ(answer(state, Event::cancel).to, State::cancelled);
    } else if (row_of(state).phase == Phase::touched) {
      EXPECT_EQ(answer(state, Event::cancel).to, State::rollback);
    }
  });
}

TEST(Machine, NoFailureOfATouchedBottleEndsWithoutRollbackOrAPerson) {
  for_each_state([](State state) {
    if (row_of(state).phase != Phase::touched) return;
    for (const auto event : {Event::step_failed, Event::step_unknown, Event::poison, Event::cancel}) {
      const auto given = answer(state, event);
      if (given.verdict != Verdict::moved) continue;
      EXPECT_TRUE(given.to == State::rollback || given.to == State::needs_attention) << to_string(state);
    }
  });
}

TEST(Machine, RefusalsAreOnlyReachableWhileTheBottleIsUntouched) {
  for (const auto& row : transitions) {
    if (row.to == State::rejected_unsupported || row.to == State::rejected_stale || row.to == State::failed ||
        row.to == State::cancelled) {
      const auto phase = row_of(row.from).phase;
      EXPECT_TRUE(phase == Phase::waiting || phase == Phase::untouched) << to_string(row.from);
    }
  }
}

TEST(Machine, RetryOfAttentionGoesBackToTheInterruptedStepOnly) {
  EXPECT_EQ(answer(State::needs_attention, Event::retry).verdict, Verdict::refused);
  EXPECT_EQ(answer(State::needs_attention, Event::retry, State::prepare).verdict, Verdict::refused);
  for (const auto step : {State::stop, State::apply, State::restart, State::verify, State::rollback}) {
    const auto given = answer(State::needs_attention, Event::retry, step);
    EXPECT_EQ(given.verdict, Verdict::moved);
    EXPECT_EQ(given.to, step);
  }
}

TEST(Machine, FromEveryStateAFinalOneCanBeReached) {
  for_each_state([](State start) {
    std::set<State> seen{start};
    for (std::size_t pass = 0; pass < state_count; ++pass)
      for (const auto& row : transitions)
        if (seen.contains(row.from)) seen.insert(row.to);
    EXPECT_TRUE(std::ranges::any_of(seen, is_final)) << to_string(start);
  });
}

}  // namespace
}  // namespace rebottle::statemachine
