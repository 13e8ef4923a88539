// Sends a request to the service and brings its answer back.
// Not here: what the answer means to a verb.
#pragma once

#include <chrono>

#include "tools/context.hpp"

namespace rebottle::tools {

struct AskOptions {
  std::chrono::milliseconds timeout{30'000};
  bool no_wait = false;
};

// The answered request; or, with no_wait, the recorded one with an empty outcome.
// Failures: no_service (nothing was sent, or the service went away; the text says which), timed_out, interrupted.
[[nodiscard]] Result<schema::Request> ask(Context& context, schema::Request request, const AskOptions& options);

}  // namespace rebottle::tools
