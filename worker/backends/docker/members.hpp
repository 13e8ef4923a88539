// Who belongs to a bottle beside its agent, read from inspect documents: containers that live in its namespaces and are
// recreated with it, and side containers that are only watched. Pure. Not here: asking the engine (target.cpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "worker/backends/backend.hpp"

namespace rebottle::worker::docker {

// A namespace that a member has from another member.
struct Share {
  std::string field;  // of HostConfig: NetworkMode, PidMode, IpcMode
  std::string owner;  // the owner's name; empty: the agent
};

struct Dependent {
  json container;
  std::vector<Share> shares;
};

struct Members {
  std::vector<Dependent> dependents;  // in the order of their start: owners first, then by label and name
  std::vector<json> sides;
  Performed refusal;  // outcome done: the bottle can be taken apart and put together again
};

// `others` are all other containers of the engine. Side containers are those that have the same value of the label
// `side_label` as the agent; an empty one means none.
[[nodiscard]] Members find_members(const json& agent, const std::vector<json>& others, std::string_view side_label);

}  // namespace rebottle::worker::docker
