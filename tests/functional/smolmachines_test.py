# kill -9 of the real service in every working state of a job on a microVM, and around the commands: the bottle ends as
# changed or as it was, and nothing is run twice. The engine is the scripted one; real microVMs: script/test-vm.
# Not here: single effects and calls (tests/smolmachines).
import json
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

import poll
from machines import Machines
from worker import Worker

DOCKER_NOWHERE = "/nonexistent/docker.sock"
COMMANDS = {"change": {"commands": ["echo ran >> /root/ran"]}}


class Smolmachines(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="rebottle-functional-"))
        self.machines = Machines(self.folder)
        self.worker = Worker(self.folder, DOCKER_NOWHERE, self.machines.section())
        self.addCleanup(self.clean_up)
        self.machines.make("dev-1")

    def clean_up(self):
        code = self.worker.stop()
        self.machines.remove()
        outcome = self._outcome.result
        if any(test is self for test, _ in outcome.failures + outcome.errors):
            print(f"kept: {self.folder}\n{self.worker.tail()}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder)
        self.assertEqual(code, 0, "rebottled's exit code after SIGTERM")

    def run_killed(self, place, args):
        self.worker.start(failpoint=f"{place}:kill")
        job_id = self.worker.approve("killed", "dev-1", args, backend="smolmachines")
        self.worker.wait_killed()
        self.worker.start()
        job = self.worker.wait_final("killed")
        self.assertIn("resume", [row["event"] for row in self.worker.history(job_id)])
        self.worker.wait_drained()
        self.assertIsNone(job["down_since"])
        return job

    def check_commands(self, place):
        job = self.run_killed(place, COMMANDS)
        self.assertEqual(job["state"], "succeeded", f"{place}: {job['message']}")
        self.assertEqual(self.machines.inside("dev-1", "cat /home/agent/notes /root/ran"), "keep\nran\n")
        self.assertEqual(self.machines.states()["dev-1"], "running")

    def check_image(self, place):
        job = self.run_killed(place, self.machines.image("new.tar"))
        self.assertEqual(job["state"], "succeeded", f"{place}: {job['message']}")
        self.assertEqual(self.machines.states(),
                         {"dev-1": "stopped", "dev-1-r1": "running"})
        self.assertEqual(self.machines.inside("dev-1-r1", "cat /home/agent/notes; echo $WHO"), "keep\nagent\n")
        current = json.loads(self.worker.sql("SELECT current FROM bottles_view")[0]["current"])
        self.assertEqual((current["machine"], current["rev"]), ("dev-1-r1", 1))

    def test_commands_killed_in_prepare(self):
        self.check_commands("state:prepare")

    def test_commands_killed_in_snapshot(self):
        self.check_commands("state:snapshot")

    def test_commands_killed_in_stop(self):
        self.check_commands("effect:stop_old")

    def test_commands_killed_in_apply(self):
        self.check_commands("effect:copy_disks")

    def test_commands_killed_in_restart(self):
        self.check_commands("effect:start_again")

    def test_commands_killed_after_they_ran(self):
        self.check_commands("effect:run_commands")

    def test_commands_killed_in_verify(self):
        self.check_commands("state:verify")

    def test_commands_killed_in_rollback(self):
        job = self.run_killed("state:rollback", {"change": {"commands": ["echo ran >> /root/ran", "exit 3"]}})
        self.assertEqual((job["state"], job["reason_code"]), ("rolled_back", "commands_failed"), job["message"])
        self.assertEqual(self.machines.inside("dev-1", "cat /home/agent/notes; test ! -e /root/ran && echo no"),
                         "keep\nno\n")

    def test_image_killed_in_prepare(self):
        self.check_image("effect:create_new")

    def test_image_killed_in_snapshot(self):
        self.check_image("effect:save_paths")

    def test_image_killed_in_stop(self):
        self.check_image("intent:stop_old")

    def test_image_killed_in_restart(self):
        self.check_image("effect:start_new")

    def test_image_killed_while_paths_are_put_back(self):
        self.check_image("effect:restore_paths")

    def test_image_killed_in_rollback(self):
        args = {**self.machines.image("new.tar"), "verify": {"exec": ["/bin/sh", "-c", "exit 3"]}}
        job = self.run_killed("state:rollback", args)
        self.assertEqual((job["state"], job["reason_code"]), ("rolled_back", "exec_failed"), job["message"])
        self.assertEqual(self.machines.inside("dev-1", "cat /home/agent/notes; echo $WHO"), "keep\nagent\n")
        self.assertEqual(self.machines.states(), {"dev-1": "running"})

    def check_outlived(self, leave, spoiled, args, machine):
        self.machines.spoil({"verb": "exec", "do": "hang_after", **spoiled})
        self.worker.start()
        self.worker.approve("outlived", "dev-1", args, backend="smolmachines")
        call, = poll.until(lambda: [call for call in self.machines.calls() if call["fault"] == "hang_after"],
                           "the call runs",
                           evidence=self.worker.tail)
        leave()
        self.assertTrue(Path(f"/proc/{call['pid']}/exe").exists(), "the call ended with its worker")
        self.worker.start()
        self.machines.release()
        job = self.worker.wait_final("outlived")
        self.assertEqual(job["state"], "succeeded", job["message"])
        self.assertEqual(self.machines.inside(machine, "cat /home/agent/notes"), "keep\n")

    def hurried(self):
        self.worker = Worker(self.folder, DOCKER_NOWHERE, self.machines.section(), service={"drain_s": 1})

    def stop(self):
        self.assertEqual(self.worker.stop(), 0)

    def test_a_call_that_outlives_a_killed_worker_is_waited_for(self):
        self.check_outlived(self.worker.kill, {"with": "echo ran"}, COMMANDS, "dev-1")
        self.assertEqual(self.machines.inside("dev-1", "cat /root/ran"), "ran\n")

    def test_a_call_that_outlives_a_stopped_worker_is_waited_for(self):
        self.hurried()
        self.check_outlived(self.stop, {"with": "echo ran"}, COMMANDS, "dev-1")
        self.assertEqual(self.machines.inside("dev-1", "cat /root/ran"), "ran\n")

    def test_paths_that_are_read_when_the_worker_stops_are_read_again(self):
        self.hurried()
        self.check_outlived(self.stop, {"with": "rebottle-missing"}, self.machines.image("new.tar"), "dev-1-r1")


if __name__ == "__main__":
    unittest.main()
