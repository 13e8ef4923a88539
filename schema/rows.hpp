// The typed rows that cross the border of the database: no SQLite type, no SQL, no behaviour.
// Times are epoch milliseconds; JSON columns are passed as text where nobody here looks into them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "statemachine/recovery.hpp"
#include "statemachine/states.hpp"

namespace rebottle::schema {

using Milliseconds = std::int64_t;  // since the epoch, or a duration where the name says so

// The operator's decision, as inserted; immutable.
struct Approval {
  std::string approval_id;  // the idempotency key
  std::string kind;
  std::string backend;
  std::string bottle;
  std::string args;  // JSON text, exactly as approved
  std::string approved_by;
  std::int64_t priority = 0;               // low first
  Milliseconds scheduled_at = 0;           // not before
  std::optional<Milliseconds> expires_at;  // not claimed after
  std::string justification;               // untrusted: an agent wrote it
  std::string meta = "{}";                 // JSON object, carried along untouched
};

// One effect of a job in the journal.
struct JournalRow {
  statemachine::Direction direction = statemachine::Direction::forward;
  std::string effect;
  statemachine::State step = statemachine::State::prepare;
  statemachine::Journal status = statemachine::Journal::blank;
  int tries = 0;
  std::string result;          // JSON object; "{}" while open
  Milliseconds opened_at = 0;  // of the last try
  std::optional<Milliseconds> closed_at;
};

struct Job {
  std::int64_t job_id = 0;
  std::int64_t run = 1;  // 1 for the approval's first job, 2 for its first retry, …
  Approval approval;
  statemachine::State state = statemachine::State::queued;
  std::optional<statemachine::State> interrupted;  // the step that needs_attention was entered from
  std::string target;                              // the resolved target, empty before the claim
  std::int64_t fence = 0;                          // of the present owner; 0 before the claim
  std::int64_t epoch_id = 0;
  int attempt = 0;        // tries of the present step
  int crashes = 0;        // deaths of the worker in the present step
  std::string cancel_by;  // who asked for a cancel; empty if nobody did
  std::string reason_code;
  std::string message;
  std::string detail = "{}";
  Milliseconds created_at = 0;
  Milliseconds updated_at = 0;
  std::optional<Milliseconds> claimed_at;
  std::optional<Milliseconds> finalized_at;
  std::optional<Milliseconds> retry_at;    // a pause before the next try of the step ends then
  std::optional<Milliseconds> down_since;  // the bottle went down then and is not up again
  Milliseconds downtime_ms = 0;            // of all completed stretches
  std::optional<std::int64_t> blocked_by;  // the job that holds the target (readers only)
  std::optional<std::string> frozen_by;    // the freeze that keeps it waiting (readers only)
  std::optional<std::int64_t> undoes;      // the succeeded job whose change this one takes back
  std::optional<std::int64_t> undone_by;   // the job that took this one's change back (readers only)
};

// A job at work, and whose.
struct WorkingJob {
  std::int64_t job_id = 0;
  std::int64_t epoch_id = 0;
};

struct HistoryRow {
  std::int64_t job_id = 0;
  std::int64_t seq = 0;  // 1, 2, 3, … without a gap
  Milliseconds at = 0;
  std::string event;       // an event of the state machine, or a note: enqueued, effect, note
  std::string from_state;  // empty in the first row
  std::string to_state;
  std::string actor;  // "worker:<epoch>", "recovery:<epoch>", or a person's name
  std::string data = "{}";
};

// Something to be removed later.
struct Leftover {
  std::int64_t leftover_id = 0;
  std::int64_t job_id = 0;
  std::string backend;
  std::string kind;       // the backend's word: container, image_tag, file, …
  std::string reference;  // JSON object; what the backend needs to find exactly this thing again
  Milliseconds not_before = 0;
  int tries = 0;
  std::string last_error;
  Milliseconds created_at = 0;
  bool way_back = false;  // what the job replaced: while it is there, until not_before, the job can be undone
};

// A wish of a person or a dashboard; the service answers it in place.
struct Request {
  std::int64_t request_id = 0;
  std::string kind;  // cancel, retry, rollback, resolve, undo, freeze, unfreeze, plan
  std::optional<std::int64_t> job_id;
  std::string backend;
  std::string bottle;
  std::string args = "{}";  // JSON object, by kind
  std::string requested_by;
  Milliseconds created_at = 0;
  // The answer; outcome is empty until the service gave it.
  std::string outcome;  // done, refused, failed
  std::string message;
  std::string answer = "{}";
  std::optional<Milliseconds> answered_at;
};

// A request that has no answer yet, without what it says.
struct PendingRequest {
  std::int64_t request_id = 0;
  std::string kind;
  std::optional<std::int64_t> job_id;
};

// Whether a backend can do a kind, as last probed.
struct Capability {
  std::string backend;
  std::string kind;
  bool supported = false;
  std::string version;
  std::string reason_code;
  std::string message;
  std::string detail = "{}";
  Milliseconds checked_at = 0;
};

struct Freeze {
  std::int64_t freeze_id = 0;
  std::string backend;  // empty: every backend
  std::string bottle;   // empty: every bottle
  std::string reason;
  std::string frozen_by;
  Milliseconds created_at = 0;
  std::optional<Milliseconds> expires_at;
};

// What is current on a bottle that rebottle has changed, or is changing.
struct Bottle {
  std::string backend;
  std::string bottle;
  std::string target;
  std::optional<std::int64_t> last_job_id;
  std::string last_state;
  std::string current;  // JSON object that the backend recorded at the last success: ids, image, …
  std::optional<Milliseconds> changed_at;
  std::optional<std::int64_t> undo_job_id;  // the change that `undo` takes back; empty where nothing is kept
  std::optional<Milliseconds> undo_until;
};

// The change that stands on a bottle: the last that succeeded and was not undone.
struct Standing {
  std::optional<std::int64_t> job_id;
  std::optional<Milliseconds> kept_until;  // until when all of what it replaced is kept; empty: nothing is
};

// What the builder of a job's image wrote: untrusted bytes made valid UTF-8.
struct BuildLog {
  std::string head;            // the beginning, or all of it
  std::string tail;            // the end; empty where nothing was left out
  std::int64_t cut_bytes = 0;  // left out in between
  Milliseconds updated_at = 0;
};

// One life of a worker process.
struct Epoch {
  std::int64_t epoch_id = 0;
  std::string boot_id;
  std::int64_t pid = 0;
  std::string process_start;  // clock ticks since boot, from /proc
  std::string nonce;
  std::string host;
  std::string version;
  Milliseconds started_at = 0;
  std::optional<Milliseconds> stopped_at;  // set by a graceful stop
};

}  // namespace rebottle::schema
