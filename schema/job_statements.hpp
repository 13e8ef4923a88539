// Every statement of the service, by name, prepared when the store opens: a typo fails at start.
// Private to schema/. Not here: when they run (job_store*.cpp).
#pragma once

#include "schema/database.hpp"
#include "schema/row_readers.hpp"

namespace rebottle::schema {

struct JobStatements {
  explicit JobStatements(SQLite::Database& database) : db(database) {}

  SQLite::Database& db;
  const std::string select_job =
      std::string("SELECT ") + job_columns + " FROM jobs AS j JOIN approvals AS a ON a.approval_id = j.approval_id ";

  SQLite::Statement savepoint{db, "SAVEPOINT item"};
  SQLite::Statement release{db, "RELEASE item"};
  SQLite::Statement rollback_to{db, "ROLLBACK TO item"};
  SQLite::Statement data_version{db, "PRAGMA data_version"};
  SQLite::Statement schema_version{db, "PRAGMA schema_version"};

  SQLite::Statement instance_id{db, "SELECT instance_id FROM instance"};
  SQLite::Statement next_fence{db, "UPDATE instance SET last_fence = last_fence + 1 RETURNING last_fence"};

  SQLite::Statement insert_epoch{db, R"(
    INSERT INTO epochs (boot_id, pid, process_start, nonce, host, version, fence, started_at)
    VALUES (:boot_id, :pid, :process_start, :nonce, :host, :version, :fence, :now))"};
  SQLite::Statement end_epoch{db, R"(
    UPDATE epochs SET stopped_at = :now WHERE epoch_id = :epoch_id AND stopped_at IS NULL)"};
  SQLite::Statement epoch{db, "SELECT * FROM epochs WHERE epoch_id = :epoch_id"};
  SQLite::Statement newest_epoch{db, "SELECT max(epoch_id) AS epoch_id FROM epochs"};

  // Each bottle's first due job, unless something is in its way: one pass over the queue, whatever is in it, and
  // nothing of a job's payload. The backends with a free slot are :open, all that the caller named are :listed.
  SQLite::Statement claimable{db, R"(
    SELECT j.job_id, j.backend, j.bottle
    FROM (SELECT job_id, backend, bottle, priority, scheduled_at,
                 row_number() OVER (PARTITION BY backend, bottle ORDER BY priority, scheduled_at, job_id) AS turn
          FROM jobs INDEXED BY jobs_turns WHERE state = 'queued' AND scheduled_at <= :now) AS j
    WHERE j.turn = 1
      AND (j.backend IN (SELECT value FROM json_each(:open))
           OR (j.backend NOT IN (SELECT value FROM json_each(:listed))
               AND j.backend NOT IN (SELECT backend FROM capabilities)))
      AND NOT EXISTS (SELECT 1 FROM freezes AS f
                      WHERE f.lifted_at IS NULL AND f.backend IN ('', j.backend) AND f.bottle IN ('', j.bottle)
                        AND (f.expires_at IS NULL OR f.expires_at > :now))
      AND NOT EXISTS (SELECT 1 FROM jobs AS h
                      WHERE h.backend = j.backend AND h.bottle = j.bottle AND h.finalized_at IS NULL
                        AND h.state <> 'queued')
    ORDER BY j.priority, j.scheduled_at, j.job_id)"};
  SQLite::Statement next_due{db, R"(
    SELECT min(due) AS due FROM (
      SELECT min(scheduled_at) AS due FROM jobs WHERE state = 'queued' AND scheduled_at > :now
      UNION ALL SELECT min(expires_at) FROM freezes WHERE lifted_at IS NULL AND expires_at > :now
      UNION ALL SELECT min(not_before) FROM leftovers
                WHERE removed_at IS NULL AND withdrawn_at IS NULL AND not_before > :now))"};
  // Another job that keeps this one off its bottle.
  SQLite::Statement holder{db, R"(
    SELECT job_id FROM jobs
    WHERE backend = :backend AND (target = :target OR bottle = :bottle) AND job_id <> :job_id
      AND state IN ('prepare', 'snapshot', 'stop', 'apply', 'restart', 'verify', 'rollback', 'needs_attention')
    LIMIT 1)"};
  SQLite::Statement claim{db, R"(
    UPDATE jobs SET seq = seq + 1, state = 'prepare', event = 'claim', actor = :actor,
      event_data = json_object('target', :target, 'fence', :fence, 'epoch', :epoch_id),
      target = :target, fence = :fence, epoch_id = :epoch_id, attempt = 1, crashes = 0, claimed_at = :now,
      updated_at = :now
    WHERE job_id = :job_id AND state = 'queued')"};
  SQLite::Statement bottle_claimed{db, R"(
    INSERT INTO bottles (backend, bottle, target, last_job_id) VALUES (:backend, :bottle, :target, :job_id)
    ON CONFLICT (backend, bottle) DO UPDATE SET target = excluded.target, last_job_id = excluded.last_job_id)"};
  SQLite::Statement current{db, "SELECT current FROM bottles WHERE backend = :backend AND bottle = :bottle"};
  SQLite::Statement bottle_changed{db, R"(
    UPDATE bottles SET current = :current, changed_at = :now WHERE backend = :backend AND bottle = :bottle)"};
  SQLite::Statement end_queued{db, R"(
    UPDATE jobs SET seq = seq + 1, state = :to, event = :event, actor = :actor, event_data = '{}',
      reason_code = :reason_code, message = :message, detail = :detail, finalized_at = :now, updated_at = :now
    WHERE job_id = :job_id AND state = 'queued')"};

  // The index is named because the planner would rather read every job that there ever was.
  SQLite::Statement working{db, R"(
    SELECT job_id, epoch_id FROM jobs INDEXED BY jobs_held
    WHERE finalized_at IS NULL AND state <> 'queued' AND state <> 'needs_attention'
    ORDER BY job_id)"};
  SQLite::Statement job{db, select_job + "WHERE j.job_id = :job_id"};
  SQLite::Statement journal{db, "SELECT * FROM intents WHERE job_id = :job_id ORDER BY position"};

  // A new owner: take-over, or a person's decision. NULL parameters keep what is there.
  SQLite::Statement new_owner{db, R"(
    UPDATE jobs SET seq = seq + 1, state = :to, event = :event, actor = :actor, event_data = :data,
      fence = :fence, epoch_id = :epoch_id, attempt = :attempt, crashes = :crashes,
      retry_at = CASE WHEN :event = 'resume' THEN retry_at ELSE NULL END,
      interrupted = CASE WHEN :to = 'needs_attention' THEN state ELSE interrupted END,
      cancel_by = CASE WHEN :event = 'retry' THEN NULL ELSE cancel_by END,
      reason_code = coalesce(:reason_code, reason_code), message = coalesce(:message, message),
      detail = coalesce(:detail, detail), finalized_at = :finalized_at, updated_at = :now
    WHERE job_id = :job_id AND state = :from)"};

  // The rows that `advance` writes, guarded by what the writer believes; the first of them carries the downtime, and
  // its history row is marked with it, so that each stretch can be told afterwards.
  const std::string down_columns = R"(
      downtime_ms = downtime_ms
        + CASE WHEN :up THEN max(0, :now - coalesce(down_since, :down_since, :now)) ELSE 0 END,
      down_since = CASE WHEN :up THEN NULL ELSE coalesce(down_since, :down_since) END, updated_at = :now
    WHERE job_id = :job_id AND state = :state AND fence = :fence)";
  SQLite::Statement advance_note{db, R"(
    UPDATE jobs SET seq = seq + 1, event = 'note', actor = :actor,
      event_data = json_patch(json_object('note', :note), :mark),)" +
                                         down_columns};
  SQLite::Statement advance_effect{db, R"(
    UPDATE jobs SET seq = seq + 1, event = 'effect', actor = :actor,
      event_data = json_patch(json_object('effect', :effect, 'direction', :direction, 'outcome', :outcome,
                                          'summary', json(:summary)), :mark),)" +
                                           down_columns};
  SQLite::Statement advance_move{db, R"(
    UPDATE jobs SET seq = seq + 1, state = :to, event = :event, actor = :actor,
      event_data = json_patch(:data, :mark),
      reason_code = CASE WHEN :clear THEN '' ELSE coalesce(:reason_code, reason_code) END,
      message = CASE WHEN :clear THEN '' ELSE coalesce(:message, message) END,
      detail = CASE WHEN :clear THEN '{}' ELSE coalesce(:detail, detail) END,
      interrupted = CASE WHEN :to = 'needs_attention' THEN state ELSE coalesce(:interrupted, interrupted) END,
      attempt = :attempt, crashes = :crashes, retry_at = :retry_at, finalized_at = :finalized_at,)" +
                                         down_columns};

  SQLite::Statement open_intent{db, R"(
    UPDATE intents SET status = 'open', step = :step, tries = tries + 1, fence = :fence, opened_at = :now,
      closed_at = NULL, outcome = '', result = '{}'
    WHERE job_id = :job_id AND direction = :direction AND effect = :effect)"};
  SQLite::Statement close_intent{db, R"(
    UPDATE intents SET status = :status, fence = :fence, closed_at = :closed_at, outcome = :outcome, result = :result
    WHERE job_id = :job_id AND direction = :direction AND effect = :effect)"};
  SQLite::Statement insert_intent{db, R"(
    INSERT INTO intents (job_id, direction, effect, position, step, status, tries, fence, opened_at, closed_at,
                         outcome, result)
    VALUES (:job_id, :direction, :effect,
            (SELECT coalesce(max(position), 0) + 1 FROM intents WHERE job_id = :job_id),
            :step, :status, :tries, :fence, :now, :closed_at, :outcome, :result))"};

  SQLite::Statement revive_leftover{db, R"(
    UPDATE leftovers SET removed_at = NULL, withdrawn_at = NULL, not_before = :not_before
    WHERE job_id = :job_id AND kind = :kind AND reference = :reference)"};
  SQLite::Statement insert_leftover{db, R"(
    INSERT INTO leftovers (job_id, backend, kind, reference, not_before, way_back, created_at)
    VALUES (:job_id, :backend, :kind, :reference, :not_before, :way_back, :now))"};
  // What an undo has put back in its place stays, whatever else its job left behind.
  SQLite::Statement withdraw_leftovers{db, R"(
    UPDATE leftovers SET withdrawn_at = :now WHERE job_id = :job_id AND removed_at IS NULL AND withdrawn_at IS NULL)"};
  SQLite::Statement leftovers_due{db, R"(
    SELECT * FROM leftovers AS l
    WHERE removed_at IS NULL AND withdrawn_at IS NULL AND not_before <= :now
      -- An undo under way needs what its job replaced.
      AND NOT EXISTS (SELECT 1 FROM jobs AS u WHERE u.undoes = l.job_id AND u.finalized_at IS NULL)
    ORDER BY not_before, leftover_id)"};
  SQLite::Statement leftover_removed{db, R"(
    UPDATE leftovers SET removed_at = :now WHERE leftover_id = :leftover_id AND removed_at IS NULL)"};
  SQLite::Statement leftover_failed{db, R"(
    UPDATE leftovers SET tries = tries + 1, last_error = :error, not_before = :next_try
    WHERE leftover_id = :leftover_id AND removed_at IS NULL)"};

  SQLite::Statement requests_pending{db, R"(
    SELECT request_id, kind, job_id FROM requests WHERE answered_at IS NULL AND request_id > :after
    ORDER BY request_id LIMIT :limit)"};
  SQLite::Statement request{db, "SELECT * FROM requests WHERE request_id = :request_id"};
  SQLite::Statement answer{db, R"(
    UPDATE requests SET outcome = :outcome, message = :message, answer = :answer, answered_at = :now
    WHERE request_id = :request_id AND answered_at IS NULL)"};
  SQLite::Statement wish_cancel{db, R"(
    UPDATE jobs SET seq = seq + 1, event = 'note', actor = :actor,
      event_data = json_object('note', 'a person asked for a cancel'), cancel_by = :actor, updated_at = :now
    WHERE job_id = :job_id)"};
  SQLite::Statement ignored_cancel{db, R"(
    UPDATE jobs SET seq = seq + 1, event = 'cancel', actor = :actor, event_data = json_object('ignored', :why),
      updated_at = :now
    WHERE job_id = :job_id)"};
  SQLite::Statement newest_run{db, select_job + R"(
    WHERE j.approval_id = (SELECT approval_id FROM jobs WHERE job_id = :job_id) ORDER BY j.run DESC LIMIT 1)"};
  SQLite::Statement insert_rerun{db, R"(
    INSERT INTO jobs (approval_id, run, kind, backend, bottle, priority, scheduled_at, expires_at, actor, event_data,
                      created_at, updated_at)
    SELECT j.approval_id, j.run + 1, j.kind, j.backend, j.bottle, j.priority, j.scheduled_at, a.expires_at, :actor,
           json_object('retry_of', j.job_id), :now, :now
    FROM jobs AS j JOIN approvals AS a ON a.approval_id = j.approval_id WHERE j.job_id = :job_id)"};
  SQLite::Statement unfinished_beside{db, R"(
    SELECT 1 FROM jobs AS j
    WHERE j.job_id = :job_id
      AND (EXISTS (SELECT 1 FROM jobs AS h WHERE h.backend = j.backend AND h.bottle = j.bottle
                                             AND h.finalized_at IS NULL AND h.state <> 'queued')
           OR EXISTS (SELECT 1 FROM jobs AS q WHERE q.backend = j.backend AND q.bottle = j.bottle
                                                AND q.state = 'queued')))"};
  // An undo was not asked for when the change was approved: it does not expire with it.
  SQLite::Statement insert_undo{db, R"(
    INSERT INTO jobs (approval_id, run, kind, backend, bottle, priority, scheduled_at, expires_at, undoes, actor,
                      event_data, created_at, updated_at)
    SELECT approval_id, (SELECT max(run) + 1 FROM jobs AS o WHERE o.approval_id = j.approval_id), kind, backend,
           bottle, priority, scheduled_at, NULL, job_id, :actor, json_object('undo_of', job_id), :now, :now
    FROM jobs AS j WHERE job_id = :job_id)"};
  SQLite::Statement standing{db, R"(
    SELECT s.job_id AS job_id, (SELECT min(l.not_before) FROM leftovers AS l
                                WHERE l.job_id = s.job_id AND l.way_back = 1 AND l.removed_at IS NULL
                                  AND l.withdrawn_at IS NULL) AS kept_until
    FROM standing_jobs AS s WHERE s.backend = :backend AND s.bottle = :bottle)"};

  SQLite::Statement write_build_log{db, R"(
    UPDATE build_logs SET head = :head, tail = :tail, cut_bytes = :cut_bytes, updated_at = :now
    WHERE job_id = :job_id)"};
  SQLite::Statement insert_build_log{db, R"(
    INSERT INTO build_logs (job_id, head, tail, cut_bytes, updated_at)
    VALUES (:job_id, :head, :tail, :cut_bytes, :now))"};

  SQLite::Statement insert_freeze{db, R"(
    INSERT INTO freezes (backend, bottle, reason, frozen_by, created_at, expires_at)
    VALUES (:backend, :bottle, :reason, :frozen_by, :created_at, :expires_at))"};
  SQLite::Statement lift_freezes{db, R"(
    UPDATE freezes SET lifted_at = :now
    WHERE lifted_at IS NULL AND backend = :backend AND bottle = :bottle
      AND (expires_at IS NULL OR expires_at > :now))"};
  SQLite::Statement lift_expired_freezes{db, R"(
    UPDATE freezes SET lifted_at = expires_at WHERE lifted_at IS NULL AND expires_at <= :now)"};
  SQLite::Statement frozen{db, R"(
    SELECT 1 FROM freezes
    WHERE lifted_at IS NULL AND backend IN ('', :backend) AND bottle IN ('', :bottle)
      AND (expires_at IS NULL OR expires_at > :now))"};
  SQLite::Statement freezes{db, R"(
    SELECT backend, bottle, expires_at FROM freezes
    WHERE lifted_at IS NULL AND (expires_at IS NULL OR expires_at > :now))"};

  SQLite::Statement delete_capabilities{db, "DELETE FROM capabilities WHERE backend = :backend"};
  SQLite::Statement keep_capabilities{
      db, "DELETE FROM capabilities WHERE backend NOT IN (SELECT value FROM json_each(:backends))"};
  SQLite::Statement insert_capability{db, R"(
    INSERT INTO capabilities (backend, kind, supported, version, reason_code, message, detail, checked_at)
    VALUES (:backend, :kind, :supported, :version, :reason_code, :message, :detail, :checked_at))"};
};

}  // namespace rebottle::schema
