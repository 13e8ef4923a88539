# dockerd ends, gracefully or not, in the middle of every working state, with bottles of each restart policy (issue 4,
# line 2). Not here: the worker's own deaths (crash_test.py).
import functools
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

import faults
import poll
from engine import Engine
from every_call_test import BAD, GOOD, LONG
from lane import UNTOUCHED, Lane

SCRIPT = Path(__file__).resolve().parents[2] / "script" / "private-dockerd"
POLICIES = ("no", "always", "unless-stopped")
# The engine is away for longer than that.
IMPATIENT = {**GOOD, "limits": {"max_downtime_s": 1}}

# Where the engine goes away: a call, whether it was carried out, and in which run.
POINTS = {
    "build": ("POST /build", 1, False, GOOD),
    "create": ("POST /containers/create", 1, True, GOOD),
    "connect": ("POST /networks/ID/connect", 1, False, GOOD),
    "record": ("GET /networks/ID", 2, False, GOOD),
    "disarmed": ("POST /containers/OLD/update", 1, True, GOOD),
    "away before the stop": ("POST /containers/OLD/update", 1, False, IMPATIENT),
    "away before the stop, disarmed": ("POST /containers/OLD/update", 1, True, IMPATIENT),
    "stop": ("POST /containers/OLD/stop", 1, False, GOOD),
    "stopped": ("POST /containers/OLD/stop", 1, True, GOOD),
    "keep": ("GET /containers/OLD/archive", 2, False, GOOD),
    "park": ("POST /containers/OLD/rename", 1, True, GOOD),
    "restore": ("PUT /containers/NEW/archive", 1, False, GOOD),
    "start": ("POST /containers/NEW/start", 1, False, GOOD),
    "started": ("POST /containers/NEW/start", 1, True, GOOD),
    "verify": ("POST /exec/ID/start", 1, False, GOOD),
    "back": ("POST /containers/NEW/stop", 1, True, BAD),
    "back at its name": ("POST /containers/OLD/rename", 2, True, BAD),
    "started again": ("POST /containers/OLD/start", 1, True, BAD),
}
BEFORE_STOP = ("build", "create", "connect", "record")
# One in each state, both ways.
SOME = ("build", "record", "disarmed", "stopped", "keep", "started", "verify", "back at its name")


def chosen(points):
    """(point, signal): some points with the signals in turn, or by the long form each point with both."""
    if LONG:
        return [(point, signal) for point in points for signal in ("KILL", "TERM")]
    return [(point, ("KILL", "TERM")[i % 2]) for i, point in enumerate(one for one in points if one in SOME)]


def as_read_back(before):
    """An engine that reads its containers back from disk says [] where it said null."""
    for key in ("Dns", "DnsOptions", "DnsSearch"):
        before["HostConfig"][key] = before["HostConfig"][key] or []
    return before


def script(*arguments):
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


class EngineRestart(unittest.TestCase):
    longMessage = False
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="rebottle-restart-")
        self.addCleanup(script, "stop", self.folder)

    def start_engine(self, configuration="{}"):
        Path(self.folder, "daemon.json").write_text(configuration)
        script("start", self.folder)
        lines = subprocess.run([SCRIPT, "env", self.folder], capture_output=True, text=True, timeout=30).stdout
        self.engine = Engine(lines.split("REBOTTLE_TEST_DOCKER=")[1].strip())

    def check(self, points, live_restore=False):
        self.start_engine('{"live-restore": true}' if live_restore else "{}")
        failures = []
        lanes = {policy: Lane(self.engine, {"pause_first_ms": 500}, {"verify_timeout_s": 30},
                              restart_policy=policy) for policy in POLICIES}
        entered = []
        try:
            for lane in lanes.values():
                lane.__enter__()
                entered.append(lane)
            for point, signal in points:
                failures += self.one_restart(lanes, point, signal, live_restore)
        finally:
            for lane in entered:
                lane.kept = bool(failures)
                lane.__exit__()
        self.assertFalse(failures, "\n".join(failures))

    def one_restart(self, lanes, point, signal, live_restore):
        failures = []
        name, nth, carried_out, args = POINTS[point]
        if name.endswith("/update"):  # there is no policy to be taken off
            lanes = {policy: lane for policy, lane in lanes.items() if policy != "no"}
        meeting = threading.Barrier(len(lanes), action=lambda: script("restart", self.folder, signal))

        def leave(lane, call):
            if carried_out:
                call.carry_out()
            if args is not IMPATIENT:
                meeting.wait(120)
                return
            lane.proxy.refuse()
            call.client.close()
            try:
                meeting.wait(120)
                poll.until(lambda: lane.worker.job(f"job-{lane.jobs}")["state"] == "rollback", "it goes back")
            finally:
                lane.proxy.listen()

        def drive(policy, lane):
            try:
                if not lane.current.inspect()["State"]["Running"]:
                    self.engine.call("POST", f"/containers/{lane.current.slug}/start")
                job_id, job, before = lane.run_job(
                    args, lambda proxy: proxy.spoil(faults.exactly(name), functools.partial(leave, lane), nth))
                lane.assertEqual(lane.proxy.fired, [(name, nth)])
                self.judge(lane, point, policy, signal, live_restore, job_id, job, as_read_back(before))
            except Exception as error:
                meeting.abort()
                failures.append(f"{signal} at {point}, policy {policy}: {error}\n(kept: {lane.folder})")
                lane.proxy.reset()
                lane.renew()

        threads = [threading.Thread(target=drive, args=one) for one in lanes.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return failures

    def judge(self, lane, point, policy, signal, live_restore, job_id, job, before):
        # backends.md of the engine's own doing: which bottles come back by themselves.
        survives = live_restore or policy == "always" or (policy == "unless-stopped" and signal == "TERM")
        if point in BEFORE_STOP and not survives:
            # The engine, not the job, has stopped it: that is another bottle than the approved one.
            lane.assertEqual((job["state"], job["reason_code"]), ("rejected_stale", "drift"), job["message"])
            lane.assertIn("State.Running", job["detail"])
            after = lane.current.inspect()
            lane.assertEqual((after["Id"], after["State"]["Running"]), (before["Id"], False))
            lane.assert_history_whole(job_id)
            lane.assert_drained(lane.current)
            return
        if POINTS[point][3] is not GOOD:
            ends = ("rolled_back",)
        elif point in ("started", "verify") and not live_restore:
            ends = ("succeeded", "rolled_back")  # an agent that was restarted is not a stable one
        else:
            ends = ("succeeded",)
        lane.assertIn(job["state"], ends, job["reason_code"] + ": " + job["message"])
        lane.assertNotIn(job["state"], UNTOUCHED)
        lane.check(job_id, job, before)

    def test_on_the_way_forward(self):
        self.check(chosen(point for point, one in POINTS.items() if one[3] is GOOD))

    def test_on_the_way_back(self):
        self.check(chosen(point for point, one in POINTS.items() if one[3] is BAD))

    def test_away_for_too_long_before_the_stop(self):
        # The engine itself has taken the bottle down, and no effect that did is in the journal.
        self.check([(point, "KILL") for point, one in POINTS.items() if one[3] is IMPATIENT])

    def test_with_live_restore(self):
        self.check(chosen(("stopped", "park", "started", "started again")), True)


if __name__ == "__main__":
    unittest.main()
