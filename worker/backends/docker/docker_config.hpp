// What the operator configures for an engine with Docker's API ([backends.docker], [backends.podman] in rebottle.toml).
// Plain data with its defaults. Not here: the keys (docker_module.cpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "worker/backends/docker/engine_kind.hpp"

namespace rebottle::worker::docker {

struct DockerConfig {
  EngineKind engine = EngineKind::docker;  // by the section's name, no key
  bool enabled = true;
  std::filesystem::path socket = "/var/run/docker.sock";
  // The agent container: exactly this name, {bottle} standing for the bottle's slug …
  std::string container = "{bottle}";
  // … or, when not empty, the one container with this label set to the slug.
  std::string label;
  // Containers with the same value of this label as the agent are side containers: never touched, but watched.
  std::string side_label;
  int concurrency = 4;                             // bottles at the same time
  std::string builder = "classic";                 // or buildkit
  std::string build_network = "none";              // what RUN steps reach: none, or the name of a network
  int build_memory_mib = 0;                        // of each RUN step, swap included; 0: no limit; classic only
  int build_cpu_percent = 0;                       // of one core; 0: no limit; classic only
  bool pull = false;                               // may FROM and `image` be fetched from a registry
  std::vector<std::filesystem::path> import_dirs;  // where image files may lie
  std::filesystem::path registry_auth_file;        // in the format of Docker's config.json; empty: none
  // What a change replaced is kept for so long, and can be put back by an undo.
  int keep_old_s = 0;
  // Where the approved Dockerfile is written after success, {bottle} standing for the slug; empty: nowhere.
  std::string override_dockerfile;
  int build_timeout_s = 900;
  int stop_timeout_s = 30;                                  // where neither the job nor the container says
  int stable_s = 3;                                         // the changed bottle must run that long without a restart
  int verify_timeout_s = 120;                               // until healthy, and for verify.exec
  int call_timeout_s = 30;                                  // every other call of the Engine API
  std::int64_t snapshot_max_bytes = std::int64_t{1} << 30;  // where the job does not say
  std::filesystem::path snapshot_dir;                       // 0700; set by the service
};

[[nodiscard]] inline DockerConfig podman_config() {
  DockerConfig config;
  config.engine = EngineKind::podman;
  config.socket = "/run/podman/podman.sock";
  return config;
}

}  // namespace rebottle::worker::docker
