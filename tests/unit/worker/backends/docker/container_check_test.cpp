// Two inspect documents compared: drift, and an engine that made something else than it was told to.
// Not here: what goes over (carry_over_test.cpp).
#include "worker/backends/docker/container_check.hpp"

#include <gmock/gmock.h>

namespace rebottle::worker::docker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

json container_document() {
  return {
      {"Config", {{"Env", {"PATH=/bin"}}, {"Hostname", "h"}}},
      {"HostConfig",
       {{"NetworkMode", "bridge"},
        {"RestartPolicy", {{"Name", "always"}}},
        {"LogConfig", {{"Type", "json-file"}, {"Config", {{"max-size", "1m"}}}}},
        {"CapAdd", {"NET_ADMIN", "cap_mknod"}},
        {"PidsLimit", -1},
        {"IpcMode", "private"},
        {"Memory", 64}}},
      {"Mounts",
       {{{"Type", "volume"}, {"Name", "v"}, {"Destination", "/v"}, {"Source", "/x"}, {"RW", true}},
        {{"Type", "bind"}, {"Source", "/s"}, {"Destination", "/b"}, {"RW", true}, {"Propagation", "rslave"}}}},
      {"NetworkSettings",
       {{"Networks",
         {{"bridge", {{"NetworkID", "net-1"}, {"MacAddress", "02:42:ac:11:00:02"}, {"IPAddress", "172.17.0.2"}}}}}}}};
}

std::vector<std::string> drift(const json& container) {
  return changed_fields(fingerprint(container_document()), fingerprint(container));
}

TEST(Fingerprint, NamesWhatChangedAndKeepsNoSecret) {
  auto container = container_document();
  container["Config"]["Env"].push_back("TOKEN=secret-value");
  container["HostConfig"]["Memory"] = 128;
  container["NetworkSettings"]["Networks"]["two"] = {{"NetworkID", "n2"}};
  EXPECT_THAT(drift(container), ElementsAre("Config.Env", "HostConfig.Memory", "Networks[two].NetworkID"));
  EXPECT_EQ(fingerprint(container).dump().find("secret-value"), std::string::npos);
}

TEST(Fingerprint, ARestartIsNoChange) {
  auto container = container_document();
  container["State"] = {{"StartedAt", "later"}};
  auto& endpoint = container["NetworkSettings"]["Networks"]["bridge"];
  endpoint["IPAddress"] = "172.17.0.3";
  endpoint["EndpointID"] = "other";
  endpoint["MacAddress"] = "9a:00:00:00:00:01";
  EXPECT_THAT(drift(container), IsEmpty());
}

TEST(Fingerprint, ARecreatedNetworkAndAnotherMountAreChanges) {
  auto container = container_document();
  container["NetworkSettings"]["Networks"]["bridge"]["NetworkID"] = "net-2";
  container["Mounts"][1]["Source"] = "/other";
  EXPECT_THAT(drift(container), ElementsAre("Mounts[/b]", "Networks[bridge].NetworkID"));
}

std::vector<std::string> unfaithful(const json& created, const json& body = json::object()) {
  return unfaithful_fields(container_document(), body, created);
}

TEST(Unfaithful, NamesWhatTheEngineDidNotTakeOver) {
  auto created = container_document();
  EXPECT_THAT(unfaithful(created), IsEmpty());
  created["HostConfig"]["Memory"] = 0;
  created["HostConfig"]["RestartPolicy"]["Name"] = "no";
  created["HostConfig"]["Binds"] = {"x:/y"};
  EXPECT_THAT(unfaithful(created), ElementsAre("HostConfig.Memory"));
}

TEST(Unfaithful, NamesPrivilegesThatTheOldOneDidNotHave) {
  auto created = container_document();
  created["HostConfig"]["Privileged"] = true;
  created["HostConfig"]["CapAdd"] = {"CAP_NET_ADMIN", "CAP_MKNOD", "CAP_SYS_ADMIN"};
  auto old = container_document();
  old["HostConfig"]["Privileged"] = false;
  EXPECT_THAT(unfaithful_fields(old, json::object(), created),
              ElementsAre("HostConfig.CapAdd", "HostConfig.Privileged"));
}

TEST(Unfaithful, AnotherSpellingIsNoDifference) {
  auto created = container_document();
  auto& host_config = created["HostConfig"];
  host_config["CapAdd"] = {"CAP_MKNOD", "CAP_NET_ADMIN"};
  host_config["PidsLimit"] = nullptr;
  EXPECT_THAT(unfaithful(created), IsEmpty());
  auto old = container_document();
  old["HostConfig"]["IpcMode"] = "";
  EXPECT_THAT(unfaithful_fields(old, json::object(), created), IsEmpty()) << "made by an engine without the default";
  host_config["IpcMode"] = "host";
  EXPECT_THAT(unfaithful(created), ElementsAre("HostConfig.IpcMode"));
}

TEST(Unfaithful, LogOptionsOfTheEnginesOwnConfigurationAreLetBe) {
  auto created = container_document();
  created["HostConfig"]["LogConfig"]["Config"]["max-file"] = "3";
  EXPECT_THAT(unfaithful(created), IsEmpty());
  created["HostConfig"]["LogConfig"]["Config"]["max-size"] = "9m";
  EXPECT_THAT(unfaithful(created), ElementsAre("HostConfig.LogConfig"));
}

TEST(Unfaithful, AMountThatIsMissingOrAnotherOne) {
  auto created = container_document();
  created["Mounts"][0]["Name"] = "new-and-empty";
  created["Mounts"][1]["Propagation"] = "rprivate";
  EXPECT_THAT(unfaithful(created), ElementsAre("Mounts[/b]", "Mounts[/v]"));
  created["Mounts"] = json::array();
  EXPECT_THAT(unfaithful(created), ElementsAre("Mounts[/b]", "Mounts[/v]"));
}

TEST(Unfaithful, WhatWasAskedForIsInTheConfigurationAndOnTheEndpoint) {
  auto created = container_document();
  json body = {{"Env", {"A=1"}},
               {"Hostname", "h"},
               {"Entrypoint", {""}},
               {"HostConfig", json::object()},
               {"NetworkingConfig", {{"EndpointsConfig", {{"bridge", {{"Aliases", {"agent"}}}}}}}}};
  EXPECT_THAT(unfaithful(created, body), ElementsAre("Config.Env", "NetworkSettings.Networks[bridge]"));
  created["Config"]["Env"] = {"A=1", "PATH=/bin"};
  created["NetworkSettings"]["Networks"]["bridge"]["Aliases"] = {"agent", "80e5e18ff6d1"};
  EXPECT_THAT(unfaithful(created, body), IsEmpty());
}

}  // namespace
}  // namespace rebottle::worker::docker
