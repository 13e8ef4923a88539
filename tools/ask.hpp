// Sends a request to the service and brings its answer back.
// Not here: what the answer means to a verb.
#pragma once

#include <chrono>
#include <optional>

#include "tools/context.hpp"

namespace rebottle::tools {

struct AskOptions {
  std::optional<std::chrono::milliseconds> timeout;  // empty: 30 s
  bool no_wait = false;
};

// The answered request; or, with no_wait, the recorded one with an empty outcome.
// Failures: no_service (nothing was sent, or the service went away; the text says which), timed_out, interrupted.
[[nodiscard]] Result<schema::Request> ask(Context& context, schema::Request request, const AskOptions& options);

}  // namespace rebottle::tools
