// The process around the service: flags, environment, configuration, lock, signals, exit code.
// Not here: what the service does (engine/service.hpp).
#pragma once

namespace rebottle::worker {

// 0 after a drained stop, 2 for wrong usage or configuration, 5 if another service holds the lock, 1 otherwise.
int run_rebottled(int argc, char** argv);

}  // namespace rebottle::worker
