// A bottle that its job's backend does not have: is it one of another backend's?
// Not here: how a backend knows its bottles (Backend::has).
#pragma once

#include <optional>
#include <string>

#include "worker/engine/engine.hpp"

namespace rebottle::worker {

// The refusal that names the served backends which have the bottle; empty if none does. Only reads; a backend that
// fails, or is silent for too long, counts as one that does not have it.
awaitable<std::optional<Refusal>> in_other_backend(Engine& engine, std::string backend, std::string bottle);

}  // namespace rebottle::worker
