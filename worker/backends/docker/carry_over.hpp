// From the inspect documents of a container and of its image to the body that creates the changed container.
// Pure. Not here: asking the engine; the rule of each field (carry_over_table.hpp), comparing (container_check.hpp).
#pragma once

#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace rebottle::worker::docker {

using nlohmann::json;

// A network that the container is connected to, and what a new endpoint there needs.
struct Endpoint {
  std::string network;  // its name
  std::string network_id;
  json settings = json::object();
};

struct CarryOver {
  json body = json::object();        // for POST /containers/create: without Image and without our labels
  std::vector<Endpoint> further;     // the networks to be connected after creation
  json restart_policy;               // set when the changed container is started
  std::vector<std::string> refused;  // the fields that would be lost: "HostConfig.Links: why"
};

// `container` is the answer of GET /containers/{id}/json while its networks are connected, `image` that of
// GET /images/{id}/json for the image that it was made from. `empty_volumes`: where those are mounted that must not be
// filled.
[[nodiscard]] CarryOver carry_over(const json& container, const json& image,
                                   const std::set<std::string>& empty_volumes = {});

// Null, empty, zero, false, or a list of such values.
[[nodiscard]] bool is_default(const json& value);

}  // namespace rebottle::worker::docker
