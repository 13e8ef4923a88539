# kill -9 of the real service around each effect of a build for a microVM, and an engine that breaks off while it builds
# or exports: the change is made, or the old machine has never been stopped. The machines' engine is the scripted one.
# Not here: kinds of refusals (tests/smolmachines/build_test.cpp).
import json
import unittest

import faults
import poll
from case import Case
from machines import Machines
from worker import Worker

BUILT = {"change": {"dockerfile": "FROM current\nRUN echo built > /root/built\n"}}
SLOW = {"change": {"dockerfile": "FROM current\nRUN echo begun && sleep 5 && echo built > /root/built\n"}}
EXPORT = r"GET /images/sha256:ID/get"


class SmolmachinesBuild(Case):
    def setUp(self):
        super().setUp()
        self.machines = Machines(self.folder)
        self.machines.make("vm-1")
        self.proxy = faults.FaultProxy(self.folder / "fault.sock", self.engine.path)
        self.proxy.__enter__()
        self.addCleanup(self.proxy.__exit__)
        self.worker = Worker(self.folder, self.proxy.path, self.machines.section(builder="docker"))

    def clean_up(self):
        code = self.worker.stop()  # before its machines are taken away
        self.machines.remove()
        super().clean_up()
        self.assertEqual(code, 0, "rebottled's exit code after SIGTERM")

    def builds(self):
        return [call for call in self.proxy.calls if call[0] == "POST /build"]

    def check_changed(self, job_id, job):
        self.assertEqual(job["state"], "succeeded", job["message"])
        self.assertEqual(self.machines.states(), {"vm-1": "stopped", "vm-1-r1": "running"})
        self.assertEqual(self.machines.inside("vm-1-r1", "cat /root/built"), "built\n")
        self.worker.wait_drained()
        current = json.loads(self.worker.sql("SELECT current FROM bottles_view")[0]["current"])
        self.check_left([current["image_tag"]])
        self.addCleanup(self.engine.call, "DELETE", "/images/" + current["image_tag"])
        self.assert_history_whole(job_id)

    def check_untouched(self, job, reason):
        self.assertEqual((job["state"], job["reason_code"]), ("failed", reason), job["message"])
        self.assertEqual(self.machines.states(), {"vm-1": "running"})
        self.assertNotIn("stop", [call["verb"] for call in self.machines.calls()])
        self.worker.wait_drained()
        self.check_left([])

    def check_left(self, tags):
        ours = [tag for tag in self.engine.images() if tag.startswith("smolmachines/rebottle/vm-1:")]
        self.assertEqual([tag for tag in ours if tag in tags or self.is_mine(tag)], tags)
        self.assertEqual([path for path in (self.folder / "snapshots/smolmachines/images").rglob("*")], [])

    def is_mine(self, tag):
        """By the instance in a job's key, which the history of our own jobs shows."""
        told = " ".join(row["data"] for row in self.worker.sql("SELECT data FROM history_view"))
        return tag.split(":", 1)[1].split("-", 1)[1] in told

    def run_killed(self, place):
        self.worker.start(failpoint=f"{place}:kill")
        job_id = self.worker.approve("killed", "vm-1", BUILT, backend="smolmachines")
        self.worker.wait_killed()
        self.worker.start()
        job = self.worker.wait_final("killed")
        self.assertIn("resume", [row["event"] for row in self.worker.history(job_id)])
        self.check_changed(job_id, job)

    def test_killed_before_the_present_image_is_there(self):
        self.run_killed("intent:provide_current")

    def test_killed_after_the_present_image_is_there(self):
        self.run_killed("effect:provide_current")

    def test_killed_after_the_build(self):
        self.run_killed("effect:build_image")
        self.assertEqual(len(self.builds()), 1)

    def test_killed_after_the_export(self):
        self.run_killed("effect:export_image")
        self.assertEqual(len(self.builds()), 1)

    def test_killed_while_it_builds(self):
        self.worker.start()
        job_id = self.worker.approve("killed", "vm-1", SLOW, backend="smolmachines")
        poll.until(lambda: "begun" in self.worker.tool("log", "killed").stdout, "the build runs",
                   evidence=self.worker.tail)
        self.worker.kill()
        self.worker.start()
        self.check_changed(job_id, self.worker.wait_final("killed"))

    def test_an_export_that_breaks_off_is_done_again(self):
        self.proxy.spoil(EXPORT, faults.half_an_answer, 1)
        self.worker.start()
        job_id = self.worker.approve("cut", "vm-1", BUILT, backend="smolmachines")
        self.check_changed(job_id, self.worker.wait_final("cut"))
        self.assertEqual(self.proxy.fired, [("GET /images/sha256:ID/get", 1)])

    def test_an_export_that_fails_inside_of_a_success_is_no_image(self):
        def cut_short(call):
            whole = call.carry_out()
            body = whole[whole.index(b"\r\n\r\n") + 4:][:4096] + b'{"message":"a fault of the test"}\n'
            call.answer("200 OK", body)

        self.proxy.spoil(EXPORT, cut_short)
        self.worker.start()
        self.worker.approve("cut", "vm-1", BUILT, backend="smolmachines")
        self.check_untouched(self.worker.wait_final("cut"), "export_incomplete")

    def test_an_engine_that_dies_while_it_builds(self):
        self.proxy.spoil("POST /build", faults.half_an_answer, 1)
        self.worker.start()
        job_id = self.worker.approve("died", "vm-1", BUILT, backend="smolmachines")
        self.check_changed(job_id, self.worker.wait_final("died"))

    def test_a_build_that_fails_is_logged(self):
        self.worker.start()
        self.worker.approve("bad", "vm-1", {"change": {"dockerfile": "FROM current\nRUN echo on the way; exit 7\n"}},
                            backend="smolmachines")
        self.check_untouched(self.worker.wait_final("bad"), "build_failed")
        self.assertIn("on the way", self.worker.tool("log", "bad").stdout)


if __name__ == "__main__":
    unittest.main()
