// A command inside a container, with its output and exit code. Not here: what the answer means for a job.
#pragma once

#include <string>
#include <vector>

#include "worker/backends/docker/engine.hpp"

namespace rebottle::worker::docker {

// Result when done: {exit_code, output, command}. Permanent when the command cannot be started or takes too long.
[[nodiscard]] awaitable<Performed> run_in_container(Engine& engine, std::string id, std::vector<std::string> command,
                                                    milliseconds timeout);

}  // namespace rebottle::worker::docker
