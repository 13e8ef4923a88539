// All journal × world combinations of the recovery table, and the rules behind its rows.
// Not here: carrying an action out.
#include "statemachine/recovery.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace rebottle::statemachine {
namespace {

constexpr std::array journals{Journal::blank, Journal::open, Journal::closed};
constexpr std::array worlds{World::absent, World::present, World::foreign, World::unknown};

TEST(Recovery, ExactlyOneRowMatchesEachCombination) {
  for (const auto journal : journals)
    for (const auto world : worlds)
      EXPECT_EQ(std::ranges::count_if(recovery_cases,
                                      [&](const auto& row) { return row.journal == journal && row.world == world; }),
                1)
          << to_string(journal) << " x " << to_string(world);
  EXPECT_EQ(recovery_cases.size(), journals.size() * worlds.size());
}

TEST(Recovery, NothingIsDoneBlindly) {
  for (const auto journal : journals) EXPECT_EQ(recover(journal, World::unknown), Action::wait);
}

TEST(Recovery, WhatSomeoneElseMadeIsNeverTouched) {
  for (const auto journal : journals) EXPECT_EQ(recover(journal, World::foreign), Action::drifted);
}

TEST(Recovery, WhatIsThereIsNeverDoneAgain) {
  for (const auto journal : journals) {
    const auto action = recover(journal, World::present);
    EXPECT_TRUE(action == Action::adopt || action == Action::skip);
  }
}

TEST(Recovery, WhatIsMissingIsDone) {
  for (const auto journal : journals) {
    const auto action = recover(journal, World::absent);
    EXPECT_TRUE(action == Action::perform || action == Action::redo);
  }
}

TEST(Recovery, EveryRowSaysWhyAndEveryWordHasAText) {
  for (const auto& row : recovery_cases) {
    EXPECT_FALSE(row.why.empty());
    EXPECT_FALSE(to_string(row.action).empty());
  }
  EXPECT_EQ(to_string(Direction::forward), "forward");
  EXPECT_EQ(to_string(Direction::undo), "undo");
}

}  // namespace
}  // namespace rebottle::statemachine
