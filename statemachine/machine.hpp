// Answers "what does this event do in this state", from the tables of transitions.hpp alone.
// Not here: I/O, time, storage.
#pragma once

#include <optional>
#include <string_view>

#include "statemachine/transitions.hpp"

namespace rebottle::statemachine {

enum class Verdict : std::uint8_t {
  moved,    // `to` is the state that follows (it may be the same one)
  ignored,  // legal, no effect; `why` says so to a person
  refused,  // not legal here; an error of the caller
};

struct Answer {
  Verdict verdict;
  State to;              // the present state unless moved
  std::string_view why;  // the table's remark; empty where it has none
};

// `interrupted` is the step that a job in needs_attention was in; only needs_attention × retry looks at it,
// and is refused without one.
[[nodiscard]] Answer answer(State state, Event event, std::optional<State> interrupted = {});

}  // namespace rebottle::statemachine
