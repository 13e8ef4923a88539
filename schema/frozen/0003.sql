-- index freezes_scope
CREATE INDEX freezes_scope ON freezes (backend, bottle) WHERE lifted_at IS NULL;
-- index freezes_standing
CREATE INDEX freezes_standing ON freezes (freeze_id) WHERE lifted_at IS NULL;
-- index jobs_held
CREATE INDEX jobs_held ON jobs (backend, bottle) WHERE finalized_at IS NULL AND state <> 'queued';
-- index jobs_scheduled
CREATE INDEX jobs_scheduled ON jobs (scheduled_at) WHERE state = 'queued';
-- index jobs_succeeded
CREATE INDEX jobs_succeeded ON jobs (backend, bottle, fence) WHERE state = 'succeeded';
-- index jobs_target_holder
CREATE UNIQUE INDEX jobs_target_holder ON jobs (backend, target)
  WHERE state IN ('prepare', 'snapshot', 'stop', 'apply', 'restart', 'verify', 'rollback', 'needs_attention');
-- index jobs_turns
CREATE INDEX jobs_turns ON jobs (backend, bottle, priority, scheduled_at, job_id) WHERE state = 'queued';
-- index jobs_undoes
CREATE INDEX jobs_undoes ON jobs (undoes) WHERE undoes IS NOT NULL;
-- index leftovers_due
CREATE INDEX leftovers_due ON leftovers (not_before) WHERE removed_at IS NULL;
-- index leftovers_way_back
CREATE INDEX leftovers_way_back ON leftovers (job_id) WHERE way_back = 1;
-- index requests_pending
CREATE INDEX requests_pending ON requests (request_id) WHERE answered_at IS NULL;
-- table approvals
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
-- table bottles
CREATE TABLE bottles (
  backend     TEXT    NOT NULL,
  bottle      TEXT    NOT NULL,
  target      TEXT    NOT NULL,
  last_job_id INTEGER NOT NULL REFERENCES jobs (job_id),        -- the last one that was claimed
  current     TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(current)),  -- JSON object: ids, image, … at the last success
  changed_at  INTEGER,                                          -- ms; of the last success
  PRIMARY KEY (backend, bottle)
) STRICT, WITHOUT ROWID;
-- table build_logs
CREATE TABLE build_logs (
  job_id     INTEGER NOT NULL PRIMARY KEY REFERENCES jobs (job_id),
  head       TEXT    NOT NULL,  -- the beginning, or all of it
  tail       TEXT    NOT NULL,  -- the end; empty where nothing was left out
  cut_bytes  INTEGER NOT NULL CHECK (cut_bytes >= 0),  -- left out between head and tail
  updated_at INTEGER NOT NULL   -- ms
) STRICT;
-- table capabilities
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
-- table epochs
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
-- table freezes
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
-- table history
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
-- table instance
CREATE TABLE instance (
  one         INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),  -- this table has exactly one row
  instance_id TEXT    NOT NULL,                              -- random; part of every name that we make outside
  last_fence  INTEGER NOT NULL,                              -- the highest fence given out so far
  created_at  INTEGER NOT NULL                               -- ms
) STRICT, WITHOUT ROWID;
-- table intents
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
-- table jobs
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
  downtime_ms  INTEGER NOT NULL DEFAULT 0, undoes INTEGER REFERENCES jobs (job_id),     -- of all completed stretches
  UNIQUE (approval_id, run),
  CHECK (state IN ('queued', 'prepare', 'snapshot', 'stop', 'apply', 'restart', 'verify', 'rollback',
                   'needs_attention', 'succeeded', 'rolled_back', 'failed', 'cancelled', 'rejected_unsupported',
                   'rejected_stale', 'resolved')),
  CHECK ((finalized_at IS NOT NULL) = (state IN ('succeeded', 'rolled_back', 'failed', 'cancelled',
                                                 'rejected_unsupported', 'rejected_stale', 'resolved')))
) STRICT;
-- table leftovers
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
  removed_at  INTEGER, way_back INTEGER NOT NULL DEFAULT 0 CHECK (way_back IN (0, 1)), withdrawn_at INTEGER,           -- ms; NULL while it is there
  UNIQUE (job_id, kind, reference)
) STRICT;
-- table requests
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
-- table transitions
CREATE TABLE transitions (
  from_state TEXT NOT NULL,
  event      TEXT NOT NULL,
  to_state   TEXT NOT NULL,
  raised_by  TEXT NOT NULL,  -- worker, recovery, person
  PRIMARY KEY (from_state, event, to_state)
) STRICT, WITHOUT ROWID;
-- trigger approvals_delete_guard
CREATE TRIGGER approvals_delete_guard BEFORE DELETE ON approvals
BEGIN
  SELECT RAISE(ABORT, 'approvals: a row is never deleted; to stop its job, insert a request of kind cancel');
END;
-- trigger approvals_enqueue
CREATE TRIGGER approvals_enqueue AFTER INSERT ON approvals
BEGIN
  INSERT INTO jobs (approval_id, run, kind, backend, bottle, priority, scheduled_at, expires_at, actor, created_at,
                    updated_at)
  VALUES (NEW.approval_id, 1, NEW.kind, NEW.backend, NEW.bottle, NEW.priority, NEW.scheduled_at, NEW.expires_at,
          NEW.approved_by, NEW.created_at, NEW.created_at);
END;
-- trigger approvals_insert_guard
CREATE TRIGGER approvals_insert_guard BEFORE INSERT ON approvals
BEGIN
  -- An identical resubmission is no error and no second job; this also comes before any REPLACE.
  SELECT CASE
    WHEN EXISTS (SELECT 1 FROM approvals AS old
                 WHERE old.approval_id = NEW.approval_id AND old.kind IS NEW.kind AND old.backend IS NEW.backend
                   AND old.bottle IS NEW.bottle AND old.args IS NEW.args AND old.approved_by IS NEW.approved_by
                   AND old.priority IS NEW.priority AND old.scheduled_at IS NEW.scheduled_at
                   AND old.expires_at IS NEW.expires_at AND old.justification IS NEW.justification
                   AND old.meta IS NEW.meta)
      THEN RAISE(IGNORE)
    WHEN EXISTS (SELECT 1 FROM approvals AS old WHERE old.approval_id = NEW.approval_id)
      THEN RAISE(ABORT, 'approvals.approval_id: was used before with other content; approve under a new approval_id')
  END;
  SELECT CASE
    WHEN NEW.approval_id IS NULL THEN RAISE(ABORT, 'approvals.approval_id: is missing; give a text')
    WHEN NEW.approval_id = '' THEN RAISE(ABORT, 'approvals.approval_id: is empty; give a text')
    WHEN instr(CAST(NEW.approval_id AS BLOB), X'00') > 0
      THEN RAISE(ABORT, 'approvals.approval_id: contains a NUL character; remove it')
    WHEN length(CAST(NEW.approval_id AS BLOB)) > 200
      THEN RAISE(ABORT, 'approvals.approval_id: is longer than 200 bytes; shorten it')
    WHEN NEW.approval_id GLOB char(42, 91, 1, 45, 31, 127, 45, 159, 93, 42)
      THEN RAISE(ABORT, 'approvals.approval_id: contains a control character; remove it')
    WHEN NEW.approval_id GLOB '*[^!-~]*'
      THEN RAISE(ABORT, 'approvals.approval_id: contains a space or a character that is not printable ASCII; remove it')
    WHEN NEW.kind IS NULL THEN RAISE(ABORT, 'approvals.kind: is missing; give a text')
    WHEN NEW.kind = '' THEN RAISE(ABORT, 'approvals.kind: is empty; give a text')
    WHEN instr(CAST(NEW.kind AS BLOB), X'00') > 0
      THEN RAISE(ABORT, 'approvals.kind: contains a NUL character; remove it')
    WHEN length(CAST(NEW.kind AS BLOB)) > 64 THEN RAISE(ABORT, 'approvals.kind: is longer than 64 bytes; shorten it')
    WHEN NEW.kind GLOB char(42, 91, 1, 45, 31, 127, 45, 159, 93, 42)
      THEN RAISE(ABORT, 'approvals.kind: contains a control character; remove it')
    WHEN NEW.kind GLOB '*[^a-z0-9_-]*' OR NEW.kind GLOB '[^a-z]*'
      THEN RAISE(ABORT, 'approvals.kind: is not a lower-case word of letters, digits, _ and -; correct it')
    WHEN NEW.backend IS NULL THEN RAISE(ABORT, 'approvals.backend: is missing; give a text')
    WHEN NEW.backend = '' THEN RAISE(ABORT, 'approvals.backend: is empty; give a text')
    WHEN instr(CAST(NEW.backend AS BLOB), X'00') > 0
      THEN RAISE(ABORT, 'approvals.backend: contains a NUL character; remove it')
    WHEN length(CAST(NEW.backend AS BLOB)) > 64
      THEN RAISE(ABORT, 'approvals.backend: is longer than 64 bytes; shorten it')
    WHEN NEW.backend GLOB char(42, 91, 1, 45, 31, 127, 45, 159, 93, 42)
      THEN RAISE(ABORT, 'approvals.backend: contains a control character; remove it')
    WHEN NEW.backend GLOB '*[^a-z0-9_-]*' OR NEW.backend GLOB '[^a-z]*'
      THEN RAISE(ABORT, 'approvals.backend: is not a lower-case word of letters, digits, _ and -; correct it')
    WHEN NEW.bottle IS NULL THEN RAISE(ABORT, 'approvals.bottle: is missing; give a text')
    WHEN NEW.bottle = '' THEN RAISE(ABORT, 'approvals.bottle: is empty; give a text')
    WHEN instr(CAST(NEW.bottle AS BLOB), X'00') > 0
      THEN RAISE(ABORT, 'approvals.bottle: contains a NUL character; remove it')
    WHEN length(CAST(NEW.bottle AS BLOB)) > 255
      THEN RAISE(ABORT, 'approvals.bottle: is longer than 255 bytes; shorten it')
    WHEN NEW.bottle GLOB char(42, 91, 1, 45, 31, 127, 45, 159, 93, 42)
      THEN RAISE(ABORT, 'approvals.bottle: contains a control character; remove it')
    WHEN NEW.bottle GLOB '*[^!-~]*'
      THEN RAISE(ABORT, 'approvals.bottle: contains a space or a character that is not printable ASCII; give the slug')
    WHEN instr(NEW.bottle, '/') > 0 THEN RAISE(ABORT, 'approvals.bottle: contains a slash; give the slug alone')
    WHEN NEW.bottle GLOB '[.-]*' THEN RAISE(ABORT, 'approvals.bottle: begins with a dot or a dash; give the slug')
    WHEN NEW.approved_by IS NULL THEN RAISE(ABORT, 'approvals.approved_by: is missing; give a text')
    WHEN NEW.approved_by = '' THEN RAISE(ABORT, 'approvals.approved_by: is empty; give a text')
    WHEN instr(CAST(NEW.approved_by AS BLOB), X'00') > 0
      THEN RAISE(ABORT, 'approvals.approved_by: contains a NUL character; remove it')
    WHEN length(CAST(NEW.approved_by AS BLOB)) > 200
      THEN RAISE(ABORT, 'approvals.approved_by: is longer than 200 bytes; shorten it')
    WHEN NEW.approved_by GLOB char(42, 91, 1, 45, 31, 127, 45, 159, 93, 42)
      THEN RAISE(ABORT, 'approvals.approved_by: contains a control character; remove it')
  END;
  SELECT CASE
    WHEN NEW.priority IS NULL OR NEW.priority NOT BETWEEN -1000 AND 1000
      THEN RAISE(ABORT, 'approvals.priority: is not between -1000 and 1000; give a number in that range (low first)')
    WHEN NEW.scheduled_at IS NULL
      THEN RAISE(ABORT, 'approvals.scheduled_at: is missing; give epoch milliseconds, or 0 for at once')
    WHEN NEW.scheduled_at <> 0 AND NEW.scheduled_at BETWEEN 1 AND 99999999999
      THEN RAISE(ABORT, 'approvals.scheduled_at: looks like seconds; give epoch milliseconds (times 1000)')
    WHEN NEW.scheduled_at < 0 OR NEW.scheduled_at <> 0 AND NEW.scheduled_at >= 100000000000000
      THEN RAISE(ABORT, 'approvals.scheduled_at: is not a time in epoch milliseconds; give one (13 digits today)')
    WHEN NEW.created_at IS NULL THEN RAISE(ABORT, 'approvals.created_at: is missing; leave the column out')
    WHEN NEW.created_at BETWEEN 1 AND 99999999999
      THEN RAISE(ABORT, 'approvals.created_at: looks like seconds; give epoch milliseconds (times 1000)')
    WHEN NEW.created_at <= 0 OR NEW.created_at >= 100000000000000
      THEN RAISE(ABORT, 'approvals.created_at: is not a time in epoch milliseconds; give one (13 digits today)')
    WHEN NEW.expires_at BETWEEN 1 AND 99999999999
      THEN RAISE(ABORT, 'approvals.expires_at: looks like seconds; give epoch milliseconds (times 1000)')
    WHEN NEW.expires_at <= 0 OR NEW.expires_at >= 100000000000000
      THEN RAISE(ABORT, 'approvals.expires_at: is not a time in epoch milliseconds; give one (13 digits today)')
    WHEN NEW.expires_at <= NEW.created_at
      THEN RAISE(ABORT, 'approvals.expires_at: is not after created_at; give a later time or none')
    WHEN NEW.expires_at <= NEW.scheduled_at
      THEN RAISE(ABORT, 'approvals.expires_at: is not after scheduled_at; give a later time or none')
  END;
  SELECT CASE
    WHEN NEW.justification IS NULL THEN RAISE(ABORT, 'approvals.justification: is missing; give a text')
    WHEN instr(CAST(NEW.justification AS BLOB), X'00') > 0
      THEN RAISE(ABORT, 'approvals.justification: contains a NUL character; remove it')
    WHEN length(CAST(NEW.justification AS BLOB)) > 65536
      THEN RAISE(ABORT, 'approvals.justification: is longer than 65536 bytes; shorten it')
    WHEN NEW.meta IS NULL THEN RAISE(ABORT, 'approvals.meta: is missing; give a text')
    WHEN NEW.meta = '' THEN RAISE(ABORT, 'approvals.meta: is empty; give a text')
    WHEN instr(CAST(NEW.meta AS BLOB), X'00') > 0
      THEN RAISE(ABORT, 'approvals.meta: contains a NUL character; remove it')
    WHEN length(CAST(NEW.meta AS BLOB)) > 65536
      THEN RAISE(ABORT, 'approvals.meta: is longer than 65536 bytes; shorten it')
    WHEN NOT json_valid(NEW.meta) THEN RAISE(ABORT, 'approvals.meta: is not valid JSON; give a JSON object')
    WHEN json_type(NEW.meta) <> 'object' THEN RAISE(ABORT, 'approvals.meta: is not a JSON object; give one')
    WHEN NEW.args IS NULL THEN RAISE(ABORT, 'approvals.args: is missing; give a text')
    WHEN NEW.args = '' THEN RAISE(ABORT, 'approvals.args: is empty; give a text')
    WHEN instr(CAST(NEW.args AS BLOB), X'00') > 0
      THEN RAISE(ABORT, 'approvals.args: contains a NUL character; remove it')
    WHEN length(CAST(NEW.args AS BLOB)) > 1048576
      THEN RAISE(ABORT, 'approvals.args: is longer than 1048576 bytes; shorten it')
    WHEN NOT json_valid(NEW.args) THEN RAISE(ABORT, 'approvals.args: is not valid JSON; give a JSON object')
    WHEN json_type(NEW.args) <> 'object' THEN RAISE(ABORT, 'approvals.args: is not a JSON object; give one')
  END;
  -- capability_block. Duplicate keys, bad UTF-8 and escaped key names are left to the service's strict parser.
  SELECT CASE
    WHEN EXISTS (SELECT 1 FROM json_each(NEW.args)
           WHERE key NOT IN ('change', 'expect', 'snapshot', 'verify', 'limits'))
      THEN RAISE(ABORT, 'approvals.args: contains an unknown key; allowed are change, expect, snapshot, verify, limits')
    WHEN json_type(NEW.args, '$.change') IS NULL
      THEN RAISE(ABORT, 'approvals.args.change: is missing; give exactly one of dockerfile, image, commands')
    WHEN json_type(NEW.args, '$.change') <> 'object'
      THEN RAISE(ABORT, 'approvals.args.change: is not a JSON object; give an object or leave it out')
    WHEN EXISTS (SELECT 1 FROM json_each(NEW.args, '$.change') WHERE key NOT IN ('dockerfile', 'image', 'commands'))
      THEN RAISE(ABORT, 'approvals.args.change: contains an unknown key; allowed are dockerfile, image, commands')
    WHEN json_type(NEW.args, '$.change.dockerfile') <> 'text'
      THEN RAISE(ABORT, 'approvals.args.change.dockerfile: is not a text; correct it or leave it out')
    WHEN json_type(NEW.args, '$.change.image') NOT IN ('text', 'object')
      THEN RAISE(ABORT, 'approvals.args.change.image: is not a reference or {file, sha256}; correct it or leave it out')
    WHEN json_type(NEW.args, '$.change.commands') <> 'array'
      THEN RAISE(ABORT, 'approvals.args.change.commands: is not an array; correct it or leave it out')
    WHEN EXISTS (SELECT 1 FROM json_each(NEW.args, '$.change.commands') WHERE type <> 'text' OR atom = '')
      THEN RAISE(ABORT, 'approvals.args.change.commands: contains something else than non-empty texts; correct it')
    WHEN (SELECT count(*) FROM json_each(NEW.args, '$.change')) <> 1
      THEN RAISE(ABORT, 'approvals.args.change: does not hold exactly one change; give exactly one of dockerfile, image, commands')
    WHEN trim(json_extract(NEW.args, '$.change.dockerfile'), char(9, 10, 13, 32)) = ''
      THEN RAISE(ABORT, 'approvals.args.change.dockerfile: is empty; give the text of a Dockerfile')
    WHEN json_extract(NEW.args, '$.change.image') = ''
      THEN RAISE(ABORT, 'approvals.args.change.image: is empty; give a reference or {file, sha256}')
    WHEN json_type(NEW.args, '$.change.image') = 'object' AND (SELECT group_concat(key || ' ' || type)
           FROM (SELECT key, type
           FROM json_each(NEW.args, '$.change.image') ORDER BY key)) IS NOT 'file text,sha256 text'
      THEN RAISE(ABORT, 'approvals.args.change.image: is not {file, sha256}; give exactly these two texts')
    WHEN json_array_length(NEW.args, '$.change.commands') = 0 AND json_type(NEW.args, '$.change.commands') = 'array'
      THEN RAISE(ABORT, 'approvals.args.change.commands: is empty; give at least one shell line')
    WHEN json_type(NEW.args, '$.expect') <> 'object'
      THEN RAISE(ABORT, 'approvals.args.expect: is not a JSON object; give an object or leave it out')
    WHEN EXISTS (SELECT 1 FROM json_each(NEW.args, '$.expect')
           WHERE key NOT IN ('target_id', 'image_digest', 'change_sha256'))
      THEN RAISE(ABORT, 'approvals.args.expect: contains an unknown key; allowed are target_id, image_digest, change_sha256')
    WHEN json_type(NEW.args, '$.expect.target_id') <> 'text'
      THEN RAISE(ABORT, 'approvals.args.expect.target_id: is not a text; correct it or leave it out')
    WHEN json_type(NEW.args, '$.expect.image_digest') <> 'text'
      THEN RAISE(ABORT, 'approvals.args.expect.image_digest: is not a text; correct it or leave it out')
    WHEN json_type(NEW.args, '$.expect.change_sha256') <> 'text'
      THEN RAISE(ABORT, 'approvals.args.expect.change_sha256: is not a text; correct it or leave it out')
    WHEN json_type(NEW.args, '$.snapshot') <> 'object'
      THEN RAISE(ABORT, 'approvals.args.snapshot: is not a JSON object; give an object or leave it out')
    WHEN EXISTS (SELECT 1 FROM json_each(NEW.args, '$.snapshot') WHERE key NOT IN ('paths', 'restore', 'max_bytes'))
      THEN RAISE(ABORT, 'approvals.args.snapshot: contains an unknown key; allowed are paths, restore, max_bytes')
    WHEN json_type(NEW.args, '$.snapshot.paths') <> 'array'
      THEN RAISE(ABORT, 'approvals.args.snapshot.paths: is not an array; correct it or leave it out')
    WHEN EXISTS (SELECT 1 FROM json_each(NEW.args, '$.snapshot.paths') WHERE type <> 'text' OR atom = '')
      THEN RAISE(ABORT, 'approvals.args.snapshot.paths: contains something else than non-empty texts; correct it')
    WHEN json_type(NEW.args, '$.snapshot.restore') NOT IN ('true', 'false')
      THEN RAISE(ABORT, 'approvals.args.snapshot.restore: is not true or false; correct it or leave it out')
    WHEN json_type(NEW.args, '$.snapshot.max_bytes') <> 'integer'
      THEN RAISE(ABORT, 'approvals.args.snapshot.max_bytes: is not an integer; correct it or leave it out')
    WHEN json_extract(NEW.args, '$.snapshot.max_bytes') < 0
      THEN RAISE(ABORT, 'approvals.args.snapshot.max_bytes: is negative; give zero or more')
    WHEN EXISTS (SELECT 1 FROM json_each(NEW.args, '$.snapshot.paths') WHERE atom NOT GLOB '/?*')
      THEN RAISE(ABORT, 'approvals.args.snapshot.paths: contains a path that is not absolute, or is the root; give paths below /')
    WHEN json_type(NEW.args, '$.verify') <> 'object'
      THEN RAISE(ABORT, 'approvals.args.verify: is not a JSON object; give an object or leave it out')
    WHEN EXISTS (SELECT 1 FROM json_each(NEW.args, '$.verify') WHERE key NOT IN ('exec', 'stable_s', 'timeout_s'))
      THEN RAISE(ABORT, 'approvals.args.verify: contains an unknown key; allowed are exec, stable_s, timeout_s')
    WHEN json_type(NEW.args, '$.verify.exec') <> 'array'
      THEN RAISE(ABORT, 'approvals.args.verify.exec: is not an array; correct it or leave it out')
    WHEN EXISTS (SELECT 1 FROM json_each(NEW.args, '$.verify.exec') WHERE type <> 'text' OR atom = '')
      THEN RAISE(ABORT, 'approvals.args.verify.exec: contains something else than non-empty texts; correct it')
    WHEN json_type(NEW.args, '$.verify.stable_s') <> 'integer'
      THEN RAISE(ABORT, 'approvals.args.verify.stable_s: is not an integer; correct it or leave it out')
    WHEN json_extract(NEW.args, '$.verify.stable_s') < 0
      THEN RAISE(ABORT, 'approvals.args.verify.stable_s: is negative; give zero or more')
    WHEN json_type(NEW.args, '$.verify.timeout_s') <> 'integer'
      THEN RAISE(ABORT, 'approvals.args.verify.timeout_s: is not an integer; correct it or leave it out')
    WHEN json_extract(NEW.args, '$.verify.timeout_s') < 0
      THEN RAISE(ABORT, 'approvals.args.verify.timeout_s: is negative; give zero or more')
    WHEN json_type(NEW.args, '$.limits') <> 'object'
      THEN RAISE(ABORT, 'approvals.args.limits: is not a JSON object; give an object or leave it out')
    WHEN EXISTS (SELECT 1 FROM json_each(NEW.args, '$.limits')
           WHERE key NOT IN ('stop_timeout_s', 'build_timeout_s', 'max_downtime_s'))
      THEN RAISE(ABORT, 'approvals.args.limits: contains an unknown key; allowed are stop_timeout_s, build_timeout_s, max_downtime_s')
    WHEN json_type(NEW.args, '$.limits.stop_timeout_s') <> 'integer'
      THEN RAISE(ABORT, 'approvals.args.limits.stop_timeout_s: is not an integer; correct it or leave it out')
    WHEN json_extract(NEW.args, '$.limits.stop_timeout_s') < 0
      THEN RAISE(ABORT, 'approvals.args.limits.stop_timeout_s: is negative; give zero or more')
    WHEN json_type(NEW.args, '$.limits.build_timeout_s') <> 'integer'
      THEN RAISE(ABORT, 'approvals.args.limits.build_timeout_s: is not an integer; correct it or leave it out')
    WHEN json_extract(NEW.args, '$.limits.build_timeout_s') < 0
      THEN RAISE(ABORT, 'approvals.args.limits.build_timeout_s: is negative; give zero or more')
    WHEN json_type(NEW.args, '$.limits.max_downtime_s') <> 'integer'
      THEN RAISE(ABORT, 'approvals.args.limits.max_downtime_s: is not an integer; correct it or leave it out')
    WHEN json_extract(NEW.args, '$.limits.max_downtime_s') < 0
      THEN RAISE(ABORT, 'approvals.args.limits.max_downtime_s: is negative; give zero or more')
  END
  WHERE NEW.kind = 'capability_block';
END;
-- trigger approvals_update_guard
CREATE TRIGGER approvals_update_guard BEFORE UPDATE ON approvals
BEGIN
  SELECT RAISE(ABORT, 'approvals: a row is never changed; approve under a new approval_id');
END;
-- trigger bottles_delete_guard
CREATE TRIGGER bottles_delete_guard BEFORE DELETE ON bottles
BEGIN
  SELECT RAISE(ABORT, 'bottles: a row is never deleted; it says what is current');
END;
-- trigger build_logs_delete_guard
CREATE TRIGGER build_logs_delete_guard BEFORE DELETE ON build_logs
BEGIN
  SELECT RAISE(ABORT, 'build_logs: a row is never deleted; it is the record of what was built');
END;
-- trigger build_logs_insert_guard
CREATE TRIGGER build_logs_insert_guard BEFORE INSERT ON build_logs
BEGIN
  SELECT CASE
    WHEN EXISTS (SELECT 1 FROM build_logs WHERE job_id = NEW.job_id)
      THEN RAISE(ABORT, 'build_logs.job_id: the job has a log; only its row may be changed')
    WHEN NOT EXISTS (SELECT 1 FROM jobs WHERE job_id = NEW.job_id AND state <> 'queued')
      THEN RAISE(ABORT, 'build_logs.job_id: no such job has begun; only the service writes build logs')
  END;
END;
-- trigger build_logs_update_guard
CREATE TRIGGER build_logs_update_guard BEFORE UPDATE ON build_logs
WHEN NEW.job_id IS NOT OLD.job_id
BEGIN
  SELECT RAISE(ABORT, 'build_logs.job_id: is never changed');
END;
-- trigger epochs_delete_guard
CREATE TRIGGER epochs_delete_guard BEFORE DELETE ON epochs
BEGIN
  SELECT RAISE(ABORT, 'epochs: a row is never deleted; jobs name it');
END;
-- trigger epochs_insert_guard
CREATE TRIGGER epochs_insert_guard BEFORE INSERT ON epochs
BEGIN
  SELECT CASE
    WHEN NEW.epoch_id > 0
      THEN RAISE(ABORT, 'epochs.epoch_id: is given by the database; leave the column out')
    WHEN NEW.fence IS NOT (SELECT last_fence FROM instance)
      OR NEW.fence <= (SELECT coalesce(max(fence), 0) FROM epochs)
      THEN RAISE(ABORT, 'epochs.fence: is not a new one; take it from instance.last_fence')
  END;
END;
-- trigger epochs_update_guard
CREATE TRIGGER epochs_update_guard BEFORE UPDATE ON epochs
BEGIN
  SELECT CASE
    WHEN NEW.epoch_id IS NOT OLD.epoch_id OR NEW.boot_id IS NOT OLD.boot_id OR NEW.pid IS NOT OLD.pid
      OR NEW.process_start IS NOT OLD.process_start OR NEW.nonce IS NOT OLD.nonce OR NEW.host IS NOT OLD.host
      OR NEW.version IS NOT OLD.version OR NEW.fence IS NOT OLD.fence OR NEW.started_at IS NOT OLD.started_at
      OR OLD.stopped_at IS NOT NULL
      THEN RAISE(ABORT, 'epochs: only a graceful stop is recorded, once')
  END;
END;
-- trigger freezes_delete_guard
CREATE TRIGGER freezes_delete_guard BEFORE DELETE ON freezes
BEGIN
  SELECT RAISE(ABORT, 'freezes: a row is never deleted; insert a request of kind unfreeze');
END;
-- trigger freezes_insert_guard
CREATE TRIGGER freezes_insert_guard BEFORE INSERT ON freezes
WHEN NEW.freeze_id > 0
BEGIN
  SELECT RAISE(ABORT, 'freezes.freeze_id: is given by the database; insert a request of kind freeze');
END;
-- trigger freezes_update_guard
CREATE TRIGGER freezes_update_guard BEFORE UPDATE ON freezes
BEGIN
  SELECT CASE
    WHEN NEW.freeze_id IS NOT OLD.freeze_id OR NEW.backend IS NOT OLD.backend OR NEW.bottle IS NOT OLD.bottle
      OR NEW.reason IS NOT OLD.reason OR NEW.frozen_by IS NOT OLD.frozen_by
      OR NEW.created_at IS NOT OLD.created_at OR NEW.expires_at IS NOT OLD.expires_at OR OLD.lifted_at IS NOT NULL
      THEN RAISE(ABORT, 'freezes: a freeze is only lifted, once; insert a request of kind unfreeze')
  END;
END;
-- trigger history_delete_guard
CREATE TRIGGER history_delete_guard BEFORE DELETE ON history
BEGIN
  SELECT RAISE(ABORT, 'history: a row is never deleted; it is the record of what was done');
END;
-- trigger history_insert_guard
CREATE TRIGGER history_insert_guard BEFORE INSERT ON history
BEGIN
  SELECT CASE
    WHEN EXISTS (SELECT 1 FROM history WHERE job_id = NEW.job_id AND seq >= NEW.seq)
      OR NOT EXISTS (SELECT 1 FROM jobs AS j
                     WHERE j.job_id = NEW.job_id AND j.seq = NEW.seq AND j.updated_at = NEW.at
                       AND j.event = NEW.event AND j.state = NEW.to_state AND j.actor = NEW.actor
                       AND j.event_data = NEW.data)
      OR NEW.from_state IS NOT (SELECT to_state FROM history WHERE job_id = NEW.job_id AND seq = NEW.seq - 1)
      OR (NEW.seq <> 1 AND NEW.from_state IS NULL)
      THEN RAISE(ABORT, 'history: is written by the database when a job moves; insert into requests instead')
  END;
END;
-- trigger history_update_guard
CREATE TRIGGER history_update_guard BEFORE UPDATE ON history
BEGIN
  SELECT RAISE(ABORT, 'history: a row is never changed; it is the record of what was done');
END;
-- trigger instance_delete_guard
CREATE TRIGGER instance_delete_guard BEFORE DELETE ON instance
BEGIN
  SELECT RAISE(ABORT, 'instance: there is exactly one row');
END;
-- trigger instance_insert_guard
CREATE TRIGGER instance_insert_guard BEFORE INSERT ON instance
WHEN EXISTS (SELECT 1 FROM instance)
BEGIN
  SELECT RAISE(ABORT, 'instance: there is exactly one row');
END;
-- trigger instance_update_guard
CREATE TRIGGER instance_update_guard BEFORE UPDATE ON instance
BEGIN
  SELECT CASE
    WHEN NEW.one IS NOT OLD.one OR NEW.instance_id IS NOT OLD.instance_id OR NEW.created_at IS NOT OLD.created_at
      THEN RAISE(ABORT, 'instance.instance_id: is never changed; it is part of names outside')
    WHEN NEW.last_fence IS NOT OLD.last_fence + 1
      THEN RAISE(ABORT, 'instance.last_fence: grows by one; anything else would revive a lost owner')
  END;
END;
-- trigger intents_delete_guard
CREATE TRIGGER intents_delete_guard BEFORE DELETE ON intents
BEGIN
  SELECT RAISE(ABORT, 'intents: a row is never deleted; a roll-back needs it');
END;
-- trigger intents_insert_guard
CREATE TRIGGER intents_insert_guard BEFORE INSERT ON intents
BEGIN
  SELECT CASE
    WHEN EXISTS (SELECT 1 FROM intents
                 WHERE job_id = NEW.job_id AND direction = NEW.direction AND effect = NEW.effect)
      THEN RAISE(ABORT, 'intents.effect: is in the journal; only its row may be reopened')
    WHEN NEW.direction IS NULL OR NEW.direction NOT IN ('forward', 'undo')
      THEN RAISE(ABORT, 'intents.direction: is neither forward nor undo; give one of them')
    WHEN NEW.status IS NULL OR NEW.status NOT IN ('open', 'closed')
      THEN RAISE(ABORT, 'intents.status: is neither open nor closed; give one of them')
    WHEN NOT EXISTS (SELECT 1 FROM jobs
                     WHERE job_id = NEW.job_id AND fence = NEW.fence
                       AND state IN ('prepare', 'snapshot', 'stop', 'apply', 'restart', 'verify', 'rollback'))
      THEN RAISE(ABORT, 'intents.fence: the journal is written by the owner of a job at work')
    WHEN NEW.step IS NULL OR NEW.step NOT IN ('prepare', 'snapshot', 'stop', 'apply', 'restart', 'verify', 'rollback')
      THEN RAISE(ABORT, 'intents.step: is no working state; give one')
  END;
END;
-- trigger intents_update_guard
CREATE TRIGGER intents_update_guard BEFORE UPDATE ON intents
BEGIN
  SELECT CASE
    WHEN NEW.job_id IS NOT OLD.job_id OR NEW.direction IS NOT OLD.direction OR NEW.effect IS NOT OLD.effect
      OR NEW.position IS NOT OLD.position
      THEN RAISE(ABORT, 'intents.effect: a journal row never becomes another one')
    WHEN NEW.fence IS NULL OR NEW.fence < OLD.fence OR NEW.tries IS NULL OR NEW.tries < OLD.tries
      THEN RAISE(ABORT, 'intents.fence: and tries never go down; the writer has lost the job')
    WHEN NEW.status IS NULL OR NEW.status NOT IN ('open', 'closed')
      THEN RAISE(ABORT, 'intents.status: is neither open nor closed; give one of them')
    WHEN NOT EXISTS (SELECT 1 FROM jobs
                     WHERE job_id = NEW.job_id AND fence = NEW.fence
                       AND state IN ('prepare', 'snapshot', 'stop', 'apply', 'restart', 'verify', 'rollback'))
      THEN RAISE(ABORT, 'intents.fence: the journal is written by the owner of a job at work')
  END;
END;
-- trigger jobs_delete_guard
CREATE TRIGGER jobs_delete_guard BEFORE DELETE ON jobs
BEGIN
  SELECT RAISE(ABORT, 'jobs: a row is never deleted; to stop a job, insert a request of kind cancel');
END;
-- trigger jobs_enqueued
CREATE TRIGGER jobs_enqueued AFTER INSERT ON jobs
BEGIN
  INSERT INTO history (job_id, seq, at, event, from_state, to_state, actor, data)
  VALUES (NEW.job_id, 1, NEW.updated_at, NEW.event, NULL, NEW.state, NEW.actor, NEW.event_data);
END;
-- trigger jobs_insert_guard
CREATE TRIGGER jobs_insert_guard BEFORE INSERT ON jobs
BEGIN
  SELECT CASE
    WHEN NEW.job_id > 0
      THEN RAISE(ABORT, 'jobs.job_id: is given by the database; insert into approvals, which writes the job')
    WHEN NOT EXISTS (SELECT 1 FROM approvals AS a
                     WHERE a.approval_id = NEW.approval_id AND a.kind = NEW.kind AND a.backend = NEW.backend
                       AND a.bottle = NEW.bottle AND a.priority = NEW.priority
                       AND a.scheduled_at = NEW.scheduled_at
                       AND (a.expires_at IS NEW.expires_at OR (NEW.undoes IS NOT NULL AND NEW.expires_at IS NULL)))
      THEN RAISE(ABORT, 'jobs.approval_id: no approval says this; insert into approvals, which writes the job')
    WHEN NEW.run IS NOT (SELECT coalesce(max(run), 0) + 1 FROM jobs WHERE approval_id = NEW.approval_id)
      THEN RAISE(ABORT, 'jobs.run: is not the next one; to run an approval again, insert a request of kind retry')
    WHEN EXISTS (SELECT 1 FROM jobs WHERE approval_id = NEW.approval_id AND finalized_at IS NULL)
      THEN RAISE(ABORT, 'jobs.run: an earlier run is not final; wait for it, or insert a request of kind cancel')
    WHEN NEW.undoes IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM jobs AS undone
                      WHERE undone.job_id = NEW.undoes AND undone.approval_id = NEW.approval_id
                        AND undone.state = 'succeeded' AND undone.undoes IS NULL)
      THEN RAISE(ABORT, 'jobs.undoes: is no change of this approval that succeeded; insert a request of kind undo')
    WHEN NEW.state IS NOT 'queued' OR NEW.seq IS NOT 1 OR NEW.event IS NOT 'enqueued' OR NEW.interrupted IS NOT NULL
      OR NEW.target IS NOT NULL OR NEW.fence IS NOT 0 OR NEW.epoch_id IS NOT NULL OR NEW.attempt IS NOT 0
      OR NEW.crashes IS NOT 0 OR NEW.cancel_by IS NOT NULL OR NEW.claimed_at IS NOT NULL
      OR NEW.finalized_at IS NOT NULL OR NEW.retry_at IS NOT NULL OR NEW.down_since IS NOT NULL
      OR NEW.downtime_ms IS NOT 0
      THEN RAISE(ABORT, 'jobs.state: a job begins as queued, with its defaults; insert into approvals')
  END;
END;
-- trigger jobs_moved
CREATE TRIGGER jobs_moved AFTER UPDATE ON jobs
BEGIN
  INSERT INTO history (job_id, seq, at, event, from_state, to_state, actor, data)
  VALUES (NEW.job_id, NEW.seq, NEW.updated_at, NEW.event, OLD.state, NEW.state, NEW.actor, NEW.event_data);
END;
-- trigger jobs_undoes_guard
CREATE TRIGGER jobs_undoes_guard BEFORE UPDATE OF undoes ON jobs
WHEN NEW.undoes IS NOT OLD.undoes
BEGIN
  SELECT RAISE(ABORT, 'jobs.undoes: is never changed; insert a request of kind undo');
END;
-- trigger jobs_update_guard
CREATE TRIGGER jobs_update_guard BEFORE UPDATE ON jobs
BEGIN
  SELECT CASE
    WHEN NEW.job_id IS NOT OLD.job_id OR NEW.approval_id IS NOT OLD.approval_id OR NEW.run IS NOT OLD.run
      OR NEW.kind IS NOT OLD.kind OR NEW.backend IS NOT OLD.backend OR NEW.bottle IS NOT OLD.bottle
      OR NEW.priority IS NOT OLD.priority OR NEW.scheduled_at IS NOT OLD.scheduled_at
      OR NEW.expires_at IS NOT OLD.expires_at OR NEW.created_at IS NOT OLD.created_at
      THEN RAISE(ABORT, 'jobs.approval_id: and all else that was approved is never changed; approve anew')
    WHEN NEW.seq IS NOT OLD.seq + 1
      THEN RAISE(ABORT,
                 'jobs.state: only the service moves a job, each move with its history row; insert into requests (cancel, retry, rollback, resolve) instead')
    WHEN NOT EXISTS (SELECT 1 FROM transitions
                     WHERE from_state = OLD.state AND event = NEW.event AND to_state = NEW.state)
      AND NOT (NEW.event IS NOT NULL AND NEW.event IN ('effect', 'note') AND NEW.state IS OLD.state)
      THEN RAISE(ABORT, 'jobs.state: the table of transitions has no such move; insert into requests (cancel, retry, rollback, resolve) instead')
    WHEN OLD.state = 'needs_attention' AND NEW.event = 'retry' AND NEW.state IS NOT OLD.interrupted
      THEN RAISE(ABORT, 'jobs.state: retry leads back to the interrupted step only; see jobs.interrupted')
    WHEN NEW.state = 'needs_attention' AND OLD.state <> 'needs_attention' AND NEW.interrupted IS NOT OLD.state
      THEN RAISE(ABORT, 'jobs.interrupted: is not the step that was left; set it to the old state')
    WHEN (NEW.finalized_at IS NOT NULL) <> (NEW.state IN ('succeeded', 'rolled_back', 'failed', 'cancelled',
                                                          'rejected_unsupported', 'rejected_stale', 'resolved'))
      THEN RAISE(ABORT, 'jobs.finalized_at: is set exactly when the state is final; correct it')
    WHEN OLD.finalized_at IS NOT NULL AND NEW.finalized_at IS NOT OLD.finalized_at
      THEN RAISE(ABORT, 'jobs.finalized_at: the job ended; a retry is a new job')
    WHEN NEW.fence IS NULL OR NEW.fence < OLD.fence
      THEN RAISE(ABORT, 'jobs.fence: goes down; the writer has lost the job')
    WHEN NEW.fence > (SELECT last_fence FROM instance)
      THEN RAISE(ABORT, 'jobs.fence: was never given out; take one from instance.last_fence')
    WHEN NEW.event IN ('claim', 'resume', 'poison', 'retry', 'roll_back', 'resolve')
      AND (NEW.fence = OLD.fence OR NEW.epoch_id IS NOT (SELECT max(epoch_id) FROM epochs))
      THEN RAISE(ABORT, 'jobs.fence: a new owner needs a new fence and the newest epoch')
    WHEN NEW.event NOT IN ('claim', 'resume', 'poison', 'retry', 'roll_back', 'resolve')
      AND (NEW.fence <> OLD.fence OR NEW.epoch_id IS NOT OLD.epoch_id)
      THEN RAISE(ABORT, 'jobs.fence: the owner changes by claim, resume, poison or a person''s decision only')
    WHEN NEW.target IS NOT OLD.target AND NEW.event <> 'claim'
      THEN RAISE(ABORT, 'jobs.target: is set by the claim and never changed')
    WHEN NEW.event = 'claim' AND (NEW.target IS NULL OR NEW.target = '')
      THEN RAISE(ABORT, 'jobs.target: is missing; a claim resolves it')
    WHEN NEW.state IN ('prepare', 'snapshot', 'stop', 'apply', 'restart', 'verify', 'rollback', 'needs_attention')
      AND EXISTS (SELECT 1 FROM jobs AS other
                  WHERE other.backend = NEW.backend AND other.target = NEW.target AND other.job_id <> NEW.job_id
                    AND other.state IN ('prepare', 'snapshot', 'stop', 'apply', 'restart', 'verify', 'rollback',
                                        'needs_attention'))
      THEN RAISE(ABORT, 'jobs.target: is held by another job; wait until that one is final')
    WHEN NEW.event_data IS NULL OR NOT json_valid(NEW.event_data)
      THEN RAISE(ABORT, 'jobs.event_data: is not valid JSON; give a JSON object')
    WHEN NEW.detail IS NULL OR NOT json_valid(NEW.detail)
      THEN RAISE(ABORT, 'jobs.detail: is not valid JSON; give a JSON object')
  END;
END;
-- trigger leftovers_delete_guard
CREATE TRIGGER leftovers_delete_guard BEFORE DELETE ON leftovers
BEGIN
  SELECT RAISE(ABORT, 'leftovers: a row is never deleted; the service removes the thing and says so');
END;
-- trigger leftovers_insert_guard
CREATE TRIGGER leftovers_insert_guard BEFORE INSERT ON leftovers
BEGIN
  SELECT CASE
    WHEN NEW.leftover_id > 0
      THEN RAISE(ABORT, 'leftovers.leftover_id: is given by the database; leave the column out')
    WHEN EXISTS (SELECT 1 FROM leftovers
                 WHERE job_id = NEW.job_id AND kind = NEW.kind AND reference = NEW.reference)
      THEN RAISE(ABORT, 'leftovers.reference: is recorded for this job; only its row may be changed')
    WHEN NOT EXISTS (SELECT 1 FROM jobs WHERE job_id = NEW.job_id AND backend = NEW.backend)
      THEN RAISE(ABORT, 'leftovers.job_id: there is no such job of this backend')
  END;
END;
-- trigger leftovers_update_guard
CREATE TRIGGER leftovers_update_guard BEFORE UPDATE ON leftovers
BEGIN
  SELECT CASE
    WHEN NEW.leftover_id IS NOT OLD.leftover_id OR NEW.job_id IS NOT OLD.job_id OR NEW.backend IS NOT OLD.backend
      OR NEW.kind IS NOT OLD.kind OR NEW.reference IS NOT OLD.reference OR NEW.way_back IS NOT OLD.way_back
      THEN RAISE(ABORT, 'leftovers.reference: what is to be removed is never changed')
  END;
END;
-- trigger requests_delete_guard
CREATE TRIGGER requests_delete_guard BEFORE DELETE ON requests
BEGIN
  SELECT RAISE(ABORT, 'requests: a row is never deleted; it is the record of what was asked');
END;
-- trigger requests_insert_guard
CREATE TRIGGER requests_insert_guard BEFORE INSERT ON requests
BEGIN
  SELECT CASE
    WHEN NEW.request_id > 0 THEN RAISE(ABORT, 'requests.request_id: is given by the database; leave the column out')
    WHEN NEW.kind IS NULL OR NEW.kind NOT IN ('cancel', 'retry', 'rollback', 'resolve', 'undo', 'freeze', 'unfreeze',
                                                   'plan')
      THEN RAISE(ABORT, 'requests.kind: is none of cancel, retry, rollback, resolve, undo, freeze, unfreeze, plan; give one of them')
    WHEN NEW.outcome IS NOT NULL OR NEW.message IS NOT NULL OR NEW.answer IS NOT NULL OR NEW.answered_at IS NOT NULL
      THEN RAISE(ABORT, 'requests.outcome: and message, answer, answered_at are written by the service; leave them out')
    WHEN NEW.requested_by IS NULL THEN RAISE(ABORT, 'requests.requested_by: is missing; give a text')
    WHEN NEW.requested_by = '' THEN RAISE(ABORT, 'requests.requested_by: is empty; give a text')
    WHEN instr(CAST(NEW.requested_by AS BLOB), X'00') > 0
      THEN RAISE(ABORT, 'requests.requested_by: contains a NUL character; remove it')
    WHEN length(CAST(NEW.requested_by AS BLOB)) > 200
      THEN RAISE(ABORT, 'requests.requested_by: is longer than 200 bytes; shorten it')
    WHEN NEW.requested_by GLOB char(42, 91, 1, 45, 31, 127, 45, 159, 93, 42)
      THEN RAISE(ABORT, 'requests.requested_by: contains a control character; remove it')
    WHEN NEW.created_at IS NULL THEN RAISE(ABORT, 'requests.created_at: is missing; leave the column out')
    WHEN NEW.created_at BETWEEN 1 AND 99999999999
      THEN RAISE(ABORT, 'requests.created_at: looks like seconds; give epoch milliseconds (times 1000)')
    WHEN NEW.created_at <= 0 OR NEW.created_at >= 100000000000000
      THEN RAISE(ABORT, 'requests.created_at: is not a time in epoch milliseconds; give one (13 digits today)')
    WHEN NEW.args IS NULL THEN RAISE(ABORT, 'requests.args: is missing; give a text')
    WHEN NEW.args = '' THEN RAISE(ABORT, 'requests.args: is empty; give a text')
    WHEN instr(CAST(NEW.args AS BLOB), X'00') > 0
      THEN RAISE(ABORT, 'requests.args: contains a NUL character; remove it')
    WHEN length(CAST(NEW.args AS BLOB)) > 1114112
      THEN RAISE(ABORT, 'requests.args: is longer than 1114112 bytes; shorten it')
    WHEN NOT json_valid(NEW.args) THEN RAISE(ABORT, 'requests.args: is not valid JSON; give a JSON object')
    WHEN json_type(NEW.args) <> 'object' THEN RAISE(ABORT, 'requests.args: is not a JSON object; give one')
  END;
  -- What the request is about.
  SELECT CASE
    WHEN NEW.backend IS NULL THEN RAISE(ABORT, 'requests.backend: is missing; give a text')
    WHEN instr(CAST(NEW.backend AS BLOB), X'00') > 0
      THEN RAISE(ABORT, 'requests.backend: contains a NUL character; remove it')
    WHEN length(CAST(NEW.backend AS BLOB)) > 64
      THEN RAISE(ABORT, 'requests.backend: is longer than 64 bytes; shorten it')
    WHEN NEW.backend GLOB char(42, 91, 1, 45, 31, 127, 45, 159, 93, 42)
      THEN RAISE(ABORT, 'requests.backend: contains a control character; remove it')
    WHEN NEW.backend GLOB '*[^a-z0-9_-]*' OR NEW.backend GLOB '[^a-z]*'
      THEN RAISE(ABORT, 'requests.backend: is not a lower-case word of letters, digits, _ and -; correct it')
    WHEN NEW.bottle IS NULL THEN RAISE(ABORT, 'requests.bottle: is missing; give a text')
    WHEN instr(CAST(NEW.bottle AS BLOB), X'00') > 0
      THEN RAISE(ABORT, 'requests.bottle: contains a NUL character; remove it')
    WHEN length(CAST(NEW.bottle AS BLOB)) > 255
      THEN RAISE(ABORT, 'requests.bottle: is longer than 255 bytes; shorten it')
    WHEN NEW.bottle GLOB char(42, 91, 1, 45, 31, 127, 45, 159, 93, 42)
      THEN RAISE(ABORT, 'requests.bottle: contains a control character; remove it')
    WHEN NEW.bottle GLOB '*[^!-~]*'
      THEN RAISE(ABORT, 'requests.bottle: contains a space or a character that is not printable ASCII; give the slug')
    WHEN instr(NEW.bottle, '/') > 0 THEN RAISE(ABORT, 'requests.bottle: contains a slash; give the slug alone')
    WHEN NEW.bottle GLOB '[.-]*' THEN RAISE(ABORT, 'requests.bottle: begins with a dot or a dash; give the slug')
    WHEN NEW.bottle <> '' AND NEW.backend = ''
      THEN RAISE(ABORT, 'requests.backend: is empty; name the backend of the bottle')
    WHEN NEW.job_id IS NOT NULL AND (NEW.backend <> '' OR NEW.bottle <> '')
      THEN RAISE(ABORT, 'requests.bottle: and backend must be empty beside a job_id; give one or the other')
    WHEN NEW.job_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM jobs WHERE job_id = NEW.job_id)
      THEN RAISE(ABORT, 'requests.job_id: there is no such job; look it up in jobs_view')
    WHEN NEW.kind IN ('cancel', 'retry', 'rollback', 'resolve') AND NEW.job_id IS NULL
      THEN RAISE(ABORT, 'requests.job_id: is missing; cancel, retry, rollback and resolve need one')
    WHEN NEW.kind IN ('freeze', 'unfreeze') AND NEW.job_id IS NOT NULL
      THEN RAISE(ABORT, 'requests.job_id: has no meaning here; freeze and unfreeze take backend and bottle, empty for all')
    WHEN NEW.kind IN ('plan', 'undo') AND NEW.job_id IS NULL AND NEW.bottle = ''
      THEN RAISE(ABORT, 'requests.job_id: is missing; plan and undo need a job_id, or backend and bottle')
  END;
  -- What it says. The database's JSON takes the first of two equal keys and knows no escapes in their names, other
  -- programs take the last: so that all read the same, neither is let in.
  SELECT CASE
    WHEN NEW.kind IN ('cancel', 'retry', 'rollback', 'unfreeze') AND EXISTS (SELECT 1
           FROM json_each(NEW.args) WHERE key <> 'reason')
      THEN RAISE(ABORT, 'requests.args: contains an unknown key; allowed is reason')
    WHEN NEW.kind = 'resolve' AND EXISTS (SELECT 1 FROM json_each(NEW.args) WHERE key NOT IN ('outcome', 'reason'))
      THEN RAISE(ABORT, 'requests.args: contains an unknown key; allowed are outcome and reason')
    WHEN NEW.kind = 'undo' AND EXISTS (SELECT 1 FROM json_each(NEW.args) WHERE key NOT IN ('reason', 'plan'))
      THEN RAISE(ABORT, 'requests.args: contains an unknown key; allowed are reason and plan')
    WHEN NEW.kind = 'undo' AND json_type(NEW.args, '$.plan') NOT IN ('true', 'false')
      THEN RAISE(ABORT, 'requests.args.plan: is not true or false; correct it or leave it out')
    WHEN NEW.kind = 'freeze' AND EXISTS (SELECT 1 FROM json_each(NEW.args) WHERE key NOT IN ('reason', 'expires_at'))
      THEN RAISE(ABORT, 'requests.args: contains an unknown key; allowed are reason and expires_at')
    WHEN NEW.kind = 'plan' AND EXISTS (SELECT 1 FROM json_each(NEW.args) WHERE NEW.job_id IS NOT NULL
           OR key NOT IN ('kind', 'args'))
      THEN RAISE(ABORT, 'requests.args: contains an unknown key; allowed are kind and args, and none beside a job_id')
    WHEN (SELECT count(*) FROM json_each(NEW.args) WHERE key = 'reason') > (json_type(NEW.args, '$.reason') IS NOT NULL)
      THEN RAISE(ABORT, 'requests.args.reason: is given twice, or its name has an escape; give it once, plainly')
    WHEN (SELECT count(*) FROM json_each(NEW.args) WHERE key = 'outcome') > (json_type(NEW.args, '$.outcome') IS NOT NULL)
      THEN RAISE(ABORT, 'requests.args.outcome: is given twice, or its name has an escape; give it once, plainly')
    WHEN (SELECT count(*) FROM json_each(NEW.args) WHERE key = 'expires_at') > (json_type(NEW.args, '$.expires_at') IS NOT NULL)
      THEN RAISE(ABORT, 'requests.args.expires_at: is given twice, or its name has an escape; give it once, plainly')
    WHEN (SELECT count(*) FROM json_each(NEW.args) WHERE key = 'plan') > (json_type(NEW.args, '$.plan') IS NOT NULL)
      THEN RAISE(ABORT, 'requests.args.plan: is given twice, or its name has an escape; give it once, plainly')
    WHEN (SELECT count(*) FROM json_each(NEW.args) WHERE key = 'kind') > (json_type(NEW.args, '$.kind') IS NOT NULL)
      THEN RAISE(ABORT, 'requests.args.kind: is given twice, or its name has an escape; give it once, plainly')
    WHEN (SELECT count(*) FROM json_each(NEW.args) WHERE key = 'args') > (json_type(NEW.args, '$.args') IS NOT NULL)
      THEN RAISE(ABORT, 'requests.args.args: is given twice, or its name has an escape; give it once, plainly')
    WHEN json_type(NEW.args, '$.reason') <> 'text'
      THEN RAISE(ABORT, 'requests.args.reason: is not a text; correct it')
    WHEN NEW.kind IN ('resolve', 'freeze') AND (json_type(NEW.args, '$.reason') IS NULL
           OR trim(json_extract(NEW.args, '$.reason'), char(9, 10, 13, 32)) = '')
      THEN RAISE(ABORT, 'requests.args.reason: is missing or empty; say why')
    WHEN NEW.kind = 'resolve' AND (json_type(NEW.args, '$.outcome') IS NOT 'text'
           OR json_extract(NEW.args, '$.outcome') NOT IN ('changed', 'restored', 'abandoned'))
      THEN RAISE(ABORT, 'requests.args.outcome: is none of changed, restored, abandoned; give one of them')
    WHEN NEW.kind = 'freeze' AND json_type(NEW.args, '$.expires_at') NOT IN ('integer', 'null')
      THEN RAISE(ABORT, 'requests.args.expires_at: is not an integer; give epoch milliseconds')
    WHEN NEW.kind = 'freeze' AND json_extract(NEW.args, '$.expires_at') BETWEEN 1 AND 99999999999
      THEN RAISE(ABORT, 'requests.args.expires_at: looks like seconds; give epoch milliseconds (times 1000)')
    WHEN NEW.kind = 'freeze' AND json_extract(NEW.args, '$.expires_at') >= 100000000000000
      THEN RAISE(ABORT, 'requests.args.expires_at: is not a time in epoch milliseconds; give one (13 digits today)')
    WHEN NEW.kind = 'freeze' AND json_extract(NEW.args, '$.expires_at') <= NEW.created_at
      THEN RAISE(ABORT, 'requests.args.expires_at: is not after created_at; give a later time or none')
    WHEN NEW.kind = 'plan' AND NEW.job_id IS NULL AND json_type(NEW.args, '$.kind') IS NOT 'text'
      THEN RAISE(ABORT, 'requests.args.kind: is missing or not a text; give the kind of the would-be approval')
    WHEN NEW.kind = 'plan' AND NEW.job_id IS NULL AND json_type(NEW.args, '$.args') IS NOT 'object'
      THEN RAISE(ABORT, 'requests.args.args: is missing or not a JSON object; give the args of the would-be approval')
  END;
END;
-- trigger requests_update_guard
CREATE TRIGGER requests_update_guard BEFORE UPDATE ON requests
BEGIN
  SELECT CASE
    WHEN OLD.answered_at IS NOT NULL
      THEN RAISE(ABORT, 'requests.outcome: the request was answered; insert a new one')
    WHEN NEW.request_id IS NOT OLD.request_id OR NEW.kind IS NOT OLD.kind OR NEW.job_id IS NOT OLD.job_id
      OR NEW.backend IS NOT OLD.backend OR NEW.bottle IS NOT OLD.bottle OR NEW.args IS NOT OLD.args
      OR NEW.requested_by IS NOT OLD.requested_by OR NEW.created_at IS NOT OLD.created_at
      THEN RAISE(ABORT, 'requests.kind: and all else that was asked is never changed; insert a new request')
    WHEN NEW.outcome IS NULL OR NEW.outcome NOT IN ('done', 'refused', 'failed') OR NEW.message IS NULL
      OR NEW.answered_at IS NULL
      THEN RAISE(ABORT, 'requests.outcome: only the service answers a request; wait for its answer')
    WHEN NEW.answer IS NULL OR NOT json_valid(NEW.answer)
      THEN RAISE(ABORT, 'requests.answer: is not valid JSON; give a JSON object')
  END;
END;
-- trigger transitions_delete_guard
CREATE TRIGGER transitions_delete_guard BEFORE DELETE ON transitions
BEGIN
  SELECT RAISE(ABORT, 'transitions: the state machine is fixed by the version of the schema');
END;
-- trigger transitions_insert_guard
CREATE TRIGGER transitions_insert_guard BEFORE INSERT ON transitions
BEGIN
  SELECT RAISE(ABORT, 'transitions: the state machine is fixed by the version of the schema');
END;
-- trigger transitions_update_guard
CREATE TRIGGER transitions_update_guard BEFORE UPDATE ON transitions
BEGIN
  SELECT RAISE(ABORT, 'transitions: the state machine is fixed by the version of the schema');
END;
-- view backend_capabilities
CREATE VIEW backend_capabilities AS
SELECT backend, kind, supported, version, reason_code, message, detail, checked_at,
       CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) - checked_at AS age_ms
FROM capabilities;
-- view bottles_view
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
-- view build_logs_view
CREATE VIEW build_logs_view AS
SELECT job_id, head, tail, cut_bytes, updated_at FROM build_logs;
-- view history_view
CREATE VIEW history_view AS
SELECT job_id, seq, at, event, from_state, to_state, actor, data FROM history;
-- view jobs_view
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
-- view standing_jobs
CREATE VIEW standing_jobs AS
SELECT b.backend, b.bottle,
       (SELECT j.job_id FROM jobs AS j
        WHERE j.backend = b.backend AND j.bottle = b.bottle AND j.state = 'succeeded' AND j.undoes IS NULL
          AND NOT EXISTS (SELECT 1 FROM jobs AS u WHERE u.undoes = j.job_id AND u.state = 'succeeded')
        ORDER BY j.fence DESC LIMIT 1) AS job_id
FROM bottles AS b;
-- transition apply cancel rollback person
-- transition apply poison rollback recovery
-- transition apply resume apply recovery
-- transition apply step_done restart worker
-- transition apply step_failed rollback worker
-- transition apply step_retry apply worker
-- transition apply step_unknown needs_attention worker
-- transition cancelled cancel cancelled person
-- transition failed cancel failed person
-- transition needs_attention resolve resolved person
-- transition needs_attention retry apply person
-- transition needs_attention retry restart person
-- transition needs_attention retry rollback person
-- transition needs_attention retry stop person
-- transition needs_attention retry verify person
-- transition needs_attention roll_back rollback person
-- transition prepare cancel cancelled person
-- transition prepare poison failed recovery
-- transition prepare resume prepare recovery
-- transition prepare stale rejected_stale worker
-- transition prepare step_done snapshot worker
-- transition prepare step_failed failed worker
-- transition prepare step_retry prepare worker
-- transition prepare step_unknown failed worker
-- transition prepare unsupported rejected_unsupported worker
-- transition queued cancel cancelled person
-- transition queued claim prepare worker
-- transition queued stale rejected_stale worker
-- transition queued unsupported rejected_unsupported worker
-- transition rejected_stale cancel rejected_stale person
-- transition rejected_unsupported cancel rejected_unsupported person
-- transition resolved cancel resolved person
-- transition restart cancel rollback person
-- transition restart poison rollback recovery
-- transition restart resume restart recovery
-- transition restart step_done verify worker
-- transition restart step_failed rollback worker
-- transition restart step_retry restart worker
-- transition restart step_unknown needs_attention worker
-- transition rollback cancel rollback person
-- transition rollback poison needs_attention recovery
-- transition rollback resume rollback recovery
-- transition rollback step_done rolled_back worker
-- transition rollback step_failed needs_attention worker
-- transition rollback step_retry rollback worker
-- transition rollback step_unknown needs_attention worker
-- transition rolled_back cancel rolled_back person
-- transition snapshot cancel cancelled person
-- transition snapshot poison failed recovery
-- transition snapshot resume snapshot recovery
-- transition snapshot stale rejected_stale worker
-- transition snapshot step_done stop worker
-- transition snapshot step_failed failed worker
-- transition snapshot step_retry snapshot worker
-- transition snapshot step_unknown failed worker
-- transition snapshot unsupported rejected_unsupported worker
-- transition stop cancel rollback person
-- transition stop poison rollback recovery
-- transition stop resume stop recovery
-- transition stop step_done apply worker
-- transition stop step_failed rollback worker
-- transition stop step_retry stop worker
-- transition stop step_unknown needs_attention worker
-- transition succeeded cancel succeeded person
-- transition verify cancel rollback person
-- transition verify poison rollback recovery
-- transition verify resume verify recovery
-- transition verify step_done succeeded worker
-- transition verify step_failed rollback worker
-- transition verify step_retry verify worker
-- transition verify step_unknown needs_attention worker
