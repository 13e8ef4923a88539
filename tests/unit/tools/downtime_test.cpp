// Tests of the downtime's parts: stretches by the marks in the history, parts by the journal's times.
// Not here: where show prints them (list_test.cpp).
#include "tools/downtime.hpp"

#include <gtest/gtest.h>

namespace rebottle::tools {
namespace {

using schema::HistoryRow;
using schema::JournalRow;
using statemachine::Direction;
using statemachine::Journal;
using statemachine::State;

HistoryRow marked(schema::Milliseconds at, const std::string& mark, const std::string& state) {
  HistoryRow row;
  row.at = at;
  row.event = "effect";
  row.to_state = state;
  row.data = mark.empty() ? R"({"effect":"x"})" : R"({"downtime":")" + mark + R"("})";
  return row;
}

JournalRow tried(const std::string& effect, schema::Milliseconds opened, std::optional<schema::Milliseconds> closed,
                 Direction direction = Direction::forward, int tries = 1) {
  return {direction, effect, State::apply, closed ? Journal::closed : Journal::open, tries, "{}", opened, closed};
}

schema::Job job_down_for(schema::Milliseconds completed, std::optional<schema::Milliseconds> since = {}) {
  schema::Job job;
  job.downtime_ms = completed;
  job.down_since = since;
  return job;
}

TEST(DowntimeParts, NoneWhereTheBottleNeverWentDown) {
  const auto downtime =
      downtime_parts(job_down_for(0), {marked(10, "", "prepare")}, {tried("build_image", 1, 10)}, 100);
  EXPECT_EQ(downtime.total, 0);
  EXPECT_TRUE(downtime.parts.empty());
}

TEST(DowntimeParts, AreTheEffectsFromTheStopToTheStart) {
  const auto downtime = downtime_parts(
      job_down_for(50),
      {marked(5, "", "stop"), marked(10, "begins", "stop"), marked(40, "", "apply"), marked(60, "ends", "restart")},
      {tried("disarm", 5, 10), tried("stop_old", 10, 30), tried("adopted", 30, 30, Direction::forward, 0),
       tried("park_old", 31, 41), tried("start_new", 41, 60), tried("verify_new", 60, 90)},
      100);
  EXPECT_EQ(downtime.total, 50);
  ASSERT_EQ(downtime.parts.size(), 3U);
  EXPECT_EQ(downtime_text(downtime), "50ms: stop_old 20ms, park_old 10ms, start_new 19ms, between them 1ms");
  EXPECT_EQ(downtime.old_back_after, std::nullopt);
}

TEST(DowntimeParts, OfARollbackSayWhenTheOldOneWasBack) {
  const auto downtime =
      downtime_parts(job_down_for(110),
                     {marked(10, "begins", "stop"), marked(60, "ends", "restart"), marked(200, "begins", "rollback"),
                      marked(260, "ends", "rollback")},
                     {tried("stop_old", 10, 30), tried("start_new", 40, 60),
                      tried("start_new", 200, 220, Direction::undo), tried("stop_old", 230, 260, Direction::undo)},
                     900);
  EXPECT_EQ(downtime.total, 110);
  EXPECT_EQ(downtime.old_back_after, 250);
  EXPECT_EQ(downtime_text(downtime),
            "110ms: stop_old 20ms, start_new 20ms, undo start_new 20ms, undo stop_old 30ms, between them 20ms");
  const auto object = downtime_json(downtime);
  EXPECT_EQ(object["old_back_after_ms"], 250);
  EXPECT_EQ(object["parts"][3]["direction"], "undo");
}

// verify_new failed while the bottle ran; the undo of start_new ended with its worker, and nobody saw when.
TEST(DowntimeParts, AnEffectThatFailedIsNoPartOfWhatCameAfterIt) {
  auto failed = marked(90, "", "verify");
  failed.data = R"({"effect":"verify_new","direction":"forward","outcome":"failed"})";
  const auto downtime = downtime_parts(
      job_down_for(110),
      {marked(10, "begins", "stop"), marked(60, "ends", "restart"), failed, marked(200, "begins", "rollback"),
       marked(260, "ends", "rollback")},
      {tried("stop_old", 10, 30), tried("start_new", 40, 60), tried("verify_new", 60, std::nullopt),
       tried("start_new", 195, std::nullopt, Direction::undo), tried("stop_old", 230, 260, Direction::undo)},
      900);
  EXPECT_EQ(downtime_text(downtime),
            "110ms: stop_old 20ms, start_new 20ms, undo start_new 30ms, undo stop_old 30ms, between them 10ms");
}

TEST(DowntimeParts, GoOnWhileTheBottleIsDown) {
  const auto downtime =
      downtime_parts(job_down_for(0, 10), {marked(10, "begins", "stop")}, {tried("stop_old", 10, std::nullopt)}, 100);
  EXPECT_EQ(downtime.total, 90);
  EXPECT_EQ(downtime_text(downtime), "90ms: stop_old 90ms");
}

TEST(DowntimeParts, OfAJobWithoutMarksAreNotMadeUp) {
  const auto downtime = downtime_parts(job_down_for(40), {marked(10, "", "stop")}, {tried("stop_old", 10, 30)}, 100);
  EXPECT_EQ(downtime_text(downtime), "40ms");
}

TEST(DowntimeParts, SurviveForeignData) {
  auto broken = marked(10, "begins", "stop");
  broken.data = "[1,2]";
  EXPECT_EQ(downtime_parts(job_down_for(0), {broken, marked(20, "ends", "restart")}, {}, 100).total, 0);
}

}  // namespace
}  // namespace rebottle::tools
