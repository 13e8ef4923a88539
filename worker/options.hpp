// What the command line and the environment say. Not here: the configuration file (engine/config.hpp).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <variant>

namespace rebottle::worker {

struct Options {
  std::optional<std::filesystem::path> config;  // --config, REBOTTLE_CONFIG
  std::optional<std::filesystem::path> db;      // --db, REBOTTLE_DB
  std::optional<std::string> log_level;         // --log-level, REBOTTLE_LOG_LEVEL
  bool check_config = false;
};

// The process ends at once with this code: help and version were printed, or the usage was wrong and explained.
struct ExitNow {
  int code = 0;
};

[[nodiscard]] std::variant<Options, ExitNow> parse_options(int argc, const char* const* argv);

inline constexpr const char* system_config = "/etc/rebottle/rebottle.toml";

// Where things are when nobody says: of the system for root or where its directory may be written, else the user's.
struct DefaultPaths {
  std::filesystem::path config;  // need not exist
  std::filesystem::path db;
};
[[nodiscard]] DefaultPaths default_paths();

}  // namespace rebottle::worker
