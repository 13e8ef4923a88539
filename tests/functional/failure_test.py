# What does not work out leaves the bottle as it was, or never touches it (issue 3, line 4).
# Not here: refusals before anything is tried (refusal_test.py), deaths of the worker (crash_test.py).
import json
import unittest

import poll
from case import CHANGE, DIES, HELLO, Case

SICK = 'FROM current\nHEALTHCHECK --interval=100ms --timeout=1s --retries=2 CMD ["false"]\n'


class NeverTouched(Case):
    def check(self, dockerfile, *words):
        bottle = self.bottle()
        self.worker.start()
        before = bottle.inspect()
        job_id = self.worker.approve("bad-1", bottle.slug, {"change": {"dockerfile": dockerfile}})
        job = self.worker.wait_final("bad-1")
        self.assertEqual(job["state"], "failed", job["message"])
        self.assertEqual(job["downtime_ms"], 0)
        for word in words:
            self.assertIn(word, job["message"] + job["detail"])
        self.assert_untouched(bottle, before)
        self.assert_history_whole(job_id)
        self.assert_drained(bottle)
        self.assert_untouched(bottle, before)

    def test_dockerfile_that_does_not_parse(self):
        self.check("FROM current\nENV LONELY\n", "ENV must have two arguments")

    def test_step_that_fails(self):
        self.check("FROM current\nRUN echo out of cheese; exit 42\n", "42", "out of cheese")

    def test_base_image_that_is_not_there(self):
        self.check("FROM no-such-image:9\n", "no-such-image:9")


class RolledBack(Case):
    def check(self, args, reason, **changes):
        bottle = self.bottle(**changes)
        self.worker.start()
        bottle.write("/home/agent/notes", "still here")
        before = bottle.inspect()
        job_id = self.worker.approve("bad-1", bottle.slug, args)
        job = self.worker.wait_final("bad-1")
        self.assertEqual(job["state"], "rolled_back", job["message"])
        self.assertRegex(job["reason_code"], reason)
        self.assertIsNone(job["down_since"])
        self.assertGreater(job["downtime_ms"], 0)
        self.assertEqual(self.states(job_id)[-2:], ["rollback", "rolled_back"])
        self.assert_as_it_was(bottle, before)
        self.assertEqual(bottle.read("/home/agent/notes"), "still here")
        self.assertIn("last words", bottle.read("/home/agent/last-words"), "the agent was stopped without a word")
        self.assert_history_whole(job_id)
        self.assert_drained(bottle)
        return job

    def test_agent_that_exits_at_once(self):
        self.check({"change": {"dockerfile": DIES}}, "exited|restarting")

    def test_agent_that_is_never_healthy(self):
        self.check({"change": {"dockerfile": SICK}}, "health")

    def test_agent_that_is_not_healthy_in_time(self):
        patient = SICK.replace("--retries=2", "--retries=1000")
        self.check({"change": {"dockerfile": patient}, "verify": {"timeout_s": 2}}, "health")

    def test_verify_command_that_fails(self):
        args = {**CHANGE, "verify": {"exec": ["sh", "-c", "echo no luck; exit 3"]}}
        job = self.check(args, "exec")
        self.assertIn("no luck", job["message"] + job["detail"])

    def test_an_exited_bottle_is_exited_again(self):
        bottle = self.bottle()
        self.worker.start()
        self.engine.call("POST", f"/containers/{bottle.id}/stop")
        self.worker.approve("bad-1", bottle.slug, {"change": {"dockerfile": DIES}})
        self.assertEqual(self.worker.wait_final("bad-1")["state"], "rolled_back")
        after = bottle.inspect()
        self.assertEqual((after["Id"], after["State"]["Status"]), (bottle.id, "exited"))
        self.assert_drained(bottle)


class Cancelled(Case):
    def test_before_the_stop_nothing_was_touched(self):
        bottle = self.bottle()
        self.worker.start()
        before = bottle.inspect()
        slow = {"change": {"dockerfile": "FROM current\nRUN sleep 1000\n"}}
        job_id = self.worker.approve("slow-1", bottle.slug, slow)
        poll.until(lambda: self.worker.job("slow-1")["state"] == "prepare", "the build runs")
        done = self.worker.tool("cancel", str(job_id))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.worker.wait_final("slow-1")["state"], "cancelled")
        self.assert_untouched(bottle, before)
        self.assert_drained(bottle)

    def test_after_the_stop_it_goes_through_rollback(self):
        bottle = self.bottle()
        self.worker.start()
        before = bottle.inspect()
        args = {**CHANGE, "verify": {"stable_s": 30}}
        job_id = self.worker.approve("slow-1", bottle.slug, args)
        poll.until(lambda: self.worker.job("slow-1")["state"] == "verify", "verify", evidence=self.worker.tail)
        done = self.worker.tool("cancel", str(job_id))
        self.assertEqual(done.returncode, 0, done.stderr)
        job = self.worker.wait_final("slow-1")
        self.assertEqual((job["state"], job["reason_code"]), ("rolled_back", "cancelled"))
        self.assert_as_it_was(bottle, before)
        self.assert_drained(bottle)


class Drift(Case):
    def test_another_container_than_the_approved_one(self):
        bottle = self.bottle()
        self.worker.start()
        before = bottle.inspect()
        self.worker.approve("old-1", bottle.slug, {**CHANGE, "expect": {"target_id": "0" * 64}})
        job = self.worker.wait_final("old-1")
        self.assertEqual(job["state"], "rejected_stale", job["message"])
        self.assertIn(before["Id"], job["detail"])
        self.assert_untouched(bottle, before)

    def test_expired_before_its_turn(self):
        bottle = self.bottle()
        self.worker.start()
        before = bottle.inspect()
        self.worker.stop()
        self.worker.sql("INSERT INTO approvals (approval_id, kind, backend, bottle, args, approved_by, expires_at)"
                        " VALUES ('late-1', 'capability_block', 'docker', ?, ?, 'a test',"
                        " CAST(strftime('%s', 'now') AS INTEGER) * 1000 + 1000)", bottle.slug,
                        json.dumps({"change": {"dockerfile": HELLO}}))
        poll.until(lambda: self.worker.sql("SELECT strftime('%s', 'now') * 1000 > expires_at AS past FROM jobs_view")[0]
                   ["past"], "the approval expires")
        self.worker.start()
        job = self.worker.wait_final("late-1")
        self.assertEqual((job["state"], job["reason_code"]), ("rejected_stale", "approval_expired"))
        self.assert_untouched(bottle, before)


if __name__ == "__main__":
    unittest.main()
