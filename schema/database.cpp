// The settings of every connection, and the translation of SQLite's errors.
// Not here: any statement on our tables.
#include "schema/database.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cerrno>
#include <exception>

namespace rebottle::schema {
namespace {

constexpr int begin_tries = 3;

int open_flags(Access access) {
  const int flags = SQLite::OPEN_READWRITE;
  return access == Access::create ? flags | SQLite::OPEN_CREATE : flags;
}

}  // namespace

void rethrow(const SQLite::Exception& error, const std::string& doing) {
  int code = error.getExtendedErrorCode();
  // SQLite knows a full disk, but no quota. A write that was refused for want of room has lost nothing either way.
  if (code == SQLITE_IOERR_WRITE && errno == EDQUOT) code = SQLITE_FULL;
  const int primary = code & 0xff;
  // After an I/O error the kernel may have dropped dirty pages: nothing that this process believes is safe.
  // NOTADB and CORRUPT are as final.
  const bool fatal = primary == SQLITE_IOERR || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
  throw StoreError(doing + ": " + error.what(), code, fatal);
}

Connection::Connection(const std::filesystem::path& path, Access access, int busy_timeout_ms)
    : sql_(translated("cannot open the database " + path.string(),
                      [&] { return SQLite::Database(path.string(), open_flags(access)); })),
      patience_(std::make_unique<Patience>(busy_timeout_ms)) {
  sqlite3_busy_handler(sql_.getHandle(), &Patience::wait, patience_.get());
  translated("cannot set the database connection up", [&] {
    // Hardening: no writes to sqlite_schema, no string where a column was meant, and pages are checked as they are
    // read. trusted_schema must stay on: SQLite 3.40 takes its own JSON functions, which the guards need, for unsafe.
    // What stands in for it is the comparison of the whole schema with the frozen one.
    for (const int option : {SQLITE_DBCONFIG_DEFENSIVE, SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_FKEY})
      sqlite3_db_config(sql_.getHandle(), option, 1, nullptr);
    for (const int option : {SQLITE_DBCONFIG_DQS_DML, SQLITE_DBCONFIG_DQS_DDL})
      sqlite3_db_config(sql_.getHandle(), option, 0, nullptr);
    sql_.exec(
        "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA recursive_triggers = ON;"
        "PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"
        // Below the bound of checkpoint(), which goes by the file's size.
        "PRAGMA journal_size_limit = 800000;");
  });
}

bool Connection::in_transaction() noexcept { return sqlite3_get_autocommit(sql_.getHandle()) == 0; }

int Patience::wait(void* self, int tries) {
  auto& patience = *static_cast<Patience*>(self);
  const auto now = std::chrono::steady_clock::now();
  if (tries == 0) patience.since_ = now;
  if (now - patience.since_ >= std::chrono::milliseconds(patience.limit_ms_.load())) return 0;
  sqlite3_sleep(std::min(1 << std::min(tries, 5), 25));
  return 1;
}

void Connection::begin() {
  for (int tried = 1;; ++tried) {
    try {
      sql_.exec("BEGIN IMMEDIATE");
      return;
    } catch (const SQLite::Exception& error) {
      // Each try has already waited for the busy timeout; recovery of the WAL may answer BUSY without waiting.
      if (error.getErrorCode() != SQLITE_BUSY || tried == begin_tries || patience_->hurried())
        rethrow(error, "cannot begin a transaction");
    }
  }
}

void Connection::commit() {
  try {
    sql_.exec("COMMIT");
  } catch (const SQLite::Exception& error) {
    // BUSY and FULL leave the transaction open: it can still be taken back, and then its end is known.
    rollback();
    rethrow(error, "cannot commit");
  }
}

void Connection::rollback() noexcept {
  if (in_transaction()) sql_.tryExec("ROLLBACK");
}

std::int64_t Connection::number(const std::string& query) {
  return translated("cannot read from the database", [&] { return sql_.execAndGet(query).getInt64(); });
}

void Connection::set_journal() {
  translated("cannot switch the database to WAL", [&] {
    for (int tried = 1;; ++tried) {
      try {
        sql_.exec("PRAGMA journal_mode = WAL");
        break;
      } catch (const SQLite::Exception& error) {
        // Two first openers meet here; SQLite does not wait for this lock by itself.
        if (error.getErrorCode() != SQLITE_BUSY || tried == 100) throw;
        sqlite3_sleep(20);
      }
    }
  });
}

Use& Use::bind(const char* name, std::int64_t value) {
  statement_.bind(name, value);
  return *this;
}

Use& Use::bind(const char* name, std::string_view value) {
  statement_.bind(name, std::string(value));
  return *this;
}

Use& Use::bind(const char* name, std::optional<std::int64_t> value) {
  if (value) return bind(name, *value);
  statement_.bind(name);
  return *this;
}

Use& Use::bind(const char* name, const std::optional<std::string>& value) {
  if (value) return bind(name, std::string_view(*value));
  statement_.bind(name);
  return *this;
}

Use& Use::bind_or_null(const char* name, std::string_view value) {
  if (!value.empty()) return bind(name, value);
  statement_.bind(name);
  return *this;
}

std::int64_t Use::integer(const char* column) { return statement_.getColumn(column).getInt64(); }

std::optional<std::int64_t> Use::maybe_integer(const char* column) {
  const auto value = statement_.getColumn(column);
  if (value.isNull()) return std::nullopt;
  return value.getInt64();
}

std::string Use::text(const char* column) { return statement_.getColumn(column).getString(); }

std::optional<std::string> Use::maybe_text(const char* column) {
  const auto value = statement_.getColumn(column);
  if (value.isNull()) return std::nullopt;
  return value.getString();
}

void Use::end() noexcept {
  // A failed step has thrown already; reset only repeats its code.
  statement_.tryReset();
  try {
    statement_.clearBindings();
  } catch (const SQLite::Exception&) {
    // Only a statement that was never prepared gets here, and those do not exist.
    std::terminate();
  }
}

}  // namespace rebottle::schema
