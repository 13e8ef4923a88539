// Migration: one transaction for each version, then the check of the whole schema against the frozen text.
// Not here: the DDL itself (sql/).
#include "schema/migrate.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <vector>

#include "schema/embedded.hpp"

namespace rebottle::schema {
namespace {

[[noreturn]] void refuse(const std::string& text) { throw StoreError(text, SQLITE_ERROR, false); }

// The entries of the dump, each one a line of its own or several.
std::vector<std::string> schema_entries(Connection& connection) {
  std::vector<std::string> entries;
  // SQLite's own names (sqlite_sequence, sqlite_stat1, automatic indexes) can't be made by anyone else.
  SQLite::Statement objects(
      connection.sql(), "SELECT type, name, sql FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*' ORDER BY type, name");
  while (objects.executeStep())
    entries.push_back("-- " + objects.getColumn(0).getString() + " " + objects.getColumn(1).getString() + "\n" +
                      objects.getColumn(2).getString() + ";\n");
  return entries;
}

std::vector<std::string> transition_entries(Connection& connection) {
  std::vector<std::string> entries;
  SQLite::Statement rows(connection.sql(),
                         "SELECT from_state, event, to_state, raised_by FROM transitions ORDER BY 1, 2, 3");
  while (rows.executeStep())
    entries.push_back("-- transition " + rows.getColumn(0).getString() + " " + rows.getColumn(1).getString() + " " +
                      rows.getColumn(2).getString() + " " + rows.getColumn(3).getString() + "\n");
  return entries;
}

std::string first_line(const std::string& entry) { return entry.substr(3, entry.find('\n') - 3); }

const Version& spoken() { return versions().back(); }

// Names what differs, so that the operator can look at it.
[[noreturn]] void refuse_difference(const std::string& dump, const std::vector<std::string>& entries) {
  for (const auto& entry : entries)
    if (spoken().frozen.find(entry) == std::string_view::npos)
      refuse("the database's schema was changed by someone else: " + first_line(entry) +
             " is foreign or altered; remove it, or restore the database from a backup");
  refuse("the database's schema was changed by someone else: something is missing (" + std::to_string(dump.size()) +
         " bytes of schema instead of " + std::to_string(spoken().frozen.size()) +
         "); restore the database from a backup");
}

bool is_empty(Connection& connection) {
  return connection.number("SELECT count(*) FROM sqlite_schema") == 0 &&
         connection.number("PRAGMA application_id") == 0 && connection.number("PRAGMA user_version") == 0;
}

// One step in one transaction: the version is looked at again under the lock, since two programs may start at once.
void take_step(Connection& connection, const Version& version) {
  connection.begin();
  try {
    if (connection.number("PRAGMA user_version") == version.number - 1) {
      connection.sql().exec(std::string(version.steps));
      if (version.number == 1)
        connection.sql().exec(
            "INSERT INTO instance (one, instance_id, last_fence, created_at) VALUES (1, lower(hex(randomblob(6))), 0, "
            "CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER))");
      connection.sql().exec("PRAGMA application_id = " + std::to_string(application_id));
      connection.sql().exec("PRAGMA user_version = " + std::to_string(version.number));
    }
    connection.commit();
  } catch (...) {
    connection.rollback();
    throw;
  }
}

}  // namespace

void require_file(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error)) return;
  if (error) refuse("cannot look for the database at " + path.string() + ": " + error.message());
  refuse("there is no database at " + path.string() + "; start rebottled once, or run `rebottle migrate`");
}

std::string schema_dump(Connection& connection) {
  std::string dump;
  for (const auto& entry : schema_entries(connection)) dump += entry;
  for (const auto& entry : transition_entries(connection)) dump += entry;
  return dump;
}

void check_schema(Connection& connection) {
  translated("cannot check the database's schema", [&] {
    auto entries = schema_entries(connection);
    const bool has_table = std::ranges::any_of(
        entries, [](const std::string& entry) { return entry.starts_with("-- table transitions\n"); });
    if (has_table) std::ranges::move(transition_entries(connection), std::back_inserter(entries));
    std::string dump;
    for (const auto& entry : entries) dump += entry;
    if (dump != spoken().frozen) refuse_difference(dump, entries);
  });
}

void bring_up_to_date(Connection& connection, bool create, bool migrate) {
  translated("cannot migrate the database", [&] {
    const bool empty = is_empty(connection);
    if (empty && !create) refuse("the database is empty; start rebottled once, or run `rebottle migrate`");
    if (!empty && connection.number("PRAGMA application_id") != application_id)
      refuse("the file is not a database of rebottle; give another path");
    const auto version = connection.number("PRAGMA user_version");
    if (version > spoken().number)
      refuse("the database has schema version " + std::to_string(version) + ", this program speaks up to " +
             std::to_string(spoken().number) + "; use a newer rebottle");
    if (!empty && version < spoken().number && !migrate)
      refuse("the database has the older schema version " + std::to_string(version) +
             "; start rebottled once, or run `rebottle migrate`");
    connection.set_journal();
    for (const auto& step : versions())
      if (step.number > version) take_step(connection, step);
  });
  check_schema(connection);
}

}  // namespace rebottle::schema
