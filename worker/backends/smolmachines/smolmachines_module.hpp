// The smolmachines backend's entry in the registry. Not here: the backend (smolmachines_backend.hpp).
#pragma once

#include <memory>
#include <vector>

#include "worker/backends/builder_module.hpp"
#include "worker/backends/smolmachines/smolmachines_config.hpp"

namespace rebottle::worker::smolmachines {

// `builders` are those whose engine may build its images; they outlive it.
[[nodiscard]] std::unique_ptr<BackendModule> smolmachines_module(std::vector<const BuilderModule*> builders = {});
// The keys of its section.
[[nodiscard]] config::Keys keys_of(SmolmachinesConfig& to);

}  // namespace rebottle::worker::smolmachines
