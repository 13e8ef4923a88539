// The texts of states and events, and the sets that the phases define.
// Not here: transitions (machine_test.cpp).
#include "statemachine/states.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace rebottle::statemachine {
namespace {

TEST(States, TextsAreUniqueAndReadBack) {
  std::set<std::string_view> texts;
  for (const auto& row : state_rows) {
    EXPECT_TRUE(texts.insert(to_string(row.state)).second);
    EXPECT_EQ(state_from(to_string(row.state)), row.state);
  }
  for (std::size_t i = 0; i < event_count; ++i) {
    const auto event = static_cast<Event>(i);
    EXPECT_EQ(event_from(to_string(event)), event);
  }
}

TEST(States, ForeignTextsHaveNoState) {
  for (const auto* text : {"", "QUEUED", "queued ", "running", "final_"}) EXPECT_FALSE(state_from(text)) << text;
  EXPECT_FALSE(event_from("teleport"));
}

TEST(States, PhasesPartitionTheStates) {
  int working = 0;
  int finals = 0;
  for (const auto& row : state_rows) {
    working += is_working(row.state) ? 1 : 0;
    finals += is_final(row.state) ? 1 : 0;
    EXPECT_FALSE(is_working(row.state) && is_final(row.state));
    EXPECT_FALSE(row.meaning.empty());
    EXPECT_FALSE(row.bottle.empty());
  }
  EXPECT_EQ(working, 7);
  EXPECT_EQ(finals, 7);
}

TEST(States, EveryOtherEnumeratorHasAText) {
  for (const auto by : {By::worker, By::recovery, By::person}) EXPECT_FALSE(to_string(by).empty());
  for (const auto phase : {Phase::waiting, Phase::untouched, Phase::touched, Phase::attention, Phase::final_})
    EXPECT_FALSE(to_string(phase).empty());
}

}  // namespace
}  // namespace rebottle::statemachine
