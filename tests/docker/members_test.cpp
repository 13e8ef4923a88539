// Bottles of several containers: those that share with the agent are recreated with it, side containers are watched.
// Not here: who belongs to a bottle (tests/unit), crashes (members_crash_test.cpp).
#include <gmock/gmock.h>

#include "tests/docker/members_case.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::text;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DockerMembers : public MembersCase {
 protected:
  std::string volume_of(const std::string& container) {
    for (const auto& mount : at(inspect(container), "Mounts"))
      if (text(at(mount, "Destination")) == "/kept") return text(at(mount, "Name"));
    return {};
  }
  std::vector<std::string> done_of(JobDriver& one, const std::string& word) {
    std::vector<std::string> out;
    for (const auto& effect : one.done())
      if (effect.starts_with(word)) out.push_back(effect);
    return out;
  }
};

TEST_F(DockerMembers, AllAreRecreatedAndLiveWithTheNewOnes) {
  start_bottle();
  const auto volume = volume_of(proxy);
  run_inside(proxy, {"sh", "-c", "echo kept > /kept/note"});
  auto one = whole_job();
  const auto done = one.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << one.failed_at() << ": " << done.message << done.detail;
  expect_changed();
  EXPECT_EQ(volume_of(proxy), volume);
  EXPECT_EQ(run_inside(proxy, {"cat", "/kept/note"}), "kept\n");
  EXPECT_EQ(text(at(inspect(proxy), "HostConfig", "RestartPolicy")["Name"]), "unless-stopped");
  EXPECT_TRUE(at(inspect(tap), "NetworkSettings", "Networks").contains(bottle + "-net"));
  EXPECT_THAT(done_of(one, "stop_old"), ElementsAre("stop_old:" + tap, "stop_old:" + proxy, "stop_old"));
  EXPECT_THAT(done_of(one, "start_new"), ElementsAre("start_new", "start_new:" + proxy, "start_new:" + tap));
  const auto current = backend->current(one.context());
  EXPECT_EQ(at(current, "members")[0], (json{{"container", proxy}, {"container_id", at(inspect(proxy), "Id")}}));
  expect_nothing_left(one, State::succeeded);
}

TEST_F(DockerMembers, TheNextChangeFindsTheSameMembersBesideTheParkedOnes) {
  start_bottle();
  auto first = whole_job();
  ASSERT_EQ(first.run_all().outcome, Outcome::done);
  auto second = whole_job("FROM current\nRUN true\n");
  const auto done = second.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << second.failed_at() << ": " << done.message << done.detail;
  remove_leftovers(first, State::succeeded);
  expect_changed();
  expect_nothing_left(second, State::succeeded);
}

TEST_F(DockerMembers, AnUndoPutsAllOfThemBack) {
  start_bottle();
  config.keep_old_s = 3600;
  backend = another_backend();
  auto one = whole_job();
  ASSERT_EQ(one.run_all().outcome, Outcome::done) << one.failed_at();
  auto context = whole_job().context();
  context.undoes = worker::Undone{one.context().job_key, one.context().facts};
  JobDriver undo(io, *backend, context);
  const auto done = undo.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << undo.failed_at() << ": " << done.message << done.detail;
  expect_as_it_was();
  EXPECT_EQ(network_namespace(proxy), network_namespace(bottle));
  EXPECT_THAT(done_of(undo, "start_new"), ElementsAre("start_new", "start_new:" + proxy, "start_new:" + tap));
  EXPECT_EQ(at(backend->current(undo.context()), "members")[0],
            (json{{"container", proxy}, {"container_id", at(before[proxy], "Id")}}));
  expect_nothing_left(undo, State::succeeded);
}

TEST_F(DockerMembers, ThePlanNamesEachOfThem) {
  start_bottle();
  const auto dry = wait(backend->plan(whole_job().context()));
  ASSERT_TRUE(dry.possible) << dry.message;
  for (const auto& name : {proxy, tap}) {
    const auto key = whole_job().context().job_key;
    EXPECT_THAT(dry.makes, ::testing::Contains(HasSubstr("create the container " + name + ".new-"))) << key;
    EXPECT_THAT(dry.changes, ::testing::Contains("stop " + name));
    EXPECT_THAT(dry.changes, ::testing::Contains(HasSubstr("rename " + name + " to " + name + ".prev-")));
    EXPECT_THAT(dry.changes, ::testing::Contains("start the recreated " + name));
    EXPECT_THAT(dry.changes, ::testing::Contains(HasSubstr("what " + name + " wrote outside of its volumes")));
    EXPECT_THAT(dry.removes, ::testing::Contains(HasSubstr("parked container " + name + ".prev-")));
  }
  EXPECT_EQ(text(at(at(dry.detail, "sides")[0], "name")), side);
}

TEST_F(DockerMembers, AnAgentThatDiesGivesAllBack) {
  start_bottle();
  auto one = whole_job(dying_dockerfile);
  const auto failed = one.run_all();
  EXPECT_EQ(failed.outcome, Outcome::permanent);
  EXPECT_EQ(failed.reason_code, "exited") << one.failed_at() << failed.message;
  const auto back = one.roll_back();
  ASSERT_EQ(back.outcome, Outcome::done) << one.failed_at() << ": " << back.message << back.detail;
  expect_as_it_was();
  expect_nothing_left(one, State::rolled_back);
}

TEST_F(DockerMembers, FromEachPointAllComeBack) {
  start_bottle();
  for (const auto& last : {"disarm:" + tap, "stop_old:" + tap, "stop_old:" + proxy, "park_old:" + proxy,
                           "take_name:" + proxy, std::string("start_new"), "start_new:" + proxy, "start_new:" + tap}) {
    auto one = whole_job();
    run_until(one, last);
    const auto back = one.roll_back();
    ASSERT_EQ(back.outcome, Outcome::done) << last << ": " << one.failed_at() << " " << back.message << back.detail;
    expect_as_it_was();
    expect_nothing_left(one, State::rolled_back);
  }
}

TEST_F(DockerMembers, AMemberThatCannotBeStartedGivesAllBack) {
  // Its program is in the old one's own layer, not in the image.
  start_bottle();
  call("DELETE", "/containers/" + tap + "?force=1");
  json body = {{"Image", test_image}, {"Entrypoint", {"/only-here"}}};
  body["HostConfig"] = {{"NetworkMode", "container:" + bottle}};
  const auto id = text(at(call("POST", "/containers/create?name=" + tap, body), "Id"));
  put_program(id, "/only-here", "#!/bin/sh\nexec sleep 1000\n");
  call("POST", "/containers/" + id + "/start");
  before[tap] = inspect(tap);

  auto one = whole_job();
  const auto failed = one.run_all();
  EXPECT_EQ(failed.outcome, Outcome::permanent);
  EXPECT_EQ(one.failed_at(), "start_new:" + tap);
  EXPECT_EQ(failed.reason_code, "start_failed") << failed.message;
  const auto back = one.roll_back();
  ASSERT_EQ(back.outcome, Outcome::done) << one.failed_at() << ": " << back.message << back.detail;
  expect_as_it_was();
  expect_nothing_left(one, State::rolled_back);
}

TEST_F(DockerMembers, AMemberThatEndsAtOnceGivesAllBack) {
  // It only works where it has run before.
  start_bottle(
      {{"Cmd", {"sh", "-c", "[ -e /kept/ran ] && [ ! -e /ran ] && exit 9; touch /kept/ran /ran; exec sleep 1000"}}});
  poll_until([&] { return run_inside(proxy, {"sh", "-c", "ls /ran 2>&1 || true"}) == "/ran\n"; });
  auto one = whole_job();
  const auto failed = one.run_all();
  EXPECT_EQ(failed.reason_code, "exited") << one.failed_at() << ": " << failed.message;
  EXPECT_THAT(failed.message, HasSubstr(proxy));
  const auto back = one.roll_back();
  ASSERT_EQ(back.outcome, Outcome::done) << one.failed_at() << ": " << back.message << back.detail;
  expect_as_it_was();
  expect_nothing_left(one, State::rolled_back);
}

TEST_F(DockerMembers, AStoppedMemberIsRecreatedAndStaysStopped) {
  start_bottle();
  call("POST", "/containers/" + tap + "/stop?t=5");
  call("POST", "/containers/" + proxy + "/stop?t=5");
  for (const auto& name : {proxy, tap}) before[name] = inspect(name);
  auto one = whole_job();
  const auto done = one.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << one.failed_at() << ": " << done.message << done.detail;
  for (const auto& name : {proxy, tap}) {
    EXPECT_NE(at(inspect(name), "Id"), at(before[name], "Id"));
    EXPECT_EQ(at(inspect(name), "State", "Status"), "created");
  }
  EXPECT_EQ(text(at(at(inspect(proxy), "HostConfig", "RestartPolicy"), "Name")), "unless-stopped");
  ASSERT_EQ(one.roll_back().outcome, Outcome::done) << one.failed_at();
  expect_as_it_was();
  expect_nothing_left(one, State::rolled_back);

  auto again = whole_job();
  ASSERT_EQ(again.run_all().outcome, Outcome::done);
  call("POST", "/containers/" + proxy + "/start");
  EXPECT_EQ(network_namespace(proxy), network_namespace(bottle)) << "it can be started later";
  expect_nothing_left(again, State::succeeded);
}

TEST_F(DockerMembers, ASideContainerThatGoesDownIsSeenByBothProofs) {
  config.verify_timeout_s = 2;
  backend = another_backend();
  start_bottle();
  auto one = whole_job();
  run_until(one, "stop_old");
  call("POST", "/containers/" + side + "/stop?t=5");
  const auto failed = one.run_all();
  EXPECT_EQ(one.failed_at(), "verify_new");
  EXPECT_EQ(failed.reason_code, "side_container_failed");
  EXPECT_THAT(failed.message, HasSubstr(side));
  const auto back = one.roll_back();
  EXPECT_EQ(back.reason_code, "rollback_unproven");
  EXPECT_EQ(text(at(at(back.detail, "worse")[0], "container")), side);
  call("POST", "/containers/" + side + "/start");
  EXPECT_EQ(one.roll_back().outcome, Outcome::done);
  expect_as_it_was();
  expect_nothing_left(one, State::rolled_back);
}

TEST_F(DockerMembers, AHealthySideContainerMustStayHealthy) {
  start_bottle();
  call("DELETE", "/containers/" + side + "?force=1");
  json body = {{"Image", test_image}, {"Cmd", {"sleep", "1000"}}, {"Labels", {{config.side_label, bottle}}}};
  body["Healthcheck"] = {{"Test", {"CMD-SHELL", "[ ! -e /ill ]"}}, {"Interval", 200'000'000}, {"Retries", 1}};
  start_container(side, std::move(body));
  const auto health = [&] { return text(at(at(inspect(side), "State", "Health"), "Status")); };
  poll_until([&] { return health() == "healthy"; });
  auto one = whole_job();
  run_until(one, "stop_old");
  run_inside(side, {"touch", "/ill"});
  poll_until([&] { return health() == "unhealthy"; });
  const auto failed = one.run_all();
  EXPECT_EQ(failed.reason_code, "side_container_failed");
  EXPECT_EQ(at(at(failed.detail, "worse")[0], "field"), "health");
  run_inside(side, {"rm", "/ill"});
  EXPECT_EQ(one.roll_back().outcome, Outcome::done);
}

TEST_F(DockerMembers, ASideContainerThatWasDownIsNoMatter) {
  start_bottle();
  call("POST", "/containers/" + side + "/stop?t=5");
  auto one = whole_job();
  const auto done = one.run_all();
  EXPECT_EQ(done.outcome, Outcome::done) << one.failed_at() << ": " << done.message;
  EXPECT_EQ(at(inspect(side), "State", "Running"), false);
}

TEST_F(DockerMembers, AnAgentThatLivesWithAnotherIsRecreatedAlone) {
  const auto owner = start_container(side, agent_body());
  auto body = agent_body();
  body["HostConfig"]["NetworkMode"] = "container:" + side;
  start_container(bottle, std::move(body));
  const auto started = at(inspect(side), "State", "StartedAt");
  const auto old_id = at(inspect(bottle), "Id");
  auto one = driver({{"dockerfile", good_dockerfile}});
  const auto done = one.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << one.failed_at() << ": " << done.message << done.detail;
  EXPECT_NE(at(inspect(bottle), "Id"), old_id);
  EXPECT_EQ(text(at(inspect(bottle), "HostConfig", "NetworkMode")), "container:" + owner);
  EXPECT_EQ(network_namespace(bottle), network_namespace(side));
  EXPECT_EQ(at(inspect(side), "State", "StartedAt"), started);
  EXPECT_EQ(one.roll_back().outcome, Outcome::done);
  EXPECT_EQ(at(inspect(bottle), "Id"), old_id);
  EXPECT_EQ(network_namespace(bottle), network_namespace(side));
}

TEST_F(DockerMembers, WhoJoinsAfterTheAdmissionIsDrift) {
  start_bottle();
  auto one = whole_job();
  ASSERT_EQ(one.run_step(State::prepare).outcome, Outcome::done);
  auto late = agent_body();
  late["HostConfig"]["NetworkMode"] = "container:" + bottle;
  start_container(bottle + "-late", std::move(late));
  const auto stale = one.run_step(State::snapshot);
  EXPECT_EQ(stale.outcome, Outcome::stale);
  EXPECT_THAT(stale.detail.dump(), HasSubstr(bottle + "-late"));
  expect_as_it_was();
}

TEST_F(DockerMembers, AMemberThatWasChangedMeanwhileIsDrift) {
  start_bottle();
  auto one = whole_job();
  ASSERT_EQ(one.run_step(State::prepare).outcome, Outcome::done);
  call("POST", "/containers/" + proxy + "/update", {{"Memory", 64 << 20}, {"MemorySwap", 64 << 20}});
  const auto stale = one.run_step(State::snapshot);
  EXPECT_EQ(stale.reason_code, "drift");
  EXPECT_EQ(text(at(stale.detail, "container")), proxy);
}

TEST_F(DockerMembers, AMemberThatAnotherJobIsAboutToReplaceIsLeftToIt) {
  start_bottle();
  auto one = whole_job();
  ASSERT_EQ(one.run_step(State::prepare).outcome, Outcome::done);
  json body = {{"Image", test_image}, {"Cmd", {"true"}}, {"Labels", {{"io.rebottle.job", "other-7"}}}};
  const auto other = text(at(call("POST", "/containers/create?name=" + proxy + ".new-other-7", body), "Id"));
  const auto waits = one.run_step(State::snapshot);
  EXPECT_EQ(waits.outcome, Outcome::transient);
  EXPECT_EQ(waits.reason_code, "other_job");
  EXPECT_THAT(waits.message, HasSubstr("other-7"));
  call("DELETE", "/containers/" + other);
  EXPECT_EQ(one.run_step(State::snapshot).outcome, Outcome::done);
}

TEST_F(DockerMembers, AMemberThatCannotBeRecreatedIsNamed) {
  start_bottle();
  call("POST", "/containers/" + tap + "/pause");
  auto one = whole_job();
  const auto paused = one.run_step(State::prepare);
  EXPECT_EQ(paused.reason_code, "target_state_unsupported");
  EXPECT_THAT(paused.message, HasSubstr(tap));
  call("POST", "/containers/" + tap + "/unpause");
  call("DELETE", "/containers/" + tap + "?force=1");
  auto body = agent_body();
  body["HostConfig"] = {{"PidMode", "container:" + bottle}, {"AutoRemove", true}};
  start_container(tap, std::move(body));
  auto two = whole_job();
  const auto vanishing = two.run_step(State::prepare);
  EXPECT_EQ(vanishing.reason_code, "target_state_unsupported");
  EXPECT_THAT(vanishing.message, HasSubstr(tap));
  call("DELETE", "/containers/" + tap + "?force=1");
  body = agent_body();
  body["HostConfig"] = {{"PidMode", "container:" + bottle}, {"VolumesFrom", {side}}};
  start_container(tap, std::move(body));
  auto three = whole_job();
  const auto lent = three.run_step(State::prepare);
  EXPECT_EQ(lent.reason_code, "not_carried");
  EXPECT_THAT(lent.message, ::testing::AllOf(HasSubstr(tap), HasSubstr("HostConfig.VolumesFrom")));
  expect_nothing_left(three, State::rejected_unsupported);
}

TEST_F(DockerMembers, TheOldAndTheNewOneOfAMemberNeverRunAtOnce) {
  start_bottle();
  auto one = whole_job();
  run_until(one, "start_new:" + proxy);
  for (const auto& name : {bottle, proxy, tap}) call("POST", "/containers/" + text(at(before[name], "Id")) + "/start");
  const auto refused = one.perform("start_new:" + tap);
  EXPECT_EQ(refused.reason_code, "other_one_runs") << refused.message;
  EXPECT_EQ(at(inspect(tap), "State", "Running"), false);
}

}  // namespace
}  // namespace rebottle::tests
