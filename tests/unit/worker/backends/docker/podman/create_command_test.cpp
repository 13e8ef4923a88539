// What is read from Podman's record of a command line. Not here: inspect documents.
#include "worker/backends/docker/podman/create_command.hpp"

#include <gmock/gmock.h>

namespace rebottle::worker::docker::podman {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Untold of(std::vector<std::string> words) { return untold_by(json(std::move(words))); }

TEST(CreateCommand, WithoutOneNothingIsKnown) {
  EXPECT_FALSE(untold_by(nullptr).known);
  EXPECT_FALSE(untold_by(json::array()).known);
  EXPECT_FALSE(of({"podman", "system", "service", "--time", "0"}).known) << "the API service's own";
  EXPECT_FALSE(of({"/usr/bin/podman", "--log-level", "warn", "system", "service", "unix:///create"}).known);
}

TEST(CreateCommand, WhatInspectShowsIsNotUntold) {
  const auto untold = of({"podman",
                          "--remote",
                          "--url",
                          "unix:///x",
                          "run",
                          "-dit",
                          "--name",
                          "x",
                          "-eA=b",
                          "-e",
                          "C",
                          "--env=D=e",
                          "-p80:80",
                          "-v",
                          "named:/x:ro,z",
                          "--mount",
                          "type=bind,src=/a,dst=/b",
                          "--init",
                          "--network",
                          "one,two",
                          "--restart=unless-stopped",
                          "image",
                          "--ip",
                          "is the command's"});
  EXPECT_TRUE(untold.known);
  EXPECT_THAT(untold.refused, IsEmpty());
  EXPECT_EQ(untold.settings, json::object());
}

TEST(CreateCommand, AddressesAreReadInEachOfTheirForms) {
  EXPECT_EQ(
      of({"podman", "create", "--network", "n", "--ip", "10.0.0.5", "--mac-address=0a:00:00:00:00:01", "i"}).settings,
      (json{{"addresses", {{"n", {{"IPv4Address", "10.0.0.5"}, {"MacAddress", "0a:00:00:00:00:01"}}}}}}));
  EXPECT_EQ(of({"podman", "run", "--ip=10.88.0.9", "i"}).settings,
            (json{{"addresses", {{"podman", {{"IPv4Address", "10.88.0.9"}}}}}}));
  EXPECT_EQ(
      of({"podman", "run", "--net=n:ip=10.0.0.5,alias=a,mac=0a::1", "--network", "m:ip=fd00::5", "i"}).settings,
      (json{{"addresses",
             {{"n", {{"IPv4Address", "10.0.0.5"}, {"MacAddress", "0a::1"}}}, {"m", {{"IPv6Address", "fd00::5"}}}}}}));
  EXPECT_EQ(of({"podman", "run", "--network", "n:alias=a", "i"}).settings, json::object());
  EXPECT_THAT(of({"podman", "run", "--network", "n", "--network", "m", "--ip", "10.0.0.5", "i"}).refused,
              ElementsAre(HasSubstr("--ip")));
}

TEST(CreateCommand, SysctlsDevicesAndTheHomeAreRead) {
  const auto untold =
      of({"podman", "run", "--sysctl", "net.core.somaxconn=9", "--device=/dev/null:/dev/x:r", "-e", "HOME=/x", "i"});
  EXPECT_EQ(
      untold.settings,
      (json{{"sysctls", {{"net.core.somaxconn", "9"}}}, {"devices", {"/dev/null:/dev/x:r"}}, {"own_home", true}}));
  EXPECT_EQ(of({"podman", "run", "--env-file", "/x", "i"}).settings, (json{{"own_home", true}}));
}

TEST(CreateCommand, AnOptionThatIsNotKnownIsRefusedByName) {
  EXPECT_THAT(of({"podman", "run", "--no-hosts", "--storage-opt=size=1G", "-Z", "i"}).refused,
              ElementsAre(HasSubstr("--no-hosts"), HasSubstr("--storage-opt"), HasSubstr("-Z")));
  EXPECT_THAT(of({"podman", "run", "-v", "/a:/b:O", "-v/c:/d:ro,U", "--mount", "type=image,src=x,dst=/y", "i"}).refused,
              ElementsAre(HasSubstr("O"), HasSubstr("U"), HasSubstr("image")));
  EXPECT_THAT(of({"podman", "run", "--security-opt=no-new-privileges", "--security-opt", "mask=/proc/cpuinfo",
                  "--security-opt=unmask=ALL", "--security-opt=label=disable", "i"})
                  .refused,
              ElementsAre(HasSubstr("mask=/proc/cpuinfo"), HasSubstr("unmask=ALL"), HasSubstr("label=disable")));
  EXPECT_THAT(of({"podman", "run", "--network", "n:interface_name=eth7", "i"}).refused,
              ElementsAre(HasSubstr("interface_name")));
}

}  // namespace
}  // namespace rebottle::worker::docker::podman
