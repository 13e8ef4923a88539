// The bottle's machine, found and judged by reading alone. Not here: what a job wants with it (admission.cpp).
#pragma once

#include "worker/backends/smolmachines/engine.hpp"
#include "worker/backends/smolmachines/job_view.hpp"

namespace rebottle::worker::smolmachines {

struct Target {
  json machine;               // its row
  std::int64_t rev = 0;       // 0: the machine that the provisioner made
  std::int64_t next_rev = 1;  // no machine is called so
};
struct TargetFound {
  Target target;
  Performed refusal;  // outcome done: `target` is complete
};
// Refuses a bottle that is not there, that could be either of two machines, or whose machine is in a state or of a
// make that leads to no way back.
[[nodiscard]] awaitable<TargetFound> find_target(Engine& engine, const JobView& job);

// Which of the rows is the bottle's machine; pure.
[[nodiscard]] TargetFound choose_target(const JobView& job, const json& rows);

// What must stay the same between the admission and the stop.
[[nodiscard]] json fingerprint(const json& machine);

}  // namespace rebottle::worker::smolmachines
