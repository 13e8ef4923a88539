// The effects of a job, in order, and which functions carry each of them out: one table.
// Not here: the functions (steps.hpp).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worker/backends/smolmachines/steps.hpp"

namespace rebottle::worker::smolmachines {

struct EffectRow {
  std::string_view name;
  State step;
  bool mutates;
  bool undoable;
  bool interruptible;
  bool begins_downtime;
  bool ends_downtime;
  bool (*wanted)(const JobView&);  // by the approval and the admission alone
  std::string (*summary)(const JobView&);
  Observe observe;
  Perform perform;
};

[[nodiscard]] std::span<const EffectRow> effect_rows();
// Aborts for a name that is not in the table.
[[nodiscard]] const EffectRow& effect_row(std::string_view name);
// The effects of one step for this job.
[[nodiscard]] std::vector<Effect> effects_of(const JobView& job, State step);

}  // namespace rebottle::worker::smolmachines
