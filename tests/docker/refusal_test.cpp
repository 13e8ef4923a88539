// What is refused, by name, before anything is touched: a recording proxy shows that nothing mutating was asked for.
// Not here: changes that are tried and fail (rollback_test.cpp), except builds, which leave the bottle untouched.
#include <gmock/gmock.h>

#include <set>

#include "tests/docker/docker_case.hpp"
#include "tests/support/recording_proxy.hpp"
#include "worker/backends/docker/carry_over_table.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::text;

class DockerRefusal : public DockerCase {
 protected:
  void SetUp() override {
    DockerCase::SetUp();
    if (IsSkipped()) return;
    proxy = std::make_unique<RecordingProxy>(folder / "proxy.sock", config.socket);
    config.socket = folder / "proxy.sock";
    backend = another_backend();
  }

  // The admission refuses; the container, if there is one, is as it was.
  Performed refused(json change, json more = json::object()) {
    const auto before = inspect(bottle);
    auto one = driver(std::move(change), std::move(more));
    const auto dry = wait(backend->plan(one.context()));
    auto done = one.run_step(State::prepare);
    EXPECT_EQ(one.failed_at(), "admit");
    EXPECT_EQ(proxy->mutating(), std::vector<std::string>());
    EXPECT_FALSE(proxy->requests().empty());
    EXPECT_EQ(inspect(bottle), before);
    EXPECT_FALSE(dry.possible);
    EXPECT_EQ(dry.reason_code, done.reason_code) << "the plan says something else than the job";
    EXPECT_TRUE(backend->leftovers(one.context(), State::rejected_unsupported).empty());
    return done;
  }
  Performed refused() { return refused({{"dockerfile", good_dockerfile}}); }

  std::unique_ptr<RecordingProxy> proxy;
};

TEST_F(DockerRefusal, ABottleThatIsNotThere) {
  const auto done = refused();
  EXPECT_EQ(done.outcome, Outcome::stale);
  EXPECT_EQ(done.reason_code, "bottle_not_found");
}

TEST_F(DockerRefusal, IsForeseenByAskingWhetherTheBottleIsThere) {
  EXPECT_FALSE(wait(backend->has(bottle)));
  const auto id = start_container(bottle, agent_body());
  EXPECT_TRUE(wait(backend->has(bottle)));
  EXPECT_FALSE(wait(backend->has(id)));
  EXPECT_FALSE(wait(backend->has("no/name at all")));
  config.label = "bot.bottle";
  backend = another_backend();
  EXPECT_FALSE(wait(backend->has(bottle))) << "no container has that label";
  auto labelled = agent_body();
  labelled["Labels"]["bot.bottle"] = "by-label";
  start_container(bottle + "-labelled", labelled);
  EXPECT_TRUE(wait(backend->has("by-label")));
  EXPECT_EQ(proxy->mutating(), std::vector<std::string>());
  config.socket = folder / "no-engine.sock";
  EXPECT_FALSE(wait(another_backend()->has("by-label")));
}

TEST_F(DockerRefusal, TheStartOfAnIdIsNoName) {
  const auto id = start_container(bottle, agent_body());
  bottle = id.substr(0, 12);
  auto one = driver({{"dockerfile", good_dockerfile}});
  EXPECT_EQ(one.run_step(State::prepare).reason_code, "bottle_not_found");
  call("DELETE", "/containers/" + id + "?force=1&v=1");
}

TEST_F(DockerRefusal, APausedContainer) {
  start_container(bottle, agent_body());
  call("POST", "/containers/" + bottle + "/pause");
  const auto done = refused();
  EXPECT_EQ(done.reason_code, "target_state_unsupported");
  EXPECT_EQ(text(at(done.detail, "status")), "paused");
  call("POST", "/containers/" + bottle + "/unpause");
}

TEST_F(DockerRefusal, AContainerThatVanishesWhenItStops) {
  auto body = agent_body();
  body["HostConfig"]["AutoRemove"] = true;
  start_container(bottle, std::move(body));
  EXPECT_EQ(refused().reason_code, "target_state_unsupported");
}

// Each refused row of the carry-over table, on a container that has it; what no container here can have is called so by
// the proxy. The second half: a newer engine's fields, which no row knows, at every level.
TEST_F(DockerRefusal, EverySettingThatWouldBeLostByName) {
  struct Lost {
    std::string row;    // of the table; empty where there is none
    std::string shown;  // in the refusal
    json setting;       // a part of the create body
    std::string field;  // called `as` by the proxy
    std::string as;
  };
  const auto endpoint = [this](json settings) {
    return json{{"HostConfig", {{"NetworkMode", bottle + "-net"}}},
                {"NetworkingConfig", {{"EndpointsConfig", {{bottle + "-net", std::move(settings)}}}}}};
  };
  const auto host_config = [](json settings) { return json{{"HostConfig", std::move(settings)}}; };
  const auto mount = [&](json options) {
    options.update({{"Target", "/mounted"}});
    return host_config({{"Mounts", json::array({std::move(options)})}});
  };
  const auto place = "NetworkSettings.Networks[" + bottle + "-net].";
  const json in_memory = {{"Type", "tmpfs"}, {"TmpfsOptions", {{"SizeBytes", 1 << 20}}}};
  const json option = {{"com.example.option", "x"}};
  const json cpu_count = host_config({{"CpuCount", 2}});
  const json health = {{"Healthcheck", {{"Test", {"CMD", "true"}}, {"StartPeriod", 1000000}}}};
  const json ulimit = host_config({{"Ulimits", json::array({{{"Name", "core"}, {"Hard", 1}, {"Soft", 1}}})}});
  const std::vector<Lost> cases = {
      {"HostConfig.AutoRemove", "HostConfig.AutoRemove", host_config({{"AutoRemove", true}}), "", ""},
      {"HostConfig.Cgroup", "HostConfig.Cgroup", host_config({{"Cgroup", "container:x"}}), "", ""},
      {"HostConfig.Links", "HostConfig.Links", host_config({{"Links", {bottle + "-side:side"}}}), "", ""},
      {"HostConfig.VolumesFrom", "HostConfig.VolumesFrom", host_config({{"VolumesFrom", {bottle + "-side"}}}), "", ""},
      {"HostConfig.IOMaximumBandwidth", "HostConfig.IOMaximumBandwidth", cpu_count, "CpuCount", "IOMaximumBandwidth"},
      {"HostConfig.IOMaximumIOps", "HostConfig.IOMaximumIOps", cpu_count, "CpuCount", "IOMaximumIOps"},
      {"HostConfig.Mounts[].ImageOptions", "HostConfig.Mounts[0].ImageOptions", mount(in_memory), "TmpfsOptions",
       "ImageOptions"},
      {"Endpoint.GwPriority", place + "GwPriority", endpoint({{"DriverOpts", option}}), "DriverOpts", "GwPriority"},
      {"Endpoint.Links", place + "Links", endpoint({{"Links", {bottle + "-side:side"}}}), "", ""},

      {"", "Config.New", {{"StopTimeout", 9}}, "StopTimeout", "New"},
      {"", "Config.Healthcheck.New", health, "StartPeriod", "New"},
      {"", "HostConfig.New", cpu_count, "CpuCount", "New"},
      {"", "HostConfig.Mounts[0].TmpfsOptions.New", mount(in_memory), "SizeBytes", "New"},
      {"", "HostConfig.Ulimits[0].New", ulimit, "Hard", "New"},
      {"", place + "New", endpoint({{"DriverOpts", option}}), "DriverOpts", "New"},
      {"", place + "IPAMConfig.New", endpoint({{"IPAMConfig", {{"IPv4Address", "10.201.13.9"}}}}), "IPv4Address",
       "New"},
  };
  create_network(bottle + "-net", "10.201.13.0/24");
  const json side = {{"Container", start_container(bottle + "-side", agent_body())}};
  call("POST", "/networks/" + bottle + "-net/connect", side);

  std::set<std::string_view> proved;
  for (const auto& one : cases) {
    SCOPED_TRACE(one.shown);
    auto body = agent_body();
    body.merge_patch(one.setting);
    call("POST", "/containers/create?name=" + bottle, std::move(body));  // never started: that is a state like exited
    if (!one.field.empty()) proxy->rename(one.field, one.as);
    const auto done = refused();
    EXPECT_EQ(done.outcome, Outcome::unsupported);
    EXPECT_THAT(done.message + at(done.detail, "fields").dump(), ::testing::HasSubstr(one.shown));
    proved.insert(one.row);
    proxy->rename_nothing();
    call("DELETE", "/containers/" + bottle + "?force=1");
  }
  for (const auto& row : docker::carry_rows) {
    // What stands below a refused field is refused with it.
    const bool below = row.path == "HostConfig.Mounts[].ImageOptions.Subpath";
    if (row.carry == docker::Carry::refused && !below) {
      EXPECT_TRUE(proved.contains(row.path)) << row.path << ": no case";
    }
  }
}

TEST_F(DockerRefusal, AnAgentThatLivesWithOneThatDoesNotRun) {
  for (const auto* const mode : {"NetworkMode", "PidMode", "IpcMode"}) {
    auto owner = agent_body();
    owner["HostConfig"]["IpcMode"] = "shareable";
    start_container(bottle + "-owner", std::move(owner));
    auto body = agent_body();
    body["HostConfig"][mode] = "container:" + bottle + "-owner";
    start_container(bottle, std::move(body));
    call("POST", "/containers/" + bottle + "-owner/stop?t=5");
    const auto done = refused();
    EXPECT_EQ(done.reason_code, "shared_namespace") << mode << done.message;
    EXPECT_EQ(at(done.detail, "shared")[0], (json{{"field", mode}, {"container", bottle + "-owner"}}));
    call("DELETE", "/containers/" + bottle + "?force=1");
    call("DELETE", "/containers/" + bottle + "-owner?force=1");
  }
}

TEST_F(DockerRefusal, AMemberThatRunsWhileTheAgentItLivesWithDoesNot) {
  start_container(bottle, agent_body());
  auto body = agent_body();
  body["HostConfig"]["NetworkMode"] = "container:" + bottle;
  start_container(bottle + "-side", std::move(body));
  call("POST", "/containers/" + bottle + "/stop?t=5");
  const auto done = refused();
  EXPECT_EQ(done.reason_code, "shared_namespace") << done.message;
  EXPECT_EQ(text(at(done.detail, "container")), bottle + "-side");
}

TEST_F(DockerRefusal, ALegacyLinkToTheAgent) {
  start_container(bottle, agent_body());
  auto body = agent_body();
  body["HostConfig"]["Links"] = {bottle + ":agent"};
  start_container(bottle + "-side", std::move(body));
  const auto done = refused();
  EXPECT_EQ(done.reason_code, "shared_namespace");
  EXPECT_EQ(at(done.detail, "shared")[0], (json{{"field", "Links"}, {"container", bottle + "-side"}}));
}

TEST_F(DockerRefusal, ChangesThatReachOutsideTheImages) {
  start_container(bottle, agent_body());
  // All of these made an engine dial out in one of its versions.
  for (const auto* const line :
       {"RUN --mount=type=cache,target=/x true", "COPY --from=$X /a /b", "ADD http://example.test/x /x", "ADD $U /x",
        "ADD [\"http:\\u002f\\u002fexample.test\",\"/x\"]", "\u00a0ADD http://example.test/x /x",
        "\u3000FROM example.test/x", "COPY --\\from=example.test/x /a /b", "COPY --fr\"om\"=example.test/x /a /b",
        "RUN <<EOF\nx\nEOF"}) {
    const auto done = refused({{"dockerfile", "FROM current\n" + std::string(line) + "\n"}});
    EXPECT_EQ(done.outcome, Outcome::unsupported) << line;
    EXPECT_EQ(done.reason_code, "change_unsupported") << line;
    EXPECT_THAT(done.message, ::testing::HasSubstr("line 2")) << line;
  }
}

TEST_F(DockerRefusal, ImagesThatAreNotThere) {
  start_container(bottle, agent_body());
  for (const auto& change : {json{{"dockerfile", "FROM no-such-image:9\n"}}, json{{"image", "no-such-image:9"}},
                             json{{"dockerfile", "FROM current\nCOPY --from=no-such-image:9 /a /b\n"}}}) {
    const auto done = refused(change);
    EXPECT_EQ(done.outcome, Outcome::permanent);
    EXPECT_EQ(done.reason_code, "image_absent");
    EXPECT_EQ(at(done.detail, "images"), json::array({"no-such-image:9"}));
  }
}

// An engine would remove it together with the image that the job built from it.
TEST_F(DockerRefusal, ABaseImageWithoutAName) {
  start_container(bottle, agent_body());
  const auto id = text(at(call("POST", "/commit?container=" + bottle), "Id"));
  const auto done = refused({{"dockerfile", "FROM " + id.substr(id.find(':') + 1) + "\nRUN false\n"}});
  EXPECT_EQ(done.reason_code, "change_unsupported");
  EXPECT_THAT(done.message, ::testing::HasSubstr("has no name"));
  (void)wait(docker::erase(*engine, "/images/" + id));
}

TEST_F(DockerRefusal, AnImageFile) {
  start_container(bottle, agent_body());
  const json file = {{"file", "agent.tar"}, {"sha256", std::string(64, 'a')}};
  EXPECT_EQ(refused({{"image", file}}).reason_code, "change_unsupported");
}

TEST_F(DockerRefusal, AnotherTargetThanTheOneThatWasApproved) {
  start_container(bottle, agent_body());
  const json expect = {{"target_id", std::string(64, 'a')}, {"image_digest", "sha256:" + std::string(64, 'b')}};
  const auto done = refused({{"dockerfile", good_dockerfile}}, {{"expect", expect}});
  EXPECT_EQ(done.outcome, Outcome::stale);
  EXPECT_EQ(done.reason_code, "drift");
  EXPECT_EQ(at(done.detail, "diff").size(), 2U);
  EXPECT_EQ(at(at(done.detail, "diff")[0], "found"), at(inspect(bottle), "Id"));
}

TEST_F(DockerRefusal, SnapshotPathsThatCannotBeKept) {
  auto body = agent_body();
  body["HostConfig"]["Tmpfs"] = {{"/in-memory", ""}};
  body["HostConfig"]["Binds"] = {bottle + "-volume:/srv/volume"};
  start_container(bottle, std::move(body));
  for (const auto* const path : {"/in-memory/x", "/dev/shm", "/srv"}) {
    const json snapshot = {{"paths", {path}}};
    const auto done = refused({{"dockerfile", good_dockerfile}}, {{"snapshot", snapshot}});
    EXPECT_EQ(done.reason_code, "snapshot_path_unsupported") << path;
    EXPECT_THAT(done.message, ::testing::HasSubstr(path));
  }
}

TEST_F(DockerRefusal, AnEngineThatIsNotThere) {
  config.socket = folder / "nobody.sock";
  backend = another_backend();
  auto one = driver({{"dockerfile", good_dockerfile}});
  const auto done = one.run_step(State::prepare);
  EXPECT_EQ(done.outcome, Outcome::unsupported);
  EXPECT_EQ(done.reason_code, "backend_absent");
  const auto rows = wait(backend->probe());
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_FALSE(rows[0].supported);
  EXPECT_EQ(rows[0].reason_code, "backend_absent");
  EXPECT_THAT(rows[0].message, ::testing::HasSubstr("nobody.sock"));
}

TEST_F(DockerRefusal, TheProbeReadsOnly) {
  const auto rows = wait(backend->probe());
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_TRUE(rows[0].supported);
  EXPECT_FALSE(rows[0].version.empty());
  EXPECT_EQ(rows[0].kind, "capability_block");
  EXPECT_EQ(proxy->mutating(), std::vector<std::string>());
}

TEST_F(DockerRefusal, ThePlanNamesWhatWillBeMadeAndRemovedAndMutatesNothing) {
  start_container(bottle, agent_body());
  const json snapshot = {{"paths", {"/home/agent"}}};
  const auto one = job({{"dockerfile", good_dockerfile}}, {{"snapshot", snapshot}});
  const auto plan = wait(backend->plan(one));
  EXPECT_TRUE(plan.possible) << plan.message;
  EXPECT_THAT(plan.makes, ::testing::Contains("create the container " + bottle + ".new-" + one.job_key));
  EXPECT_THAT(plan.makes, ::testing::Contains("build the image rebottle/" + bottle + ":job-" + one.job_key));
  EXPECT_THAT(plan.changes, ::testing::Contains("rename " + bottle + " to " + bottle + ".prev-" + one.job_key));
  EXPECT_THAT(plan.removes,
              ::testing::Contains("parked container " + bottle + ".prev-" + one.job_key + ", after success"));
  EXPECT_FALSE(plan.irreversible.empty());
  EXPECT_EQ(proxy->mutating(), std::vector<std::string>());
}

class DockerUntouched : public DockerCase {
 protected:
  void SetUp() override {
    DockerCase::SetUp();
    if (!IsSkipped()) start_container(bottle, agent_body());
  }
  // The job fails in prepare; the container never stopped and nothing is left.
  Performed fails(json change) {
    const auto before = inspect(bottle);
    auto one = driver(std::move(change));
    auto done = one.run_all();
    remove_leftovers(one, State::failed);
    EXPECT_EQ(inspect(bottle), before);
    EXPECT_EQ(container_names(), std::vector<std::string>{bottle});
    EXPECT_EQ(own_tags(), std::vector<std::string>());
    return done;
  }
};

TEST_F(DockerUntouched, ByABuildStepThatFails) {
  const auto done = fails({{"dockerfile", "FROM current\nRUN echo out of cheese; exit 42\n"}});
  EXPECT_EQ(done.outcome, Outcome::permanent);
  EXPECT_EQ(done.reason_code, "build_failed");
  EXPECT_EQ(at(done.detail, "exit_code"), 42);
  EXPECT_THAT(text(at(done.detail, "output")), ::testing::HasSubstr("out of cheese"));
}

TEST_F(DockerUntouched, ByADockerfileThatDoesNotParse) {
  const auto done = fails({{"dockerfile", "FROM current\nENV LONELY\n"}});
  EXPECT_EQ(done.outcome, Outcome::permanent);
  EXPECT_EQ(done.reason_code, "dockerfile_invalid");
  EXPECT_THAT(done.message, ::testing::HasSubstr("ENV must have two arguments"));
}

TEST_F(DockerUntouched, ByABuildThatTakesTooLong) {
  json limits = {{"build_timeout_s", 1}};
  auto one = driver({{"dockerfile", "FROM current\nRUN echo begun; sleep 1000\n"}}, {{"limits", limits}});
  const auto before = inspect(bottle);
  const auto done = one.run_all();
  EXPECT_EQ(done.reason_code, "build_timeout");
  EXPECT_EQ(inspect(bottle), before);
  EXPECT_EQ(one.observe("build_image").world, World::absent);
}

TEST_F(DockerUntouched, ByANameThatSomeoneElseTook) {
  auto one = driver({{"dockerfile", good_dockerfile}});
  const auto name = bottle + ".new-" + one.context().job_key;
  const auto foreign = start_container(name, agent_body());
  const auto before = inspect(bottle);
  const auto done = one.run_all();
  EXPECT_EQ(done.outcome, Outcome::stale);
  EXPECT_EQ(one.failed_at(), "create_new");
  EXPECT_EQ(inspect(bottle), before);
  for (const auto& leftover : backend->leftovers(one.context(), State::rejected_stale)) {
    const auto removed = wait(backend->remove(leftover));
    if (leftover.kind == "created_container") {
      EXPECT_EQ(removed.outcome, Outcome::done) << removed.message;
    }
  }
  EXPECT_EQ(text(at(inspect(name), "Id")), foreign) << "a container that is not ours was removed";
}

TEST_F(DockerUntouched, AsAreContainersThatHaveTheJobsLabelFromItsImage) {
  auto one = driver({{"dockerfile", good_dockerfile}});
  const auto names = docker::names_of(bottle, bottle, one.context().job_key, "");
  const auto survives = [&](json labels) {
    json body = {{"Image", names.tag_job}, {"Cmd", {"sleep", "1000"}}, {"Labels", std::move(labels)}};
    const auto id = text(at(call("POST", "/containers/create?name=" + bottle + "-persons", body), "Id"));
    for (const auto& leftover : backend->leftovers(one.context(), State::failed)) {
      if (leftover.kind != "created_container") continue;
      EXPECT_EQ(wait(backend->remove(leftover)).outcome, Outcome::done);
    }
    const bool there = text(at(inspect(bottle + "-persons"), "Id")) == id;
    if (there) call("DELETE", "/containers/" + id);
    return there;
  };
  ASSERT_EQ(one.run_step(State::prepare).outcome, Outcome::done);
  const auto labels = at(inspect(names.created), "Config", "Labels");
  ASSERT_FALSE(labels.empty());
  EXPECT_TRUE(survives(labels)) << "it has all labels of the job's container, but is another one";
  EXPECT_TRUE(inspect(names.created).is_null()) << "this one is the job's";
  one.context().facts.erase("create_new");  // as after a crash before its id was recorded
  EXPECT_TRUE(survives(json::object())) << "it has the labels of the job's image";
}

TEST_F(DockerUntouched, ByDriftBetweenTheLooks) {
  auto one = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(one.run_step(State::prepare).outcome, Outcome::done);
  json more = {{"Memory", 128 << 20}, {"MemorySwap", 256 << 20}};
  call("POST", "/containers/" + bottle + "/update", more);
  const auto done = one.run_step(State::snapshot);
  EXPECT_EQ(done.outcome, Outcome::stale);
  EXPECT_EQ(done.reason_code, "drift");
  EXPECT_THAT(at(done.detail, "diff").dump(), ::testing::HasSubstr("HostConfig.Memory"));
}

TEST_F(DockerUntouched, ByAContainerMadeAnewUnderTheSameName) {
  auto one = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(one.run_step(State::prepare).outcome, Outcome::done);
  call("DELETE", "/containers/" + bottle + "?force=1");
  start_container(bottle, agent_body());
  const auto before = inspect(bottle);
  const auto done = one.run_step(State::snapshot);
  EXPECT_EQ(done.outcome, Outcome::stale);
  EXPECT_EQ(done.reason_code, "bottle_not_found");
  EXPECT_EQ(inspect(bottle), before);
}

TEST_F(DockerUntouched, BySomeoneElsesContainerOnTheParkedName) {
  auto one = driver({{"dockerfile", good_dockerfile}});
  const auto name = bottle + ".prev-" + one.context().job_key;
  start_container(name, agent_body());
  const auto before = inspect(bottle);
  const auto done = one.run_all();
  EXPECT_EQ(done.outcome, Outcome::stale);
  EXPECT_EQ(one.failed_at(), "record");
  EXPECT_THAT(at(done.detail, "diff").dump(), ::testing::HasSubstr(name));
  EXPECT_EQ(inspect(bottle), before);
}

TEST_F(DockerUntouched, ByAnEngineThatIsSilentBeforeTheStop) {
  auto one = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(one.run_step(State::prepare).outcome, Outcome::done);
  config.socket = folder / "nobody.sock";
  auto silent = another_backend();
  one.use(*silent);
  EXPECT_EQ(one.run_step(State::snapshot).outcome, Outcome::unreachable) << "it was there: it is waited for";
}

TEST_F(DockerUntouched, OnlyForAMomentIfTheParkedNameIsTakenAfterTheLastLook) {
  auto one = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(one.run_step(State::prepare).outcome, Outcome::done);
  ASSERT_EQ(one.run_step(State::snapshot).outcome, Outcome::done);
  start_container(bottle + ".prev-" + one.context().job_key, agent_body());
  const auto id = text(at(inspect(bottle), "Id"));
  const auto done = one.run_all();
  EXPECT_EQ(done.outcome, Outcome::stale);
  EXPECT_EQ(one.failed_at(), "park_old");
  EXPECT_EQ(one.roll_back().outcome, Outcome::done);
  EXPECT_EQ(text(at(inspect(bottle), "Id")), id);
  EXPECT_EQ(at(inspect(bottle), "State", "Running"), true);
}

}  // namespace
}  // namespace rebottle::tests
