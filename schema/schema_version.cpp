// Two PRAGMAs on a connection of its own, closed at once.
// Not here: the check of the whole schema (migrate.hpp).
#include "schema/schema_version.hpp"

#include <sqlite3.h>

#include "schema/embedded.hpp"
#include "schema/migrate.hpp"

namespace rebottle::schema {

std::int64_t schema_version_spoken() { return versions().back().number; }

std::optional<std::int64_t> schema_version_of(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return std::nullopt;
  Connection connection(path, Access::read_write, OpenOptions{}.busy_timeout_ms);
  return translated("cannot read the schema version", [&]() -> std::optional<std::int64_t> {
    if (connection.number("SELECT count(*) FROM sqlite_schema") == 0) return std::nullopt;
    if (connection.number("PRAGMA application_id") != application_id)
      throw StoreError(path.string() + " is not a database of rebottle; give another path", SQLITE_NOTADB, false);
    return connection.number("PRAGMA user_version");
  });
}

}  // namespace rebottle::schema
