// What goes over to the changed container, on inspect documents as an engine gives them. Not here: engines.
#include "worker/backends/docker/carry_over.hpp"

#include <gmock/gmock.h>

namespace rebottle::worker::docker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* id = "80e5e18ff6d102ce4f96f1fa1e1284a9bcfa10face9735628eb6fedbaafef76a";

json image_document() {
  return {{"Id", "sha256:old"},
          {"Config",
           {{"Env", {"PATH=/bin", "FOO=image"}},
            {"Cmd", {"serve"}},
            {"Entrypoint", {"/init"}},
            {"User", "agent"},
            {"WorkingDir", "/srv"},
            {"Labels", {{"image", "1"}, {"io.rebottle.job", "earlier"}}},
            {"ExposedPorts", {{"80/tcp", json::object()}}},
            {"Volumes", {{"/state", json::object()}}},
            {"StopSignal", "SIGINT"},
            {"Healthcheck", {{"Test", {"CMD", "check"}}, {"Interval", 5}}}}}};
}

// As made from that image with nothing set by a person.
json container_document() {
  return {{"Id", id},
          {"Name", "/agent"},
          {"Image", "sha256:old"},
          {"Config",
           {{"Hostname", "80e5e18ff6d1"},
            {"Domainname", ""},
            {"User", "agent"},
            {"Env", {"PATH=/bin", "FOO=image"}},
            {"Cmd", {"serve"}},
            {"Entrypoint", {"/init"}},
            {"Image", "base:1"},
            {"WorkingDir", "/srv"},
            {"Labels", {{"image", "1"}, {"io.rebottle.job", "earlier"}}},
            {"ExposedPorts", {{"80/tcp", json::object()}}},
            {"Volumes", {{"/state", json::object()}}},
            {"StopSignal", "SIGINT"},
            {"OnBuild", nullptr},
            {"Healthcheck", {{"Test", {"CMD", "check"}}, {"Interval", 5}}}}},
          {"HostConfig",
           {{"NetworkMode", "default"},
            {"RestartPolicy", {{"Name", "always"}, {"MaximumRetryCount", 0}}},
            {"Binds", nullptr},
            {"Links", nullptr},
            {"AutoRemove", false},
            {"MaskedPaths", json::array()},
            {"Memory", 64}}},
          {"Mounts",
           {{{"Type", "volume"}, {"Name", "anonymous-1"}, {"Destination", "/state"}, {"Source", "/x"}, {"RW", true}}}},
          {"NetworkSettings",
           {{"Networks",
             {{"bridge",
               {{"IPAMConfig", nullptr},
                {"Links", nullptr},
                {"Aliases", nullptr},
                {"NetworkID", "net-1"},
                {"EndpointID", "e"},
                {"IPAddress", "172.17.0.2"},
                {"MacAddress", "02:42:ac:11:00:02"}}}}}}}};
}

json carried_body(const json& container) { return carry_over(container, image_document()).body; }

TEST(CarryOver, WhatTheImageGaveIsLeftToTheNewImage) {
  const auto out = carry_over(container_document(), image_document());
  EXPECT_THAT(out.refused, IsEmpty());
  for (const auto* const field : {"User", "Env", "Cmd", "Entrypoint", "WorkingDir", "Labels", "ExposedPorts",
                                  "StopSignal", "Healthcheck", "Hostname", "Image", "Volumes"})
    EXPECT_FALSE(out.body.contains(field)) << field << out.body[field];
}

TEST(CarryOver, WhatAPersonSetGoesOver) {
  auto container = container_document();
  auto& config = container["Config"];
  config["User"] = "1000:1000";
  config["WorkingDir"] = "/work";
  config["Labels"]["team"] = "blue";
  config["Labels"]["image"] = "overridden";
  config["ExposedPorts"]["81/tcp"] = json::object();
  config["StopSignal"] = "SIGTERM";
  config["StopTimeout"] = 7;
  config["Hostname"] = "agent-host";
  config["Domainname"] = "example.test";
  config["Tty"] = true;
  const auto body = carried_body(container);
  EXPECT_EQ(body["User"], "1000:1000");
  EXPECT_EQ(body["WorkingDir"], "/work");
  EXPECT_EQ(body["Labels"], (json{{"team", "blue"}, {"image", "overridden"}}));
  EXPECT_EQ(body["ExposedPorts"], (json{{"81/tcp", json::object()}}));
  EXPECT_EQ(body["StopSignal"], "SIGTERM");
  EXPECT_EQ(body["StopTimeout"], 7);
  EXPECT_EQ(body["Hostname"], "agent-host");
  EXPECT_EQ(body["Domainname"], "example.test");
  EXPECT_EQ(body["Tty"], true);
}

TEST(CarryOver, LabelsOfEarlierJobsNeverPileUp) {
  auto container = container_document();
  container["Config"]["Labels"]["io.rebottle.job"] = "ab-1";
  for (const auto* const own : {"fence", "step", "bottle", "build", "change"})
    container["Config"]["Labels"]["io.rebottle." + std::string(own)] = "9";
  EXPECT_FALSE(carried_body(container).contains("Labels"));
}

TEST(CarryOver, LabelsThatOnlyBeginLikeOursAreAPersons) {
  auto container = container_document();
  container["Config"]["Labels"]["io.rebottle.order"] = "2";
  container["Config"]["Labels"]["io.rebottle.owner"] = "alice";
  EXPECT_EQ(carried_body(container)["Labels"], (json{{"io.rebottle.order", "2"}, {"io.rebottle.owner", "alice"}}));
}

TEST(CarryOver, EnvironmentByPosition) {
  auto container = container_document();
  auto& env = container["Config"]["Env"];
  env = {"TOKEN=x", "PATH=/bin", "FOO=image"};
  EXPECT_EQ(carried_body(container)["Env"], (json{"TOKEN=x"}));
  env = {"FOO=own", "PATH=/bin"};
  EXPECT_EQ(carried_body(container)["Env"], (json{"FOO=own"}));
  // Set by a person to the image's very value: the place tells.
  env = {"FOO=image", "PATH=/bin"};
  EXPECT_EQ(carried_body(container)["Env"], (json{"FOO=image"}));
  env = {"EMPTY=", "PATH", "FOO=image"};
  EXPECT_EQ(carried_body(container)["Env"], (json{"EMPTY=", "PATH"}));
}

TEST(CarryOver, EnvironmentOfAnEngineWithAnotherOrder) {
  auto container = container_document();
  container["Config"]["Env"] = {"PATH=/bin", "TOKEN=x", "FOO=image", "container=podman"};
  EXPECT_EQ(carried_body(container)["Env"], (json{"TOKEN=x", "container=podman"}));
}

TEST(CarryOver, ACommandBelongsToItsEntrypoint) {
  auto container = container_document();
  container["Config"]["Cmd"] = {"other"};
  auto body = carried_body(container);
  EXPECT_EQ(body["Cmd"], (json{"other"}));
  EXPECT_FALSE(body.contains("Entrypoint"));

  container = container_document();
  container["Config"]["Entrypoint"] = {"/own"};
  body = carried_body(container);
  EXPECT_EQ(body["Entrypoint"], (json{"/own"}));
  EXPECT_EQ(body["Cmd"], (json{"serve"})) << "with an entrypoint of its own the image's command is not inherited";

  container["Config"]["Entrypoint"] = nullptr;
  body = carried_body(container);
  EXPECT_EQ(body["Entrypoint"], json::array({""})) << "a person took the image's entrypoint away";
}

TEST(CarryOver, AnEntrypointGivenWithoutACommandStaysWithoutOne) {
  auto container = container_document();
  container["Config"]["Cmd"] = nullptr;  // as after `docker run --entrypoint /init`
  const auto body = carried_body(container);
  EXPECT_EQ(body["Entrypoint"], (json{"/init"})) << "else the image's command would be inherited";
  EXPECT_FALSE(body.contains("Cmd"));
}

TEST(CarryOver, HealthcheckFieldByField) {
  auto container = container_document();
  container["Config"]["Healthcheck"] = {{"Test", {"CMD", "own"}}, {"Interval", 5}, {"Retries", 9}};
  EXPECT_EQ(carried_body(container)["Healthcheck"], (json{{"Test", {"CMD", "own"}}, {"Retries", 9}}));
  container["Config"]["Healthcheck"] = {{"Test", {"NONE"}}};
  EXPECT_EQ(carried_body(container)["Healthcheck"], (json{{"Test", {"NONE"}}}));
}

TEST(CarryOver, AnonymousVolumesGetTheirNames) {
  auto container = container_document();
  EXPECT_EQ(carried_body(container)["HostConfig"]["Binds"], (json{"anonymous-1:/state"}));
  EXPECT_FALSE(carried_body(container).contains("Volumes"));

  container["HostConfig"]["Binds"] = {"named:/state:ro", "/host:/h"};
  EXPECT_EQ(carried_body(container)["HostConfig"]["Binds"], (json{"named:/state:ro", "/host:/h"}));

  container["HostConfig"]["Binds"] = {"/state"};
  EXPECT_EQ(carried_body(container)["HostConfig"]["Binds"], (json{"anonymous-1:/state"}));
}

TEST(CarryOver, AnEmptyAnonymousVolumeIsNotFilledAndANamedOneGoesOverAsItIs) {
  auto container = container_document();
  const std::set<std::string> empty = {"/state", "/a"};
  container["HostConfig"]["Binds"] = {"a:/a"};
  const auto body = carry_over(container, image_document(), empty).body;
  EXPECT_EQ(body["HostConfig"]["Binds"], (json{"a:/a", "anonymous-1:/state:nocopy"}));
}

TEST(CarryOver, ADestinationMayBeSpeltInSeveralWays) {
  auto container = container_document();
  container["HostConfig"]["Binds"] = {"named:/state/"};
  auto body = carried_body(container);
  EXPECT_EQ(body["HostConfig"]["Binds"], (json{"named:/state/"})) << "a second one is refused by the engine";
  container["HostConfig"]["Binds"] = nullptr;
  container["Config"]["Volumes"] = {{"/state/", json::object()}};
  body = carried_body(container);
  EXPECT_EQ(body["HostConfig"]["Binds"], (json{"anonymous-1:/state"}));
  EXPECT_FALSE(body.contains("Volumes"));
}

TEST(CarryOver, AVolumeThatTheEngineDoesNotNameIsRefused) {
  auto container = container_document();
  container["Mounts"][0].erase("Name");
  EXPECT_THAT(carry_over(container, image_document()).refused, ElementsAre(HasSubstr("Mounts[/state]")));
}

TEST(CarryOver, AMountOfAnotherTypeIsRefused) {
  auto container = container_document();
  for (const auto* const type : {"image", "cluster", "npipe"}) {
    container["HostConfig"]["Mounts"] = {{{"Type", "tmpfs"}, {"Target", "/a"}}, {{"Type", type}, {"Target", "/b"}}};
    EXPECT_THAT(carry_over(container, image_document()).refused,
                ElementsAre("HostConfig.Mounts[1].Type: " + std::string(type)));
  }
}

TEST(CarryOver, AMountWithoutASourceGetsItsVolume) {
  auto container = container_document();
  container["HostConfig"]["Mounts"] = {{{"Type", "volume"}, {"Target", "/state"}, {"ReadOnly", true}},
                                       {{"Type", "tmpfs"}, {"Target", "/t"}}};
  const auto body = carried_body(container);
  EXPECT_EQ(body["HostConfig"]["Mounts"][0],
            (json{{"Type", "volume"}, {"Target", "/state"}, {"ReadOnly", true}, {"Source", "anonymous-1"}}));
  EXPECT_EQ(body["HostConfig"]["Mounts"][1], (json{{"Type", "tmpfs"}, {"Target", "/t"}}));
  EXPECT_FALSE(body["HostConfig"].contains("Binds"));
}

TEST(CarryOver, TheRestartPolicyWaitsForTheStart) {
  const auto out = carry_over(container_document(), image_document());
  EXPECT_EQ(out.body["HostConfig"]["RestartPolicy"]["Name"], "no");
  EXPECT_EQ(out.restart_policy["Name"], "always");
}

TEST(CarryOver, EmptyListsThatMeanSomethingGoOver) {
  EXPECT_EQ(carried_body(container_document())["HostConfig"]["MaskedPaths"], json::array());
}

TEST(CarryOver, TheFirstNetworkIsMadeWithTheContainerTheOthersLater) {
  auto container = container_document();
  container["HostConfig"]["NetworkMode"] = "one";
  container["Config"]["Hostname"] = "agent-host";
  container["NetworkSettings"]["Networks"] = {
      {"one",
       {{"IPAMConfig", {{"IPv4Address", "10.0.0.9"}}},
        {"Aliases", {"alias", "80e5e18ff6d1", "agent-host"}},
        {"NetworkID", "id-1"},
        {"IPAddress", "10.0.0.9"},
        {"DriverOpts", {{"a", "b"}}}}},
      {"two", {{"IPAMConfig", json::object()}, {"Aliases", {"80e5e18ff6d1"}}, {"NetworkID", "id-2"}}}};
  const auto out = carry_over(container, image_document());
  EXPECT_THAT(out.refused, IsEmpty());
  EXPECT_EQ(
      out.body["NetworkingConfig"]["EndpointsConfig"],
      (json{{"one",
             {{"IPAMConfig", {{"IPv4Address", "10.0.0.9"}}}, {"Aliases", {"alias"}}, {"DriverOpts", {{"a", "b"}}}}}}));
  ASSERT_EQ(out.further.size(), 1U);
  EXPECT_EQ(out.further[0].network, "two");
  EXPECT_EQ(out.further[0].network_id, "id-2");
  EXPECT_EQ(out.further[0].settings, (json{{"IPAMConfig", json::object()}}));
}

TEST(CarryOver, ANetworkModeMayBeAnId) {
  auto container = container_document();
  container["HostConfig"]["NetworkMode"] = "0123456789abcdef";
  container["NetworkSettings"]["Networks"] = {{"one", {{"NetworkID", "0123456789abcdef0123"}}}};
  const auto out = carry_over(container, image_document());
  EXPECT_THAT(out.refused, IsEmpty());
  EXPECT_TRUE(out.further.empty());
}

TEST(CarryOver, HostAndNoNetworkNeedNoEndpoint) {
  for (const auto* const mode : {"host", "none"}) {
    auto container = container_document();
    container["HostConfig"]["NetworkMode"] = mode;
    container["NetworkSettings"]["Networks"] = {{mode, {{"NetworkID", "x"}}}};
    const auto out = carry_over(container, image_document());
    EXPECT_THAT(out.refused, IsEmpty());
    EXPECT_FALSE(out.body.contains("NetworkingConfig"));
    EXPECT_TRUE(out.further.empty());
  }
}

TEST(CarryOver, ALostFirstNetworkIsRefused) {
  auto container = container_document();
  container["HostConfig"]["NetworkMode"] = "gone";
  EXPECT_THAT(carry_over(container, image_document()).refused, ElementsAre(HasSubstr("not connected to gone")));
}

TEST(CarryOver, AContainerWithoutNetworkNeedsNoEndpoint) {
  auto container = container_document();
  container["Config"]["NetworkDisabled"] = true;
  container["NetworkSettings"]["Networks"] = json::object();
  const auto out = carry_over(container, image_document());
  EXPECT_THAT(out.refused, IsEmpty());
  EXPECT_EQ(out.body["NetworkDisabled"], true);
}

TEST(CarryOver, OnAFurtherNetworkAMacAddressIsKeptUnlessMadeFromTheIpv4Address) {
  auto container = container_document();
  container["NetworkSettings"]["Networks"]["two"] = {{"NetworkID", "n2"}, {"IPAddress", "10.0.200.9"}};
  auto& mac = container["NetworkSettings"]["Networks"]["two"]["MacAddress"];
  for (const auto& [value, kept] : {std::pair("02:42:0a:00:c8:09", false), std::pair("02:42:0a:00:c8:0a", true),
                                    std::pair("", false), std::pair("9e:01:02:03:04:05", true)}) {
    mac = value;
    const auto out = carry_over(container, image_document());
    ASSERT_EQ(out.further.size(), 1U);
    EXPECT_EQ(out.further[0].settings.value("MacAddress", ""), kept ? value : "");
    EXPECT_FALSE(out.body["NetworkingConfig"]["EndpointsConfig"]["bridge"].contains("MacAddress"));
  }
}

TEST(CarryOver, WhatIsNotKnownButComesFromTheImageIsNoLoss) {
  auto container = container_document();
  auto image = image_document();
  container["Config"]["FromTheFuture"] = image["Config"]["FromTheFuture"] = "x";
  container["Config"]["Healthcheck"]["FromTheFuture"] = image["Config"]["Healthcheck"]["FromTheFuture"] = 1;
  EXPECT_THAT(carry_over(container, image).refused, IsEmpty());
}

TEST(CarryOver, WhatIsNotKnownIsRefusedByName) {
  auto container = container_document();
  container["Config"]["FromTheFuture"] = "x";
  container["Config"]["AlsoNew"] = json::object();
  container["HostConfig"]["FromTheFuture"] = {{"a", 0}};
  container["HostConfig"]["Links"] = {"/db:/agent/db"};
  container["NetworkSettings"]["Networks"]["bridge"]["FromTheFuture"] = 1;
  EXPECT_THAT(carry_over(container, image_document()).refused,
              ElementsAre("HostConfig.FromTheFuture", HasSubstr("HostConfig.Links: "), "Config.FromTheFuture",
                          "NetworkSettings.Networks[bridge].FromTheFuture"));
}

TEST(CarryOver, AHostnameIsNotGivenWhereTheEngineRefusesOne) {
  auto container = container_document();
  container["Config"]["Hostname"] = "the-host";
  container["HostConfig"]["UTSMode"] = "host";
  EXPECT_FALSE(carried_body(container).contains("Hostname"));
}

TEST(IsDefault, IsWhatAnEngineFillsIn) {
  for (const auto& value : {json(), json(""), json(0), json(false), json(0.0), json::array(), json::object(),
                            json::array({0, 0}), json::array({""})})
    EXPECT_TRUE(is_default(value)) << value;
  for (const auto& value :
       {json("x"), json(1), json(-1), json(true), json::array({0, 1}), json{{"80/tcp", json::object()}}})
    EXPECT_FALSE(is_default(value)) << value;
}

}  // namespace
}  // namespace rebottle::worker::docker
