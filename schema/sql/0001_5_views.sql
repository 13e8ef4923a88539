-- Version 1, views: what readers may rely on. Columns are only ever added, at the end.
-- Not here: tables and guards (0001_1 to 0001_4).

CREATE VIEW jobs_view AS
SELECT j.job_id, j.approval_id, j.run, j.kind, j.backend, j.bottle, j.state, j.attempt, j.reason_code, j.message,
       j.detail, a.approved_by, j.created_at, j.updated_at, j.finalized_at,
       j.target, j.interrupted, j.crashes, j.cancel_by, j.claimed_at, j.retry_at, j.down_since, j.downtime_ms,
       j.priority, j.scheduled_at, j.expires_at, a.justification, a.meta, a.args, j.fence, j.epoch_id, j.seq,
       -- The job that this one waits for: the bottle's holder, or the one before it in the queue.
       CASE WHEN j.state = 'queued' THEN (
         SELECT o.job_id FROM jobs AS o
         WHERE o.backend = j.backend AND o.bottle = j.bottle AND o.finalized_at IS NULL AND o.job_id <> j.job_id
           AND (o.state <> 'queued'
                OR (o.scheduled_at <= CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
                    AND (o.priority, o.scheduled_at, o.job_id) < (j.priority, j.scheduled_at, j.job_id)))
         ORDER BY o.state = 'queued', o.priority, o.scheduled_at, o.job_id LIMIT 1)
       END AS blocked_by,
       -- The freeze that keeps it from going on: who, and why.
       CASE WHEN j.state IN ('queued', 'prepare', 'snapshot') THEN (
         SELECT f.frozen_by || ': ' || f.reason FROM freezes AS f
         WHERE f.lifted_at IS NULL AND f.backend IN ('', j.backend) AND f.bottle IN ('', j.bottle)
           AND (f.expires_at IS NULL
                OR f.expires_at > CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER))
         ORDER BY f.freeze_id LIMIT 1)
       END AS frozen_by
FROM jobs AS j JOIN approvals AS a ON a.approval_id = j.approval_id;

CREATE VIEW history_view AS
SELECT job_id, seq, at, event, from_state, to_state, actor, data FROM history;

CREATE VIEW bottles_view AS
SELECT b.backend, b.bottle, b.target, b.last_job_id, j.state AS last_state, b.current, b.changed_at
FROM bottles AS b JOIN jobs AS j ON j.job_id = b.last_job_id;

-- `age_ms` is for the reader who must not trust an old answer.
CREATE VIEW backend_capabilities AS
SELECT backend, kind, supported, version, reason_code, message, detail, checked_at,
       CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) - checked_at AS age_ms
FROM capabilities;
