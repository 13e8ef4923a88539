// One ping, one version, and what the configuration allows. Not here: how often (worker/engine/capabilities.cpp).
#include "worker/backends/docker/probe.hpp"

#include <utility>

#include "worker/backends/docker/registry_auth.hpp"

namespace rebottle::worker::docker {
namespace {

schema::Capability unsupported(const Engine& engine, const Reply& reply) {
  schema::Capability out;
  out.backend = engine.name;
  out.kind = schema::kind_capability_block;
  out.reason_code = reply.reach == Reach::too_old ? "backend_too_old" : "backend_absent";
  out.message = "The engine at " + engine.config.socket.string() + " cannot be used: " + reply.message();
  out.detail = json{{"socket", engine.config.socket.string()}, {"answer", reply.message()}}.dump();
  return out;
}

json changes_of(const DockerConfig& config) {
  json out = {"dockerfile", "image", "commands"};
  if (!config.import_dirs.empty()) out.push_back("image_file");
  return out;
}

// What an operator should hear before the first pull fails.
std::string auth_word(const DockerConfig& config) {
  if (config.registry_auth_file.empty()) return "none";
  const auto auth = registry_auth(config.registry_auth_file, "none.invalid/none");
  return auth.problem.empty() ? "readable" : auth.problem;
}

}  // namespace

Engine make_engine(boost::asio::any_io_executor executor, DockerConfig config, std::string name) {
  const milliseconds call_timeout = std::chrono::seconds(config.call_timeout_s);
  EngineClient client(std::move(executor), config.socket, call_timeout, config.engine);
  return {std::move(name), std::move(config), std::move(client)};
}

awaitable<schema::Capability> probe_engine(Engine& engine) {
  const auto ping = co_await engine.client.ping();
  if (!ping.succeeded()) co_return unsupported(engine, ping);
  std::string target = "/version";
  const auto seen = co_await see(engine, std::move(target));
  if (!seen.here()) co_return unsupported(engine, seen.reply);
  schema::Capability out;
  out.backend = engine.name;
  out.kind = schema::kind_capability_block;
  out.supported = text(at(seen.doc, "Os")) == "linux";
  out.version = text(at(seen.doc, "Version"));
  if (!out.supported) {
    out.reason_code = "capability_missing";
    out.message = "The engine runs no Linux containers, but those of " + text(at(seen.doc, "Os")) + ".";
  }
  const auto spoken = engine.client.version();
  out.detail = json{{"socket", engine.config.socket.string()},
                    {"engine", engine_word(engine.config.engine)},
                    {"api_version", spoken ? spoken->text() : std::string()},
                    {"changes", changes_of(engine.config)},
                    {"builder", engine.config.builder},
                    {"pull", engine.config.pull},
                    {"registry_auth", auth_word(engine.config)}}
                   .dump();
  co_return out;
}

}  // namespace rebottle::worker::docker
