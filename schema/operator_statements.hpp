// Every statement of the operator's store, by name, prepared when it opens.
// Private to schema/. Not here: any UPDATE or DELETE.
#pragma once

#include "schema/database.hpp"
#include "schema/row_readers.hpp"

namespace rebottle::schema {

struct OperatorStatements {
  explicit OperatorStatements(SQLite::Database& database) : db(database) {}

  SQLite::Database& db;
  // Lists leave the payload out: it may be a megabyte a row.
  const std::string list_columns =
      "job_id, run, approval_id, kind, backend, bottle, '' AS args, approved_by, priority, scheduled_at, expires_at, "
      "justification, meta, state, interrupted, target, fence, epoch_id, attempt, crashes, cancel_by, reason_code, "
      "message, detail, created_at, updated_at, claimed_at, finalized_at, retry_at, down_since, downtime_ms, "
      "blocked_by, frozen_by, undoes, undone_by";

  SQLite::Statement data_version{db, "PRAGMA data_version"};

  // Empty parameters do not restrict; :states is a list of ",state," texts.
  SQLite::Statement jobs{db, "SELECT " + list_columns + R"( FROM jobs_view
    WHERE (:states = '' OR instr(:states, ',' || state || ',') > 0)
      AND (NOT :unfinished_only OR finalized_at IS NULL)
      AND (:backend = '' OR backend = :backend)
      AND (:bottle = '' OR bottle = :bottle)
      AND (:approval_id = '' OR approval_id = :approval_id)
      AND (:before_job_id IS NULL OR job_id < :before_job_id)
    ORDER BY job_id DESC LIMIT :limit)"};
  SQLite::Statement job{db, "SELECT * FROM jobs_view WHERE job_id = :job_id"};
  SQLite::Statement job_of_approval{db, R"(
    SELECT * FROM jobs_view WHERE approval_id = :approval_id ORDER BY run DESC LIMIT 1)"};
  SQLite::Statement newest_job_id{db, R"(
    SELECT job_id FROM jobs_view WHERE approval_id = :approval_id ORDER BY run DESC LIMIT 1)"};
  SQLite::Statement history{db, R"(
    SELECT * FROM history_view WHERE job_id = :job_id AND seq > :after_seq ORDER BY seq)"};
  SQLite::Statement journal{db, "SELECT * FROM intents WHERE job_id = :job_id ORDER BY position"};
  SQLite::Statement leftovers{db, R"(
    SELECT * FROM leftovers WHERE removed_at IS NULL AND withdrawn_at IS NULL AND (:job_id IS NULL OR job_id = :job_id)
    ORDER BY leftover_id)"};
  SQLite::Statement build_log{db, "SELECT * FROM build_logs_view WHERE job_id = :job_id"};
  SQLite::Statement bottles{db, "SELECT * FROM bottles_view ORDER BY backend, bottle"};
  SQLite::Statement capabilities{db, "SELECT * FROM backend_capabilities ORDER BY backend, kind"};
  SQLite::Statement freezes{db, R"(
    SELECT * FROM freezes WHERE lifted_at IS NULL AND (expires_at IS NULL OR expires_at > :now) ORDER BY freeze_id)"};

  SQLite::Statement insert_approval{db, R"(
    INSERT INTO approvals (approval_id, kind, backend, bottle, args, approved_by, priority, scheduled_at, expires_at,
                           justification, meta)
    VALUES (:approval_id, :kind, :backend, :bottle, :args, :approved_by, :priority, :scheduled_at, :expires_at,
            :justification, :meta))"};
  SQLite::Statement approval_exists{db, "SELECT 1 FROM approvals WHERE approval_id = :approval_id"};
  SQLite::Statement insert_request{db, R"(
    INSERT INTO requests (kind, job_id, backend, bottle, args, requested_by)
    VALUES (:kind, :job_id, :backend, :bottle, :args, :requested_by))"};
  SQLite::Statement requests_on{db, "SELECT * FROM requests WHERE job_id = :job_id ORDER BY request_id"};
  SQLite::Statement request{db, "SELECT * FROM requests WHERE request_id = :request_id"};
};

}  // namespace rebottle::schema
