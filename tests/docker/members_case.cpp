// The bottle of four. Not here: single cases.
#include "tests/docker/members_case.hpp"

#include <chrono>

#include <gmock/gmock.h>
#include <boost/asio/steady_timer.hpp>

#include "worker/backends/docker/archive.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::text;

constexpr const char* side_label = "com.docker.compose.project";

json sleeper() {
  return {{"Image", test_image}, {"Cmd", {"sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"}}};
}

}  // namespace

void MembersCase::SetUp() {
  DockerCase::SetUp();
  if (IsSkipped()) return;
  proxy = bottle + "-proxy";
  tap = bottle + "-tap";
  side = bottle + "-side";
  config.side_label = side_label;
  backend = another_backend();
}

void MembersCase::start_bottle(const json& proxy_more) {
  create_network(bottle + "-net");
  auto agent = agent_body();
  agent["HostConfig"]["NetworkMode"] = bottle + "-net";
  agent["HostConfig"]["RestartPolicy"] = {{"Name", "always"}};
  agent["Labels"] = {{side_label, bottle}};
  start_container(bottle, std::move(agent));

  auto with_agent = sleeper();
  with_agent["HostConfig"] = {{"NetworkMode", "container:" + bottle}, {"RestartPolicy", {{"Name", "unless-stopped"}}}};
  with_agent["Volumes"] = {{"/kept", json::object()}};
  with_agent["Labels"] = {{side_label, bottle}, {"io.rebottle.order", "1"}};
  with_agent.merge_patch(proxy_more);
  start_container(proxy, std::move(with_agent));

  auto with_proxy = sleeper();
  with_proxy["HostConfig"] = {{"NetworkMode", bottle + "-net"}, {"PidMode", "container:" + proxy}};
  start_container(tap, std::move(with_proxy));

  auto watched = sleeper();
  watched["HostConfig"] = {{"NetworkMode", bottle + "-net"}};
  watched["Labels"] = {{side_label, bottle}};
  start_container(side, std::move(watched));
  for (const auto& name : {bottle, proxy, tap, side}) before[name] = inspect(name);
}

JobDriver MembersCase::whole_job(const std::string& dockerfile) {
  json snapshot = {{"paths", {"/home/agent"}}};
  json verify = {{"stable_s", 0}, {"timeout_s", 2}};
  return driver({{"dockerfile", dockerfile}}, {{"snapshot", snapshot}, {"verify", verify}});
}

void MembersCase::run_until(JobDriver& one, const std::string& effect) {
  const auto stopped = one.run_until(effect);
  ASSERT_EQ(stopped.reason_code, "stopped_by_test") << effect << ": " << one.failed_at() << " " << stopped.message;
}

std::vector<std::string> MembersCase::effect_names(JobDriver& one) {
  std::vector<std::string> out;
  for (const auto& effect : one.effects()) out.push_back(effect.name);
  return out;
}

std::string MembersCase::network_namespace(const std::string& container) {
  return run_inside(container, {"readlink", "/proc/self/ns/net"});
}

void MembersCase::put_program(const std::string& id, const std::string& path, const std::string& content) {
  docker::ArchiveEntry entry;
  entry.path = path.substr(1);
  entry.mode = 0755;
  entry.content = content;
  docker::Call put;
  put.method = "PUT";
  put.target = "/containers/" + id + "/archive?path=/";
  put.content_type = "application/x-tar";
  put.body = docker::make_archive({entry});
  const auto reply = wait(engine->client.call(std::move(put)));
  ASSERT_TRUE(reply.succeeded()) << reply.message();
}

void MembersCase::poll_until(const std::function<bool()>& wanted) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!wanted()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    boost::asio::steady_timer(io, std::chrono::milliseconds(50)).wait();
  }
}

void MembersCase::expect_changed() {
  const auto agent_id = text(at(inspect(bottle), "Id"));
  const auto proxy_id = text(at(inspect(proxy), "Id"));
  EXPECT_EQ(run_inside(bottle, {"hello"}), "hello\n");
  EXPECT_EQ(text(at(inspect(proxy), "HostConfig", "NetworkMode")), "container:" + agent_id);
  EXPECT_EQ(text(at(inspect(tap), "HostConfig", "PidMode")), "container:" + proxy_id);
  EXPECT_EQ(network_namespace(proxy), network_namespace(bottle));
  EXPECT_NE(network_namespace(tap), network_namespace(bottle));
  EXPECT_THAT(run_inside(tap, {"ls", "/proc"}), ::testing::Not(::testing::IsEmpty()));
  for (const auto& name : {proxy, tap}) {
    const auto now = inspect(name);
    EXPECT_NE(at(now, "Id"), at(before[name], "Id")) << name;
    EXPECT_EQ(at(now, "Image"), at(before[name], "Image")) << name;
    EXPECT_EQ(at(now, "State", "Running"), true) << name;
    // Everything else is as it was, but for what names another container or is made anew.
    EXPECT_EQ(differences(at(before[name], "Config"), at(now, "Config"),
                          {"Hostname", "Labels\\.io\\.rebottle\\..*", "Volumes.*"}),
              std::vector<std::string>())
        << name;
    EXPECT_EQ(differences(at(before[name], "HostConfig"), at(now, "HostConfig"), {"NetworkMode", "PidMode", "Binds"}),
              std::vector<std::string>())
        << name;
    EXPECT_EQ(at(at(now, "Config", "Labels"), "io.rebottle.order"),
              at(at(before[name], "Config", "Labels"), "io.rebottle.order"));
  }
  const auto side_now = inspect(side);
  EXPECT_EQ(at(side_now, "Id"), at(before[side], "Id"));
  EXPECT_EQ(at(side_now, "State", "StartedAt"), at(before[side], "State", "StartedAt"));
}

void MembersCase::expect_as_it_was() {
  for (const auto& [name, old] : before) {
    const auto now = inspect(name);
    EXPECT_EQ(at(now, "Id"), at(old, "Id")) << name;
    EXPECT_EQ(at(now, "State", "Running"), at(old, "State", "Running")) << name;
    EXPECT_EQ(at(now, "HostConfig"), at(old, "HostConfig")) << name;
    EXPECT_EQ(at(now, "Config"), at(old, "Config")) << name;
  }
  if (at(before[proxy], "State", "Running") == true) {
    EXPECT_EQ(network_namespace(proxy), network_namespace(bottle));
  }
}

void MembersCase::expect_nothing_left(JobDriver& one, State end) {
  remove_leftovers(one, end);
  EXPECT_EQ(container_names(), (std::vector<std::string>{bottle, proxy, side, tap}));
  const auto tags = own_tags();
  EXPECT_EQ(std::ranges::count_if(tags, [](const auto& tag) { return tag.find(":prev-") != std::string::npos; }), 0);
  EXPECT_TRUE(std::filesystem::is_empty(config.snapshot_dir));
}

}  // namespace rebottle::tests
