// CLI11's view of the flags, and the XDG rules. Not here: any check of what the files hold.
#include "worker/options.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "worker/engine/log.hpp"

namespace rebottle::worker {
namespace {

constexpr const char* system_directory = "/var/lib/rebottle";
constexpr int usage_error = 2;

std::filesystem::path user_directory(const char* variable, const char* below_home) {
  const char* named = std::getenv(variable);
  if (named != nullptr && *named == '/') return named;
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr && *home != '\0' ? home : "/") / below_home;
}

}  // namespace

std::variant<Options, ExitNow> parse_options(int argc, const char* const* argv) {
  CLI::App app("rebottled carries out approved changes of agent sandboxes.", "rebottled");
  std::string config;
  std::string db;
  std::string level;
  Options options;
  app.add_option("--config", config, "the configuration file")->envname("REBOTTLE_CONFIG")->type_name("FILE");
  app.add_option("--db", db, "the database")->envname("REBOTTLE_DB")->type_name("PATH");
  app.add_option("--log-level", level, "what is logged: " + std::string(log::level_words))
      ->envname("REBOTTLE_LOG_LEVEL")
      ->type_name("LEVEL");
  app.add_flag("--check-config", options.check_config, "check the configuration file and exit");
  app.set_version_flag("--version", "rebottled " REBOTTLE_VERSION);
  try {
    app.parse(argc, argv);
    if (!level.empty() && !log::level_from(level))
      throw CLI::ValidationError("--log-level", "must be one of " + std::string(log::level_words));
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return ExitNow{code == 0 ? 0 : usage_error};
  }
  if (!config.empty()) options.config = config;
  if (!db.empty()) options.db = db;
  if (!level.empty()) options.log_level = level;
  return options;
}

DefaultPaths default_paths() {
  if (::geteuid() == 0 || ::access(system_directory, W_OK | X_OK) == 0)
    return {system_config, std::filesystem::path(system_directory) / "rebottle.db"};
  return {user_directory("XDG_CONFIG_HOME", ".config") / "rebottle" / "rebottle.toml",
          user_directory("XDG_STATE_HOME", ".local/state") / "rebottle" / "rebottle.db"};
}

}  // namespace rebottle::worker
