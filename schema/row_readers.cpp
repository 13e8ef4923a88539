// Rows of the database as structs.
// Not here: SQL beyond the list of a job's columns.
#include "schema/row_readers.hpp"

#include <sqlite3.h>

namespace rebottle::schema {
namespace {

// A text that the guards and CHECKs do not let in means that the file is damaged.
template <class T>
T known(std::optional<T> value, const std::string& text) {
  if (!value) throw StoreError("the database holds the unknown word '" + text + "'", SQLITE_CORRUPT, true);
  return *value;
}

statemachine::State state_of(const std::string& text) { return known(statemachine::state_from(text), text); }

}  // namespace

const char* const job_columns =
    "j.job_id, j.run, j.approval_id, j.kind, j.backend, j.bottle, a.args, a.approved_by, j.priority, j.scheduled_at, "
    "j.expires_at, a.justification, a.meta, j.state, j.interrupted, j.target, j.fence, j.epoch_id, j.attempt, "
    "j.crashes, j.cancel_by, j.reason_code, j.message, j.detail, j.created_at, j.updated_at, j.claimed_at, "
    "j.finalized_at, j.retry_at, j.down_since, j.downtime_ms, NULL AS blocked_by, NULL AS frozen_by, "
    "j.undoes, NULL AS undone_by";

Job read_job(Use& row) {
  Job job;
  job.job_id = row.integer("job_id");
  job.run = row.integer("run");
  job.approval = {row.text("approval_id"),
                  row.text("kind"),
                  row.text("backend"),
                  row.text("bottle"),
                  row.text("args"),
                  row.text("approved_by"),
                  row.integer("priority"),
                  row.integer("scheduled_at"),
                  row.maybe_integer("expires_at"),
                  row.text("justification"),
                  row.text("meta")};
  job.state = state_of(row.text("state"));
  if (const auto interrupted = row.maybe_text("interrupted")) job.interrupted = state_of(*interrupted);
  job.target = row.text("target");
  job.fence = row.integer("fence");
  job.epoch_id = row.integer("epoch_id");
  job.attempt = static_cast<int>(row.integer("attempt"));
  job.crashes = static_cast<int>(row.integer("crashes"));
  job.cancel_by = row.text("cancel_by");
  job.reason_code = row.text("reason_code");
  job.message = row.text("message");
  job.detail = row.text("detail");
  job.created_at = row.integer("created_at");
  job.updated_at = row.integer("updated_at");
  job.claimed_at = row.maybe_integer("claimed_at");
  job.finalized_at = row.maybe_integer("finalized_at");
  job.retry_at = row.maybe_integer("retry_at");
  job.down_since = row.maybe_integer("down_since");
  job.downtime_ms = row.integer("downtime_ms");
  job.blocked_by = row.maybe_integer("blocked_by");
  job.frozen_by = row.maybe_text("frozen_by");
  job.undoes = row.maybe_integer("undoes");
  job.undone_by = row.maybe_integer("undone_by");
  return job;
}

WorkingJob read_working_job(Use& row) { return {row.integer("job_id"), row.integer("epoch_id")}; }

JournalRow read_journal(Use& row) {
  using statemachine::Direction;
  using statemachine::Journal;
  return {row.text("direction") == "undo" ? Direction::undo : Direction::forward,
          row.text("effect"),
          state_of(row.text("step")),
          row.text("status") == "closed" ? Journal::closed : Journal::open,
          static_cast<int>(row.integer("tries")),
          row.text("result"),
          row.integer("opened_at"),
          row.maybe_integer("closed_at")};
}

HistoryRow read_history(Use& row) {
  return {row.integer("job_id"),  row.integer("seq"),   row.integer("at"), row.text("event"),
          row.text("from_state"), row.text("to_state"), row.text("actor"), row.text("data")};
}

Request read_request(Use& row) {
  Request request;
  request.request_id = row.integer("request_id");
  request.kind = row.text("kind");
  request.job_id = row.maybe_integer("job_id");
  request.backend = row.text("backend");
  request.bottle = row.text("bottle");
  request.args = row.text("args");
  request.requested_by = row.text("requested_by");
  request.created_at = row.integer("created_at");
  request.outcome = row.text("outcome");
  request.message = row.text("message");
  request.answer = row.maybe_text("answer").value_or("{}");
  request.answered_at = row.maybe_integer("answered_at");
  return request;
}

PendingRequest read_pending_request(Use& row) {
  return {row.integer("request_id"), row.text("kind"), row.maybe_integer("job_id")};
}

Leftover read_leftover(Use& row) {
  return {row.integer("leftover_id"),
          row.integer("job_id"),
          row.text("backend"),
          row.text("kind"),
          row.text("reference"),
          row.integer("not_before"),
          static_cast<int>(row.integer("tries")),
          row.text("last_error"),
          row.integer("created_at"),
          row.flag("way_back")};
}

Capability read_capability(Use& row) {
  return {row.text("backend"),     row.text("kind"),    row.flag("supported"), row.text("version"),
          row.text("reason_code"), row.text("message"), row.text("detail"),    row.integer("checked_at")};
}

Freeze read_freeze(Use& row) {
  return {row.integer("freeze_id"),
          row.text("backend"),
          row.text("bottle"),
          row.text("reason"),
          row.text("frozen_by"),
          row.integer("created_at"),
          row.maybe_integer("expires_at")};
}

Bottle read_bottle(Use& row) {
  return {row.text("backend"),
          row.text("bottle"),
          row.text("target"),
          row.maybe_integer("last_job_id"),
          row.text("last_state"),
          row.text("current"),
          row.maybe_integer("changed_at"),
          row.maybe_integer("undo_job_id"),
          row.maybe_integer("undo_until")};
}

BuildLog read_build_log(Use& row) {
  return {row.text("head"), row.text("tail"), row.integer("cut_bytes"), row.integer("updated_at")};
}

Epoch read_epoch(Use& row) {
  return {row.integer("epoch_id"),   row.text("boot_id"),       row.integer("pid"),
          row.text("process_start"), row.text("nonce"),         row.text("host"),
          row.text("version"),       row.integer("started_at"), row.maybe_integer("stopped_at")};
}

}  // namespace rebottle::schema
