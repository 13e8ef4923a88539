// In what the engines that speak this API differ: one row for each, chosen by the backend's configuration.
// Not here: the translations themselves (podman/).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "worker/backends/docker/engine_kind.hpp"

namespace rebottle::worker::docker {

using nlohmann::json;

struct Dialect {
  EngineKind kind{};
  std::string_view image_prefix;          // before the names of images that we make
  std::string_view container_path;        // of inspect and create
  std::string_view image_path;            // of inspect
  bool updates_policy{};                  // a restart policy can be taken off a container and put back
  bool runs_health_checks{};              // by itself; else only when it is asked to
  bool needs_whole_references{};          // a short image name could mean another image to the builder
  bool takes_all_networks{};              // at creation
  bool recreates_members{};               // containers that share the agent's namespaces
  bool archives_keep_owners{};            // of files that are read out of a container
  std::string_view final_start_failures;  // how the cause of a failed start begins for which no other try helps
  json (*container)(const json&);         // its document to a Docker engine's; null: it is one
  json (*image)(const json&);
  json (*create_body)(const json& body, const json& old_container, const std::string& name);
  std::vector<std::string> (*unfaithful)(const json& old_container, const json& created);
  std::string (*build_network)(std::string_view network);  // the part of the build's query
};

[[nodiscard]] const Dialect& dialect_of(EngineKind kind);

}  // namespace rebottle::worker::docker
