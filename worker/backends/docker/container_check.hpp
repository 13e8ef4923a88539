// Two inspect documents of a container compared: has someone changed it, did the engine make what it was told to.
// Pure. Not here: which settings go over (carry_over.hpp).
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace rebottle::worker::docker {

using nlohmann::json;

// The settings of a container that a person can change, as hashes by field: two fingerprints are compared without
// keeping secrets. `changed_fields` names what differs.
[[nodiscard]] json fingerprint(const json& container);
[[nodiscard]] std::vector<std::string> changed_fields(const json& before, const json& after);

// The fields in which a created container differs from what was asked for (`body`) and from the one it was made
// after, restart policy aside: proof that the engine took what it was given, and gave no more.
[[nodiscard]] std::vector<std::string> unfaithful_fields(const json& old_container, const json& body,
                                                         const json& created);

}  // namespace rebottle::worker::docker
