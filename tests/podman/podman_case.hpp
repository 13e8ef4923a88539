// What the tests on a real Podman share beyond DockerCase: bottles made by Podman's own command line.
// Not here: single cases.
#pragma once

#include <string>
#include <vector>

#include "tests/docker/docker_case.hpp"

namespace rebottle::tests {

inline constexpr const char* podman_image = "docker.io/rebottle-demo/busybox:1";

// `podman run -d --name NAME OPTIONS… IMAGE COMMAND…`, through that socket; what it prints goes to that file.
void run_by_podman(const std::filesystem::path& socket, const std::string& name,
                   const std::vector<std::string>& options, const json& command, const std::filesystem::path& output);

class PodmanCase : public DockerCase {
 protected:
  PodmanCase() : DockerCase(docker::EngineKind::podman) {}

  // An agent by run_by_podman. The container's id.
  std::string run_by_command(const std::string& name, const std::vector<std::string>& options);

  // What a container that is made anew may tell otherwise.
  static const std::vector<std::string> by_change;
};

}  // namespace rebottle::tests
