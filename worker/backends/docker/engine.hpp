// What every step works with: the configuration, the connection, and the calls that are made more than once, with
// their answers as one of three sights. Not here: HTTP (engine_client.hpp), decisions.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/thread_pool.hpp>
#include <nlohmann/json.hpp>

#include "worker/backends/backend.hpp"
#include "worker/backends/docker/dialect.hpp"
#include "worker/backends/docker/docker_config.hpp"
#include "worker/backends/docker/engine_client.hpp"
#include "worker/backends/json_access.hpp"

namespace rebottle::worker::docker {

struct Engine {
  std::string name;  // of the backend: docker, podman
  DockerConfig config;
  EngineClient client;
  std::multiset<std::string> builds_under_way{};  // their marks
  boost::asio::thread_pool disk{1};               // for fsync, which would hold the logic thread up
  boost::asio::thread_pool reading{1};            // for images: no bottle that is down waits behind one

  [[nodiscard]] const Dialect& dialect() const { return dialect_of(config.engine); }
};

enum class Sight : std::uint8_t {
  here,     // `doc` is the engine's answer
  gone,     // the engine says that there is no such thing
  unclear,  // no usable answer: see `reply`
};

struct Seen {
  Sight sight = Sight::unclear;
  json doc;
  Reply reply;
  [[nodiscard]] bool here() const { return sight == Sight::here; }
  [[nodiscard]] bool gone() const { return sight == Sight::gone; }
  [[nodiscard]] bool unclear() const { return sight == Sight::unclear; }
};

// GET of a JSON document.
[[nodiscard]] awaitable<Seen> see(Engine& engine, std::string target);
// By its full id; SizeRw is there only if it is asked for.
[[nodiscard]] awaitable<Seen> see_container(Engine& engine, std::string id, bool with_size = false);
[[nodiscard]] awaitable<Seen> see_container_named(Engine& engine, std::string name);  // exactly this name
[[nodiscard]] awaitable<Seen> see_image(Engine& engine, std::string reference);
// As see_image; gone only if the engine says so twice, and differently.
[[nodiscard]] awaitable<Seen> see_tag(Engine& engine, std::string tag);
[[nodiscard]] awaitable<Seen> see_network(Engine& engine, std::string id);
// All containers with this label, or with any if `label` is empty; running or not.
[[nodiscard]] awaitable<Seen> list_containers(Engine& engine, std::string label);

[[nodiscard]] awaitable<Reply> post(Engine& engine, std::string target);
[[nodiscard]] awaitable<Reply> post_json(Engine& engine, std::string target, json body);
[[nodiscard]] awaitable<Reply> erase(Engine& engine, std::string target);

// The last lines that a container wrote, cleaned; empty if they cannot be had.
[[nodiscard]] awaitable<std::string> last_log_lines(Engine& engine, json container);

// A pause that ends early only by cancellation.
[[nodiscard]] awaitable<void> pause_for(milliseconds duration);

// What an unusable answer means for a step. `doing` names the attempt for people: "create the container x".
[[nodiscard]] Performed failure(const Reply& reply, std::string_view doing);
// What it means for an observation.
[[nodiscard]] Observed unclear(const Seen& seen);
// Of the request for an archive of what a container has at `path`.
[[nodiscard]] std::string archive_target(const std::string& id, const std::string& path);
// A look that brought no result.
[[nodiscard]] Observed seen_as(World world, std::string detail = {});

using worker::at;
using worker::text;
[[nodiscard]] bool has_been_started(const json& container);
[[nodiscard]] std::string container_name(const json& container);  // of an inspect document, without the slash

}  // namespace rebottle::worker::docker
