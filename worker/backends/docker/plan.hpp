// A dry look at a job: the admission, and what would follow from it, by name. Not here: the admission itself.
#pragma once

#include "worker/backends/docker/engine.hpp"

namespace rebottle::worker::docker {

[[nodiscard]] awaitable<Plan> make_plan(Engine& engine, JobContext job);

}  // namespace rebottle::worker::docker
