// Opening, transactions, epochs, and the plain reads and writes of the service's store.
// Not here: claims and owners (job_store_owner.cpp), progress (job_store_advance.cpp), requests, the file.
#include <sqlite3.h>

#include <nlohmann/json.hpp>

#include "schema/migrate.hpp"
#include "schema/sqlite_job_store.hpp"

namespace rebottle::schema {

std::unique_ptr<JobStore> JobStore::open(const std::filesystem::path& path, const OpenOptions& options) {
  return std::make_unique<SqliteJobStore>(path, options);
}

// Two services on one database: the lock's file was removed under the older one, which must not touch anything more.
void SqliteJobStore::begin() {
  connection_.begin();
  try {
    if (own_epoch_ == 0 || translated("cannot read the epochs", [&] { return is_newest(own_epoch_); })) return;
    throw StoreError("a newer service has begun its work on this database; this one stops", SQLITE_ABORT, true);
  } catch (...) {
    connection_.rollback();
    throw;
  }
}

void SqliteJobStore::transaction(const std::vector<std::function<void()>>& work) {
  begin();
  try {
    for (const auto& item : work) run_item(item);
    connection_.commit();
  } catch (...) {
    connection_.rollback();
    throw;
  }
}

// What an item throws is its own affair (see the header), unless it took the whole transaction with it.
void SqliteJobStore::run_item(const std::function<void()>& item) {
  const auto exec = [](SQLite::Statement& statement) { Use(statement).run(); };
  translated("cannot set a savepoint", [&] { exec(statements_.savepoint); });
  try {
    item();
  } catch (const std::exception& error) {
    const auto* store_error = dynamic_cast<const StoreError*>(&error);
    if (store_error != nullptr && store_error->fatal()) throw;
    if (!connection_.in_transaction()) {
      if (store_error != nullptr) throw;
      throw StoreError(std::string("the transaction ended by itself: ") + error.what(), SQLITE_ABORT, false);
    }
    translated("cannot undo one item of a transaction", [&] { exec(statements_.rollback_to); });
  }
  translated("cannot release a savepoint", [&] { exec(statements_.release); });
}

std::string SqliteJobStore::instance_id() {
  return translated("cannot read the instance", [&] {
    Use row(statements_.instance_id);
    if (!row.next()) throw StoreError("the table `instance` is empty; restore a backup", SQLITE_CORRUPT, true);
    return row.text("instance_id");
  });
}

std::int64_t SqliteJobStore::begin_epoch(const Epoch& epoch) {
  own_epoch_ = write("cannot begin an epoch", [&] {
    const auto fence = next_fence();
    Use(statements_.insert_epoch)
        .bind(":boot_id", epoch.boot_id)
        .bind(":pid", epoch.pid)
        .bind(":process_start", epoch.process_start)
        .bind(":nonce", epoch.nonce)
        .bind(":host", epoch.host)
        .bind(":version", epoch.version)
        .bind(":fence", fence)
        .bind(":now", epoch.started_at)
        .run();
    return std::int64_t{connection_.sql().getLastInsertRowid()};
  });
  return own_epoch_;
}

void SqliteJobStore::end_epoch(std::int64_t epoch_id, Milliseconds now) {
  write("cannot end the epoch",
        [&] { Use(statements_.end_epoch).bind(":epoch_id", epoch_id).bind(":now", now).run(); });
}

std::optional<Epoch> SqliteJobStore::epoch(std::int64_t epoch_id) {
  return translated("cannot read an epoch", [&]() -> std::optional<Epoch> {
    Use row(statements_.epoch);
    row.bind(":epoch_id", epoch_id);
    if (!row.next()) return std::nullopt;
    return read_epoch(row);
  });
}

Result<Job> SqliteJobStore::job(std::int64_t job_id) {
  return translated("cannot read a job", [&]() -> Result<Job> {
    auto found = find_job(job_id);
    if (!found) return StoreErrc::not_found;
    return std::move(*found);
  });
}

std::string SqliteJobStore::current(const std::string& backend, const std::string& bottle) {
  return translated("cannot read what is current", [&]() -> std::string {
    Use row(statements_.current);
    row.bind(":backend", backend).bind(":bottle", bottle);
    return row.next() ? row.text("current") : "{}";
  });
}

std::vector<JournalRow> SqliteJobStore::journal(std::int64_t job_id) {
  return translated("cannot read the journal", [&] {
    Use rows(statements_.journal);
    rows.bind(":job_id", job_id);
    return read_all(rows, read_journal);
  });
}

std::vector<Leftover> SqliteJobStore::leftovers_due(Milliseconds now) {
  return translated("cannot read the leftovers", [&] {
    Use rows(statements_.leftovers_due);
    rows.bind(":now", now);
    return read_all(rows, read_leftover);
  });
}

void SqliteJobStore::leftover_removed(std::int64_t leftover_id, Milliseconds now) {
  write("cannot record a removal",
        [&] { Use(statements_.leftover_removed).bind(":leftover_id", leftover_id).bind(":now", now).run(); });
}

void SqliteJobStore::leftover_failed(std::int64_t leftover_id, const std::string& error, Milliseconds next_try) {
  write("cannot record a failed removal", [&] {
    Use(statements_.leftover_failed)
        .bind(":leftover_id", leftover_id)
        .bind(":error", error)
        .bind(":next_try", next_try)
        .run();
  });
}

void SqliteJobStore::record_capabilities(const std::string& backend, const std::vector<Capability>& rows) {
  write("cannot record capabilities", [&] {
    Use(statements_.delete_capabilities).bind(":backend", backend).run();
    for (const auto& row : rows)
      Use(statements_.insert_capability)
          .bind(":backend", backend)
          .bind(":kind", row.kind)
          .bind(":supported", std::int64_t{row.supported})
          .bind(":version", row.version)
          .bind(":reason_code", row.reason_code)
          .bind(":message", row.message)
          .bind(":detail", row.detail)
          .bind(":checked_at", row.checked_at)
          .run();
  });
}

void SqliteJobStore::keep_capabilities(const std::vector<std::string>& backends) {
  write("cannot remove capabilities",
        [&] { Use(statements_.keep_capabilities).bind(":backends", nlohmann::json(backends).dump()).run(); });
}

std::optional<Job> SqliteJobStore::find_job(std::int64_t job_id) {
  Use row(statements_.job);
  row.bind(":job_id", job_id);
  if (!row.next()) return std::nullopt;
  return read_job(row);
}

Job SqliteJobStore::existing_job(std::int64_t job_id) {
  auto found = find_job(job_id);
  if (!found) throw StoreError("job " + std::to_string(job_id) + " vanished", SQLITE_CORRUPT, true);
  return std::move(*found);
}

}  // namespace rebottle::schema
