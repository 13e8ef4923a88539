// What Podman's record of the command line that made a container says beyond its inspect document: addresses, sysctls
// and devices are told nowhere else. Pure. Not here: what inspect tells (inspect.hpp).
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace rebottle::worker::docker::podman {

using nlohmann::json;

// The settings of a container that Podman takes and does not tell.
struct Untold {
  bool known = false;  // false: the container was made over the API, and nothing says what these were
  // {"addresses": {network: {"IPv4Address", "IPv6Address", "MacAddress"}}, "sysctls": {name: value},
  //  "devices": ["/dev/x:/dev/y:rw"], "own_home": true}; each only where there is one.
  json settings = json::object();
  std::vector<std::string> refused;  // options that are not known to be seen in the inspect document
};

// `command` is Config.CreateCommand, an array of words or null.
[[nodiscard]] Untold untold_by(const json& command);

}  // namespace rebottle::worker::docker::podman
