// The effects of a Docker job, in order, and which functions carry each of them out: one table.
// Not here: the functions (steps.hpp).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worker/backends/docker/steps.hpp"

namespace rebottle::worker::docker {

// The members that an effect is for, each with a row of the journal of its own, and in which order.
enum class Scope : std::uint8_t {
  agent,        // the agent alone, or the bottle as a whole
  owner_first,  // all: the agent, then those that live in its namespaces
  owner_last,   // all, the other way round
};

struct EffectRow {
  std::string_view name;
  State step;
  Scope scope;
  bool mutates;
  bool undoable;
  bool interruptible;
  bool begins_downtime;
  bool ends_downtime;
  bool (*wanted)(const JobView&);  // by the approval alone
  std::string (*summary)(const JobView&);
  Observe observe;
  Perform perform;
};

[[nodiscard]] std::span<const EffectRow> effect_rows();
// Of an effect on any member. Aborts for a name that is not in the table.
[[nodiscard]] const EffectRow& effect_row(std::string_view effect_name);
// The effects of one step for this job.
[[nodiscard]] std::vector<Effect> effects_of(const Engine& engine, const JobView& job, State step);

}  // namespace rebottle::worker::docker
