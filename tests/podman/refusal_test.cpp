// What is refused on Podman, by name, before anything is touched: a recording proxy shows that nothing mutating was
// asked for. Not here: what is refused on every engine alike (tests/docker).
#include <gmock/gmock.h>

#include "tests/podman/podman_case.hpp"
#include "tests/support/recording_proxy.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::text;
using ::testing::HasSubstr;

class PodmanRefusal : public PodmanCase {
 protected:
  void SetUp() override {
    PodmanCase::SetUp();
    if (IsSkipped()) return;
    engine_socket = config.socket;
    proxy = std::make_unique<RecordingProxy>(folder / "proxy.sock", config.socket);
    through_proxy = config;
    through_proxy.socket = folder / "proxy.sock";
    backend = docker::make_docker_backend(io.get_executor(), through_proxy, "podman");
  }

  // The admission refuses; the container is as it was.
  Performed refused(json change) {
    const auto before = inspect(bottle);
    auto one = driver(std::move(change));
    const auto dry = wait(backend->plan(one.context()));
    auto done = one.run_step(State::prepare);
    EXPECT_EQ(one.failed_at(), "admit");
    EXPECT_EQ(done.outcome, Outcome::unsupported) << done.message;
    EXPECT_EQ(proxy->mutating(), std::vector<std::string>());
    EXPECT_FALSE(proxy->requests().empty());
    EXPECT_EQ(inspect(bottle), before);
    EXPECT_EQ(dry.reason_code, done.reason_code) << "the plan says something else than the job";
    return done;
  }
  Performed refused() { return refused({{"dockerfile", good_dockerfile}}); }

  void expect_lost(const std::string& field) {
    const auto done = refused();
    EXPECT_EQ(done.reason_code, "not_carried");
    EXPECT_THAT(done.message, HasSubstr(field));
  }

  docker::DockerConfig through_proxy;
  std::filesystem::path engine_socket;
  std::unique_ptr<RecordingProxy> proxy;
};

TEST_F(PodmanRefusal, AContainerMadeOverTheApiThatDoesNotSayWhatIsUntold) {
  auto body = agent_body();
  body.erase("Labels");
  start_container(bottle, std::move(body));
  expect_lost("io.rebottle.podman={}");
}

TEST_F(PodmanRefusal, ARestartPolicyThatCannotBeTakenOff) {
  run_by_command(bottle, {"--restart", "always"});
  expect_lost("HostConfig.RestartPolicy");
}

TEST_F(PodmanRefusal, AContainerThatAUnitOfSystemdKeeps) {
  run_by_command(bottle, {"--label", "PODMAN_SYSTEMD_UNIT=agent.service"});
  expect_lost("PODMAN_SYSTEMD_UNIT");
}

TEST_F(PodmanRefusal, AnOptionThatInspectDoesNotTell) {
  run_by_command(bottle, {"--no-hosts"});
  expect_lost("--no-hosts");
}

TEST_F(PodmanRefusal, ASecurityOptionThatInspectDoesNotTell) {
  run_by_command(bottle, {"--security-opt", "mask=/proc/cpuinfo"});
  expect_lost("mask=/proc/cpuinfo");
}

TEST_F(PodmanRefusal, AMemberOfAPod) {
  run_by_command(bottle, {"--pod", "new:" + bottle + "-pod"});
  expect_lost("Pod");
  call("DELETE", "/libpod/pods/" + bottle + "-pod?force=true");
}

TEST_F(PodmanRefusal, ContainersThatShareTheAgentsNamespaces) {
  run_by_command(bottle, {"--ipc", "shareable"});
  for (const auto* const option : {"--network", "--pid", "--ipc"}) {
    const auto sharer = run_by_command(bottle + "-sharer", {option, "container:" + bottle});
    EXPECT_EQ(refused().reason_code, "shared_namespace") << option;
    call("DELETE", "/containers/" + sharer + "?force=1");
  }
}

TEST_F(PodmanRefusal, AShortImageNameThatCouldMeanAnother) {
  start_container(bottle, agent_body());
  for (const json& change : {json{{"dockerfile", "FROM busybox:1\n"}}, json{{"image", "rebottle-demo/busybox:1"}},
                             json{{"dockerfile", "FROM current\nCOPY --from=busybox /x /x\n"}}}) {
    const auto done = refused(change);
    EXPECT_EQ(done.reason_code, "change_unsupported");
    EXPECT_THAT(done.message, HasSubstr("docker.io/library/"));
  }
}

TEST_F(PodmanRefusal, PodmanBehindDockersSocket) {
  start_container(bottle, agent_body());
  through_proxy.engine = docker::EngineKind::docker;
  backend = docker::make_docker_backend(io.get_executor(), through_proxy);
  const auto done = refused();
  EXPECT_EQ(done.reason_code, "backend_absent");
  EXPECT_THAT(done.message, HasSubstr("Podman"));
  const auto rows = wait(backend->probe());
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_FALSE(rows[0].supported);
  EXPECT_EQ(rows[0].reason_code, "backend_absent");
  EXPECT_THAT(rows[0].message, HasSubstr("for the backend podman"));
}

TEST_F(PodmanRefusal, TheProbeNamesEngineAndVersionAndReadsOnly) {
  const auto rows = wait(backend->probe());
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_TRUE(rows[0].supported) << rows[0].message;
  EXPECT_EQ(rows[0].backend, "podman");
  EXPECT_EQ(rows[0].version, text(at(call("GET", "/version"), "Version")));
  EXPECT_THAT(rows[0].detail, HasSubstr("Podman"));
  EXPECT_EQ(proxy->mutating(), std::vector<std::string>());
}

}  // namespace
}  // namespace rebottle::tests
