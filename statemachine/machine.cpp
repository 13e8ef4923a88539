// The look-up in the tables of transitions.hpp. Not here: a second copy of any rule.
#include "statemachine/machine.hpp"

namespace rebottle::statemachine {

Answer answer(State state, Event event, std::optional<State> interrupted) {
  for (const auto& row : transitions) {
    if (row.from != state || row.on != event) continue;
    // Only this pair has several rows: the interrupted step picks one.
    if (state == State::needs_attention && event == Event::retry && row.to != interrupted) continue;
    return {Verdict::moved, row.to, row.why};
  }
  for (const auto& row : ignored_events)
    if (row.in == state && row.on == event) return {Verdict::ignored, state, row.why};
  return {Verdict::refused, state, {}};
}

}  // namespace rebottle::statemachine
