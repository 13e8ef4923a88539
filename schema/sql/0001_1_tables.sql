-- Version 1, tables: what is kept. Foreign programs only INSERT into approvals and requests, and read the views.
-- Not here: what a row may contain (0001_3, 0001_4) and what readers see (0001_5).

CREATE TABLE instance (
  one         INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),  -- this table has exactly one row
  instance_id TEXT    NOT NULL,                              -- random; part of every name that we make outside
  last_fence  INTEGER NOT NULL,                              -- the highest fence given out so far
  created_at  INTEGER NOT NULL                               -- ms
) STRICT, WITHOUT ROWID;

CREATE TABLE epochs (
  epoch_id      INTEGER PRIMARY KEY AUTOINCREMENT,
  boot_id       TEXT    NOT NULL,  -- of the kernel: a reboot is told apart from a crash
  pid           INTEGER NOT NULL,
  process_start TEXT    NOT NULL,  -- clock ticks since boot, from /proc
  nonce         TEXT    NOT NULL,  -- random
  host          TEXT    NOT NULL,
  version       TEXT    NOT NULL,  -- of rebottled
  fence         INTEGER NOT NULL,  -- every fence of an earlier epoch is lower
  started_at    INTEGER NOT NULL,  -- ms
  stopped_at    INTEGER            -- ms; set by a graceful stop only
) STRICT;

-- The operator's decision, immutable. Everything after approved_by has a default.
CREATE TABLE approvals (
  approval_id   TEXT    NOT NULL PRIMARY KEY,  -- the idempotency key
  kind          TEXT    NOT NULL,              -- what is to be done: capability_block
  backend       TEXT    NOT NULL,              -- docker, podman, smolmachines; others are refused by the service
  bottle        TEXT    NOT NULL,              -- the target's slug within its backend
  args          TEXT    NOT NULL,              -- JSON object, by kind
  approved_by   TEXT    NOT NULL,              -- a person
  priority      INTEGER NOT NULL DEFAULT 0,    -- low first
  scheduled_at  INTEGER NOT NULL DEFAULT 0,    -- ms; not started before; 0: at once
  expires_at    INTEGER,                       -- ms; not started after; NULL: never
  justification TEXT    NOT NULL DEFAULT '',   -- why the agent asked; untrusted
  meta          TEXT    NOT NULL DEFAULT '{}', -- JSON object of the producer, carried along untouched
  created_at    INTEGER NOT NULL DEFAULT (CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER))  -- ms
) STRICT, WITHOUT ROWID;

-- One carrying-out of an approval. Hot columns only; written by the service, through the guard of 0001_4.
CREATE TABLE jobs (
  job_id       INTEGER PRIMARY KEY AUTOINCREMENT CHECK (job_id > 0),
  approval_id  TEXT    NOT NULL REFERENCES approvals (approval_id),
  run          INTEGER NOT NULL,               -- 1, and one more for each retry of a final job
  kind         TEXT    NOT NULL,               -- as approved, like the next five
  backend      TEXT    NOT NULL,
  bottle       TEXT    NOT NULL,
  priority     INTEGER NOT NULL,
  scheduled_at INTEGER NOT NULL,
  expires_at   INTEGER,
  state        TEXT    NOT NULL DEFAULT 'queued',
  seq          INTEGER NOT NULL DEFAULT 1,     -- number of this job's last history row
  event        TEXT    NOT NULL DEFAULT 'enqueued',  -- that row's event …
  actor        TEXT    NOT NULL,               -- … who raised it …
  event_data   TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(event_data)),  -- … and its data
  interrupted  TEXT,                           -- the step that needs_attention was entered from last
  target       TEXT,                           -- resolved target; set by the claim
  fence        INTEGER NOT NULL DEFAULT 0,     -- of the present owner; 0 before the claim
  epoch_id     INTEGER REFERENCES epochs (epoch_id),  -- the present owner
  attempt      INTEGER NOT NULL DEFAULT 0,     -- tries of the present step
  crashes      INTEGER NOT NULL DEFAULT 0,     -- deaths of the worker in the present step
  cancel_by    TEXT,                           -- who asked for a cancel
  reason_code  TEXT    NOT NULL DEFAULT '',    -- stable word; empty while there is nothing to explain
  message      TEXT    NOT NULL DEFAULT '',    -- for the operator
  detail       TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(detail)),  -- JSON object: machine-readable evidence
  created_at   INTEGER NOT NULL,               -- ms, like all times
  updated_at   INTEGER NOT NULL,
  claimed_at   INTEGER,                        -- NULL before the claim
  finalized_at INTEGER,                        -- set with a final state
  retry_at     INTEGER,                        -- the pause before the step's next try ends then
  down_since   INTEGER,                        -- the bottle went down then and is not up again
  downtime_ms  INTEGER NOT NULL DEFAULT 0,     -- of all completed stretches
  UNIQUE (approval_id, run),
  CHECK (state IN ('queued', 'prepare', 'snapshot', 'stop', 'apply', 'restart', 'verify', 'rollback',
                   'needs_attention', 'succeeded', 'rolled_back', 'failed', 'cancelled', 'rejected_unsupported',
                   'rejected_stale', 'resolved')),
  CHECK ((finalized_at IS NOT NULL) = (state IN ('succeeded', 'rolled_back', 'failed', 'cancelled',
                                                 'rejected_unsupported', 'rejected_stale', 'resolved')))
) STRICT;

-- One job at a time may hold a target: mutual exclusion without a clock.
CREATE UNIQUE INDEX jobs_target_holder ON jobs (backend, target)
  WHERE state IN ('prepare', 'snapshot', 'stop', 'apply', 'restart', 'verify', 'rollback', 'needs_attention');
CREATE INDEX jobs_queued ON jobs (priority, scheduled_at, job_id) WHERE state = 'queued';
CREATE INDEX jobs_scheduled ON jobs (scheduled_at) WHERE state = 'queued';
CREATE INDEX jobs_unfinished ON jobs (backend, bottle, job_id) WHERE finalized_at IS NULL;

-- Append-only; each row is written by the trigger on jobs.
CREATE TABLE history (
  job_id     INTEGER NOT NULL REFERENCES jobs (job_id),
  seq        INTEGER NOT NULL,  -- 1, 2, 3, … without a gap
  at         INTEGER NOT NULL,  -- ms
  event      TEXT    NOT NULL,  -- an event of the state machine, or: enqueued, effect, note
  from_state TEXT,              -- NULL in the first row
  to_state   TEXT    NOT NULL,
  actor      TEXT    NOT NULL,  -- worker:<epoch>, recovery:<epoch>, or a person
  data       TEXT    NOT NULL,  -- JSON object
  PRIMARY KEY (job_id, seq)
) STRICT, WITHOUT ROWID;

-- The journal: one row for each effect of a job and direction, written before the effect is tried.
CREATE TABLE intents (
  job_id    INTEGER NOT NULL REFERENCES jobs (job_id),
  direction TEXT    NOT NULL CHECK (direction IN ('forward', 'undo')),
  effect    TEXT    NOT NULL,
  position  INTEGER NOT NULL,  -- order of the first tries within the job
  step      TEXT    NOT NULL,  -- the step that the effect belongs to
  status    TEXT    NOT NULL CHECK (status IN ('open', 'closed')),  -- closed: recorded as done
  tries     INTEGER NOT NULL,  -- 0: found done, never tried
  fence     INTEGER NOT NULL,  -- of the owner who tried it last
  opened_at INTEGER NOT NULL,  -- ms
  closed_at INTEGER,           -- ms
  outcome   TEXT    NOT NULL DEFAULT '',    -- of the last try: done, adopted, failed, unknown; empty: none recorded
  result    TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(result)),  -- JSON object: durable facts, once closed
  PRIMARY KEY (job_id, direction, effect)
) STRICT, WITHOUT ROWID;

-- A wish of a person or a dashboard. The columns from outcome on are the service's.
CREATE TABLE requests (
  request_id   INTEGER PRIMARY KEY AUTOINCREMENT CHECK (request_id > 0),
  kind         TEXT    NOT NULL,               -- cancel, retry, rollback, resolve, freeze, unfreeze, plan
  job_id       INTEGER REFERENCES jobs (job_id),
  backend      TEXT    NOT NULL DEFAULT '',    -- freeze, unfreeze: empty for all
  bottle       TEXT    NOT NULL DEFAULT '',    -- freeze, unfreeze: empty for all
  args         TEXT    NOT NULL DEFAULT '{}',  -- JSON object, by kind
  requested_by TEXT    NOT NULL,               -- a person
  created_at   INTEGER NOT NULL DEFAULT (CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)),  -- ms
  outcome      TEXT,                           -- done, refused, failed; NULL until answered
  message      TEXT,                           -- for the operator
  answer       TEXT,                           -- JSON object
  answered_at  INTEGER                         -- ms
) STRICT;
CREATE INDEX requests_pending ON requests (request_id) WHERE answered_at IS NULL;

-- Something to be removed later.
CREATE TABLE leftovers (
  leftover_id INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id      INTEGER NOT NULL REFERENCES jobs (job_id),
  backend     TEXT    NOT NULL,
  kind        TEXT    NOT NULL,  -- the backend's word: container, image_tag, file, …
  reference   TEXT    NOT NULL CHECK (json_valid(reference)),  -- JSON object that finds exactly this thing again
  not_before  INTEGER NOT NULL,  -- ms; moved on by each failed try
  tries       INTEGER NOT NULL DEFAULT 0,
  last_error  TEXT    NOT NULL DEFAULT '',
  created_at  INTEGER NOT NULL,  -- ms
  removed_at  INTEGER,           -- ms; NULL while it is there
  UNIQUE (job_id, kind, reference)
) STRICT;
CREATE INDEX leftovers_due ON leftovers (not_before) WHERE removed_at IS NULL;

-- Whether a backend can do a kind, as last probed.
CREATE TABLE capabilities (
  backend     TEXT    NOT NULL,
  kind        TEXT    NOT NULL,
  supported   INTEGER NOT NULL CHECK (supported IN (0, 1)),
  version     TEXT    NOT NULL,  -- of the backend
  reason_code TEXT    NOT NULL,  -- why not; empty where supported
  message     TEXT    NOT NULL,
  detail      TEXT    NOT NULL CHECK (json_valid(detail)),  -- JSON object
  checked_at  INTEGER NOT NULL,  -- ms
  PRIMARY KEY (backend, kind)
) STRICT, WITHOUT ROWID;

-- Keeps jobs that are not past `snapshot` from going on.
CREATE TABLE freezes (
  freeze_id  INTEGER PRIMARY KEY AUTOINCREMENT,
  backend    TEXT    NOT NULL,  -- empty: every backend
  bottle     TEXT    NOT NULL,  -- empty: every bottle
  reason     TEXT    NOT NULL,
  frozen_by  TEXT    NOT NULL,
  created_at INTEGER NOT NULL,  -- ms
  expires_at INTEGER,           -- ms; NULL: until lifted
  lifted_at  INTEGER            -- ms
) STRICT;
CREATE INDEX freezes_standing ON freezes (freeze_id) WHERE lifted_at IS NULL;

-- What is current on a bottle that we have changed, or are changing.
CREATE TABLE bottles (
  backend     TEXT    NOT NULL,
  bottle      TEXT    NOT NULL,
  target      TEXT    NOT NULL,
  last_job_id INTEGER NOT NULL REFERENCES jobs (job_id),        -- the last one that was claimed
  current     TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(current)),  -- JSON object: ids, image, … at the last success
  changed_at  INTEGER,                                          -- ms; of the last success
  PRIMARY KEY (backend, bottle)
) STRICT, WITHOUT ROWID;

-- The table of transitions of statemachine/transitions.hpp, for the guard on jobs.
CREATE TABLE transitions (
  from_state TEXT NOT NULL,
  event      TEXT NOT NULL,
  to_state   TEXT NOT NULL,
  raised_by  TEXT NOT NULL,  -- worker, recovery, person
  PRIMARY KEY (from_state, event, to_state)
) STRICT, WITHOUT ROWID;
