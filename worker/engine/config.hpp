// What the operator configures, read from TOML: every key known, typed and in range, or refused by name.
// Not here: the keys of a backend (its module); flags and environment variables (worker/program.cpp), which win.
#pragma once

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "worker/backends/module.hpp"

namespace rebottle::worker {

struct ServiceConfig {
  std::filesystem::path db;         // empty: the default place
  std::filesystem::path state_dir;  // of snapshots; empty: where the database is
  int drain_s = 30;                 // after SIGTERM, jobs past stop are driven on for so long
  int max_downtime_s = 300;         // of a bottle, where the job does not say
  int attempts_max = 5;             // tries of one step
  int pause_first_ms = 500;         // between tries; doubles each time …
  int pause_max_ms = 30'000;        // … up to this
  int crashes_max = 3;              // deaths of the worker in one step that make a job poison
  int probe_interval_s = 60;        // between looks at what each backend can do
  int leftover_retry_s = 10;        // first pause after a failed removal; grows
  int build_log_max_kib = 256;      // kept of what a build prints; the middle of a longer one is cut out
  std::string log_level = "info";
};

struct Config {
  ServiceConfig service;
};

using BackendModules = std::vector<std::unique_ptr<BackendModule>>;

// what() holds one line per fault: "<file>:<line>: <dotted name>: <what is wrong, and the way out>".
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// `source` names the text in messages. What is said below [backends.<name>] goes to the module of that name.
// Both throw ConfigError.
[[nodiscard]] Config parse_config(std::string_view text, const std::string& source, const BackendModules& modules);
[[nodiscard]] Config load_config(const std::filesystem::path& file, const BackendModules& modules);

}  // namespace rebottle::worker
