// The operator's store on SQLite: the views, and two INSERTs.
// Not here: anything that changes a job.
#include "schema/operator_store.hpp"

#include <sqlite3.h>

#include "schema/migrate.hpp"
#include "schema/operator_statements.hpp"

namespace rebottle::schema {
namespace {

Connection opened(const std::filesystem::path& path) {
  require_file(path);
  Connection connection(path, Access::read_write, OpenOptions{}.busy_timeout_ms);
  bring_up_to_date(connection, false, false);
  return connection;
}

// A guard's own message is the answer for a person; anything else is a broken world.
[[noreturn]] void rethrow_refusal(const SQLite::Exception& error, const char* doing) {
  if (error.getErrorCode() == SQLITE_CONSTRAINT || error.getErrorCode() == SQLITE_TOOBIG)
    throw RowRefused(error.what());
  rethrow(error, doing);
}

class SqliteOperatorStore final : public OperatorStore {
 public:
  explicit SqliteOperatorStore(const std::filesystem::path& path)
      : connection_(opened(path)), statements_(connection_.sql()) {
    seen_data_version_ = connection_.number("PRAGMA data_version");
  }

  std::vector<Job> jobs(const JobFilter& filter) override;
  std::optional<Job> job(std::int64_t job_id) override;
  std::optional<Job> job_of_approval(const std::string& approval_id) override;
  std::vector<HistoryRow> history(std::int64_t job_id, std::int64_t after_seq) override;
  std::vector<JournalRow> journal(std::int64_t job_id) override;
  std::vector<Leftover> leftovers(std::optional<std::int64_t> job_id) override;
  std::optional<BuildLog> build_log(std::int64_t job_id) override;
  std::vector<Bottle> bottles() override;
  std::vector<Capability> capabilities() override;
  std::vector<Freeze> freezes(Milliseconds now) override;
  Result<Enqueued> enqueue(const Approval& approval) override;
  std::int64_t request(const Request& request) override;
  std::vector<Request> requests_on(std::int64_t job_id) override;
  std::optional<Request> request_answer(std::int64_t request_id) override;
  bool changed_by_others() override;

 private:
  [[nodiscard]] bool is_recorded(const Approval& approval);

  Connection connection_;
  OperatorStatements statements_;
  std::int64_t seen_data_version_ = 0;
};

std::vector<Job> SqliteOperatorStore::jobs(const JobFilter& filter) {
  std::string states;
  for (const auto state : filter.states) states += "," + std::string(statemachine::to_string(state)) + ",";
  return translated("cannot list the jobs", [&] {
    Use rows(statements_.jobs);
    rows.bind(":states", states)
        .bind(":unfinished_only", std::int64_t{filter.unfinished_only})
        .bind(":backend", filter.backend)
        .bind(":bottle", filter.bottle)
        .bind(":approval_id", filter.approval_id)
        .bind(":before_job_id", filter.before_job_id)
        .bind(":limit", std::int64_t{filter.limit});
    return read_all(rows, read_job);
  });
}

std::optional<Job> SqliteOperatorStore::job(std::int64_t job_id) {
  return translated("cannot read a job", [&]() -> std::optional<Job> {
    Use row(statements_.job);
    row.bind(":job_id", job_id);
    if (!row.next()) return std::nullopt;
    return read_job(row);
  });
}

std::optional<Job> SqliteOperatorStore::job_of_approval(const std::string& approval_id) {
  return translated("cannot read a job", [&]() -> std::optional<Job> {
    Use row(statements_.job_of_approval);
    row.bind(":approval_id", approval_id);
    if (!row.next()) return std::nullopt;
    return read_job(row);
  });
}

std::vector<HistoryRow> SqliteOperatorStore::history(std::int64_t job_id, std::int64_t after_seq) {
  return translated("cannot read the history", [&] {
    Use rows(statements_.history);
    rows.bind(":job_id", job_id).bind(":after_seq", after_seq);
    return read_all(rows, read_history);
  });
}

std::vector<JournalRow> SqliteOperatorStore::journal(std::int64_t job_id) {
  return translated("cannot read the journal", [&] {
    Use rows(statements_.journal);
    rows.bind(":job_id", job_id);
    return read_all(rows, read_journal);
  });
}

std::vector<Leftover> SqliteOperatorStore::leftovers(std::optional<std::int64_t> job_id) {
  return translated("cannot read the leftovers", [&] {
    Use rows(statements_.leftovers);
    rows.bind(":job_id", job_id);
    return read_all(rows, read_leftover);
  });
}

std::optional<BuildLog> SqliteOperatorStore::build_log(std::int64_t job_id) {
  return translated("cannot read the build log", [&]() -> std::optional<BuildLog> {
    Use row(statements_.build_log);
    row.bind(":job_id", job_id);
    if (!row.next()) return std::nullopt;
    return read_build_log(row);
  });
}

std::vector<Bottle> SqliteOperatorStore::bottles() {
  return translated("cannot read the bottles", [&] {
    Use rows(statements_.bottles);
    return read_all(rows, read_bottle);
  });
}

std::vector<Capability> SqliteOperatorStore::capabilities() {
  return translated("cannot read the capabilities", [&] {
    Use rows(statements_.capabilities);
    return read_all(rows, read_capability);
  });
}

std::vector<Freeze> SqliteOperatorStore::freezes(Milliseconds now) {
  return translated("cannot read the freezes", [&] {
    Use rows(statements_.freezes);
    rows.bind(":now", now);
    return read_all(rows, read_freeze);
  });
}

bool SqliteOperatorStore::is_recorded(const Approval& approval) {
  return Use(statements_.approval_exists).bind(":approval_id", approval.approval_id).next();
}

Result<Enqueued> SqliteOperatorStore::enqueue(const Approval& approval) {
  connection_.begin();
  try {
    const int inserted = Use(statements_.insert_approval)
                             .bind(":approval_id", approval.approval_id)
                             .bind(":kind", approval.kind)
                             .bind(":backend", approval.backend)
                             .bind(":bottle", approval.bottle)
                             .bind(":args", approval.args)
                             .bind(":approved_by", approval.approved_by)
                             .bind(":priority", approval.priority)
                             .bind(":scheduled_at", approval.scheduled_at)
                             .bind(":expires_at", approval.expires_at)
                             .bind(":justification", approval.justification)
                             .bind(":meta", approval.meta)
                             .run();
    Enqueued enqueued;
    {
      Use row(statements_.newest_job_id);
      row.bind(":approval_id", approval.approval_id);
      if (row.next()) enqueued.job_id = row.integer("job_id");
    }
    connection_.commit();
    enqueued.existed = inserted == 0;
    return enqueued;
  } catch (const SQLite::Exception& error) {
    const bool known = connection_.in_transaction() && is_recorded(approval);
    connection_.rollback();
    if (known && error.getErrorCode() == SQLITE_CONSTRAINT) return StoreErrc::conflict;
    rethrow_refusal(error, "cannot enqueue");
  }
}

std::int64_t SqliteOperatorStore::request(const Request& request) {
  connection_.begin();
  try {
    Use(statements_.insert_request)
        .bind(":kind", request.kind)
        .bind(":job_id", request.job_id)
        .bind(":backend", request.backend)
        .bind(":bottle", request.bottle)
        .bind(":args", request.args)
        .bind(":requested_by", request.requested_by)
        .run();
    const std::int64_t request_id = connection_.sql().getLastInsertRowid();
    connection_.commit();
    return request_id;
  } catch (const SQLite::Exception& error) {
    connection_.rollback();
    rethrow_refusal(error, "cannot record the request");
  }
}

std::vector<Request> SqliteOperatorStore::requests_on(std::int64_t job_id) {
  return translated("cannot read the requests", [&] {
    Use rows(statements_.requests_on);
    rows.bind(":job_id", job_id);
    return read_all(rows, read_request);
  });
}

std::optional<Request> SqliteOperatorStore::request_answer(std::int64_t request_id) {
  return translated("cannot read an answer", [&]() -> std::optional<Request> {
    Use row(statements_.request);
    row.bind(":request_id", request_id);
    if (!row.next()) return std::nullopt;
    return read_request(row);
  });
}

bool SqliteOperatorStore::changed_by_others() {
  return translated("cannot look for changes", [&] {
    Use row(statements_.data_version);
    const auto version = row.next() ? row.integer("data_version") : 0;
    return std::exchange(seen_data_version_, version) != version;
  });
}

}  // namespace

std::unique_ptr<OperatorStore> OperatorStore::open(const std::filesystem::path& path) {
  return std::make_unique<SqliteOperatorStore>(path);
}

}  // namespace rebottle::schema
