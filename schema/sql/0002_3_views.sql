-- Version 2, views: columns added at the end, and the build logs.
-- Not here: tables and guards (0002_1, 0002_2).

DROP VIEW jobs_view;
CREATE VIEW jobs_view AS
SELECT j.job_id, j.approval_id, j.run, j.kind, j.backend, j.bottle, j.state, j.attempt, j.reason_code, j.message,
       j.detail, a.approved_by, j.created_at, j.updated_at, j.finalized_at,
       j.target, j.interrupted, j.crashes, j.cancel_by, j.claimed_at, j.retry_at, j.down_since, j.downtime_ms,
       j.priority, j.scheduled_at, j.expires_at, a.justification, a.meta, a.args, j.fence, j.epoch_id, j.seq,
       -- The job that this one waits for: the bottle's holder, or the one before it in the queue.
       CASE WHEN j.state = 'queued' THEN coalesce(
         (SELECT h.job_id FROM jobs AS h
          WHERE h.backend = j.backend AND h.bottle = j.bottle AND h.finalized_at IS NULL AND h.state <> 'queued'
          ORDER BY h.job_id LIMIT 1),
         (SELECT q.job_id FROM jobs AS q
          WHERE q.backend = j.backend AND q.bottle = j.bottle AND q.state = 'queued'
            AND q.scheduled_at <= CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
            AND (q.priority, q.scheduled_at, q.job_id) < (j.priority, j.scheduled_at, j.job_id)
          ORDER BY q.priority, q.scheduled_at, q.job_id LIMIT 1))
       END AS blocked_by,
       -- The freeze that keeps it from going on: who, and why.
       CASE WHEN j.state IN ('queued', 'prepare', 'snapshot') THEN (
         SELECT f.frozen_by || ': ' || f.reason FROM freezes AS f
         WHERE f.lifted_at IS NULL AND f.backend IN ('', j.backend) AND f.bottle IN ('', j.bottle)
           AND (f.expires_at IS NULL
                OR f.expires_at > CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER))
         ORDER BY f.freeze_id LIMIT 1)
       END AS frozen_by,
       j.undoes,
       -- The job that took this one's change back.
       (SELECT u.job_id FROM jobs AS u WHERE u.undoes = j.job_id AND u.state = 'succeeded') AS undone_by
FROM jobs AS j JOIN approvals AS a ON a.approval_id = j.approval_id;

-- Which job's change stands on a bottle: the last that succeeded and was not undone. Private.
CREATE VIEW standing_jobs AS
SELECT b.backend, b.bottle,
       (SELECT j.job_id FROM jobs AS j
        WHERE j.backend = b.backend AND j.bottle = b.bottle AND j.state = 'succeeded' AND j.undoes IS NULL
          AND NOT EXISTS (SELECT 1 FROM jobs AS u WHERE u.undoes = j.job_id AND u.state = 'succeeded')
        ORDER BY j.finalized_at DESC, j.job_id DESC LIMIT 1) AS job_id
FROM bottles AS b;

DROP VIEW bottles_view;
CREATE VIEW bottles_view AS
SELECT b.backend, b.bottle, b.target, b.last_job_id, j.state AS last_state, b.current, b.changed_at,
       -- The change that `undo` takes back, and until when (ms) what it replaced is kept; NULL where nothing is.
       w.job_id AS undo_job_id, w.until AS undo_until
FROM bottles AS b
JOIN jobs AS j ON j.job_id = b.last_job_id
LEFT JOIN standing_jobs AS s ON s.backend = b.backend AND s.bottle = b.bottle
LEFT JOIN (SELECT job_id, min(not_before) AS until FROM leftovers
           WHERE way_back = 1 AND removed_at IS NULL AND withdrawn_at IS NULL GROUP BY job_id) AS w
  ON w.job_id = s.job_id;

CREATE VIEW build_logs_view AS
SELECT job_id, head, tail, cut_bytes, updated_at FROM build_logs;
