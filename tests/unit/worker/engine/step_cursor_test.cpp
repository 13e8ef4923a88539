// The step cursor, fed with events: every row of the recovery table, and every answer of perform.
// Not here: coroutines, a backend.
#include "worker/engine/step_cursor.hpp"

#include <gtest/gtest.h>

namespace rebottle::worker {
namespace {

using statemachine::Action;
using statemachine::Journal;
using Want = StepCursor::Want;

StepItem item(std::string name, Journal journal = Journal::blank, Direction direction = Direction::forward) {
  StepItem made;
  made.effect.name = std::move(name);
  made.direction = direction;
  made.journal = journal;
  return made;
}

Observed seen(World world) {
  Observed observed;
  observed.world = world;
  observed.result = {{"from", "observe"}};
  observed.detail = "evidence";
  return observed;
}

TEST(StepCursor, StepWithoutEffectsIsDone) {
  const StepCursor cursor({});

  EXPECT_EQ(cursor.want(), Want::end);
  EXPECT_EQ(cursor.end().outcome, Outcome::done);
}

TEST(StepCursor, PerformsOneEffectAfterTheOther) {
  StepCursor cursor({item("a"), item("b")});
  EXPECT_EQ(cursor.want(), Want::observe);
  cursor.observed(seen(World::absent));
  EXPECT_EQ(cursor.want(), Want::perform);
  EXPECT_EQ(cursor.item().effect.name, "a");
  cursor.performed(Performed::done({{"from", "perform"}}));

  const auto closed = cursor.take_closed();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->item.effect.name, "a");
  EXPECT_FALSE(closed->adopted);
  EXPECT_EQ(closed->result["from"], "perform");
  EXPECT_FALSE(cursor.take_closed());
  EXPECT_EQ(cursor.want(), Want::observe);
  EXPECT_EQ(cursor.item().effect.name, "b");
}

TEST(StepCursor, GoesOnWithWhatAFactHasAdded) {
  StepCursor cursor({item("a"), item("b")});
  cursor.observed(seen(World::present));
  cursor.follow({item("a", Journal::closed), item("new"), item("b")});
  EXPECT_EQ(cursor.item().effect.name, "new");
  cursor.observed(seen(World::present));
  cursor.observed(seen(World::present));
  EXPECT_EQ(cursor.want(), Want::end);

  cursor.follow({item("a"), item("new"), item("b"), item("behind")});
  EXPECT_EQ(cursor.want(), Want::observe);
  EXPECT_EQ(cursor.item().effect.name, "behind");
}

TEST(StepCursorDeathTest, RefusesAListThatChangesWhatIsDone) {
  StepCursor cursor({item("a"), item("b")});
  cursor.observed(seen(World::present));
  EXPECT_DEATH(cursor.follow({item("b"), item("a")}), "");
}

TEST(StepCursor, FollowsEveryRowOfTheRecoveryTable) {
  for (const auto& row : statemachine::recovery_cases) {
    StepCursor cursor({item("a", row.journal)});
    cursor.observed(seen(row.world));
    const auto closed = cursor.take_closed();
    SCOPED_TRACE(std::string(to_string(row.journal)) + " × " + std::string(to_string(row.world)));
    switch (row.action) {
      case Action::perform:
      case Action::redo:
        EXPECT_EQ(cursor.want(), Want::perform);
        EXPECT_FALSE(closed);
        break;
      case Action::adopt:
        EXPECT_EQ(cursor.want(), Want::end);
        ASSERT_TRUE(closed);
        EXPECT_TRUE(closed->adopted);
        EXPECT_EQ(closed->result["from"], "observe");
        break;
      case Action::skip:
        EXPECT_EQ(cursor.want(), Want::end);
        EXPECT_EQ(cursor.end().outcome, Outcome::done);
        EXPECT_FALSE(closed);
        break;
      case Action::drifted:
        EXPECT_EQ(cursor.end().outcome, Outcome::stale);
        EXPECT_EQ(cursor.end().reason_code, "bottle_drifted");
        EXPECT_FALSE(cursor.end().performed);
        break;
      case Action::wait:
        EXPECT_EQ(cursor.end().outcome, Outcome::unreachable);
        EXPECT_FALSE(cursor.end().performed);
        break;
    }
  }
}

TEST(StepCursor, AnswersThatProveNothingAreFollowedByALook) {
  for (const auto outcome : {Outcome::transient, Outcome::unreachable, Outcome::unknown}) {
    for (const auto world : {World::absent, World::present, World::foreign, World::unknown}) {
      StepCursor cursor({item("a")});
      cursor.observed(seen(World::absent));
      cursor.performed(Performed::failed(outcome, "why", "because"));
      ASSERT_EQ(cursor.want(), Want::observe);
      cursor.observed(seen(world));

      ASSERT_EQ(cursor.want(), Want::end);
      const auto closed = cursor.take_closed();
      EXPECT_EQ(closed.has_value(), world == World::present);
      const auto absent = outcome == Outcome::unknown ? Outcome::transient : outcome;
      const auto expected = world == World::present   ? Outcome::done
                            : world == World::foreign ? Outcome::stale
                            : world == World::unknown ? Outcome::unreachable
                                                      : absent;
      EXPECT_EQ(cursor.end().outcome, expected);
      EXPECT_EQ(cursor.end().performed, world != World::present);
    }
  }
}

TEST(StepCursor, AnswersThatProveEverythingEndTheStep) {
  for (const auto outcome : {Outcome::permanent, Outcome::unsupported, Outcome::stale}) {
    StepCursor cursor({item("a"), item("b")});
    cursor.observed(seen(World::absent));
    cursor.performed(Performed::failed(outcome, "why", "because", {{"key", "value"}}));

    EXPECT_EQ(cursor.want(), Want::end);
    EXPECT_EQ(cursor.end().outcome, outcome);
    EXPECT_EQ(cursor.end().reason_code, "why");
    EXPECT_EQ(cursor.end().detail["key"], "value");
    EXPECT_EQ(cursor.end().effect, "a");
    EXPECT_TRUE(cursor.end().performed);
  }
}

TEST(StepCursor, NamesTheDirectionOfWhatFailed) {
  StepCursor cursor({item("a", Journal::open, Direction::undo)});
  cursor.observed(seen(World::foreign));

  EXPECT_EQ(cursor.end().direction, Direction::undo);
  EXPECT_EQ(cursor.end().message, "undo: a: evidence");
}

}  // namespace
}  // namespace rebottle::worker
