// A Podman document read as a Docker engine's. Not here: the specification made of it (spec_test.cpp).
#include "worker/backends/docker/podman/inspect.hpp"

#include <gmock/gmock.h>

#include "tests/unit/worker/backends/docker/podman/podman_fixture.hpp"
#include "worker/backends/docker/carry_over.hpp"

namespace rebottle::worker::docker::podman {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::vector<std::string> refused(const json& libpod) {
  return container_as_docker(libpod)["Podman"]["refused"].get<std::vector<std::string>>();
}

TEST(PodmanInspect, ReadsARealContainer) {
  const auto seen = container_as_docker(recorded_container());
  EXPECT_EQ(seen["Name"], "/unitdoc");
  EXPECT_THAT(seen["Image"].get<std::string>(), StartsWith("sha256:"));
  EXPECT_EQ(seen["State"]["Running"], true);
  const auto& config = seen["Config"];
  EXPECT_EQ(config["Env"], (json{"A=b", "PATH=/usr/local/bin:/bin"})) << "without what Podman adds itself";
  EXPECT_EQ(config["Cmd"], (json{"sleep", "1000"}));
  EXPECT_EQ(config["Entrypoint"], json::array()) << "the init of Podman is none";
  EXPECT_EQ(config["StopSignal"], "SIGINT");
  EXPECT_EQ(config["ExposedPorts"], (json{{"80/tcp", json::object()}, {"81/tcp", json::object()}}));
  const auto& host = seen["HostConfig"];
  EXPECT_EQ(host["NetworkMode"], "n1");
  EXPECT_EQ(host["PortBindings"].size(), 1U);
  EXPECT_EQ(host["LogConfig"], (json{{"Type", "k8s-file"}, {"Config", {{"max-size", "1MB"}}}}));
  EXPECT_EQ(seen["NetworkSettings"]["Networks"].size(), 2U);
  EXPECT_EQ(seen["Podman"]["settings"]["Umask"], "0027");
  EXPECT_EQ(seen["Podman"]["settings"]["Annotations"], (json{{"a.b", "c"}}));
  EXPECT_EQ(seen["Podman"]["untold"]["addresses"], (json{{"n1", {{"IPv4Address", "10.201.7.9"}}}}));
  EXPECT_EQ(seen["Podman"]["untold"]["sysctls"], (json{{"net.ipv4.ip_unprivileged_port_start", "80"}}));
  EXPECT_EQ(seen["Podman"]["refused"], json::array());
}

TEST(PodmanInspect, AllOfARealContainerCanBeCarriedOver) {
  const auto carried = carry_over(container_as_docker(recorded_container()), image_as_docker({{"Id", "x"}}));
  EXPECT_EQ(carried.refused, std::vector<std::string>());
  EXPECT_EQ(carried.further.size(), 1U);
}

TEST(PodmanInspect, AContainerThatMayStartAgainByItselfIsRestarting) {
  auto container = recorded_container();
  container["State"]["Status"] = "stopped";
  container["State"]["Running"] = false;
  EXPECT_EQ(container_as_docker(container)["State"]["Restarting"], true);
  EXPECT_EQ(container_as_docker(container)["State"]["Status"], "restarting");
  container["HostConfig"]["RestartPolicy"]["Name"] = "";
  EXPECT_EQ(container_as_docker(container)["State"]["Restarting"], false);
  EXPECT_EQ(container_as_docker(container)["State"]["Status"], "exited");
}

TEST(PodmanInspect, TheLabelSaysWhatTheApiDoesNot) {
  auto container = recorded_container();
  container["Config"].erase("CreateCommand");
  EXPECT_THAT(refused(container), Contains(HasSubstr("io.rebottle.podman={}")));
  container["Config"]["Labels"][untold_label] = R"({"sysctls":{"a":"b"}})";
  EXPECT_EQ(refused(container), std::vector<std::string>());
  const auto seen = container_as_docker(container);
  EXPECT_EQ(seen["Podman"]["untold"], (json{{"sysctls", {{"a", "b"}}}}));
  EXPECT_FALSE(seen["Config"]["Labels"].contains(untold_label));
  container["Config"]["Labels"][untold_label] = "none";
  EXPECT_THAT(refused(container), Contains(HasSubstr("no JSON object")));
}

TEST(PodmanInspect, WhatCannotBeCarriedOverIsNamed) {
  const std::vector<std::pair<json::json_pointer, json>> cases = {
      {"/Pod"_json_pointer, "4711"},
      {"/Config/Secrets"_json_pointer, json::array({{{"Name", "s"}}})},
      {"/Config/SystemdMode"_json_pointer, true},
      {"/Config/HealthcheckOnFailureAction"_json_pointer, "kill"},
      {"/Config/NewInPodman9"_json_pointer, "x"},
      {"/HostConfig/NewInPodman9"_json_pointer, 1},
      {"/HostConfig/IDMappings"_json_pointer, {{"UidMap", {"0:1:2"}}}},
      {"/HostConfig/Cgroups"_json_pointer, "split"},
      {"/HostConfig/Devices"_json_pointer, json::array({{{"PathOnHost", "/dev/null"}}})},
      {"/HostConfig/BlkioDeviceReadBps"_json_pointer, json::array({{{"Path", "/dev/x"}}})},
      {"/HostConfig/PublishAllPorts"_json_pointer, true},
      {"/HostConfig/RestartPolicy/Name"_json_pointer, "always"},
      {"/HostConfig/SecurityOpt"_json_pointer, json::array({"seccomp=unconfined"})},
      {"/HostConfig/NetworkMode"_json_pointer, "slirp4netns"},
      {"/Config/Labels/PODMAN_SYSTEMD_UNIT"_json_pointer, "agent.service"},
      {"/Mounts/0/SubPath"_json_pointer, "below"},
  };
  for (const auto& [where, value] : cases) {
    auto container = recorded_container();
    container[where] = value;
    std::string named = where.back() == "Name" ? "RestartPolicy" : where.back();
    EXPECT_THAT(refused(container), Contains(HasSubstr(named))) << where.to_string();
  }
}

TEST(PodmanInspect, SignalsHaveOneNameEach) {
  EXPECT_EQ(signal_name(15), "SIGTERM");
  EXPECT_EQ(signal_name("2"), "SIGINT");
  EXPECT_EQ(signal_name("QUIT"), "SIGQUIT");
  EXPECT_EQ(signal_name(nullptr), "");
  EXPECT_EQ(signal_number("SIGUSR1"), 10);
}

TEST(PodmanInspect, TheImagesDefaultsAreThoseOfItsContainers) {
  const auto image = image_as_docker({{"Id", "abc"},
                                      {"RepoDigests", {"localhost/a@sha256:1", "docker.io/a@sha256:1"}},
                                      {"Healthcheck", {{"Test", {"CMD", "true"}}, {"Retries", 2}}}});
  EXPECT_EQ(image["RepoDigests"], (json{"docker.io/a@sha256:1"}));
  EXPECT_EQ(image["Id"], "sha256:abc");
  EXPECT_EQ(image["Config"]["WorkingDir"], "/");
  EXPECT_EQ(image["Config"]["StopSignal"], "SIGTERM");
  EXPECT_EQ(image["Config"]["Healthcheck"]["Timeout"], 30'000'000'000);
  EXPECT_EQ(image["Config"]["Healthcheck"]["Retries"], 2);
}

}  // namespace
}  // namespace rebottle::worker::docker::podman
