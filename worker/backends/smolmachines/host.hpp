// Whether this host can run and change machines: the engine's program, its state directory, KVM, our own directory.
// Not here: any one machine.
#pragma once

#include <string>
#include <vector>

#include "worker/backends/smolmachines/engine.hpp"

namespace rebottle::worker::smolmachines {

// Looks at files alone; outcome done, or unsupported with its reason.
[[nodiscard]] Performed judge_host(const SmolmachinesConfig& config);

// Makes the directories below work_dir, 0700. Returns what went wrong, empty if nothing.
[[nodiscard]] std::string make_work_dirs(const SmolmachinesConfig& config);

// The engine asked: its version and its list. Outcome done with {version}, or unsupported with its reason.
[[nodiscard]] awaitable<Performed> judge_engine(Engine& engine);

[[nodiscard]] awaitable<schema::Capability> probe_engine(Engine& engine);

// "smolvm 1.32.2" → {1, 32, 2}; empty if there is no version in it.
[[nodiscard]] std::vector<int> version_numbers(std::string_view text);

// The pid of a `smolvm serve` on this state directory, which restarts machines and sweeps their directories; 0 if none.
[[nodiscard]] pid_t running_server(const SmolmachinesConfig& config);

}  // namespace rebottle::worker::smolmachines
