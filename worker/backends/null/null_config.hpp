// What the operator configures for the null backend ([backends.null] in rebottle.toml).
// Plain data with its defaults. Not here: the keys (null_module.cpp).
#pragma once

#include <filesystem>
#include <string>

namespace rebottle::worker::null {

struct NullConfig {
  bool enabled = false;
  std::string prefix = "null-";      // the bottles that exist are those whose names begin so
  std::filesystem::path state_file;  // what was done to them; empty: in memory, lost with the worker
  int concurrency = 64;              // bottles at the same time
  int delay_ms = 0;                  // how long each effect takes
  std::string fail_effect;           // the effect that fails for good; empty: none
  int fail_percent = 100;            // of the jobs
};

}  // namespace rebottle::worker::null
