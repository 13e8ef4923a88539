// The operator's way to the database: reading through the views, and the two INSERTs that foreigners may make.
// Works while the service is down. Not here: anything that changes a job's state.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/system/result.hpp>

#include "schema/job_store.hpp"
#include "schema/rows.hpp"

namespace rebottle::schema {

struct JobFilter {
  std::vector<statemachine::State> states;  // empty: all
  bool unfinished_only = false;
  std::string backend;
  std::string bottle;
  std::string approval_id;
  std::optional<std::int64_t> before_job_id;  // keyset paging, newest first
  int limit = 100;
};

struct Enqueued {
  std::int64_t job_id = 0;
  bool existed = false;  // an identical resubmission
};

class OperatorStore {
 public:
  // Throws StoreError: missing file (names the way out), not ours, other schema version.
  static std::unique_ptr<OperatorStore> open(const std::filesystem::path& path);
  virtual ~OperatorStore() = default;

  // Newest first, without approval.args.
  [[nodiscard]] virtual std::vector<Job> jobs(const JobFilter& filter) = 0;
  [[nodiscard]] virtual std::optional<Job> job(std::int64_t job_id) = 0;
  // The newest job of an approval.
  [[nodiscard]] virtual std::optional<Job> job_of_approval(const std::string& approval_id) = 0;
  [[nodiscard]] virtual std::vector<HistoryRow> history(std::int64_t job_id, std::int64_t after_seq) = 0;
  [[nodiscard]] virtual std::vector<JournalRow> journal(std::int64_t job_id) = 0;
  [[nodiscard]] virtual std::vector<Leftover> leftovers(std::optional<std::int64_t> job_id) = 0;  // not yet removed
  [[nodiscard]] virtual std::optional<BuildLog> build_log(std::int64_t job_id) = 0;
  [[nodiscard]] virtual std::vector<Bottle> bottles() = 0;
  [[nodiscard]] virtual std::vector<Capability> capabilities() = 0;
  [[nodiscard]] virtual std::vector<Freeze> freezes(Milliseconds now) = 0;

  // Commits before it returns. A refused row is StoreErrc::conflict (same id, other content) or a RowRefused throw
  // whose text is the guard's own message, naming the field.
  [[nodiscard]] virtual Result<Enqueued> enqueue(const Approval& approval) = 0;
  // Commits before it returns; throws RowRefused likewise.
  [[nodiscard]] virtual std::int64_t request(const Request& request) = 0;
  // Those on this job, answered or not, in the order in which they were made.
  [[nodiscard]] virtual std::vector<Request> requests_on(std::int64_t job_id) = 0;
  // The request as it stands, answered or not; empty only for an unknown number.
  [[nodiscard]] virtual std::optional<Request> request_answer(std::int64_t request_id) = 0;

  [[nodiscard]] virtual bool changed_by_others() = 0;

 protected:
  OperatorStore() = default;
};

// The database refused a row; what() names the field and the way out.
class RowRefused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Who holds the lock that a running service keeps on `<database>.lock`; empty if none runs. Never takes the lock.
struct ServiceHolder {
  std::int64_t pid = 0;
  std::string text;  // the lock file's line: pid, epoch, version, start
};
[[nodiscard]] std::optional<ServiceHolder> running_service(const std::filesystem::path& database);

}  // namespace rebottle::schema
