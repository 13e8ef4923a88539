// Where a machine's spec comes from: our own file for a machine that we made, the provisioner's for any other.
// Not here: what a spec may hold (spec.hpp).
#pragma once

#include <optional>

#include "worker/backends/smolmachines/engine.hpp"
#include "worker/backends/smolmachines/job_view.hpp"
#include "worker/backends/smolmachines/spec.hpp"

namespace rebottle::worker::smolmachines {

struct FoundSpec {
  std::optional<Spec> spec;
  std::string file;
  Performed refusal;  // where there is none: unsupported, with the way out
};
// Proved against the machine's row, and against its label if we made it.
[[nodiscard]] FoundSpec find_spec(const SmolmachinesConfig& config, const JobView& job, const json& machine);

}  // namespace rebottle::worker::smolmachines
