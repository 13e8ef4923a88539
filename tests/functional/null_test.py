# The null backend in a real service: many bottles, kill -9 in the middle, failures, and a plan that is kept.
# Not here: the backend by itself (tests/unit/worker/backends/null).
import json
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

import poll
from worker import Worker

CHANGE = {"change": {"dockerfile": "FROM current\n"}, "snapshot": {"paths": ["/home/agent"]}}
ALL_STATES = ["queued", "prepare", "snapshot", "stop", "apply", "restart", "verify", "succeeded"]
NO_ENGINE = "/nonexistent/docker.sock"


class NullCase(unittest.TestCase):
    settings = ""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="rebottle-null-"))
        self.state = self.folder / "null.state"
        self.worker = Worker(self.folder, NO_ENGINE,
                             f'[backends.null]\nenabled = true\nstate_file = "{self.state}"\n{self.settings}')
        self.addCleanup(self.clean_up)

    def clean_up(self):
        code = self.worker.stop()
        if any(test is self for test, _ in self._outcome.result.failures + self._outcome.result.errors):
            print(f"kept: {self.folder}\n{self.worker.tail()}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder)
        self.assertEqual(code, 0, "rebottled's exit code after SIGTERM")

    def approve(self, number, **more):
        return self.worker.approve(f"approval-{number}", f"null-{number}", CHANGE, backend="null", **more)

    def approve_many(self, count):
        self.worker.sql("INSERT INTO approvals (approval_id, kind, backend, bottle, args, approved_by)"
                        " SELECT 'approval-' || value, 'capability_block', 'null', 'null-' || value, ?, 'a test'"
                        " FROM json_each(?)", json.dumps(CHANGE), json.dumps(list(range(count))))

    def states(self):
        return {row["state"]: row["n"] for row in
                self.worker.sql("SELECT state, count(*) AS n FROM jobs_view GROUP BY state")}

    def wait_all(self, count):
        poll.until(lambda: self.worker.sql("SELECT count(*) AS n FROM jobs_view WHERE finalized_at IS NOT NULL")[0]["n"]
                   == count, f"{count} jobs end", evidence=lambda: f"{self.states()}\n{self.worker.tail()}")

    def containers(self):
        """{bottle: its container} from the file that outlives the worker."""
        found = {}
        for line in self.state.read_text().splitlines():
            entry = json.loads(line)
            if "container" in entry:
                found[entry["bottle"]] = entry["container"]
        return found


class NullBackend(NullCase):
    def test_is_off_unless_configured(self):
        worker = Worker(self.folder, NO_ENGINE)
        self.worker = worker
        worker.start()
        worker.approve("approval-1", "null-1", CHANGE, backend="null")
        job = worker.wait_final("approval-1")
        self.assertEqual((job["state"], job["reason_code"]), ("rejected_unsupported", "backend_absent"))

    def test_a_job_goes_the_whole_way(self):
        self.worker.start()
        job_id = self.approve(1)
        job = self.worker.wait_final("approval-1")
        self.assertEqual(job["state"], "succeeded", job["message"])
        passed = [row["to_state"] for row in self.worker.history(job_id)]
        self.assertEqual([state for i, state in enumerate(passed) if i == 0 or passed[i - 1] != state], ALL_STATES)
        self.assertRegex(self.containers()["null-1"], r"^null-1-\w+-1$")
        self.worker.wait_drained()

    def kill_and_resume(self, place):
        self.worker.start(failpoint=f"{place}:kill")
        self.approve(1)
        self.worker.wait_killed()
        self.worker.start()
        job = self.worker.wait_final("approval-1")
        self.assertEqual(job["state"], "succeeded", job["message"])
        self.assertEqual(job["crashes"], 0)  # of the step that it ended in
        self.assertIn("resume", [row["event"] for row in self.worker.history(job["job_id"])])
        self.assertRegex(self.containers()["null-1"], r"^null-1-\w+-1$")

    def test_killed_before_an_effect_it_is_resumed(self):
        self.kill_and_resume("intent:park_old")

    def test_killed_after_an_effect_it_is_adopted(self):
        self.kill_and_resume("effect:start_new")
        outcomes = [row["outcome"] for row in
                    self.worker.sql("SELECT outcome FROM intents WHERE effect = 'start_new' AND direction = 'forward'")]
        self.assertEqual(outcomes, ["adopted"])

    def test_a_thousand_bottles_survive_kill_nine(self):
        count = 1000
        self.worker.start()
        self.approve_many(count)
        for share in (4, 2):
            poll.until(lambda: self.states().get("succeeded", 0) > count // share // 2, "some jobs are done")
            self.worker.kill()
            self.worker.start()
        self.wait_all(count)
        self.assertEqual(self.states(), {"succeeded": count})
        self.worker.wait_drained()
        self.worker.stop()
        containers = self.containers()
        self.assertEqual(len(containers), count)
        self.assertTrue(all(container != f"{bottle}-0" for bottle, container in containers.items()))


class NullBackendThatFails(NullCase):
    settings = 'fail_effect = "verify_new"\nfail_percent = 30\n'

    def test_every_bottle_is_changed_or_as_it_was(self):
        count = 60
        self.worker.start()
        self.approve_many(count)
        poll.until(lambda: self.states().get("rolled_back", 0) > 3, "some jobs are rolled back")
        self.worker.kill()
        self.worker.start()
        self.wait_all(count)
        ends = self.worker.sql("SELECT bottle, state, reason_code FROM jobs_view")
        self.assertEqual({end["state"] for end in ends}, {"succeeded", "rolled_back"})
        containers = self.containers()
        for end in ends:
            changed = containers[end["bottle"]] != f"{end['bottle']}-0"
            self.assertEqual(changed, end["state"] == "succeeded", end)
            self.assertEqual(end["reason_code"], "" if changed else "simulated_failure")


if __name__ == "__main__":
    unittest.main()
