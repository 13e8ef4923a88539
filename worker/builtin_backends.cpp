// The registry. Not here: which of them the configuration switches on.
#include "worker/builtin_backends.hpp"

#include <utility>

#include "worker/backends/docker/docker_module.hpp"
#include "worker/backends/null/null_module.hpp"
#include "worker/backends/smolmachines/smolmachines_module.hpp"

namespace rebottle::worker {

BackendModules builtin_backends() {
  BackendModules modules;
  auto for_docker = docker::docker_module();
  auto for_podman = docker::docker_module("podman", docker::podman_config());
  modules.push_back(smolmachines::smolmachines_module({for_docker.get(), for_podman.get()}));
  modules.push_back(std::move(for_docker));
  modules.push_back(std::move(for_podman));
  modules.push_back(null::null_module());
  return modules;
}

std::vector<std::string> backend_names(const BackendModules& modules) {
  std::vector<std::string> names;
  for (const auto& module : modules) names.emplace_back(module->name());
  return names;
}

}  // namespace rebottle::worker
