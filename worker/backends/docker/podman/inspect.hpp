// From Podman's own inspect documents (libpod API) to those that a Docker engine would give for the same container or
// image, so that everything else reads one kind. Pure. Not here: how a container is made from it (spec.hpp).
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace rebottle::worker::docker::podman {

using nlohmann::json;

// The label with which a container says what Podman's inspect does not tell of it: JSON, as Untold::settings. We put
// it on what we make; a person who makes a bottle over the API puts it there, "{}" if there is nothing to tell.
inline constexpr const char* untold_label = "io.rebottle.podman";

// A container as Docker tells it, and beside its sections one of Podman's own:
// "Podman": {"settings": what Docker has no field for, by libpod's names,
//            "untold": what inspect does not tell, from the command line or the label,
//            "refused": ["HostConfig.Devices: why"]}.
[[nodiscard]] json container_as_docker(const json& libpod);

// An image, with the defaults that Podman itself puts into a container made from it.
[[nodiscard]] json image_as_docker(const json& libpod);

// "SIGINT" for 2, "2", "INT" or "SIGINT"; anything else as it is.
[[nodiscard]] std::string signal_name(const json& signal);
[[nodiscard]] int signal_number(const std::string& name);  // 0 for what is none

}  // namespace rebottle::worker::docker::podman
