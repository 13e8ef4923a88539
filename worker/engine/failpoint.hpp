// Places where tests make the worker die, wait or fail. Compiled in with REBOTTLE_FAILPOINTS only.
// Not here: a list of the places; they are named where they stand, as `intent:<effect>`, `effect:<effect>`,
// `state:<state>`.
#pragma once

#ifdef REBOTTLE_FAILPOINTS

#include <functional>
#include <string>

#include "worker/engine/clock.hpp"

namespace rebottle::worker::failpoint {

// Does what the environment variable REBOTTLE_FAILPOINT says when `place` is reached for the n-th time:
// "<place>:<kill|pause|throw>[:<n>]", n counts from 1 and defaults to 1. pause waits for ever, or for the end of
// the process; the place's own text may hold colons.
awaitable<void> reach(std::string place);

// For tests inside the process: called at every place; when it returns true the coroutine never goes on.
void set_hook(std::function<bool(const std::string& place)> hook);

}  // namespace rebottle::worker::failpoint

// A full statement inside a coroutine.
#define REBOTTLE_FAILPOINT(place) co_await ::rebottle::worker::failpoint::reach(place)

#else
#define REBOTTLE_FAILPOINT(place) static_cast<void>(0)
#endif
