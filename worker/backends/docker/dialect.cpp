// The two rows. What the second one says was seen on Podman 4.3 (docs/podman.md).
// Not here: the translations (podman/).
#include "worker/backends/docker/dialect.hpp"

#include "worker/backends/docker/podman/inspect.hpp"
#include "worker/backends/docker/podman/spec.hpp"
#include "worker/backends/docker/text.hpp"

namespace rebottle::worker::docker {
namespace {

json same_body(const json& body, const json& /*old_container*/, const std::string& /*name*/) { return body; }

std::vector<std::string> nothing_more(const json& /*old_container*/, const json& /*created*/) { return {}; }

std::string docker_build_network(std::string_view network) { return "&networkmode=" + percent_encode(network); }

// Podman passes over a name given as `networkmode` and then builds on the host's network. What it heeds is a number
// (1: none, 2: connected) together with a network namespace of the build's own.
std::string podman_build_network(std::string_view network) {
  const bool host = network == "host";
  const bool none = network == "none";
  const bool named = !host && !none && network != "default" && network != "bridge";
  const json options = json::array({{{"Name", "network"}, {"Host", host}, {"Path", named ? network : ""}}});
  return std::string("&networkmode=") + (none ? "1" : "2") + "&nsoptions=" + percent_encode(options.dump());
}

constexpr Dialect docker_row{
    .kind = EngineKind::docker,
    .image_prefix = "",
    .container_path = "/containers/",
    .image_path = "/images/",
    .updates_policy = true,
    .runs_health_checks = true,
    .needs_whole_references = false,
    .takes_all_networks = false,
    .recreates_members = true,
    .archives_keep_owners = true,
    .final_start_failures = "",
    .container = nullptr,
    .image = nullptr,
    .create_body = same_body,
    .unfaithful = nothing_more,
    .build_network = docker_build_network,
};

constexpr Dialect podman_row{
    .kind = EngineKind::podman,
    .image_prefix = "localhost/",
    .container_path = "/libpod/containers/",
    .image_path = "/libpod/images/",
    .updates_policy = false,
    .runs_health_checks = false,
    .needs_whole_references = true,
    .takes_all_networks = true,
    .recreates_members = false,
    .archives_keep_owners = false,
    .final_start_failures = "OCI ",
    .container = podman::container_as_docker,
    .image = podman::image_as_docker,
    .create_body = podman::spec_of,
    .unfaithful = podman::unfaithful_settings,
    .build_network = podman_build_network,
};

}  // namespace

const Dialect& dialect_of(EngineKind kind) { return kind == EngineKind::podman ? podman_row : docker_row; }

}  // namespace rebottle::worker::docker
