// The whole program as a function, so that tests run it in their own process.
// Not here: the process (process_environment.cpp).
#pragma once

#include "tools/environment.hpp"

namespace rebottle::tools {

// Returns the exit code. Never throws; whatever goes wrong is one line on environment.err.
[[nodiscard]] int run(int argc, const char* const* argv, const Environment& environment);

}  // namespace rebottle::tools
