// Waiting for a job, shared by wait and enqueue --wait.
// Not here: printing of events (history.cpp).
#pragma once

#include <chrono>
#include <optional>

#include "tools/context.hpp"

namespace rebottle::tools {

struct WaitOptions {
  std::string job;
  std::string state;  // empty: the job's end, or a person's turn
  std::optional<std::chrono::milliseconds> timeout;
};

// Waits, then prints the job's state on stdout. Without a state: ok if the job succeeded. With one: ok as soon as the
// job is or was in it; not_succeeded or needs_attention if it cannot come any more without a person.
[[nodiscard]] Outcome wait_for(Context& context, std::int64_t job_id, const WaitOptions& options);

}  // namespace rebottle::tools
