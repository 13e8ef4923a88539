// What the tests on a real Podman share beyond DockerCase: bottles made by Podman's own command line.
// Not here: single cases.
#pragma once

#include <string>
#include <vector>

#include "tests/docker/docker_case.hpp"

namespace rebottle::tests {

inline constexpr const char* podman_image = "docker.io/rebottle-demo/busybox:1";

class PodmanCase : public DockerCase {
 protected:
  PodmanCase() : DockerCase(docker::EngineKind::podman) {}

  // `podman run -d --name NAME OPTIONS… IMAGE COMMAND…`, through the engine's socket. The container's id.
  std::string run_by_command(const std::string& name, const std::vector<std::string>& options);

  // What a container that is started again, or made anew, may tell otherwise.
  static const std::vector<std::string> by_restart;
  static const std::vector<std::string> by_change;
};

}  // namespace rebottle::tests
