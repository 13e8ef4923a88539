// The dry look: what a change would make, change, remove and lose. Not here: doing it.
#pragma once

#include "worker/backends/smolmachines/engine.hpp"
#include "worker/backends/smolmachines/job_view.hpp"

namespace rebottle::worker::smolmachines {

[[nodiscard]] awaitable<Plan> make_plan(Engine& engine, JobContext job);

}  // namespace rebottle::worker::smolmachines
