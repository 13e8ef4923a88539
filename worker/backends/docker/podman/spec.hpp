// From the body that would create a container on Docker to the specification that libpod's create takes. The compat
// API's own translation drops settings (umask, annotations, log options); this one refuses what it does not know.
// Pure. Not here: where the settings come from (inspect.hpp, carry_over.hpp).
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace rebottle::worker::docker::podman {

using nlohmann::json;

// `body` is that of POST /containers/create with all its networks, `old_container` the document of the container that
// it was made after (container_as_docker).
[[nodiscard]] json spec_of(const json& body, const json& old_container, const std::string& name);

// In which of Podman's own settings a created container differs from the one that it was made after, both as
// container_as_docker gives them.
[[nodiscard]] std::vector<std::string> unfaithful_settings(const json& old_container, const json& created);

}  // namespace rebottle::worker::docker::podman
