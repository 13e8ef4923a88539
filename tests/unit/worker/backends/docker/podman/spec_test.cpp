// From a carried-over body to Podman's specification. Not here: whether Podman takes it (tests/podman).
#include "worker/backends/docker/podman/spec.hpp"

#include <gmock/gmock.h>

#include "tests/unit/worker/backends/docker/podman/podman_fixture.hpp"
#include "worker/backends/docker/carry_over.hpp"
#include "worker/backends/docker/podman/inspect.hpp"

namespace rebottle::worker::docker::podman {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;

json spec_after(const json& container) {
  auto carried = carry_over(container, image_as_docker({{"Id", "x"}}));
  carried.body["Image"] = "localhost/rebottle/x:job-1";
  carried.body["HostConfig"]["RestartPolicy"] = carried.restart_policy;
  for (const auto& network : carried.further)
    carried.body["NetworkingConfig"]["EndpointsConfig"][network.network] = network.settings;
  return spec_of(carried.body, container, "unitdoc.new-1");
}

TEST(PodmanSpec, NoTimeToStopIsASetting) {
  const json container = {{"Podman", {{"settings", json::object()}, {"untold", json::object()}}}};
  EXPECT_EQ(spec_of({{"StopTimeout", 0}}, container, "x")["stop_timeout"], 0);
  EXPECT_FALSE(spec_of(json::object(), container, "x").contains("stop_timeout"));
}

TEST(PodmanSpec, HoldsEverySettingOfARealContainer) {
  const auto spec = spec_after(container_as_docker(recorded_container()));
  EXPECT_EQ(spec["name"], "unitdoc.new-1");
  EXPECT_EQ(spec["image"], "localhost/rebottle/x:job-1");
  EXPECT_EQ(spec["command"], (json{"sleep", "1000"}));
  EXPECT_FALSE(spec.contains("entrypoint"));
  EXPECT_EQ(spec["env"]["A"], "b");
  EXPECT_EQ(spec["stop_signal"], 2);
  EXPECT_EQ(spec["umask"], "0027");
  EXPECT_EQ(spec["annotations"], (json{{"a.b", "c"}}));
  EXPECT_EQ(spec["init"], true);
  EXPECT_EQ(spec["restart_policy"], "unless-stopped");
  EXPECT_EQ(spec["log_configuration"], (json{{"driver", "k8s-file"}, {"size", 1'000'000}}));
  EXPECT_EQ(spec["netns"]["nsmode"], "bridge");
  EXPECT_EQ(spec["networks"]["n1"], (json{{"aliases", {"the-agent"}}, {"static_ips", {"10.201.7.9"}}}));
  EXPECT_EQ(spec["networks"]["n2"], json::object());
  EXPECT_EQ(spec["sysctl"]["net.ipv4.ip_unprivileged_port_start"], "80");
  EXPECT_EQ(
      spec["portmappings"],
      json::array({{{"container_port", 80}, {"protocol", "tcp"}, {"host_ip", "127.0.0.1"}, {"host_port", 18085}}}));
  EXPECT_EQ(spec["expose"]["81"], "tcp");
  EXPECT_EQ(spec["resource_limits"]["memory"]["limit"], 64 << 20);
  EXPECT_EQ(spec["resource_limits"]["cpu"]["quota"], 50000);
  EXPECT_EQ(spec["volumes"].size(), 2U);
  EXPECT_EQ(spec["mounts"].size(), 2U) << "the bind and the tmpfs";
  EXPECT_EQ(json::parse(spec["labels"][untold_label].get<std::string>())["addresses"]["n1"]["IPv4Address"],
            "10.201.7.9")
      << "the next job must know it";
}

TEST(PodmanSpec, AMountKeepsItsLabelOfSelinux) {
  auto container = recorded_container();
  container["Mounts"][0]["Mode"] = "Z";
  container["Mounts"][2]["Mode"] = "z";
  const auto spec = spec_after(container_as_docker(container));
  EXPECT_THAT(spec["volumes"][0]["Options"], Contains("Z"));
  EXPECT_THAT(spec["mounts"][1]["options"], Contains("z"));
  EXPECT_THAT(spec["volumes"][1]["Options"], Not(Contains("")));
}

TEST(PodmanSpec, AHealthCheckIsGivenWholeOrNotAtAll) {
  auto container = container_as_docker(recorded_container());
  EXPECT_FALSE(spec_after(container).contains("healthconfig"));
  container["Config"]["Healthcheck"] = {{"Test", {"CMD", "x"}}, {"Interval", 1}, {"Timeout", 2}, {"Retries", 3}};
  EXPECT_EQ(spec_after(container)["healthconfig"], container["Config"]["Healthcheck"]);
}

TEST(PodmanSpec, WhatPodmanMadeOtherwiseIsNamed) {
  const auto container = container_as_docker(recorded_container());
  EXPECT_THAT(unfaithful_settings(container, container), IsEmpty());
  auto other = container;
  other["Podman"]["settings"]["BoundingCaps"].push_back("CAP_SYS_ADMIN");
  EXPECT_THAT(unfaithful_settings(container, other), Contains("Podman.BoundingCaps"));
}

}  // namespace
}  // namespace rebottle::worker::docker::podman
