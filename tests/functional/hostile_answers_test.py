# Answers that are no answers: silence, halves, garbage, floods (issue 4, line 2). Every job ends as promised, and the
# worker's memory stays small. Not here: honest refusals by the engine (every_call_test.py).
import threading
import unittest

import faults
from case import DIES
from every_call_test import BAD, GOOD
from lane import UNTOUCHED, run_all

MEMORY_MAX_KIB = 60 << 10
# Waiting costs nothing: many lanes, and time enough for a loaded machine.
LANES = 8
SERVICE = {"attempts_max": 10}
DOCKER = {"call_timeout_s": 5, "stop_timeout_s": 2, "stable_s": 0}
IMPATIENT = {"limits": {"build_timeout_s": 5}, "verify": {"exec": ["true"], "stable_s": 0, "timeout_s": 8}}

# One call of each kind, early and late, reading and changing.
CALLS = (("GET /containers/SLUG/json", 1), ("GET /containers/json", 1), ("GET /images/rebottle/SLUG:job-KEY/json", 1),
         ("POST /build", 1), ("POST /containers/create", 1), ("POST /networks/ID/connect", 1),
         ("POST /containers/OLD/stop", 1), ("GET /containers/OLD/archive", 1), ("POST /containers/OLD/rename", 1),
         ("PUT /containers/NEW/archive", 1), ("POST /containers/NEW/start", 1), ("POST /containers/NEW/exec", 1))
FAULTS = (faults.silence, faults.silence_after, faults.hang_up, faults.hang_up_after, faults.half_an_answer,
          faults.one_byte_a_second, faults.no_http, faults.garbage_chunks, faults.length_too_long,
          faults.length_too_short, faults.no_json, faults.other_json)
FLOODS = (faults.endless_body, faults.endless_list, faults.hundred_megabytes, faults.endless_header)


class HostileAnswers(unittest.TestCase):
    maxDiff = None

    def run_work(self, work):
        failures = run_all(work, LANES, service=SERVICE, docker=DOCKER)
        self.assertEqual(failures, [], f"{len(failures)} of {len(work)}:\n" + "\n".join(failures))

    def one_call(self, fault, name, nth, args, *ends):
        """Exactly this call meets the fault; the job ends in one of `ends`."""
        title = f"{fault.__name__} at {name} #{nth}"

        def run(lane):
            job_id, job, before = lane.run_job(args, lambda proxy: proxy.spoil(faults.exactly(name), fault, nth))
            lane.assertEqual(lane.proxy.fired, [(name, nth)])
            lane.assertIn(job["state"], ends, job["reason_code"] + ": " + job["message"])
            lane.check(job_id, job, before)
            lane.assertLess(lane.worker.peak_memory_kib(), MEMORY_MAX_KIB)

        return title, run

    def test_one_answer_is_none(self):
        work = []
        for number, (name, nth) in enumerate(CALLS):
            for fault in FAULTS:
                # 200 and nonsense: what the engine claims to have done is looked at, so that the worst is a way back.
                lie = fault in (faults.garbage_chunks, faults.length_too_short, faults.no_json, faults.other_json)
                ends = ("succeeded", "rolled_back") if lie and number > 5 else ("succeeded",)
                args = GOOD
                if name == "POST /build" and fault in (faults.silence, faults.silence_after, faults.one_byte_a_second):
                    args, ends = {**GOOD, **IMPATIENT}, ("failed",)  # build_timeout
                work.append(self.one_call(fault, name, nth, args, *ends))
        self.run_work(work)

    def test_a_flood_does_not_fill_the_memory(self):
        work = [self.one_call(fault, name, nth, {**GOOD, **IMPATIENT}, "succeeded", "rolled_back", "failed")
                for name, nth in CALLS for fault in FLOODS]
        work.append(self.one_call(faults.endless_progress, "POST /build", 1, {**GOOD, **IMPATIENT}, "failed"))
        work.append(self.one_call(faults.endless_body, "GET /containers/NEW/logs", 1,
                                  {"change": {"dockerfile": DIES}}, "rolled_back"))
        work.append(self.one_call(faults.endless_body, "POST /exec/ID/start", 1, {**GOOD, **IMPATIENT}, "rolled_back"))
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
        work = [self.away(name, nth, 2, GOOD, "failed", "succeeded") for name, nth in CALLS[2:6]]
        work += [self.away(name, nth, 2, GOOD, "succeeded") for name, nth in CALLS[6:]]
        back = (("POST /containers/NEW/stop", 1), ("POST /containers/NEW/rename", 2),
                ("POST /containers/OLD/rename", 2), ("POST /containers/OLD/start", 1))
        work += [self.away(name, nth, 2, BAD, "rolled_back") for name, nth in back]
        # Longer than the bottle may be down: the old one comes back, however long it takes.
        short = {**GOOD, "limits": {"max_downtime_s": 1}}
        work += [self.away(name, nth, 4, short, "rolled_back")
                 for name, nth in (*CALLS[7:9], ("POST /containers/NEW/start", 1))]
        self.run_work(work)


if __name__ == "__main__":
    unittest.main()
