-- Version 1, guards of what only the service writes, and the trigger that derives the history.
-- They can't tell who writes; they see to it that whatever is written is a legal move of the state machine,
-- with its history row, under a fence that never goes down.

-- A job is made by its approval (run 1) or as the retry of a final job (the next run), and by nothing else.
CREATE TRIGGER jobs_insert_guard BEFORE INSERT ON jobs
BEGIN
  SELECT CASE
    WHEN NEW.job_id > 0
      THEN RAISE(ABORT, 'jobs.job_id: is given by the database; insert into approvals, which writes the job')
    WHEN NOT EXISTS (SELECT 1 FROM approvals AS a
                     WHERE a.approval_id = NEW.approval_id AND a.kind = NEW.kind AND a.backend = NEW.backend
                       AND a.bottle = NEW.bottle AND a.priority = NEW.priority
                       AND a.scheduled_at = NEW.scheduled_at AND a.expires_at IS NEW.expires_at)
      THEN RAISE(ABORT, 'jobs.approval_id: no approval says this; insert into approvals, which writes the job')
    WHEN NEW.run IS NOT (SELECT coalesce(max(run), 0) + 1 FROM jobs WHERE approval_id = NEW.approval_id)
      THEN RAISE(ABORT, 'jobs.run: is not the next one; to run an approval again, insert a request of kind retry')
    WHEN EXISTS (SELECT 1 FROM jobs WHERE approval_id = NEW.approval_id AND finalized_at IS NULL)
      THEN RAISE(ABORT, 'jobs.run: an earlier run is not final; wait for it, or insert a request of kind cancel')
    WHEN NEW.state IS NOT 'queued' OR NEW.seq IS NOT 1 OR NEW.event IS NOT 'enqueued' OR NEW.interrupted IS NOT NULL
      OR NEW.target IS NOT NULL OR NEW.fence IS NOT 0 OR NEW.epoch_id IS NOT NULL OR NEW.attempt IS NOT 0
      OR NEW.crashes IS NOT 0 OR NEW.cancel_by IS NOT NULL OR NEW.claimed_at IS NOT NULL
      OR NEW.finalized_at IS NOT NULL OR NEW.retry_at IS NOT NULL OR NEW.down_since IS NOT NULL
      OR NEW.downtime_ms IS NOT 0
      THEN RAISE(ABORT, 'jobs.state: a job begins as queued, with its defaults; insert into approvals')
  END;
END;

CREATE TRIGGER jobs_enqueued AFTER INSERT ON jobs
BEGIN
  INSERT INTO history (job_id, seq, at, event, from_state, to_state, actor, data)
  VALUES (NEW.job_id, 1, NEW.updated_at, NEW.event, NULL, NEW.state, NEW.actor, NEW.event_data);
END;

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

CREATE TRIGGER jobs_moved AFTER UPDATE ON jobs
BEGIN
  INSERT INTO history (job_id, seq, at, event, from_state, to_state, actor, data)
  VALUES (NEW.job_id, NEW.seq, NEW.updated_at, NEW.event, OLD.state, NEW.state, NEW.actor, NEW.event_data);
END;

CREATE TRIGGER jobs_delete_guard BEFORE DELETE ON jobs
BEGIN
  SELECT RAISE(ABORT, 'jobs: a row is never deleted; to stop a job, insert a request of kind cancel');
END;

-- Only the row that the job describes, right after the one before it: so only the triggers above get through.
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

CREATE TRIGGER history_update_guard BEFORE UPDATE ON history
BEGIN
  SELECT RAISE(ABORT, 'history: a row is never changed; it is the record of what was done');
END;

CREATE TRIGGER history_delete_guard BEFORE DELETE ON history
BEGIN
  SELECT RAISE(ABORT, 'history: a row is never deleted; it is the record of what was done');
END;

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

CREATE TRIGGER intents_delete_guard BEFORE DELETE ON intents
BEGIN
  SELECT RAISE(ABORT, 'intents: a row is never deleted; a roll-back needs it');
END;

CREATE TRIGGER instance_insert_guard BEFORE INSERT ON instance
WHEN EXISTS (SELECT 1 FROM instance)
BEGIN
  SELECT RAISE(ABORT, 'instance: there is exactly one row');
END;

CREATE TRIGGER instance_update_guard BEFORE UPDATE ON instance
BEGIN
  SELECT CASE
    WHEN NEW.one IS NOT OLD.one OR NEW.instance_id IS NOT OLD.instance_id OR NEW.created_at IS NOT OLD.created_at
      THEN RAISE(ABORT, 'instance.instance_id: is never changed; it is part of names outside')
    WHEN NEW.last_fence IS NOT OLD.last_fence + 1
      THEN RAISE(ABORT, 'instance.last_fence: grows by one; anything else would revive a lost owner')
  END;
END;

CREATE TRIGGER instance_delete_guard BEFORE DELETE ON instance
BEGIN
  SELECT RAISE(ABORT, 'instance: there is exactly one row');
END;

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

CREATE TRIGGER epochs_delete_guard BEFORE DELETE ON epochs
BEGIN
  SELECT RAISE(ABORT, 'epochs: a row is never deleted; jobs name it');
END;

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

CREATE TRIGGER leftovers_update_guard BEFORE UPDATE ON leftovers
BEGIN
  SELECT CASE
    WHEN NEW.leftover_id IS NOT OLD.leftover_id OR NEW.job_id IS NOT OLD.job_id OR NEW.backend IS NOT OLD.backend
      OR NEW.kind IS NOT OLD.kind OR NEW.reference IS NOT OLD.reference
      THEN RAISE(ABORT, 'leftovers.reference: what is to be removed is never changed')
  END;
END;

CREATE TRIGGER leftovers_delete_guard BEFORE DELETE ON leftovers
BEGIN
  SELECT RAISE(ABORT, 'leftovers: a row is never deleted; the service removes the thing and says so');
END;

CREATE TRIGGER freezes_insert_guard BEFORE INSERT ON freezes
WHEN NEW.freeze_id > 0
BEGIN
  SELECT RAISE(ABORT, 'freezes.freeze_id: is given by the database; insert a request of kind freeze');
END;

CREATE TRIGGER freezes_update_guard BEFORE UPDATE ON freezes
BEGIN
  SELECT CASE
    WHEN NEW.freeze_id IS NOT OLD.freeze_id OR NEW.backend IS NOT OLD.backend OR NEW.bottle IS NOT OLD.bottle
      OR NEW.reason IS NOT OLD.reason OR NEW.frozen_by IS NOT OLD.frozen_by
      OR NEW.created_at IS NOT OLD.created_at OR NEW.expires_at IS NOT OLD.expires_at OR OLD.lifted_at IS NOT NULL
      THEN RAISE(ABORT, 'freezes: a freeze is only lifted, once; insert a request of kind unfreeze')
  END;
END;

CREATE TRIGGER freezes_delete_guard BEFORE DELETE ON freezes
BEGIN
  SELECT RAISE(ABORT, 'freezes: a row is never deleted; insert a request of kind unfreeze');
END;

CREATE TRIGGER bottles_delete_guard BEFORE DELETE ON bottles
BEGIN
  SELECT RAISE(ABORT, 'bottles: a row is never deleted; it says what is current');
END;

-- Fixed by the version of the schema.
CREATE TRIGGER transitions_insert_guard BEFORE INSERT ON transitions
BEGIN
  SELECT RAISE(ABORT, 'transitions: the state machine is fixed by the version of the schema');
END;

CREATE TRIGGER transitions_update_guard BEFORE UPDATE ON transitions
BEGIN
  SELECT RAISE(ABORT, 'transitions: the state machine is fixed by the version of the schema');
END;

CREATE TRIGGER transitions_delete_guard BEFORE DELETE ON transitions
BEGIN
  SELECT RAISE(ABORT, 'transitions: the state machine is fixed by the version of the schema');
END;
