// What a plan lists follows from the effects and leftovers themselves, so that a job does what its plan said.
// Not here: what cannot be undone; each backend knows that.
#pragma once

#include "worker/backends/backend.hpp"

namespace rebottle::worker {

// The plan that an admission leads to: the refusal that it is, else one that is possible and has nothing in it yet.
[[nodiscard]] Plan plan_after(const Performed& admitted);

// Adds every mutating effect of the forward steps; `effects_of` gives those of one step. What comes before the
// snapshot makes something, what comes after it changes what is there.
template <class EffectsOf>
void list_effects(Plan& plan, EffectsOf effects_of) {
  for (const auto step : {State::prepare, State::snapshot, State::stop, State::apply, State::restart, State::verify})
    for (const auto& effect : effects_of(step))
      if (effect.mutates) (step == State::prepare ? plan.makes : plan.changes).push_back(effect.summary);
}

// "parked container dev-1.prev-7": the kind, and the thing by the name that its reference gives it.
[[nodiscard]] std::string text_of(const schema::Leftover& leftover);
// What is kept of no path, and why, as the admission's baseline says it: {paths_skipped: [{path, why}]}.
void list_skipped_paths(Plan& plan, const json& baseline);
void list_leftovers(Plan& plan, const std::vector<schema::Leftover>& leftovers, std::string_view when);

}  // namespace rebottle::worker
