// The Docker backend's entry in the registry. Not here: the backend (docker_backend.hpp).
#pragma once

#include <memory>
#include <string>

#include "worker/backends/builder_module.hpp"
#include "worker/backends/docker/docker_config.hpp"

namespace rebottle::worker::docker {

// An engine with the same API is a backend of its own, by another name and with defaults of its own.
[[nodiscard]] std::unique_ptr<BuilderModule> docker_module(std::string name = "docker", DockerConfig defaults = {});
// The keys of its section.
[[nodiscard]] config::Keys keys_of(DockerConfig& to);

}  // namespace rebottle::worker::docker
