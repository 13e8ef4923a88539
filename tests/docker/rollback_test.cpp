// Changes that do not work out, and the way back to the same container. Not here: refusals (refusal_test.cpp).
#include <gmock/gmock.h>

#include <set>

#include "tests/docker/docker_case.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::text;

// What a restart of the same container changes by itself.
const std::vector<std::string> by_restart = {
    "State\\..*",
    "RestartCount",
    "NetworkSettings\\.(SandboxID|SandboxKey|EndpointID|IPAddress|MacAddress)",
    "NetworkSettings\\.Networks\\.[^.]+\\.(EndpointID|IPAddress|MacAddress)",
};

class DockerRollback : public DockerCase {
 protected:
  void start_agent() {
    create_network(bottle + "-one", "10.202.7.0/24");
    create_network(bottle + "-two");
    auto body = agent_body();
    body["HostConfig"]["NetworkMode"] = bottle + "-one";
    body["HostConfig"]["RestartPolicy"] = {{"Name", "unless-stopped"}};
    body["NetworkingConfig"]["EndpointsConfig"][bottle + "-one"] = {{"IPAMConfig", {{"IPv4Address", "10.202.7.9"}}}};
    const auto id = start_container(bottle, std::move(body));
    json connect = {{"Container", id}};
    call("POST", "/networks/" + bottle + "-two/connect", connect);
    before = inspect(bottle);
  }

  void expect_as_it_was() {
    const auto after = inspect(bottle);
    EXPECT_EQ(differences(before, after, by_restart), std::vector<std::string>());
    EXPECT_EQ(at(after, "State", "Running"), at(before, "State", "Running"));
  }

  void expect_nothing_left(JobDriver& job, State end) {
    remove_leftovers(job, end);
    EXPECT_EQ(container_names(), std::vector<std::string>{bottle});
    EXPECT_EQ(own_tags(), std::vector<std::string>());
    EXPECT_TRUE(std::filesystem::is_empty(config.snapshot_dir));
  }

  json before;
};

TEST_F(DockerRollback, AnAgentThatExitsAtOnceGivesTheOldOneBack) {
  start_agent();
  auto changed = driver({{"dockerfile", dying_dockerfile}});
  const auto failed = changed.run_all();
  EXPECT_EQ(failed.outcome, Outcome::permanent);
  EXPECT_EQ(changed.failed_at(), "verify_new");
  EXPECT_EQ(failed.reason_code, "exited") << failed.message;
  const auto back = changed.roll_back();
  EXPECT_EQ(back.outcome, Outcome::done) << changed.failed_at() << ": " << back.message << back.detail;
  expect_as_it_was();
  expect_nothing_left(changed, State::rolled_back);
}

TEST_F(DockerRollback, TheReasonOfAnAgentThatEndedHoldsItsLastWords) {
  start_container(bottle, {{"Image", test_image}, {"Cmd", {"sleep", "1000"}}});
  before = inspect(bottle);
  const auto* const dies = "FROM current\nENTRYPOINT [\"sh\", \"-c\", \"echo last words >&2; exit 7\"]\n";
  auto changed = driver({{"dockerfile", dies}});
  const auto failed = changed.run_all();
  EXPECT_EQ(failed.reason_code, "exited");
  EXPECT_EQ(at(failed.detail, "exit_code"), 7) << failed.detail;
  EXPECT_EQ(text(at(failed.detail, "log")), "last words\n");
  EXPECT_EQ(changed.roll_back().outcome, Outcome::done);
  expect_as_it_was();
}

TEST_F(DockerRollback, TheVolumesThatTheChangedImageAskedForGoWithIt) {
  auto body = agent_body();
  body["Volumes"]["/scratch"] = json::object();
  start_container(bottle, std::move(body));
  run_inside(bottle, {"sh", "-c", "echo kept > /scratch/file"});
  const auto volumes = [this] {
    std::set<std::string> out;
    const auto listed = call("GET", "/volumes");
    for (const auto& volume : at(listed, "Volumes")) out.insert(text(at(volume, "Name")));
    return out;
  };
  const auto volumes_before = volumes();
  auto changed = driver({{"dockerfile", std::string(dying_dockerfile) + "VOLUME /data\n"}});
  EXPECT_EQ(changed.run_all().reason_code, "exited");
  EXPECT_EQ(volumes().size(), volumes_before.size() + 1);
  ASSERT_EQ(changed.roll_back().outcome, Outcome::done);
  remove_leftovers(changed, State::rolled_back);
  EXPECT_EQ(volumes(), volumes_before);
  EXPECT_EQ(run_inside(bottle, {"cat", "/scratch/file"}), "kept\n");
}

TEST_F(DockerRollback, TheReasonOfAnUnhealthyAgentNamesItsProbe) {
  start_agent();
  auto changed = driver(
      {{"dockerfile", "FROM current\nHEALTHCHECK --interval=100ms --timeout=1s --retries=2 CMD echo ill && false\n"}});
  const auto failed = changed.run_all();
  EXPECT_EQ(failed.reason_code, "unhealthy") << failed.message;
  EXPECT_EQ(text(at(at(failed.detail, "health_probe"), "output")), "ill\n");
  EXPECT_EQ(changed.roll_back().outcome, Outcome::done);
  expect_as_it_was();
}

TEST_F(DockerRollback, AFailedVerifyCommandKeepsItsOutput) {
  start_agent();
  json verify = {{"exec", {"sh", "-c", "echo no luck; exit 3"}}};
  auto changed = driver({{"dockerfile", good_dockerfile}}, {{"verify", verify}});
  const auto failed = changed.run_all();
  EXPECT_EQ(failed.reason_code, "exec_failed");
  EXPECT_EQ(text(at(failed.detail, "output")), "no luck\n");
  EXPECT_EQ(changed.roll_back().outcome, Outcome::done);
  expect_as_it_was();
}

TEST_F(DockerRollback, AVerifyCommandThatNeverEndsIsAbandoned) {
  start_agent();
  json verify = {{"exec", {"sleep", "1000"}}, {"timeout_s", 2}};
  auto changed = driver({{"dockerfile", good_dockerfile}}, {{"verify", verify}});
  EXPECT_EQ(changed.run_all().reason_code, "exec_timeout");
  EXPECT_EQ(changed.roll_back().outcome, Outcome::done);
  expect_as_it_was();
}

TEST_F(DockerRollback, AfterTheLastEffectTheOldOneStillComesBack) {
  start_agent();
  auto first = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(first.run_all().outcome, Outcome::done);
  EXPECT_EQ(first.roll_back().outcome, Outcome::done);
  EXPECT_TRUE(image("rebottle/" + bottle + ":current").is_null());
  expect_as_it_was();
  expect_nothing_left(first, State::rolled_back);
}

TEST_F(DockerRollback, FromEachPointTheOldOneComesBack) {
  start_agent();
  json snapshot = {{"paths", {"/home/agent"}}};
  const auto names = driver({{"dockerfile", good_dockerfile}}, {{"snapshot", snapshot}}).effects();
  for (const auto& last : names) {
    if (last.step == State::prepare || last.step == State::snapshot) continue;
    auto changed = driver({{"dockerfile", good_dockerfile}}, {{"snapshot", snapshot}, {"verify", {{"stable_s", 0}}}});
    ASSERT_EQ(changed.run_step(State::prepare).outcome, Outcome::done);
    ASSERT_EQ(changed.run_step(State::snapshot).outcome, Outcome::done);
    changed.stop_after(last.name);
    const auto stopped = changed.run_all();
    EXPECT_EQ(stopped.reason_code, "stopped_by_test") << last.name << ": " << stopped.message;
    const auto back = changed.roll_back();
    EXPECT_EQ(back.outcome, Outcome::done) << last.name << ": " << changed.failed_at() << " " << back.message;
    expect_as_it_was();
    expect_nothing_left(changed, State::rolled_back);
  }
}

TEST_F(DockerRollback, UndoneTwiceIsUndoneOnce) {
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

TEST_F(DockerRollback, AnExitedBottleIsExitedAgain) {
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

TEST_F(DockerRollback, TheWayBackDoesNotPassOverAContainerThatTookTheName) {
  start_agent();
  auto changed = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(changed.run_step(State::prepare).outcome, Outcome::done);
  ASSERT_EQ(changed.run_step(State::snapshot).outcome, Outcome::done);
  ASSERT_EQ(changed.run_step(State::stop).outcome, Outcome::done);
  changed.stop_after("park_old");
  EXPECT_EQ(changed.run_all().reason_code, "stopped_by_test");
  const auto foreign = start_container(bottle, agent_body());
  const auto back = changed.roll_back();
  EXPECT_EQ(back.outcome, Outcome::stale);
  EXPECT_EQ(changed.failed_at(), "undo park_old");
  EXPECT_EQ(text(at(inspect(bottle), "Id")), foreign);
  EXPECT_EQ(at(inspect(bottle), "State", "Running"), true);
}

TEST_F(DockerRollback, TwoAgentsNeverRunAtOnce) {
  start_agent();
  auto changed = driver({{"dockerfile", good_dockerfile}});
  changed.stop_after("take_name");
  EXPECT_EQ(changed.run_all().reason_code, "stopped_by_test");
  call("POST", "/containers/" + text(at(before, "Id")) + "/start");
  const auto refused = changed.perform("start_new");
  EXPECT_EQ(refused.reason_code, "other_one_runs");
  EXPECT_EQ(at(inspect(bottle), "State", "Running"), false);
}

TEST_F(DockerRollback, AContainerPutAsideByHandIsNotRemoved) {
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
