-- Version 3: which change stands on a bottle goes by the order of the claims, whatever became of the clock meanwhile.
-- Not here: tables and guards; they are those of version 2.

DROP INDEX jobs_succeeded;
CREATE INDEX jobs_succeeded ON jobs (backend, bottle, fence) WHERE state = 'succeeded';

-- Which job's change stands on a bottle: the last that succeeded and was not undone. Private.
DROP VIEW standing_jobs;
CREATE VIEW standing_jobs AS
SELECT b.backend, b.bottle,
       (SELECT j.job_id FROM jobs AS j
        WHERE j.backend = b.backend AND j.bottle = b.bottle AND j.state = 'succeeded' AND j.undoes IS NULL
          AND NOT EXISTS (SELECT 1 FROM jobs AS u WHERE u.undoes = j.job_id AND u.state = 'succeeded')
        ORDER BY j.fence DESC LIMIT 1) AS job_id
FROM bottles AS b;
