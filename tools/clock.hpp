// The clocks of the CLI; the only place that reads them.
// Not here: how times are written (time_text.hpp).
#pragma once

#include <chrono>

#include "schema/rows.hpp"

namespace rebottle::tools {

[[nodiscard]] schema::Milliseconds wall_clock();            // since the epoch
[[nodiscard]] std::chrono::milliseconds monotonic_clock();  // since some fixed moment

}  // namespace rebottle::tools
