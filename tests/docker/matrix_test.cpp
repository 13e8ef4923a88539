// The carry-over table on a real engine: containers on which every field that can be set here is set go through a
// real change, and inspect shows the same afterwards. A row that is neither seen so nor excused in carry_proofs.hpp
// fails the first case. Not here: refused rows (refusal_test.cpp).
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "tests/docker/docker_case.hpp"
#include "tests/support/carry_paths.hpp"
#include "tests/support/carry_proofs.hpp"
#include "worker/backends/docker/carry_over_table.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::Carry;
using docker::text;
using ::testing::IsEmpty;

// Differs on purpose: the change itself, and anonymous volumes, which go over by name (success_test.cpp).
const std::set<std::string_view> changes_on_purpose = {"Config.Image", "Config.Volumes"};

class DockerMatrix : public DockerCase {
 protected:
  // Nearly all at once; what excludes something in here is in the other bodies.
  json full_body(const std::string& network) {
    auto body = json::parse(R"({
      "Entrypoint": ["sh", "-c"], "Hostname": "agent-host", "Domainname": "example.test", "User": "root",
      "AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "Tty": true, "OpenStdin": true,
      "StdinOnce": true, "Env": ["A=1", "WITHOUT_VALUE"], "ExposedPorts": {"81/udp": {}},
      "Healthcheck": {"Test": ["CMD", "true"], "Interval": 200000000, "Timeout": 20000000000,
                      "StartPeriod": 1000000, "Retries": 4},
      "WorkingDir": "/home/agent", "MacAddress": "02:42:00:11:22:33", "OnBuild": ["RUN true"],
      "Labels": {"team": "blue"}, "StopSignal": "SIGTERM", "StopTimeout": 4, "Shell": ["/bin/ash", "-c"],
      "ArgsEscaped": true, "Volumes": {"/anonymous/": {}},
      "HostConfig": {
        "ContainerIDFile": "/tmp/agent.cid", "LogConfig": {"Type": "local", "Config": {"max-size": "1m"}},
        "PortBindings": {"81/udp": [{"HostIp": "127.0.0.1", "HostPort": "8181"}, {"HostPort": "8190-8199"}]},
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}, "VolumeDriver": "local",
        "CapAdd": ["SYS_PTRACE"], "CapDrop": ["MKNOD"], "CgroupnsMode": "private", "Dns": ["192.0.2.1"],
        "DnsOptions": ["ndots:2"], "DnsSearch": ["x.test"], "ExtraHosts": ["gateway:host-gateway"],
        "GroupAdd": ["1000"], "IpcMode": "shareable", "OomScoreAdj": 300, "PidMode": "host", "PublishAllPorts": true,
        "SecurityOpt": ["no-new-privileges", "seccomp=unconfined"], "UsernsMode": "host", "ShmSize": 1048576,
        "Sysctls": {"net.ipv4.ip_forward": "1"}, "Runtime": "io.containerd.runc.v2", "ConsoleSize": [40, 80],
        "Isolation": "default", "CpuShares": 512, "Memory": 67108864, "MemoryReservation": 33554432,
        "MemorySwap": -1, "MemorySwappiness": 10, "KernelMemory": 67108864, "KernelMemoryTCP": 67108864,
        "OomKillDisable": true, "PidsLimit": 50, "CpuPeriod": 50000, "CpuQuota": 40000, "CpuRealtimePeriod": 1000000,
        "CpusetCpus": "0", "CpusetMems": "0", "CpuCount": 2,
        "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/void", "CgroupPermissions": "r"}],
        "DeviceCgroupRules": ["c 1:3 mr"], "Ulimits": [{"Name": "nofile", "Soft": 1000, "Hard": 2000}],
        "MaskedPaths": ["/proc/kcore"], "ReadonlyPaths": ["/proc/sys"], "Init": true, "Tmpfs": {"/t": "size=1m"},
        "Mounts": [
          {"Type": "bind", "Target": "/mounted", "ReadOnly": true, "Consistency": "cached",
           "BindOptions": {"Propagation": "private", "NonRecursive": true}},
          {"Type": "volume", "Target": "/made",
           "VolumeOptions": {"NoCopy": true, "Labels": {"x": "y"},
                             "DriverConfig": {"Name": "local",
                                              "Options": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}}}},
          {"Type": "tmpfs", "Target": "/in-memory", "TmpfsOptions": {"SizeBytes": 1048576, "Mode": 448}}]}})");
    body["Image"] = test_image;
    body["Cmd"] = {text(agent_body()["Cmd"][2])};
    auto& host_config = body["HostConfig"];
    host_config["NetworkMode"] = network;
    host_config["CgroupParent"] = "/rebottle-" + bottle;
    host_config["Binds"] = {bottle + "-named:/named/:ro", folder.string() + ":/host:private"};
    host_config["Mounts"][0]["Source"] = folder.string();
    host_config["Mounts"][1]["Source"] = bottle + "-made";
    const auto device = block_device();
    for (const auto* const field : {"ReadBps", "WriteBps", "ReadIOps", "WriteIOps"})
      host_config["BlkioDevice" + std::string(field)] = json::array({{{"Path", device}, {"Rate", 1000000}}});
    body["NetworkingConfig"]["EndpointsConfig"][network] = {
        {"IPAMConfig",
         {{"IPv4Address", "10.201.9.7"}, {"IPv6Address", "fd00:9::7"}, {"LinkLocalIPs", {"169.254.34.68"}}}},
        {"Aliases", {"the-agent"}},
        {"DriverOpts", {{"com.example.option", "x"}}}};
    return body;
  }

  // Of the host's namespaces, with what excludes fields of the first.
  json host_body() {
    auto body = agent_body();
    body["NetworkDisabled"] = true;
    body["HostConfig"] = {{"Init", true},
                          {"UTSMode", "host"},
                          {"ReadonlyRootfs", true},
                          {"NanoCpus", 500000000},
                          {"Tmpfs", {{"/home/agent", ""}}}};
    return body;
  }

  // What dockerd takes, but this machine cannot start: no GPU, no real-time budget, a sandbox without all privileges.
  json unstartable_body() {
    auto body = agent_body();
    body["HostConfig"] = json::parse(R"({
      "Privileged": true, "CpuRealtimeRuntime": 95000,
      "DeviceRequests": [{"Driver": "nvidia", "Count": -1, "DeviceIDs": ["0"], "Capabilities": [["gpu"]],
                          "Options": {"a": "b"}}]})");
    return body;
  }

  static std::string block_device() {
    for (const auto& entry : std::filesystem::directory_iterator("/sys/block"))
      if (std::filesystem::exists("/dev" / entry.path().filename())) return "/dev/" + entry.path().filename().string();
    return "/dev/none";
  }

  void create_dual_network(const std::string& name) {
    json body = {{"Name", name}, {"CheckDuplicate", true}, {"EnableIPv6", true}};
    body["IPAM"]["Config"] = json::array({{{"Subnet", "10.201.9.0/24"}}, {{"Subnet", "fd00:9::/64"}}});
    call("POST", "/networks/create", std::move(body));
    own_network(name);
  }

  json change() {
    auto one = driver({{"dockerfile", good_dockerfile}}, {{"verify", {{"stable_s", 0}}}});
    const auto done = one.run_all();
    EXPECT_EQ(done.outcome, Outcome::done) << one.failed_at() << ": " << done.message << done.detail;
    remove_leftovers(one, State::succeeded);
    return inspect(bottle);
  }

  // Without what the engine and we add of our own.
  static json plain(json container) {
    auto& labels = container["Config"]["Labels"];
    if (labels.is_object())
      for (const auto* const name : {"build", "job", "fence", "step", "bottle", "change"})
        labels.erase("io.rebottle." + std::string(name));
    const auto short_id = text(at(container, "Id")).substr(0, 12);
    if (text(at(container, "Config", "Hostname")) == short_id) container["Config"]["Hostname"] = "";
    for (auto& endpoint : container["NetworkSettings"]["Networks"]) {
      json aliases = json::array();
      for (const auto& alias : at(endpoint, "Aliases"))
        if (text(alias) != short_id) aliases.push_back(alias);
      endpoint["Aliases"] = std::move(aliases);
    }
    return container;
  }

  // The rows that `before` sets, which a container without settings does not, must read the same in `after`.
  void compare(const json& before, const json& after, const json& unset) {
    for (const auto& row : docker::carry_rows) {
      const auto value = values_at(before, row.path);
      // The first network's MAC address is Config.MacAddress.
      if (row.carry == Carry::engine_made || row.path == "Endpoint.MacAddress") continue;
      if (value.empty() || value == values_at(unset, row.path)) continue;
      seen_.insert(row.path);
      auto after_value = values_at(after, row.path);
      if (row.path == "HostConfig.Binds")  // with the anonymous volumes at the end
        for (auto& binds : after_value) binds.erase(binds.begin() + static_cast<int>(value[0].size()), binds.end());
      EXPECT_EQ(value == after_value, !changes_on_purpose.contains(row.path))
          << row.path << ": " << json(value) << " → " << json(after_value);
    }
  }

  std::set<std::string_view> seen_;
};

TEST_F(DockerMatrix, EveryFieldThatCanBeSetHereSurvivesAChange) {
  start_container(bottle + "-plain", {{"Image", text(at(image(test_image), "Id"))}, {"Cmd", {"true"}}});
  const auto unset = plain(inspect(bottle + "-plain"));

  const auto network = bottle + "-net";
  create_dual_network(network);
  start_container(bottle, full_body(network));
  auto before = inspect(bottle);
  compare(plain(before), plain(change()), unset);
  call("DELETE", "/containers/" + bottle + "?force=1");

  start_container(bottle, host_body());
  before = inspect(bottle);
  compare(plain(before), plain(change()), unset);
  call("DELETE", "/containers/" + bottle + "?force=1");

  // Not run: what prepare made for it is looked at.
  call("POST", "/containers/create?name=" + bottle, unstartable_body());
  auto unstartable = driver({{"commands", {"true"}}});
  const auto prepared = unstartable.run_step(State::prepare);
  ASSERT_EQ(prepared.outcome, Outcome::done) << prepared.message << prepared.detail;
  const auto made = text(at(unstartable.context().facts, "create_new", "container_id"));
  compare(plain(inspect(bottle)), plain(inspect(made)), unset);

  std::set<std::string_view> excused;
  for (const auto& one : not_on_this_engine) excused.insert(one.path);
  for (const auto& row : docker::carry_rows) {
    if (row.carry == Carry::engine_made || row.carry == Carry::refused) continue;
    EXPECT_NE(seen_.contains(row.path), excused.contains(row.path))
        << row.path << (excused.contains(row.path) ? ": can be set here after all" : ": no case sets it");
  }
}

// What nobody set comes from the new image, not from the old one.
TEST_F(DockerMatrix, WhatTheOldImageGaveIsReplacedByTheNewImagesValues) {
  const auto image_with = [this](const std::string& tag, json settings) {
    json body = agent_body();
    const auto made = text(at(call("POST", "/containers/create?name=" + bottle + "-" + tag, std::move(body)), "Id"));
    settings["Cmd"] = {"sleep 1000"};
    std::string target = "/commit?container=" + made + "&repo=rebottle/" + bottle + "&tag=" + tag;
    call("POST", target, std::move(settings));
    call("DELETE", "/containers/" + made);
    return "rebottle/" + bottle + ":" + tag;
  };
  const auto defaults = [](const std::string& name, int number) {
    return json{{"Entrypoint", {"sh", "-c"}},
                {"Env", {"PATH=/usr/local/bin:/bin", "OF=" + name, name + "=1"}},
                {"User", number == 1 ? "agent" : "root"},
                {"WorkingDir", "/" + name},
                {"Labels", {{"of", name}, {name, "1"}}},
                {"ExposedPorts", {{std::to_string(number) + "/tcp", json::object()}}},
                {"Volumes", {{"/volume-of-" + name, json::object()}}},
                {"StopSignal", number == 1 ? "SIGINT" : "SIGTERM"},
                {"Shell", {"/bin/sh", "-" + std::string(number == 1 ? "e" : "u"), "-c"}},
                {"Healthcheck", {{"Test", {"CMD", "true"}}, {"Interval", number * 100000000}}}};
  };
  const auto old_image = image_with("one", defaults("one", 1));
  const auto new_image = image_with("two", defaults("two", 2));
  start_container(bottle, {{"Image", old_image}});
  const auto volume = at(at(inspect(bottle), "Mounts")[0], "Name");
  auto one = driver({{"image", new_image}}, {{"verify", {{"stable_s", 0}}}});
  const auto done = one.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << one.failed_at() << ": " << done.message << done.detail;

  start_container(bottle + "-fresh", {{"Image", new_image}});
  auto changed = plain(inspect(bottle))["Config"];
  auto fresh = inspect(bottle + "-fresh")["Config"];
  for (auto* const one_of_both : {&changed, &fresh}) one_of_both->erase("Hostname");
  EXPECT_EQ(changed, fresh);
  // But the data of the old volume is kept, where it was.
  const auto after = inspect(bottle);
  std::map<std::string, json> volumes;
  for (const auto& mount : at(after, "Mounts")) volumes[text(at(mount, "Destination"))] = at(mount, "Name");
  EXPECT_EQ(volumes.size(), 2U);
  EXPECT_EQ(volumes["/volume-of-one"], volume);
  EXPECT_TRUE(volumes.contains("/volume-of-two"));
}

}  // namespace
}  // namespace rebottle::tests
