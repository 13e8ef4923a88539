// The registry. Not here: which of them the configuration switches on.
#include "worker/builtin_backends.hpp"

#include "worker/backends/docker/docker_module.hpp"
#include "worker/backends/null/null_module.hpp"
#include "worker/backends/smolmachines/smolmachines_module.hpp"

namespace rebottle::worker {

BackendModules builtin_backends() {
  BackendModules modules;
  modules.push_back(docker::docker_module());
  modules.push_back(docker::docker_module("podman", docker::podman_config()));
  modules.push_back(null::null_module());
  const std::vector<const BackendModule*> builders = {modules[0].get(), modules[1].get()};
  modules.push_back(smolmachines::smolmachines_module(builders));
  return modules;
}

std::vector<std::string> backend_names(const BackendModules& modules) {
  std::vector<std::string> names;
  for (const auto& module : modules) names.emplace_back(module->name());
  return names;
}

}  // namespace rebottle::worker
