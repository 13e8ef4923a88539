// A document of Podman 4.3 for `podman run` with about everything that can be carried over, as it was answered.
// Not here: cases.
#pragma once

#include <fstream>

#include <nlohmann/json.hpp>

namespace rebottle::worker::docker::podman {

inline nlohmann::json recorded_container() {
  std::ifstream file(REBOTTLE_SOURCE_DIR "/tests/unit/worker/backends/docker/podman/container.json");
  return nlohmann::json::parse(file);
}

}  // namespace rebottle::worker::docker::podman
