-- Version 2, tables: a job's build log, what undoing a change needs, and indexes that a long queue needs.
-- Not here: what a row may contain (0002_2) and what readers see (0002_3).

-- What the builder of a job's image wrote, as it came: untrusted. The middle is left out where it is too long.
CREATE TABLE build_logs (
  job_id     INTEGER NOT NULL PRIMARY KEY REFERENCES jobs (job_id),
  head       TEXT    NOT NULL,  -- the beginning, or all of it
  tail       TEXT    NOT NULL,  -- the end; empty where nothing was left out
  cut_bytes  INTEGER NOT NULL CHECK (cut_bytes >= 0),  -- left out between head and tail
  updated_at INTEGER NOT NULL   -- ms
) STRICT;

-- The succeeded job whose change this one takes back; NULL for a job that carries a change out.
ALTER TABLE jobs ADD COLUMN undoes INTEGER REFERENCES jobs (job_id);
CREATE INDEX jobs_undoes ON jobs (undoes) WHERE undoes IS NOT NULL;
CREATE INDEX jobs_succeeded ON jobs (backend, bottle, finalized_at) WHERE state = 'succeeded';

-- 1: this is what the job replaced; while it is there, and until not_before, the job can be undone.
ALTER TABLE leftovers ADD COLUMN way_back INTEGER NOT NULL DEFAULT 0 CHECK (way_back IN (0, 1));
-- ms; it stays after all, since an undo has put it back in its place; NULL: it is to be removed.
ALTER TABLE leftovers ADD COLUMN withdrawn_at INTEGER;
CREATE INDEX leftovers_way_back ON leftovers (job_id) WHERE way_back = 1;

-- Each bottle's queue in the order of its turns; what holds a bottle, or is at work; the freezes of a place.
DROP INDEX jobs_queued;
DROP INDEX jobs_unfinished;
CREATE INDEX jobs_turns ON jobs (backend, bottle, priority, scheduled_at, job_id) WHERE state = 'queued';
CREATE INDEX jobs_held ON jobs (backend, bottle) WHERE finalized_at IS NULL AND state <> 'queued';
CREATE INDEX freezes_scope ON freezes (backend, bottle) WHERE lifted_at IS NULL;
