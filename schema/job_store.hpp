// The service's way to the database: every write that `rebottled` makes, each one guarded.
// Synchronous, one instance for one thread. Not here: decisions (statemachine), waiting (worker).
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/system/result.hpp>

#include "schema/rows.hpp"

namespace rebottle::schema {

// Expected refusals of a write; everything else (disk full, corrupt file, I/O error) throws StoreError.
enum class StoreErrc {
  not_found = 1,
  ownership_lost,  // the row's state or fence is not what the writer believed: stop touching the bottle
  target_held,     // another unfinished job holds the target
  frozen,          // a freeze is in force there: nothing is claimed, nothing stopped
  conflict,        // the request contradicts the row
};
[[nodiscard]] boost::system::error_code make_error_code(StoreErrc errc);

template <class T>
using Result = boost::system::result<T>;

// A broken world. `fatal` means that the service must stop at once (I/O error, corruption, moved or replaced file,
// foreign trigger, a newer service at work), and that the outcome of the transaction is unknown. Otherwise the
// transaction is rolled back, whole; a full disk is of this kind.
class StoreError : public std::runtime_error {
 public:
  StoreError(const std::string& what, int sqlite_code, bool fatal);
  [[nodiscard]] int sqlite_code() const noexcept { return sqlite_code_; }
  [[nodiscard]] bool fatal() const noexcept { return fatal_; }
  [[nodiscard]] bool disk_full() const noexcept;
  // Whether opening a database, or beginning an epoch, may work later: there is no room for it, or another program
  // holds the write lock.
  [[nodiscard]] bool passes() const noexcept;

 private:
  int sqlite_code_;
  bool fatal_;
};

// What one effect, or one decision, changes in the job's rows. All of it is one commit.
struct Advance {
  std::int64_t job_id = 0;
  std::int64_t fence = 0;       // guard
  statemachine::State state{};  // guard: the state the writer believes in
  Milliseconds now = 0;
  std::string actor;

  // The effect that just ended; a history row is written. `done` and `adopted` close its intent (and make one with
  // no tries for an effect that was found done); `failed` and `unknown` leave it open, to be observed first.
  struct EffectResult {
    statemachine::Direction direction{};
    std::string effect;
    std::string outcome;  // done, adopted, failed, unknown
    std::string result;   // JSON object; kept when done or adopted
    std::string summary;  // JSON object for the history; small
  };
  std::optional<EffectResult> finished;

  // The transition, if there is one (from == to counts: retries and resumes are in the history, too).
  struct Move {
    statemachine::Event event{};
    statemachine::State to{};
    std::string data = "{}";  // JSON object for the history
    std::string reason_code;  // replace the job's when not empty, like the next two; where they are empty, step_done
                              // clears all three, except on the way to rolled_back
    std::string message;
    std::string detail;
    int attempt = 0;  // the row's new values
    int crashes = 0;
    std::optional<statemachine::State> interrupted;  // needless for needs_attention: that is the step that is left
    std::optional<Milliseconds> retry_at;
  };
  std::optional<Move> move;

  // The effect that is about to be tried.
  struct Intent {
    statemachine::Direction direction{};
    std::string effect;
    statemachine::State step{};
  };
  std::optional<Intent> intent;

  std::optional<Milliseconds> down_since;  // the bottle went down now
  bool up_again = false;                   // it is up: add the stretch to downtime_ms, clear down_since
  std::vector<Leftover> leftovers;         // job_id is filled in
  std::optional<std::string> current;      // JSON for bottles_view, at success
  std::optional<BuildLog> build_log;       // replaces what was kept of an earlier try
  std::string note;                        // text of a history row of its own; empty for none
};

struct ClaimLimits {
  // Backends that may take at most this many more jobs now; a backend that is not listed takes none. A job of an
  // unknown backend (not listed, and without a row of capabilities) is always offered, so that it can be refused.
  struct Slot {
    std::string backend;
    int free = 0;
  };
  std::vector<Slot> slots;
  std::set<std::int64_t> except{};  // jobs that are not to be offered now; they use no slot up
};

// A queued job that may start now, without what it says.
struct ClaimableJob {
  std::int64_t job_id = 0;
  std::string backend;
  std::string bottle;
};

// What a freeze in force keeps from going on, and until when.
struct FreezeScope {
  std::string backend;  // empty: every backend
  std::string bottle;   // empty: every bottle
  std::optional<Milliseconds> expires_at;
};

struct OpenOptions {
  bool create = true;   // make the file and its directory entry when missing
  bool migrate = true;  // else an older schema is refused with the way out
  int busy_timeout_ms = 10'000;
};

class JobStore {
 public:
  // Opens, checks application_id, user_version and the hash of sqlite_schema, migrates. Throws StoreError with a
  // message for the operator: not a database of ours, newer schema, foreign trigger, no space, …
  static std::unique_ptr<JobStore> open(const std::filesystem::path& path, const OpenOptions& options);
  virtual ~JobStore() = default;

  // Runs all of `work` in one BEGIN IMMEDIATE … COMMIT; each item in a savepoint of its own, so that one item's
  // refusal or exception leaves the others alone. What an item throws is not passed on: an item catches, remembers
  // and rethrows what its owner must learn, and owners are told nothing before this returns. Throws StoreError if the
  // transaction as a whole did not commit: then nothing of it is known to have happened, and callers read again.
  // Every other write of this interface joins the open transaction, or makes one of its own. Once this store has
  // begun an epoch, and another one a newer epoch, each transaction ends with a fatal StoreError before its work.
  virtual void transaction(const std::vector<std::function<void()>>& work) = 0;

  // A random text fixed when the database was made: names of things outside are unique across databases.
  [[nodiscard]] virtual std::string instance_id() = 0;

  // Epochs.
  virtual std::int64_t begin_epoch(const Epoch& epoch) = 0;
  virtual void end_epoch(std::int64_t epoch_id, Milliseconds now) = 0;  // graceful stop
  [[nodiscard]] virtual std::optional<Epoch> epoch(std::int64_t epoch_id) = 0;

  // Claiming. `claimable` lists queued jobs that may start now, in order (priority, scheduled_at, job_id): due, not
  // frozen, a free slot, and no job of the same backend and bottle that is at work, in needs_attention, or due and
  // before it in this order. `claim` gives a new fence; ownership_lost if the job is not queued any more or the epoch
  // is not the newest, frozen if a freeze came meanwhile.
  [[nodiscard]] virtual std::vector<ClaimableJob> claimable(Milliseconds now, const ClaimLimits& limits) = 0;
  [[nodiscard]] virtual Result<Job> claim(std::int64_t job_id, std::int64_t epoch_id, const std::string& target,
                                          Milliseconds now, const std::string& actor) = 0;
  // The earliest future time at which a queued job becomes due, a freeze ends, or a leftover falls due.
  [[nodiscard]] virtual std::optional<Milliseconds> next_due(Milliseconds now) = 0;
  // Ends a queued job that is never claimed: refused, expired, cancelled.
  [[nodiscard]] virtual Result<void> end_queued(std::int64_t job_id, statemachine::Event event, Milliseconds now,
                                                const std::string& actor, const std::string& reason_code,
                                                const std::string& message, const std::string& detail) = 0;

  // In-flight jobs. `working`: those in a working state, of any epoch, oldest first. `take_over` gives the job a new
  // fence and this epoch, raises `event` (resume or poison) and records the evidence. From then on, and for any epoch
  // but the newest one from begin_epoch on, the old owner's writes end with ownership_lost. A resumed step keeps its
  // pause (retry_at).
  [[nodiscard]] virtual std::vector<WorkingJob> working() = 0;
  [[nodiscard]] virtual Result<Job> take_over(std::int64_t job_id, std::int64_t epoch_id, statemachine::Event event,
                                              statemachine::State to, int crashes, Milliseconds now,
                                              const std::string& actor, const std::string& data) = 0;
  [[nodiscard]] virtual Result<Job> job(std::int64_t job_id) = 0;
  [[nodiscard]] virtual std::vector<JournalRow> journal(std::int64_t job_id) = 0;  // in the order of the first tries
  // The row afterwards. `frozen`, and nothing is written, for a move from snapshot to stop that a freeze forbids.
  [[nodiscard]] virtual Result<Job> advance(const Advance& advance) = 0;
  // What the backend recorded at the bottle's last success: a JSON object, empty before the first.
  [[nodiscard]] virtual std::string current(const std::string& backend, const std::string& bottle) = 0;

  // Requests. `requests_pending`: the oldest without an answer whose number is higher than `after`, `limit` at most.
  [[nodiscard]] virtual std::vector<PendingRequest> requests_pending(std::int64_t after, int limit) = 0;
  [[nodiscard]] virtual Result<Request> request(std::int64_t request_id) = 0;
  virtual void answer(std::int64_t request_id, const std::string& outcome, const std::string& message,
                      const std::string& answer, Milliseconds now) = 0;
  // A queued job ends at once; one at work gets cancel_by; where the table ignores a cancel, that is recorded in the
  // history and the row returned; `conflict` where it refuses it (needs_attention).
  [[nodiscard]] virtual Result<Job> request_cancel(std::int64_t job_id, const std::string& by, Milliseconds now) = 0;
  // A new job of the same approval; `conflict` unless the newest run is final and the approval has not expired.
  [[nodiscard]] virtual Result<std::int64_t> rerun(std::int64_t job_id, const std::string& by, Milliseconds now) = 0;
  // What stands on a bottle, and whether the way back from it is kept.
  [[nodiscard]] virtual Standing standing(const std::string& backend, const std::string& bottle) = 0;
  // A new job that takes the change of `job_id` back; `conflict` unless that is the standing one, what it replaced is
  // kept for longer than `now`, and no job of the bottle is unfinished. Until the new job ends, nothing that
  // `job_id` left behind is removed; after its success nothing of it is.
  [[nodiscard]] virtual Result<std::int64_t> undo(std::int64_t job_id, const std::string& by, Milliseconds now) = 0;
  // needs_attention → retry, roll_back or resolve: the job gets a new fence, this epoch, attempt 1 and no crashes;
  // retry also forgets a cancel and, but for a roll-back, the reason. `conflict` in any other state. For resolve,
  // `data` is {"outcome", "reason", …}: it becomes the job's reason_code resolved_<outcome>, message and detail.
  [[nodiscard]] virtual Result<Job> decide_attention(std::int64_t job_id, std::int64_t epoch_id,
                                                     statemachine::Event event, Milliseconds now, const std::string& by,
                                                     const std::string& data) = 0;
  virtual std::int64_t add_freeze(const Freeze& freeze) = 0;
  virtual int lift_freezes(const std::string& backend, const std::string& bottle, Milliseconds now) = 0;
  // Those that are over count as lifted when they ended, so that no later look reads them.
  virtual void lift_expired_freezes(Milliseconds now) = 0;
  [[nodiscard]] virtual std::vector<FreezeScope> freezes(Milliseconds now) = 0;  // in force

  // Leftovers.
  [[nodiscard]] virtual std::vector<Leftover> leftovers_due(Milliseconds now) = 0;
  virtual void leftover_removed(std::int64_t leftover_id, Milliseconds now) = 0;
  virtual void leftover_failed(std::int64_t leftover_id, const std::string& error, Milliseconds next_try) = 0;

  // Capabilities: replaces all rows of the backend; removes those of every backend that is not named.
  virtual void record_capabilities(const std::string& backend, const std::vector<Capability>& rows) = 0;
  virtual void keep_capabilities(const std::vector<std::string>& backends) = 0;

  // From now on waits for another program's lock for a second at most, also where it is waiting already. Any thread.
  virtual void hurry() noexcept = 0;

  // True if another connection committed since the last call (PRAGMA data_version; microseconds).
  [[nodiscard]] virtual bool changed_by_others() = 0;
  // The database's file, absolute.
  [[nodiscard]] virtual const std::filesystem::path& path() const = 0;
  // Throws a fatal StoreError when the path no longer leads to the open file, its WAL or the service's lock (if there
  // was one at open), or when someone changed the schema. Cheap: a few stat calls.
  virtual void check_file() = 0;
  // Copies the WAL back when its file has grown past the bound, under the guard that the WAL-reset bug of SQLite
  // 3.7.0–3.51.2 requires. Returns the pages that remain: those in the WAL below the bound (200), 0 when all of it
  // was copied back, else those in it; what was last known while someone else's checkpoint is under way. A number
  // that keeps growing means a reader that never ends.
  virtual int checkpoint() = 0;

 protected:
  JobStore() = default;
};

}  // namespace rebottle::schema

template <>
struct boost::system::is_error_code_enum<rebottle::schema::StoreErrc> : std::true_type {};
