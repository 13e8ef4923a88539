// The way back to the same container, on each engine: these cases are in the executables of Docker and of Podman.
// Not here: what only one of them has (rollback_test.cpp of either).
#include <gmock/gmock.h>

#include "tests/docker/rollback_case.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::text;

// The engine starts it again and again, as its policy says; it must stay down once it is undone.
TEST_F(Rollback, AnAgentThatExitsAtOnceGivesTheOldOneBack) {
  start_agent();
  auto changed = driver({{"dockerfile", dying_dockerfile}});
  const auto failed = changed.run_all();
  EXPECT_EQ(failed.outcome, Outcome::permanent);
  EXPECT_EQ(changed.failed_at(), "verify_new");
  EXPECT_EQ(failed.reason_code, "exited") << failed.message;
  const auto back = changed.roll_back();
  EXPECT_EQ(back.outcome, Outcome::done) << changed.failed_at() << ": " << back.message << back.detail;
  EXPECT_NE(at(inspect(bottle + ".new-" + changed.context().job_key), "State", "Running"), true);
  expect_as_it_was();
  expect_nothing_left(changed, State::rolled_back);
}

TEST_F(Rollback, AFailedVerifyCommandKeepsItsOutput) {
  start_agent();
  json verify = {{"exec", {"sh", "-c", "echo no luck; exit 3"}}};
  auto changed = driver({{"dockerfile", good_dockerfile}}, {{"verify", verify}});
  const auto failed = changed.run_all();
  EXPECT_EQ(failed.reason_code, "exec_failed");
  EXPECT_EQ(text(at(failed.detail, "output")), "no luck\n");
  EXPECT_EQ(changed.roll_back().outcome, Outcome::done);
  expect_as_it_was();
}

TEST_F(Rollback, AVerifyCommandThatNeverEndsIsAbandoned) {
  start_agent();
  json verify = {{"exec", {"sleep", "1000"}}, {"timeout_s", 2}};
  auto changed = driver({{"dockerfile", good_dockerfile}}, {{"verify", verify}});
  EXPECT_EQ(changed.run_all().reason_code, "exec_timeout");
  EXPECT_EQ(changed.roll_back().outcome, Outcome::done);
  expect_as_it_was();
}

TEST_F(Rollback, AfterTheLastEffectTheOldOneStillComesBack) {
  start_agent();
  json snapshot = {{"paths", {"/home/agent"}}};
  auto first = driver({{"dockerfile", good_dockerfile}}, {{"snapshot", snapshot}});
  const auto done = first.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << first.failed_at() << ": " << done.message << done.detail;
  EXPECT_EQ(first.roll_back().outcome, Outcome::done);
  EXPECT_TRUE(image(own_image("current")).is_null());
  expect_as_it_was();
  expect_nothing_left(first, State::rolled_back);
}

TEST_F(Rollback, FromEachPointTheOldOneComesBack) {
  start_agent();
  json snapshot = {{"paths", {"/home/agent"}}};
  const auto names = driver({{"dockerfile", good_dockerfile}}, {{"snapshot", snapshot}}).effects();
  for (const auto& last : names) {
    if (last.step == State::prepare || last.step == State::snapshot) continue;
    auto changed = driver({{"dockerfile", good_dockerfile}}, {{"snapshot", snapshot}, {"verify", {{"stable_s", 0}}}});
    ASSERT_EQ(changed.run_step(State::prepare).outcome, Outcome::done);
    ASSERT_EQ(changed.run_step(State::snapshot).outcome, Outcome::done);
    const auto stopped = changed.run_until(last.name);
    EXPECT_EQ(stopped.reason_code, "stopped_by_test") << last.name << ": " << stopped.message;
    const auto back = changed.roll_back();
    EXPECT_EQ(back.outcome, Outcome::done) << last.name << ": " << changed.failed_at() << " " << back.message;
    expect_as_it_was();
    expect_nothing_left(changed, State::rolled_back);
  }
}

TEST_F(Rollback, UndoneTwiceIsUndoneOnce) {
  start_agent();
  auto changed = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(changed.run_all().outcome, Outcome::done);
  ASSERT_EQ(changed.roll_back().outcome, Outcome::done);
  const auto started = at(inspect(bottle), "State", "StartedAt");
  for (const auto& effect : changed.effects()) {
    if (!effect.undoable) continue;
    EXPECT_EQ(changed.observe(effect.name, Direction::undo).world, World::present) << effect.name;
  }
  EXPECT_EQ(at(inspect(bottle), "State", "StartedAt"), started);
  expect_as_it_was();
}

TEST_F(Rollback, AnExitedBottleIsExitedAgain) {
  start_agent();
  call("POST", "/containers/" + bottle + "/stop?t=5");
  before = inspect(bottle);
  auto changed = driver({{"dockerfile", dying_dockerfile}});
  EXPECT_EQ(changed.run_all().outcome, Outcome::permanent);
  const auto back = changed.roll_back();
  EXPECT_EQ(back.outcome, Outcome::done) << back.message << back.detail;
  expect_as_it_was();
  EXPECT_EQ(at(inspect(bottle), "State", "Status"), "exited");
  expect_nothing_left(changed, State::rolled_back);
}

TEST_F(Rollback, TheWayBackDoesNotPassOverAContainerThatTookTheName) {
  start_agent();
  auto changed = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(changed.run_step(State::prepare).outcome, Outcome::done);
  ASSERT_EQ(changed.run_step(State::snapshot).outcome, Outcome::done);
  ASSERT_EQ(changed.run_step(State::stop).outcome, Outcome::done);
  EXPECT_EQ(changed.run_until("park_old").reason_code, "stopped_by_test");
  const auto foreign = start_container(bottle, agent_body());
  const auto back = changed.roll_back();
  EXPECT_EQ(back.outcome, Outcome::stale);
  EXPECT_EQ(changed.failed_at(), "undo park_old");
  EXPECT_EQ(text(at(inspect(bottle), "Id")), foreign);
  EXPECT_EQ(at(inspect(bottle), "State", "Running"), true);
}

TEST_F(Rollback, TwoAgentsNeverRunAtOnce) {
  start_agent();
  auto changed = driver({{"dockerfile", good_dockerfile}});
  EXPECT_EQ(changed.run_until("take_name").reason_code, "stopped_by_test");
  call("POST", "/containers/" + text(at(before, "Id")) + "/start");
  const auto refused = changed.perform("start_new");
  EXPECT_EQ(refused.reason_code, "other_one_runs");
  EXPECT_EQ(at(inspect(bottle), "State", "Running"), false);
}

TEST_F(Rollback, AContainerPutAsideByHandIsNotRemoved) {
  start_agent();
  auto changed = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(changed.run_all().outcome, Outcome::done);
  const auto old_id = text(at(before, "Id"));
  call("POST", "/containers/" + old_id + "/rename?name=" + bottle + "-saved");
  for (const auto& leftover : backend->leftovers(changed.context(), State::succeeded)) {
    if (leftover.kind != "parked_container") continue;
    const auto removed = wait(backend->remove(leftover));
    EXPECT_EQ(removed.outcome, Outcome::permanent);
    EXPECT_EQ(removed.reason_code, "not_ours");
  }
  EXPECT_FALSE(inspect(old_id).is_null());
}

}  // namespace
}  // namespace rebottle::tests
