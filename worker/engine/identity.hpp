// Who this process is, for the epoch's row: two processes never look the same, even after a reboot.
// Not here: the lock that lets only one of them run (schema).
#pragma once

#include <string>

#include "schema/rows.hpp"

namespace rebottle::worker {

// Reads /proc. Throws std::runtime_error if that cannot be read.
[[nodiscard]] schema::Epoch this_process(const std::string& version, schema::Milliseconds now);

// Whether the end of `old` was a crash of the worker: not a graceful stop, and not a reboot of the host.
[[nodiscard]] bool crashed(const schema::Epoch& old, const std::string& boot_id_now);

}  // namespace rebottle::worker
