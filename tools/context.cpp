// Defaults from the environment, and the friendly ends of opening a database.
// Not here: SQL.
#include "tools/context.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ostream>

#include "tools/text.hpp"
#include "tools/time_text.hpp"

namespace rebottle::tools {
namespace {

namespace fs = std::filesystem;

bool filled(const std::optional<std::string>& value) { return value && !value->empty(); }

bool may(const fs::path& path, int mode) { return faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0; }

bool forbidden(const fs::path& path, int mode) { return !may(path, mode) && errno == EACCES; }

fs::path state_home(const Environment& environment) {
  if (auto state = environment.variable("XDG_STATE_HOME"); filled(state)) return *state;
  if (auto home = environment.variable("HOME"); filled(home)) return fs::path(*home) / ".local/state";
  return "/";
}

// Who may let this user in: the group that owns the directory.
Failure denied(const fs::path& path, const Environment& environment) {
  Failure failure{Errc::denied, environment.user + " may not use " + path.string(),
                  "ask its owner for access, or name another database with --db"};
  struct stat status {};
  const auto directory = path.parent_path();
  if (stat(directory.c_str(), &status) != 0) return failure;
  if (const group* owner = getgrgid(status.st_gid); owner != nullptr)
    failure.way_out = "ask for membership in the group " + std::string(owner->gr_name) + ", which owns " +
                      directory.string() + ", or name another database with --db";
  return failure;
}

}  // namespace

fs::path database_path(const GlobalOptions& options, const Environment& environment) {
  if (!options.database.empty()) return options.database;
  if (auto named = environment.variable("REBOTTLE_DB"); filled(named)) return *named;
  const auto system = environment.system_directory / "rebottle.db";
  if (geteuid() == 0 || may(environment.system_directory, R_OK | W_OK | X_OK)) return system;
  const auto own = state_home(environment) / "rebottle/rebottle.db";
  // A user with no database of their own is told about the system's one, even if it is closed to them.
  if (!may(own, F_OK) && may(environment.system_directory, F_OK)) return system;
  return own;
}

bool wants_colour(ColourWish wish, const Environment& environment) {
  if (wish != ColourWish::automatic) return wish == ColourWish::always;
  if (filled(environment.variable("NO_COLOR"))) return false;
  if (auto force = environment.variable("CLICOLOR_FORCE"); filled(force) && *force != "0") return true;
  return environment.out_is_tty && environment.variable("TERM").value_or("") != "dumb";
}

Context::Context(const Environment& environment, const GlobalOptions& options)
    : environment_(environment),
      database_(database_path(options, environment)),
      format_(options.format),
      colour_(wants_colour(options.colour, environment)) {}

void Context::say(std::string_view text) const {
  environment_.err << "rebottle: " << printable(text) << '\n';
  environment_.err.flush();
}

std::string Context::when(std::optional<schema::Milliseconds> at) const {
  if (!at) return "-";
  return environment_.out_is_tty ? relative(*at, now()) : rfc3339(*at);
}

TableStyle Context::table_style() const {
  const bool wide = format_ == Format::wide;
  return {.colour = colour_, .titles = true, .wide = wide, .width = environment_.out_is_tty ? environment_.width : 0};
}

// A look before the open, because SQLite has one code for everything that keeps it from a file.
Outcome Context::may_use_database() const {
  if (forbidden(database_, R_OK | W_OK) || forbidden(database_.parent_path(), R_OK | X_OK))
    return denied(database_, environment_);
  return {};
}

Result<schema::OperatorStore*> Context::store() {
  if (store_) return store_.get();
  if (auto usable = may_use_database(); !usable) return usable.error();
  if (!may(database_, F_OK))
    return Failure{Errc::not_found, "there is no database at " + database_.string(),
                   "`rebottle migrate` makes one, --db names another"};
  store_ = schema::OperatorStore::open(database_);
  return store_.get();
}

bool Context::service_runs() const { return schema::running_service(database_).has_value(); }

}  // namespace rebottle::tools
