# How long a bottle was down, and what took the time: recorded by the real worker, shown by `rebottle show`, and not
# less than what the engine itself says. Not here: the arithmetic (tests/unit/tools/downtime_test.cpp).
import json
import unittest
from datetime import datetime

from case import CHANGE, DIES, Case

STOP_S = 2
# An agent that takes its time to end.
SLOW = f"trap 'sleep {STOP_S}; exit 0' TERM; while :; do sleep 1000 & wait $!; done"


def instant(text):
    """Milliseconds since 1970 of the engine's time stamp."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() * 1000 + int((fraction + "000")[:3])


class Downtime(Case):
    def slow_bottle(self):
        self.worker.start()
        return self.bottle(Cmd=["sh", "-c", SLOW])

    def shown(self, job):
        ran = self.worker.tool("show", str(job["job_id"]), "-o", "json")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        downtime = json.loads(ran.stdout)["downtime"]
        self.assertEqual(downtime["total_ms"], job["downtime_ms"])
        parts = {("undo " if part["direction"] == "undo" else "") + part["effect"]: part["duration_ms"]
                 for part in downtime["parts"]}
        self.assertLessEqual(abs(sum(parts.values()) + downtime["between_ms"] - downtime["total_ms"]), 5, downtime)
        return downtime, parts, self.worker.tool("show", str(job["job_id"])).stdout

    def test_of_a_change_is_from_the_stop_to_the_start(self):
        bottle = self.slow_bottle()
        args = {**CHANGE, "snapshot": {"paths": ["/home/agent"]}}
        self.worker.approve("the-change", bottle.slug, args)
        job = self.worker.wait_final("the-change")
        self.assertEqual(job["state"], "succeeded", job["message"])
        downtime, parts, text = self.shown(job)
        self.assertEqual(list(parts), ["stop_old", "save_paths", "park_old", "take_name", "restore_paths", "start_new"])
        self.assertGreaterEqual(parts["stop_old"], STOP_S * 1000)
        self.assertIsNone(downtime["old_back_after_ms"])
        self.assertRegex(text, r"downtime .*: stop_old [0-9.]+s, save_paths [0-9.]+m?s")
        # From the engine's own clock: the new one ran when the downtime was over, not later.
        history = self.worker.history(job["job_id"])
        ends = next(row["at"] for row in history if json.loads(row["data"]).get("downtime") == "ends")
        begins = next(row["at"] for row in history if json.loads(row["data"]).get("downtime") == "begins")
        self.assertLessEqual(begins, instant(bottle.inspect()["State"]["StartedAt"]) - STOP_S * 1000)
        self.assertLessEqual(instant(bottle.inspect()["State"]["StartedAt"]), ends + 1)
        self.assertLessEqual(abs(ends - begins - downtime["total_ms"]), 5)

    def test_of_a_roll_back_goes_on_until_the_old_one_runs(self):
        bottle = self.slow_bottle()
        self.worker.approve("dies", bottle.slug, {"change": {"dockerfile": DIES}})
        job = self.worker.wait_final("dies")
        self.assertEqual(job["state"], "rolled_back", job["message"])
        downtime, parts, text = self.shown(job)
        self.assertIn("undo stop_old", parts)
        self.assertIn("undo park_old", parts)
        self.assertNotIn("verify_new", parts, "the changed bottle ran, or tried to")
        self.assertGreaterEqual(downtime["old_back_after_ms"], STOP_S * 1000)
        self.assertIn("old one back", text)

    def test_of_a_dead_worker_counts(self):
        bottle = self.slow_bottle()
        self.assertEqual(self.worker.stop(), 0)
        self.worker.start(failpoint="effect:park_old:kill")
        self.worker.approve("killed", bottle.slug, CHANGE)
        self.worker.wait_killed()
        down_since = self.worker.job("killed")["down_since"]
        self.assertIsNotNone(down_since)
        self.assertIn("still down", self.worker.tool("show", "killed").stdout)
        self.worker.start()
        job = self.worker.wait_final("killed")
        self.assertEqual(job["state"], "succeeded", job["message"])
        downtime, _, _ = self.shown(job)
        started = instant(bottle.inspect()["State"]["StartedAt"])
        self.assertGreaterEqual(downtime["total_ms"], started - down_since - 1)
        self.assertGreater(downtime["between_ms"], 0)

    def test_of_a_job_that_never_touched_the_bottle_is_none(self):
        bottle = self.slow_bottle()
        self.worker.approve("fails", bottle.slug, {"change": {"dockerfile": "FROM current\nRUN exit 1\n"}})
        job = self.worker.wait_final("fails")
        self.assertEqual((job["state"], job["downtime_ms"]), ("failed", 0))
        downtime, parts, text = self.shown(job)
        self.assertEqual((parts, downtime["total_ms"]), ({}, 0))
        self.assertNotIn("downtime", text)


if __name__ == "__main__":
    unittest.main()
