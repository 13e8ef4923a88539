// Decides which event a step's outcome raises, and how long to wait before the next try.
// Pure: time, randomness and counters are arguments. Not here: transitions (transitions.hpp), effects.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "statemachine/transitions.hpp"

namespace rebottle::statemachine {

using std::chrono::milliseconds;

// How a step, or one effect of it, ended.
enum class Outcome : std::uint8_t {
  done,
  transient,    // may work on another try: costs an attempt
  unreachable,  // the engine does not answer: past stop it costs no attempt, only downtime budget
  permanent,    // will not work on another try
  unknown,      // the outcome could not be observed within its deadline
  unsupported,  // the backend cannot do it
  stale,        // expired, or drift
};

struct RetryPolicy {
  int attempts_max = 5;  // tries of one step, counting the first
  milliseconds pause_first{500};
  milliseconds pause_max{30'000};
  int crashes_max = 3;  // deaths of the worker in one step that make the job poison
};

struct StepFacts {
  State state;  // a working state
  Outcome outcome;
  int attempt;                           // 1 for the first try of this step
  std::optional<milliseconds> down_for;  // how long the bottle has been down; empty while it runs
  milliseconds downtime_max;             // the budget
  bool cancel_requested;
};

struct Decision {
  Event event;
  milliseconds pause;  // before the step runs again; zero unless `event` is step_retry
  bool attempt_spent;
  bool alert;  // a person should look: it ends in needs_attention, or is retried past every budget
};

// `jitter` in [0, 1) spreads the pauses: between a half and the whole of the exponential value.
[[nodiscard]] milliseconds pause_before(int next_attempt, double jitter, const RetryPolicy& policy);

// The event for a step's outcome. A rollback whose engine is unreachable is retried until it works.
[[nodiscard]] Decision decide(const StepFacts& facts, double jitter, const RetryPolicy& policy);

// The event with which a new epoch takes a job over: resume, or poison at the crash limit. A graceful stop
// and a reboot of the host do not count as crashes.
[[nodiscard]] Event takeover_event(int crashes, const RetryPolicy& policy);

}  // namespace rebottle::statemachine
