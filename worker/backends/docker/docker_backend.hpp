// The Docker backend: one container per bottle, changed over the Engine API.
// Not here: its parts (the other files of this folder); what a backend is (worker/backends/backend.hpp).
#pragma once

#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "worker/backends/backend.hpp"
#include "worker/backends/docker/docker_config.hpp"

namespace rebottle::worker::docker {

// All calls and all work run on `executor`, which must be a single thread. `name` is the backend's name in jobs: an
// engine with the same API is a backend of its own.
[[nodiscard]] std::unique_ptr<Backend> make_docker_backend(boost::asio::any_io_executor executor, DockerConfig config,
                                                           std::string name = "docker");

}  // namespace rebottle::worker::docker
