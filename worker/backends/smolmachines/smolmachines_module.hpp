// The smolmachines backend's entry in the registry. Not here: the backend (smolmachines_backend.hpp).
#pragma once

#include <memory>

#include "worker/backends/module.hpp"
#include "worker/backends/smolmachines/smolmachines_config.hpp"

namespace rebottle::worker::smolmachines {

[[nodiscard]] std::unique_ptr<BackendModule> smolmachines_module();
// The keys of its section.
[[nodiscard]] config::Keys keys_of(SmolmachinesConfig& to);

}  // namespace rebottle::worker::smolmachines
