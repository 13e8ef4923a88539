// Brings a database to the schema of this program, and refuses one that is not ours or was tampered with.
// Private to schema/. Not here: the DDL itself (sql/).
#pragma once

#include <string>

#include "schema/database.hpp"

namespace rebottle::schema {

inline constexpr std::int64_t application_id = 0x72626f74;  // "rbot"

// Throws StoreError with the way out if nothing is at the path.
void require_file(const std::filesystem::path& path);

// Everything that decides how a database behaves, as text: all of sqlite_schema but SQLite's own, and the rows of
// `transitions`. Equal to schema/frozen/<version>.sql for a sound database.
[[nodiscard]] std::string schema_dump(Connection& connection);

// Creates (only with `create`) or migrates (only with `migrate`) as needed, then checks. Throws StoreError with a
// text for the operator: not ours, newer, older without `migrate`, foreign or missing trigger, view, index, table.
void bring_up_to_date(Connection& connection, bool create, bool migrate);

// The check alone, against the version that this program speaks.
void check_schema(Connection& connection);

}  // namespace rebottle::schema
