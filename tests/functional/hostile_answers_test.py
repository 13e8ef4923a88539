# Answers that are no answers: silence, halves, garbage, floods (issue 4, line 2). Every job ends as promised, and the
# worker's memory stays small. Not here: honest refusals by the engine (every_call_test.py).
import threading
import unittest

import faults
from case import DIES
from every_call_test import BAD, BUILD, GOOD, LONG
from lane import UNTOUCHED, run_all

MEMORY_MAX_KIB = 60 << 10
# Time enough for a loaded machine.
LANES = 4
SERVICE = {"attempts_max": 40, "pause_max_ms": 500, "max_downtime_s": 900}
DOCKER = {"call_timeout_s": 5, "stop_timeout_s": 2, "stable_s": 0}
IMPATIENT = {"limits": {"build_timeout_s": 5}, "verify": {"exec": ["true"], "stable_s": 0, "timeout_s": 8}}

# One call of each kind, early and late, reading and changing. The first archive is of the anonymous volume.
CALLS = (("GET /containers/SLUG/json", 1), ("GET /containers/json", 1), ("GET /images/rebottle/SLUG:job-KEY/json", 1),
         (BUILD, 1), ("POST /containers/create", 1), ("POST /networks/ID/connect", 1),
         ("POST /containers/OLD/stop", 1), ("GET /containers/OLD/archive", 2), ("POST /containers/OLD/rename", 1),
         ("PUT /containers/NEW/archive", 1), ("POST /containers/NEW/start", 1), ("POST /containers/NEW/exec", 1))
# No answer to speak of: tried again, so that several fit into one job.
FAULTS = (faults.silence, faults.silence_after, faults.hang_up, faults.hang_up_after, faults.half_an_answer,
          faults.one_byte_a_second, faults.no_http, faults.length_too_long)
# A success and nonsense: what the engine claims to have done is looked at, so that the worst is a way back.
LIES = (faults.garbage_chunks, faults.length_too_short, faults.no_json, faults.other_json)
FLOODS = (faults.endless_body, faults.endless_list, faults.hundred_megabytes, faults.endless_header)
SLOW = (faults.silence, faults.silence_after, faults.one_byte_a_second)
TOGETHER = 6  # faults in one job


def chosen(kinds, calls):
    """(fault, name, nth): each fault at each call by the long form; else each at some and each call with one."""
    return [(fault, *call) for number, call in enumerate(calls) for turn, fault in enumerate(kinds)
            if LONG or number % len(kinds) == turn]


def some(calls):
    return calls if LONG else calls[::2]


class HostileAnswers(unittest.TestCase):
    longMessage = False
    maxDiff = None

    def run_work(self, work):
        failures = run_all(work, LANES, service=SERVICE, docker=DOCKER)
        self.assertFalse(failures, f"{len(failures)} of {len(work)}:\n" + "\n".join(failures))

    def job(self, mishaps, args, *ends):
        """Exactly these calls meet their faults; the job ends in one of `ends`."""
        title = "; ".join(f"{fault.__name__} at {name} #{nth}" for fault, name, nth in mishaps)

        def run(lane):
            def spoil(proxy):
                for fault, name, nth in mishaps:
                    proxy.spoil(faults.exactly(name), fault, nth)

            job_id, job, before = lane.run_job(args, spoil)
            lane.assertIn(job["state"], ends, job["reason_code"] + ": " + job["message"])
            lane.assertEqual(sorted(lane.proxy.fired), sorted((name, nth) for _, name, nth in mishaps))
            lane.check(job_id, job, before)
            lane.assertLess(lane.worker.peak_memory_kib(), MEMORY_MAX_KIB)

        return title, run

    def test_an_answer_that_does_not_come(self):
        every = [(fault, *call) for call in CALLS for fault in FAULTS]
        alone = [one for one in every if one[0] in SLOW and one[1] == BUILD]
        rest = [one for one in every if one not in alone]
        stride = -(-len(rest) // TOGETHER)  # no call twice in one job
        work = [self.job([one], {**GOOD, **IMPATIENT}, "failed") for one in alone]  # build_timeout
        work += [self.job(rest[first::stride], GOOD, "succeeded") for first in range(stride)]
        self.run_work(work)

    def test_an_answer_that_makes_no_sense(self):
        untouched, touched = chosen(LIES, CALLS[:6]), chosen(LIES, CALLS[6:])
        work = [self.job([one], GOOD, "succeeded") for one in untouched]
        work += [self.job([one], GOOD, "succeeded", "rolled_back") for one in touched]
        self.run_work(work)

    def test_a_flood_does_not_fill_the_memory(self):
        args = {**GOOD, **IMPATIENT}
        work = [self.job([one], args, "succeeded", "rolled_back", "failed") for one in chosen(FLOODS, CALLS)]
        work.append(self.job([(faults.endless_progress, BUILD, 1)], args, "failed"))
        work.append(self.job([(faults.endless_log_line, BUILD, 1)], args, "failed"))
        work.append(self.job([(faults.endless_log_line, "GET /containers/NEW/logs", 1)],
                             {"change": {"dockerfile": DIES}}, "rolled_back"))
        work.append(self.job([(faults.endless_log_line, "POST /exec/ID/start", 1)], args, "rolled_back"))
        self.run_work(work)

    # ---- nobody listens ------------------------------------------------------------------------------------------

    def away(self, name, nth, seconds, args, *ends):
        """From this call on, which it does not hear, the engine refuses connections for a while."""
        def run(lane):
            def leave(call):
                lane.proxy.refuse()
                timer = threading.Timer(seconds, lane.proxy.listen)
                timer.daemon = True
                timer.start()

            job_id, job, before = lane.run_job(args, lambda proxy: proxy.spoil(faults.exactly(name), leave, nth))
            lane.assertEqual(lane.proxy.fired, [(name, nth)])
            lane.assertIn(job["state"], ends, job["reason_code"] + ": " + job["message"])
            lane.check(job_id, job, before)
            if job["state"] not in UNTOUCHED:
                # Silence past the stop costs no attempt.
                lane.assertLessEqual(max(row["attempt"] for row in lane.worker.sql(
                    "SELECT attempt FROM jobs_view WHERE job_id = ?", job_id)), 2)

        return f"nobody listens for {seconds} s from {name} #{nth}", run

    def test_nobody_listens_for_a_while(self):
        # Before the stop the attempts are used up: the bottle was never touched.
        work = [self.away(name, nth, 2, GOOD, "failed", "succeeded") for name, nth in some(CALLS[2:6])]
        work += [self.away(name, nth, 2, GOOD, "succeeded") for name, nth in some(CALLS[6:])]
        back = (("POST /containers/NEW/stop", 1), ("POST /containers/NEW/rename", 2),
                ("POST /containers/OLD/rename", 2), ("POST /containers/OLD/start", 1))
        work += [self.away(name, nth, 2, BAD, "rolled_back") for name, nth in some(back)]
        # Longer than the bottle may be down: the old one comes back, however long it takes.
        short = {**GOOD, "limits": {"max_downtime_s": 1}}
        work += [self.away(name, nth, 4, short, "rolled_back")
                 for name, nth in some((*CALLS[7:9], ("POST /containers/NEW/start", 1)))]
        self.run_work(work)


if __name__ == "__main__":
    unittest.main()
