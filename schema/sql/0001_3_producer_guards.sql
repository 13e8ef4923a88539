-- Version 1, guards of what producers write: approvals and requests. Every rule is in a trigger, since a foreign
-- connection may switch CHECKs and foreign keys off; one trigger per table and event, since the order of several
-- is undefined. A message is static text: '<table>.<field>: <what is wrong>; <way out>'.
-- length() and GLOB stop at a NUL, so sizes are taken of BLOBs and a NUL is looked for first.

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

CREATE TRIGGER approvals_update_guard BEFORE UPDATE ON approvals
BEGIN
  SELECT RAISE(ABORT, 'approvals: a row is never changed; approve under a new approval_id');
END;

CREATE TRIGGER approvals_delete_guard BEFORE DELETE ON approvals
BEGIN
  SELECT RAISE(ABORT, 'approvals: a row is never deleted; to stop its job, insert a request of kind cancel');
END;

-- The job is written in the transaction of the approval.
CREATE TRIGGER approvals_enqueue AFTER INSERT ON approvals
BEGIN
  INSERT INTO jobs (approval_id, run, kind, backend, bottle, priority, scheduled_at, expires_at, actor, created_at,
                    updated_at)
  VALUES (NEW.approval_id, 1, NEW.kind, NEW.backend, NEW.bottle, NEW.priority, NEW.scheduled_at, NEW.expires_at,
          NEW.approved_by, NEW.created_at, NEW.created_at);
END;

CREATE TRIGGER requests_insert_guard BEFORE INSERT ON requests
BEGIN
  SELECT CASE
    WHEN NEW.request_id > 0 THEN RAISE(ABORT, 'requests.request_id: is given by the database; leave the column out')
    WHEN NEW.kind IS NULL OR NEW.kind NOT IN ('cancel', 'retry', 'rollback', 'resolve', 'freeze', 'unfreeze', 'plan')
      THEN RAISE(ABORT, 'requests.kind: is none of cancel, retry, rollback, resolve, freeze, unfreeze, plan; give one of them')
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
    WHEN NEW.kind = 'plan' AND NEW.job_id IS NULL AND NEW.bottle = ''
      THEN RAISE(ABORT, 'requests.job_id: is missing; plan needs a job_id, or backend and bottle')
  END;
  -- What it says.
  SELECT CASE
    WHEN NEW.kind IN ('cancel', 'retry', 'rollback', 'unfreeze') AND EXISTS (SELECT 1
           FROM json_each(NEW.args) WHERE key <> 'reason')
      THEN RAISE(ABORT, 'requests.args: contains an unknown key; allowed is reason')
    WHEN NEW.kind = 'resolve' AND EXISTS (SELECT 1 FROM json_each(NEW.args) WHERE key NOT IN ('outcome', 'reason'))
      THEN RAISE(ABORT, 'requests.args: contains an unknown key; allowed are outcome and reason')
    WHEN NEW.kind = 'freeze' AND EXISTS (SELECT 1 FROM json_each(NEW.args) WHERE key NOT IN ('reason', 'expires_at'))
      THEN RAISE(ABORT, 'requests.args: contains an unknown key; allowed are reason and expires_at')
    WHEN NEW.kind = 'plan' AND EXISTS (SELECT 1 FROM json_each(NEW.args) WHERE NEW.job_id IS NOT NULL
           OR key NOT IN ('kind', 'args'))
      THEN RAISE(ABORT, 'requests.args: contains an unknown key; allowed are kind and args, and none beside a job_id')
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
    WHEN NEW.kind = 'freeze' AND json_extract(NEW.args, '$.expires_at') <= NEW.created_at
      THEN RAISE(ABORT, 'requests.args.expires_at: is not after created_at; give a later time or none')
    WHEN NEW.kind = 'plan' AND NEW.job_id IS NULL AND json_type(NEW.args, '$.kind') IS NOT 'text'
      THEN RAISE(ABORT, 'requests.args.kind: is missing or not a text; give the kind of the would-be approval')
    WHEN NEW.kind = 'plan' AND NEW.job_id IS NULL AND json_type(NEW.args, '$.args') IS NOT 'object'
      THEN RAISE(ABORT, 'requests.args.args: is missing or not a JSON object; give the args of the would-be approval')
  END;
END;

-- Only the answer, and only once.
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

CREATE TRIGGER requests_delete_guard BEFORE DELETE ON requests
BEGIN
  SELECT RAISE(ABORT, 'requests: a row is never deleted; it is the record of what was asked');
END;
