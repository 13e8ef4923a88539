// The JobStore on SQLite: one write connection, two for the sake of the WAL, one thread.
// Private to schema/. Not here: SQL (job_statements.hpp).
#pragma once

#include <sys/stat.h>

#include "schema/job_statements.hpp"
#include "schema/job_store.hpp"

namespace rebottle::schema {

// What stat says of a file, as far as it tells two files apart.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};
// Empty if nothing is there, or if the file has been unlinked. Never opens the file: closing it would drop
// SQLite's locks.
[[nodiscard]] std::optional<FileIdentity> identity_of(const std::filesystem::path& path);

class SqliteJobStore final : public JobStore {
 public:
  SqliteJobStore(const std::filesystem::path& path, const OpenOptions& options);

  void transaction(const std::vector<std::function<void()>>& work) override;
  std::string instance_id() override;

  std::int64_t begin_epoch(const Epoch& epoch) override;
  void end_epoch(std::int64_t epoch_id, Milliseconds now) override;
  std::optional<Epoch> epoch(std::int64_t epoch_id) override;

  std::vector<ClaimableJob> claimable(Milliseconds now, const ClaimLimits& limits) override;
  Result<Job> claim(std::int64_t job_id, std::int64_t epoch_id, const std::string& target, Milliseconds now,
                    const std::string& actor) override;
  std::optional<Milliseconds> next_due(Milliseconds now) override;
  Result<void> end_queued(std::int64_t job_id, statemachine::Event event, Milliseconds now, const std::string& actor,
                          const std::string& reason_code, const std::string& message,
                          const std::string& detail) override;

  std::vector<WorkingJob> working() override;
  Result<Job> take_over(std::int64_t job_id, std::int64_t epoch_id, statemachine::Event event, statemachine::State to,
                        int crashes, Milliseconds now, const std::string& actor, const std::string& data) override;
  Result<Job> job(std::int64_t job_id) override;
  std::vector<JournalRow> journal(std::int64_t job_id) override;
  std::string current(const std::string& backend, const std::string& bottle) override;
  Result<Job> advance(const Advance& advance) override;

  std::vector<PendingRequest> requests_pending(std::int64_t after, int limit) override;
  Result<Request> request(std::int64_t request_id) override;
  void answer(std::int64_t request_id, const std::string& outcome, const std::string& message,
              const std::string& answer, Milliseconds now) override;
  Result<Job> request_cancel(std::int64_t job_id, const std::string& by, Milliseconds now) override;
  Result<std::int64_t> rerun(std::int64_t job_id, const std::string& by, Milliseconds now) override;
  Standing standing(const std::string& backend, const std::string& bottle) override;
  Result<std::int64_t> undo(std::int64_t job_id, const std::string& by, Milliseconds now) override;
  Result<Job> decide_attention(std::int64_t job_id, std::int64_t epoch_id, statemachine::Event event, Milliseconds now,
                               const std::string& by, const std::string& data) override;
  std::int64_t add_freeze(const Freeze& freeze) override;
  int lift_freezes(const std::string& backend, const std::string& bottle, Milliseconds now) override;
  void lift_expired_freezes(Milliseconds now) override;
  std::vector<FreezeScope> freezes(Milliseconds now) override;

  std::vector<Leftover> leftovers_due(Milliseconds now) override;
  void leftover_removed(std::int64_t leftover_id, Milliseconds now) override;
  void leftover_failed(std::int64_t leftover_id, const std::string& error, Milliseconds next_try) override;

  void record_capabilities(const std::string& backend, const std::vector<Capability>& rows) override;
  void keep_capabilities(const std::vector<std::string>& backends) override;

  void hurry() noexcept override;
  bool changed_by_others() override;
  [[nodiscard]] const std::filesystem::path& path() const override { return path_; }
  void check_file() override;
  int checkpoint() override;

 private:
  // A change of owner: take-over or a person's decision.
  struct NewOwner {
    std::int64_t job_id;
    std::int64_t epoch_id;
    statemachine::Event event;
    statemachine::State from;
    statemachine::State to;
    int attempt;
    int crashes;
    Milliseconds now;
    std::string actor;
    std::string data;
    std::optional<std::string> reason_code;  // empty: as it was; this and the next two
    std::optional<std::string> message;
    std::optional<std::string> detail;
  };
  // A bound for one answer of claimable(): jobs of unknown backends need no slot.
  static constexpr std::size_t claimable_max = 256;
  // The file, its companions of the WAL and the service's lock, as they were at open.
  struct WatchedFile {
    std::filesystem::path path;
    std::optional<FileIdentity> identity;
  };

  // Runs `work` in the open transaction, or in one of its own.
  template <class Work>
  auto write(const char* doing, Work&& work) -> decltype(work());

  // Begins a transaction, unless a newer epoch than ours has begun.
  void begin();
  void run_item(const std::function<void()>& item);
  [[nodiscard]] std::int64_t next_fence();
  [[nodiscard]] bool is_newest(std::int64_t epoch_id);
  [[nodiscard]] std::optional<Job> find_job(std::int64_t job_id);
  [[nodiscard]] Job existing_job(std::int64_t job_id);
  [[nodiscard]] bool is_held(const Job& job, const std::string& target);
  [[nodiscard]] bool is_frozen(const Approval& approval, Milliseconds now);
  void set_owner(const NewOwner& owner);

  // The parts of advance(), each within its transaction.
  void record_effect(const Advance& advance, bool carries_downtime);
  void record_note(const Advance& advance, const std::string& note, bool carries_downtime);
  void record_move(const Advance& advance, const Advance::Move& move, bool carries_downtime);
  void open_intent(const Advance& advance, const Advance::Intent& intent);
  void close_intent(const Advance& advance, const Advance::EffectResult& finished);
  void add_leftover(const Job& job, const Leftover& leftover, Milliseconds now);
  void withdraw_leftovers(std::int64_t job_id, Milliseconds now);
  void keep_build_log(const Advance& advance, const BuildLog& log);

  void watch_files();
  // SQLite's result of a checkpoint that copies what no reader needs, and the pages in the WAL and copied back.
  struct Copied {
    int code = 0;
    int in_wal = 0;
    int copied = 0;
  };
  [[nodiscard]] Copied copy_back();
  void hold_wal();

  std::filesystem::path path_;
  Connection connection_;
  Connection checkpointer_;  // see checkpoint(), as for the next one
  Connection wal_holder_;
  JobStatements statements_;
  std::vector<WatchedFile> watched_;
  std::int64_t own_epoch_ = 0;  // 0: none was begun
  int remaining_pages_ = 0;     // after the last checkpoint
  std::int64_t seen_data_version_ = 0;
  std::int64_t seen_schema_version_ = 0;
};

template <class Work>
auto SqliteJobStore::write(const char* doing, Work&& work) -> decltype(work()) {
  return translated(doing, [&] {
    if (connection_.in_transaction()) return work();
    begin();
    try {
      if constexpr (std::is_void_v<decltype(work())>) {
        work();
        connection_.commit();
      } else {
        auto result = work();
        connection_.commit();
        return result;
      }
    } catch (...) {
      connection_.rollback();
      throw;
    }
  });
}

}  // namespace rebottle::schema
