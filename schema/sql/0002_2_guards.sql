-- Version 2, guards: those of version 1 that have learnt of undo, and those of the build logs.
-- The rules of 0001_3 and 0001_4 hold here, too.

DROP TRIGGER jobs_insert_guard;
-- A job is made by its approval (run 1), as the retry of a final job, or as the undo of a succeeded one (the next
-- run), and by nothing else. An undo does not expire: it was not asked for when the change was approved.
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

CREATE TRIGGER jobs_undoes_guard BEFORE UPDATE OF undoes ON jobs
WHEN NEW.undoes IS NOT OLD.undoes
BEGIN
  SELECT RAISE(ABORT, 'jobs.undoes: is never changed; insert a request of kind undo');
END;

DROP TRIGGER leftovers_update_guard;
CREATE TRIGGER leftovers_update_guard BEFORE UPDATE ON leftovers
BEGIN
  SELECT CASE
    WHEN NEW.leftover_id IS NOT OLD.leftover_id OR NEW.job_id IS NOT OLD.job_id OR NEW.backend IS NOT OLD.backend
      OR NEW.kind IS NOT OLD.kind OR NEW.reference IS NOT OLD.reference OR NEW.way_back IS NOT OLD.way_back
      THEN RAISE(ABORT, 'leftovers.reference: what is to be removed is never changed')
  END;
END;

DROP TRIGGER requests_insert_guard;
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

CREATE TRIGGER build_logs_insert_guard BEFORE INSERT ON build_logs
BEGIN
  SELECT CASE
    WHEN EXISTS (SELECT 1 FROM build_logs WHERE job_id = NEW.job_id)
      THEN RAISE(ABORT, 'build_logs.job_id: the job has a log; only its row may be changed')
    WHEN NOT EXISTS (SELECT 1 FROM jobs WHERE job_id = NEW.job_id AND state <> 'queued')
      THEN RAISE(ABORT, 'build_logs.job_id: no such job has begun; only the service writes build logs')
  END;
END;

CREATE TRIGGER build_logs_update_guard BEFORE UPDATE ON build_logs
WHEN NEW.job_id IS NOT OLD.job_id
BEGIN
  SELECT RAISE(ABORT, 'build_logs.job_id: is never changed');
END;

CREATE TRIGGER build_logs_delete_guard BEFORE DELETE ON build_logs
BEGIN
  SELECT RAISE(ABORT, 'build_logs: a row is never deleted; it is the record of what was built');
END;
