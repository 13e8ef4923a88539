// Bottles on a real engine. Not here: single cases.
#include "tests/docker/docker_case.hpp"

#include <cstdlib>
#include <random>
#include <regex>
#include <set>

#include <unistd.h>

#include "worker/backends/docker/exec.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::tests {
namespace {

using docker::at;
using docker::lower_case;
using docker::text;

std::string random_word() {
  static std::mt19937_64 dice{std::random_device{}()};
  std::string out;
  for (int i = 0; i < 8; ++i) out += "0123456789abcdef"[dice() % 16];
  return out;
}

constexpr const char* agent_script = R"(
trap 'echo last words > /home/agent/last-words; exit 0' TERM
echo started >> /home/agent/starts
while :; do sleep 1000 & wait $!; done
)";

void compare(const std::string& path, const json& before, const json& after, const std::regex& allowed,
             std::vector<std::string>& out) {
  if (before == after || std::regex_match(path, allowed)) return;
  if (before.is_object() && after.is_object()) {
    std::set<std::string> keys;
    for (const auto& [key, value] : before.items()) keys.insert(key);
    for (const auto& [key, value] : after.items()) keys.insert(key);
    for (const auto& key : keys)
      compare(path.empty() ? key : path + "." + key, at(before, key), at(after, key), allowed, out);
    return;
  }
  out.push_back(path + ": " + before.dump() + " → " + after.dump());
}

}  // namespace

const std::vector<std::string> changed_by_every_job = {
    "Id",
    "Created",
    "Image",
    "State\\..*",
    "GraphDriver\\..*",
    "(ResolvConf|Hostname|Hosts|Log)Path",
    "NetworkSettings\\.(SandboxID|SandboxKey|EndpointID|IPAddress|MacAddress)",
    "NetworkSettings\\.Networks\\.[^.]+\\.(EndpointID|Aliases)",
    "Config\\.Hostname",
    "Config\\.Image",
    "Config\\.Labels\\.io\\.rebottle\\..*",
};

std::vector<std::string> differences(const json& before, const json& after, const std::vector<std::string>& allowed) {
  std::string pattern = "$^";
  for (const auto& one : allowed) pattern += "|" + one;
  std::vector<std::string> out;
  compare("", before, after, std::regex(pattern), out);
  return out;
}

void DockerCase::SetUp() {
  const char* const variable = kind == docker::EngineKind::podman ? "REBOTTLE_TEST_PODMAN" : "REBOTTLE_TEST_DOCKER";
  const char* socket = std::getenv(variable);
  if (socket == nullptr || *socket == '\0') GTEST_SKIP() << variable << " names no engine's socket; ctest starts one";
  if (kind == docker::EngineKind::podman) config = docker::podman_config();
  std::string pattern = (std::filesystem::temp_directory_path() / "rebottle-docker-XXXXXX").string();
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  folder = pattern;
  config.socket = socket;
  config.snapshot_dir = folder / "snapshots";
  std::filesystem::create_directory(config.snapshot_dir);
  config.stable_s = 1;
  config.stop_timeout_s = 5;
  config.verify_timeout_s = 15;
  bottle = "bt-" + random_word();
  docker::EngineClient client(io.get_executor(), config.socket, std::chrono::seconds(30), kind);
  engine.reset(new docker::Engine{"test", config, std::move(client)});
  backend = another_backend();
}

void DockerCase::TearDown() {
  if (!engine) return;
  std::string any;
  const auto listed = wait(docker::list_containers(*engine, any));
  for (const auto& item : listed.doc)
    for (const auto& name : at(item, "Names"))
      if (text(name).starts_with("/" + bottle)) {
        const std::string target = "/containers/" + text(at(item, "Id")) + "?force=1&v=1";
        (void)wait(docker::erase(*engine, target));
        break;
      }
  for (const auto& network : networks_) (void)wait(docker::erase(*engine, "/networks/" + network));
  for (const auto& tag : own_tags()) (void)wait(docker::erase(*engine, "/images/" + tag + "?force=1"));
  if (HasFailure())
    std::cerr << "kept: " << folder << '\n';
  else
    std::filesystem::remove_all(folder);
}

json DockerCase::agent_body() const {
  json body = {{"Image", test_image}, {"Cmd", {"sh", "-c", agent_script}}, {"HostConfig", {{"Init", true}}}};
  if (kind == docker::EngineKind::podman) body["Labels"] = {{"io.rebottle.podman", "{}"}};
  return body;
}

json DockerCase::call(const std::string& method, const std::string& target, json body) {
  docker::Call one;
  one.method = method;
  one.target = target;
  if (!body.is_null()) {
    one.content_type = "application/json";
    one.body = body.dump();
  }
  const auto reply = wait(engine->client.call(std::move(one)));
  EXPECT_TRUE(reply.succeeded()) << method << " " << target << ": " << reply.status << " " << reply.message();
  return json::parse(reply.body, nullptr, false);
}

std::string DockerCase::start_container(const std::string& name, json body) {
  const auto made = call("POST", "/containers/create?name=" + name, std::move(body));
  const auto id = text(at(made, "Id"));
  call("POST", "/containers/" + id + "/start");
  return id;
}

std::string DockerCase::create_network(const std::string& name, const std::string& subnet) {
  json body = {{"Name", name}, {"CheckDuplicate", true}};
  if (!subnet.empty()) body["IPAM"] = {{"Config", json::array({{{"Subnet", subnet}}})}};
  networks_.push_back(name);
  return text(at(call("POST", "/networks/create", std::move(body)), "Id"));
}

worker::JobContext DockerCase::job(json change, json more) {
  worker::JobContext context;
  context.job_id = ++jobs;
  context.job_key = bottle.substr(3) + "-" + std::to_string(jobs);
  context.fence = jobs;
  context.bottle = bottle;
  context.target = backend->target_of(bottle);
  json args = std::move(more);
  args["change"] = std::move(change);
  auto parsed = schema::parse_args(args.dump());
  const auto* error = std::get_if<schema::ArgsError>(&parsed);
  if (error != nullptr) throw std::runtime_error(error->field + ": " + error->message);
  context.args = std::get<schema::Args>(std::move(parsed));
  return context;
}

JobDriver DockerCase::driver(json change, json more) { return {io, *backend, job(std::move(change), std::move(more))}; }

std::unique_ptr<worker::Backend> DockerCase::another_backend() {
  return docker::make_docker_backend(io.get_executor(), config, lower_case(docker::engine_word(kind)));
}

json DockerCase::inspect(const std::string& name_or_id) {
  auto seen = wait(docker::see(*engine, std::string(engine->dialect().container_path) + name_or_id + "/json"));
  EXPECT_FALSE(seen.unclear()) << seen.reply.message();
  return seen.here() ? seen.doc : json();
}

json DockerCase::image(const std::string& reference) {
  auto seen = wait(docker::see_image(*engine, reference));
  EXPECT_FALSE(seen.unclear()) << seen.reply.message();
  return seen.here() ? seen.doc : json();
}

std::string DockerCase::run_inside(const std::string& container, std::vector<std::string> command) {
  const auto id = text(at(inspect(container), "Id"));
  const auto ran = wait(docker::run_in_container(*engine, id, std::move(command), std::chrono::seconds(20)));
  EXPECT_EQ(ran.outcome, Outcome::done) << ran.message;
  EXPECT_EQ(at(ran.result, "exit_code"), 0) << ran.result;
  return text(at(ran.result, "output"));
}

std::vector<std::string> DockerCase::container_names() {
  std::string any;
  const auto listed = wait(docker::list_containers(*engine, any));
  std::vector<std::string> out;
  for (const auto& item : listed.doc)
    for (const auto& name : at(item, "Names"))
      if (text(name).starts_with("/" + bottle)) out.push_back(text(name).substr(1));
  std::ranges::sort(out);
  return out;
}

std::vector<std::string> DockerCase::own_tags() {
  const auto listed = wait(docker::see(*engine, "/images/json"));
  std::vector<std::string> out;
  for (const auto& item : listed.doc)
    for (const auto& tag : at(item, "RepoTags"))
      if (text(tag).starts_with(std::string(engine->dialect().image_prefix) + "rebottle/" + bottle + ":"))
        out.push_back(text(tag));
  std::ranges::sort(out);
  return out;
}

void DockerCase::remove_leftovers(JobDriver& driver, State end) {
  for (const auto& leftover : backend->leftovers(driver.context(), end)) {
    const auto removed = wait(backend->remove(leftover));
    EXPECT_EQ(removed.outcome, Outcome::done) << leftover.kind << " " << leftover.reference << ": " << removed.message;
    const auto again = wait(backend->remove(leftover));
    EXPECT_EQ(again.outcome, Outcome::done) << "a second time: " << again.message;
  }
}

}  // namespace rebottle::tests
