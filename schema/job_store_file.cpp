// The database as a file: making it, noticing that it was moved or tampered with, and checkpoints.
// The file is never opened except through SQLite: any close() of it in this process would drop SQLite's locks.
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "schema/migrate.hpp"
#include "schema/service_lock.hpp"
#include "schema/sqlite_job_store.hpp"

namespace rebottle::schema {
namespace {

// Checkpoint from this many pages of the WAL on.
constexpr std::int64_t wal_pages_bound = 200;
constexpr std::int64_t wal_header_bytes = 32;
constexpr std::int64_t wal_frame_header_bytes = 24;

[[noreturn]] void cannot(const std::string& what, const std::filesystem::path& path) {
  throw StoreError("cannot " + what + " " + path.string() + ": " + std::strerror(errno), SQLITE_CANTOPEN, false);
}

// The group of the directory may approve: whoever can write the file holds that authority, whatever the umask is.
void make_file(const std::filesystem::path& path) {
  const auto directory = std::filesystem::absolute(path).parent_path();
  std::error_code error;
  if (std::filesystem::create_directories(directory, error) && ::chmod(directory.c_str(), 02770) != 0)
    cannot("set the mode of", directory);
  // O_EXCL: only a file that nobody can have open yet is closed here.
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
  if (file < 0) {
    if (errno == EEXIST) return;
    cannot("make", path);
  }
  const bool set = ::fchmod(file, 0660) == 0;
  ::close(file);
  if (!set) cannot("set the mode of", path);
}

std::filesystem::path prepared(const std::filesystem::path& path, const OpenOptions& options) {
  if (options.create)
    make_file(path);
  else
    require_file(path);
  return path;
}

// Migration comes before the statements are prepared, so it is part of opening the connection.
Connection opened(const std::filesystem::path& path, const OpenOptions& options) {
  Connection connection(path, Access::read_write, options.busy_timeout_ms);
  bring_up_to_date(connection, options.create, options.migrate);
  return connection;
}

std::filesystem::path beside(const std::filesystem::path& path, const char* suffix) { return path.string() + suffix; }

}  // namespace

std::optional<FileIdentity> identity_of(const std::filesystem::path& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0 || found.st_nlink == 0) return std::nullopt;
  return FileIdentity{found.st_dev, found.st_ino};
}

SqliteJobStore::SqliteJobStore(const std::filesystem::path& path, const OpenOptions& options)
    : path_(prepared(std::filesystem::absolute(path), options)),
      connection_(opened(path_, options)),
      checkpointer_(path_, Access::read_write, options.busy_timeout_ms),
      wal_holder_(path_, Access::read_write, options.busy_timeout_ms),
      statements_(connection_.sql()) {
  translated("cannot read the database", [&] {
    seen_schema_version_ = connection_.number("PRAGMA schema_version");
    seen_data_version_ = connection_.number("PRAGMA data_version");
    (void)checkpointer_.number("SELECT count(*) FROM instance");
  });
  hold_wal();
  watch_files();
}

// SQLite says whether the path still leads to the file that it opened; what stat finds then is that file.
void SqliteJobStore::watch_files() {
  for (const auto* suffix : {"", "-wal", "-shm"}) {
    const auto file = beside(path_, suffix);
    watched_.push_back({file, identity_of(file)});
  }
  // Whoever opens the store without the lock is no service.
  const auto lock = service_lock_path(path_);
  if (auto identity = identity_of(lock)) watched_.push_back({lock, identity});
  check_file();
}

void SqliteJobStore::check_file() {
  int moved = 0;
  const int code = sqlite3_file_control(connection_.sql().getHandle(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  if (code != SQLITE_OK || moved != 0)
    throw StoreError(path_.string() + " was moved, removed or replaced while it was open; stop and put it back",
                     SQLITE_READONLY_DBMOVED, true);
  for (const auto& file : watched_)
    if (!file.identity || identity_of(file.path) != file.identity)
      throw StoreError(file.path.string() + " was moved, removed or replaced while it was open; stop and put it back",
                       SQLITE_READONLY_DBMOVED, true);

  const auto schema_version = translated("cannot read the schema's version", [&] {
    Use row(statements_.schema_version);
    return row.next() ? row.integer("schema_version") : 0;
  });
  if (schema_version == seen_schema_version_) return;
  try {
    check_schema(connection_);
  } catch (const StoreError& error) {
    throw StoreError(error.what(), error.sqlite_code(), true);
  }
  seen_schema_version_ = schema_version;
}

void SqliteJobStore::hurry() noexcept {
  for (auto* connection : {&connection_, &checkpointer_, &wal_holder_}) connection->hurry();
}

bool SqliteJobStore::changed_by_others() {
  return translated("cannot look for changes", [&] {
    Use row(statements_.data_version);
    const auto version = row.next() ? row.integer("data_version") : 0;
    return std::exchange(seen_data_version_, version) != version;
  });
}

// SQLite 3.7.0–3.51.2 loses commits when another connection commits and resets the WAL while a checkpoint, anybody's,
// is between its look at the WAL's header and its copying. A foreign program's checkpoint knows of no guard. So the
// store always has a reader open, wal_holder_: one that began while the WAL held pages that were not copied back keeps
// everybody from resetting it; one that began when all was copied back keeps everybody from copying. Either will do,
// and it only moves from one to the other while nobody commits (the first connection holds the write lock) and after
// a checkpoint of our own went through, so that no foreign one is left that looked at the header before.
int SqliteJobStore::checkpoint() {
  struct stat wal {};
  const auto page_bytes = connection_.number("PRAGMA page_size");
  if (::stat(beside(path_, "-wal").c_str(), &wal) != 0) return 0;
  const auto pages = (std::int64_t{wal.st_size} - wal_header_bytes) / (page_bytes + wal_frame_header_bytes);
  if (pages <= wal_pages_bound) return static_cast<int>(std::max<std::int64_t>(pages, 0));

  connection_.begin();
  try {
    auto done = copy_back();
    if (done.code == SQLITE_OK) {
      wal_holder_.rollback();
      done = copy_back();
      hold_wal();
    }
    connection_.rollback();
    if (done.code == SQLITE_OK) remaining_pages_ = done.in_wal == done.copied ? 0 : done.in_wal;
    // Busy: someone else is at it.
    if (done.code != SQLITE_OK && done.code != SQLITE_BUSY)
      translated("cannot checkpoint", [&] { throw SQLite::Exception(checkpointer_.sql().getHandle(), done.code); });
  } catch (...) {
    connection_.rollback();
    throw;
  }
  return remaining_pages_;
}

// PASSIVE, because the others need the write lock themselves and fall back to it silently.
SqliteJobStore::Copied SqliteJobStore::copy_back() {
  Copied done;
  done.code = sqlite3_wal_checkpoint_v2(checkpointer_.sql().getHandle(), "main", SQLITE_CHECKPOINT_PASSIVE,
                                        &done.in_wal, &done.copied);
  return done;
}

void SqliteJobStore::hold_wal() {
  wal_holder_.rollback();
  translated("cannot begin to read", [&] {
    wal_holder_.sql().exec("BEGIN");
    (void)wal_holder_.number("SELECT count(*) FROM instance");
  });
}

}  // namespace rebottle::schema
