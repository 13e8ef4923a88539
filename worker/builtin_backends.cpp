// The registry: name → factory. Not here: names that are known but not served (engine/backends.hpp).
#include "worker/builtin_backends.hpp"

#include <array>
#include <string_view>

#include "worker/backends/docker/docker_backend.hpp"

namespace rebottle::worker {
namespace {

struct Registration {
  std::string_view name;
  // Null where the configuration switches the backend off.
  std::unique_ptr<Backend> (*make)(const boost::asio::any_io_executor& executor, const Config& config);
};

std::unique_ptr<Backend> make_docker(const boost::asio::any_io_executor& executor, const Config& config) {
  if (!config.docker.enabled) return nullptr;
  return docker::make_docker_backend(executor, config.docker);
}

std::unique_ptr<Backend> make_podman(const boost::asio::any_io_executor& executor, const Config& config) {
  if (!config.podman.enabled) return nullptr;
  return docker::make_docker_backend(executor, config.podman, "podman");
}

constexpr std::array registrations{
    Registration{"docker", make_docker},
    Registration{"podman", make_podman},
};

}  // namespace

std::vector<std::unique_ptr<Backend>> make_backends(const boost::asio::any_io_executor& executor,
                                                    const Config& config) {
  std::vector<std::unique_ptr<Backend>> backends;
  for (const auto& registration : registrations)
    if (auto backend = registration.make(executor, config)) backends.push_back(std::move(backend));
  return backends;
}

}  // namespace rebottle::worker
