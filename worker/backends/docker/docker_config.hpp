// What the operator configures for the docker backend ([backends.docker] in rebottle.toml).
// Plain data with its defaults. Not here: the keys (docker_module.cpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace rebottle::worker::docker {

struct DockerConfig {
  bool enabled = true;
  std::filesystem::path socket = "/var/run/docker.sock";
  // The agent container: exactly this name, {bottle} standing for the bottle's slug …
  std::string container = "{bottle}";
  // … or, when not empty, the one container with this label set to the slug.
  std::string label;
  int concurrency = 4;                 // bottles at the same time
  std::string build_network = "none";  // what RUN steps reach: none, or the name of a network
  bool pull = false;                   // may FROM and `image` be fetched from a registry
  int build_timeout_s = 900;
  int stop_timeout_s = 30;                                  // where neither the job nor the container says
  int stable_s = 3;                                         // the changed bottle must run that long without a restart
  int verify_timeout_s = 120;                               // until healthy, and for verify.exec
  int call_timeout_s = 30;                                  // every other call of the Engine API
  std::int64_t snapshot_max_bytes = std::int64_t{1} << 30;  // where the job does not say
  std::filesystem::path snapshot_dir;                       // 0700; set by the service
};

}  // namespace rebottle::worker::docker
