// The null backend's entry in the registry. Not here: the backend (null_backend.hpp).
#pragma once

#include <memory>

#include "worker/backends/module.hpp"

namespace rebottle::worker::null {

[[nodiscard]] std::unique_ptr<BackendModule> null_module();

}  // namespace rebottle::worker::null
