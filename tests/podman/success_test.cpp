// Whole jobs that succeed on a real Podman, and what they carry over. Not here: what goes wrong.
#include <gmock/gmock.h>

#include "tests/podman/podman_case.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::text;

class PodmanSuccess : public PodmanCase {
 protected:
  std::string volume_at(const json& container, const std::string& destination) {
    for (const auto& mount : at(container, "Mounts"))
      if (text(at(mount, "Destination")) == destination) return text(at(mount, "Name"));
    return {};
  }

  std::string address_on(const std::string& network) {
    return text(at(at(inspect(bottle), "NetworkSettings", "Networks").value(network, json()), "IPAddress"));
  }
};

TEST_F(PodmanSuccess, CarriesOverWhatTheCommandLineGaveTwice) {
  create_network(bottle + "-one", "10.203.7.0/24");
  create_network(bottle + "-two");
  run_by_command(bottle, {"--network",
                          bottle + "-one:ip=10.203.7.9,alias=the-agent",
                          "--network",
                          bottle + "-two:alias=also-the-agent",
                          "-v",
                          "/anonymous",
                          "-v",
                          bottle + "-named:/named",
                          "--mount",
                          "type=bind,src=" + folder.string() + ",dst=/host,ro",
                          "--tmpfs",
                          "/in-memory:size=1m",
                          "-e",
                          "TOKEN=secret",
                          "-e",
                          "EMPTY=",
                          "--label",
                          "team=blue",
                          "--annotation",
                          "note=kept",
                          "--init",
                          "--user",
                          "root",
                          "--workdir",
                          "/home/agent",
                          "--restart",
                          "unless-stopped",
                          "--memory",
                          "64m",
                          "--cpus",
                          "0.5",
                          "--pids-limit",
                          "100",
                          "--cap-add",
                          "NET_ADMIN",
                          "--cap-drop",
                          "MKNOD",
                          "--security-opt",
                          "no-new-privileges",
                          "--ulimit",
                          "nofile=500:600",
                          "--ulimit",
                          "nproc=500:600",
                          "--dns",
                          "192.0.2.1",
                          "--add-host",
                          "db:192.0.2.9",
                          "--shm-size",
                          "1m",
                          "--log-opt",
                          "max-size=1m",
                          "--stop-signal",
                          "SIGTERM",
                          "--stop-timeout",
                          "4",
                          "--umask",
                          "0027",
                          "--tz",
                          "UTC",
                          "--publish",
                          "127.0.0.1::80",
                          "--device",
                          "/dev/null:/dev/nothing:r",
                          "--sysctl",
                          "net.ipv4.ip_unprivileged_port_start=81",
                          "--health-cmd",
                          "true",
                          "--health-interval",
                          "1s"});
  run_inside(bottle, {"sh", "-c", "echo kept > /anonymous/file; echo kept > /named/file"});
  for (const auto* const program : {"one", "two"}) {
    const auto before = inspect(bottle);
    const std::string line =
        std::string("printf '#!/bin/sh\\necho hello\\n' > /bin/") + program + " && chmod 755 /bin/" + program;
    auto changed = driver({{"commands", {line}}});
    const auto done = changed.run_all();
    ASSERT_EQ(done.outcome, Outcome::done) << changed.failed_at() << ": " << done.message << done.detail;
    remove_leftovers(changed, State::succeeded);

    const auto after = inspect(bottle);
    EXPECT_NE(text(at(after, "Id")), text(at(before, "Id")));
    EXPECT_EQ(differences(before, after, by_change), std::vector<std::string>());
    EXPECT_EQ(text(at(at(after, "State", "Health"), "Status")), "healthy");
    EXPECT_EQ(address_on(bottle + "-one"), "10.203.7.9");
    for (const auto* const place : {"/anonymous", "/named"}) {
      EXPECT_EQ(volume_at(before, place), volume_at(after, place));
      EXPECT_EQ(run_inside(bottle, {"cat", std::string(place) + "/file"}), "kept\n");
    }
    EXPECT_EQ(run_inside(bottle, {program}), "hello\n");
    run_inside(bottle, {"sh", "-c", "test -c /dev/nothing"});
    EXPECT_EQ(run_inside(bottle, {"cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"}), "81\n");
    EXPECT_EQ(run_inside(bottle, {"sh", "-c", "ulimit -n; echo $TOKEN"}), "500\nsecret\n");
    EXPECT_EQ(container_names(), std::vector<std::string>{bottle});
    EXPECT_EQ(own_tags(),
              (std::vector<std::string>{"localhost/rebottle/" + bottle + ":current",
                                        "localhost/rebottle/" + bottle + ":job-" + changed.context().job_key}));
  }
}

TEST_F(PodmanSuccess, ABottleMadeOverTheApiKeepsItsPathsAndItsAlias) {
  create_network(bottle + "-net");
  auto body = agent_body();
  body["HostConfig"]["NetworkMode"] = bottle + "-net";
  body["NetworkingConfig"]["EndpointsConfig"][bottle + "-net"] = {{"Aliases", {"the-agent"}}};
  start_container(bottle, std::move(body));
  auto other = agent_body();
  other["HostConfig"]["NetworkMode"] = bottle + "-net";
  start_container(bottle + "-side", std::move(other));
  run_inside(bottle,
             {"sh", "-c",
              "mkdir -p /data/deep && chmod 750 /data && chown 1000:1000 /data && echo deep > /data/deep/file && "
              "echo lost > /data/beside && ln -s file /data/deep/link && chown 1000:1000 /data/deep/file && "
              "chmod 640 /data/deep/file"});
  json snapshot = {{"paths", {"/home/agent", "/data/deep", "/nowhere"}}};
  json verify = {{"exec", {"sh", "-c", "hello"}}};
  // A container made over this API without a stop time-out has one of zero.
  json limits = {{"stop_timeout_s", 5}};
  auto changed =
      driver({{"dockerfile", good_dockerfile}}, {{"snapshot", snapshot}, {"verify", verify}, {"limits", limits}});
  const auto done = changed.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << changed.failed_at() << ": " << done.message << done.detail;
  EXPECT_EQ(text(at(at(changed.context().facts, "verify_new", "exec"), "output")), "hello\n");
  EXPECT_EQ(at(changed.context().facts, "save_paths", "missing"), json::array({"/nowhere"}));
  EXPECT_EQ(run_inside(bottle, {"cat", "/home/agent/last-words"}), "last words\n");
  EXPECT_EQ(run_inside(bottle, {"cat", "/data/deep/link"}), "deep\n");
  EXPECT_EQ(run_inside(bottle, {"stat", "-c", "%u:%g %a", "/data/deep/file"}), "1000:1000 640\n");
  EXPECT_EQ(run_inside(bottle, {"stat", "-c", "%u:%g %a", "/data"}), "1000:1000 750\n");
  EXPECT_EQ(run_inside(bottle, {"stat", "-c", "%u:%g", "/home/agent"}), "1000:1000\n");
  EXPECT_EQ(run_inside(bottle, {"sh", "-c", "ls /data"}), "deep\n");
  run_inside(bottle + "-side", {"ping", "-c", "1", "-W", "5", "the-agent"});
  remove_leftovers(changed, State::succeeded);
  EXPECT_EQ(container_names(), (std::vector<std::string>{bottle, bottle + "-side"}));
}

TEST_F(PodmanSuccess, AnImageThatIsThereCanBeTheChange) {
  start_container(bottle, agent_body());
  auto first = driver({{"dockerfile", good_dockerfile}});
  ASSERT_EQ(first.run_all().outcome, Outcome::done);
  remove_leftovers(first, State::succeeded);
  auto second = driver({{"image", podman_image}});
  const auto done = second.run_all();
  ASSERT_EQ(done.outcome, Outcome::done) << second.failed_at() << ": " << done.message;
  remove_leftovers(second, State::succeeded);
  EXPECT_EQ("sha256:" + text(at(inspect(bottle), "Image")), text(at(image(podman_image), "Id")));
  EXPECT_EQ(own_tags(), std::vector<std::string>{"localhost/rebottle/" + bottle + ":current"});
}

TEST_F(PodmanSuccess, ABuildReachesNoNetworkUnlessItIsConfigured) {
  start_container(bottle, agent_body());
  const auto interfaces = [&](const std::string& network) {
    config.build_network = network;
    backend = another_backend();
    // The file's first two lines are headings; each attempt is a build of its own.
    auto one =
        driver({{"dockerfile", "FROM current\nRUN tail -n +3 /proc/net/dev | cut -d: -f1 > /" + network + "\n"}});
    EXPECT_EQ(one.run_until("build_image").reason_code, "stopped_by_test");
    const auto tag = "localhost/rebottle/" + bottle + ":job-" + one.context().job_key;
    auto body = agent_body();
    body["Image"] = tag;
    start_container(bottle + "-" + network, std::move(body));
    return run_inside(bottle + "-" + network, {"sh", "-c", "cat /" + network + " | tr -d ' '"});
  };
  EXPECT_EQ(interfaces("none"), "lo\n");
  EXPECT_EQ(interfaces("bridge"), "lo\neth0\n");
}

}  // namespace
}  // namespace rebottle::tests
