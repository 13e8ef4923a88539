// The backends that this executable contains: one line for each. Not here: what they do.
#pragma once

#include <string>
#include <vector>

#include "worker/engine/config.hpp"

namespace rebottle::worker {

// All of them, as yet unconfigured.
[[nodiscard]] BackendModules builtin_backends();
// Names that mean something to rebottle, whether or not they are served.
[[nodiscard]] std::vector<std::string> backend_names(const BackendModules& modules);

}  // namespace rebottle::worker
