// What a job leaves behind, and its removal: only what carries our labels, or lies in our own directory.
// Not here: when it is removed (worker/engine/leftovers.cpp).
#pragma once

#include <vector>

#include "worker/backends/smolmachines/engine.hpp"
#include "worker/backends/smolmachines/job_view.hpp"

namespace rebottle::worker::smolmachines {

[[nodiscard]] std::vector<schema::Leftover> leftovers_of(const JobView& job, State end);
[[nodiscard]] awaitable<Performed> remove_leftover(Engine& engine, const schema::Leftover& leftover);

}  // namespace rebottle::worker::smolmachines
