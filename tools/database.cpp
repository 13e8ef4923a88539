// migrate, version: the database's schema and the program's own version.
// Not here: migrations (schema/).
#include <ostream>

#include "schema/schema_version.hpp"
#include "tools/command_line.hpp"
#include "tools/json_text.hpp"
#include "tools/listing.hpp"
#include "tools/verbs.hpp"

namespace rebottle::tools {
namespace {

struct MigrateOptions {
  bool check = false;
};

struct VersionOptions {};

Json version_json(const std::optional<std::int64_t>& version) { return version ? Json(*version) : Json(nullptr); }

std::string version_text(const std::optional<std::int64_t>& version) {
  return version ? "version " + std::to_string(*version) : "nothing";
}

void print_versions(const Context& context, const std::optional<std::int64_t>& from,
                    const std::optional<std::int64_t>& to, const std::string& remark) {
  if (context.is_json())
    return print_object(context, {{"database", context.database().string()},
                                  {"from", version_json(from)},
                                  {"to", version_json(to)},
                                  {"spoken", schema::schema_version_spoken()}});
  context.out() << painted({context.database().string()}, false) << ": ";
  if (from != to) context.out() << version_text(from) << " → ";
  context.out() << version_text(to) << remark << '\n';
}

Outcome run_migrate(Context& context, const MigrateOptions& options) {
  if (auto usable = context.may_use_database(); !usable) return usable;
  const auto spoken = schema::schema_version_spoken();
  const auto from = schema::schema_version_of(context.database());
  if (options.check) {
    print_versions(context, from, from, from == spoken ? ", as this program speaks" : "");
    if (from == spoken) {
      // The version alone does not make it a database that the verbs accept.
      static_cast<void>(schema::OperatorStore::open(context.database()));
      return {};
    }
    if (!from) return Failure{Errc::failure, "there is no database yet", "`rebottle migrate` makes one"};
    if (*from < spoken)
      return Failure{Errc::failure, "the database is older than this program",
                     "`rebottle migrate` brings it up to date"};
    return Failure{Errc::failure, "the database is newer than this program", "use a newer rebottle"};
  }
  // Opening migrates, and checks the whole schema even where there is nothing to migrate.
  static_cast<void>(schema::JobStore::open(context.database(), {.create = true, .migrate = true}));
  const auto to = schema::schema_version_of(context.database());
  print_versions(context, from, to, from == to ? ", nothing to do" : "");
  return {};
}

Outcome run_version(Context& context, const VersionOptions& /*options*/) {
  if (context.is_json())
    print_object(context, {{"version", REBOTTLE_VERSION}, {"schema_version", schema::schema_version_spoken()}});
  else
    context.out() << "rebottle " << REBOTTLE_VERSION << ", schema version " << schema::schema_version_spoken() << '\n';
  return {};
}

}  // namespace

void add_database(CommandLine& line) {
  auto options = std::make_shared<MigrateOptions>();
  CLI::App& migrate = add_verb(line,
                               {.name = "migrate",
                                .summary = "Make the database, or bring it to this program's schema version",
                                .examples = "migrate\nmigrate --check"},
                               options, run_migrate);
  migrate.add_flag("--check", options->check, "Only tell; exit 1 if there is something to do");
  add_verb(line, {.name = "version", .summary = "Print the versions of program and schema", .examples = "version"},
           std::make_shared<VersionOptions>(), run_version);
}

}  // namespace rebottle::tools
