# The rows of the dispatch table that real engines can show: which outcome and reason a job has by its backend, the
# bottle's backend, the engine's state and the kind. All rows: tests/unit/worker/engine/dispatch_test.cpp.
# Not here: what a job goes through once it is with the right backend.
import itertools
import json
import time
import unittest
from contextlib import ExitStack

import poll
from case import CHANGE, Case
from fake_engine import FakeEngine
from machines import Machines
from proxy import RecordingProxy
from worker import Worker

UNSUPPORTED, STALE = "rejected_unsupported", "rejected_stale"
BLOCK = "capability_block"
NULL = '[backends.null]\nenabled = true\n'
COMMANDS = {"change": {"commands": ["echo ran >> /root/ran"]}}
BUILT = {"change": {"dockerfile": "FROM current\nRUN echo built > /root/built\n"}}

# (the job's backend, where the bottle is, kind, the state it ends in, its reason)
PRESENT = (
    ("nonsense", "docker", BLOCK, UNSUPPORTED, "backend_unknown"),
    ("nonsense", "docker", "repaint", UNSUPPORTED, "backend_unknown"),
    ("docker", "docker", "repaint", UNSUPPORTED, "kind_unsupported"),
    ("docker", "nowhere", "repaint", UNSUPPORTED, "kind_unsupported"),
    ("null", "null", "repaint", UNSUPPORTED, "kind_unsupported"),
    ("podman", "docker", BLOCK, UNSUPPORTED, "backend_absent"),
    ("podman", "smolmachines", BLOCK, UNSUPPORTED, "backend_absent"),
    ("smolmachines", "smolmachines", "repaint", UNSUPPORTED, "kind_unsupported"),
    ("smolmachines", "docker", BLOCK, UNSUPPORTED, "bottle_other_backend"),
    ("smolmachines", "null", BLOCK, UNSUPPORTED, "bottle_other_backend"),
    ("smolmachines", "nowhere", BLOCK, STALE, "bottle_not_found"),
    ("docker", "smolmachines", BLOCK, UNSUPPORTED, "bottle_other_backend"),
    ("null", "smolmachines", BLOCK, UNSUPPORTED, "bottle_other_backend"),
    ("null", "docker", BLOCK, UNSUPPORTED, "bottle_other_backend"),
    ("docker", "null", BLOCK, UNSUPPORTED, "bottle_other_backend"),
    ("docker", "nowhere", BLOCK, STALE, "bottle_not_found"),
    ("null", "nowhere", BLOCK, STALE, "bottle_not_found"),
    ("null", "null", BLOCK, "succeeded", ""),
    ("smolmachines", "smolmachines", BLOCK, "succeeded", ""),
    ("docker", "docker", BLOCK, "succeeded", ""),
)
ABSENT = (
    ("docker", "docker", BLOCK, UNSUPPORTED, "backend_absent"),
    ("docker", "docker", "repaint", UNSUPPORTED, "kind_unsupported"),
    ("docker", "null", BLOCK, UNSUPPORTED, "backend_absent"),
    # An engine that cannot be asked where the bottle is does not keep the others from their answer.
    ("null", "docker", BLOCK, STALE, "bottle_not_found"),
    ("null", "null", BLOCK, "succeeded", ""),
    ("docker", "smolmachines", BLOCK, UNSUPPORTED, "backend_absent"),
    ("smolmachines", "docker", BLOCK, STALE, "bottle_not_found"),
    ("smolmachines", "smolmachines", BLOCK, "succeeded", ""),
)
TOO_OLD = tuple(row[:4] + ("backend_too_old",) if row[4] == "backend_absent" else row for row in ABSENT)
# The engine of the machines is what is missing, too old, or has no KVM.
NO_MACHINES = (
    ("smolmachines", "docker", BLOCK),
    ("smolmachines", "smolmachines", BLOCK),
    ("smolmachines", "nowhere", BLOCK),
)


class Dispatch(Case):
    def setUp(self):
        super().setUp()
        self.machines = Machines(self.folder)
        self.machines.make("vm-1")

    def clean_up(self):
        code = self.worker.stop()  # before its machines are taken away
        self.machines.remove()
        super().clean_up()
        self.assertEqual(code, 0, "rebottled's exit code after SIGTERM")

    def ended(self, approval, bottle, change, backend, kind, reason):
        """The job at its end. A backend that does not say within seconds whether it has the bottle counts as a no, and
        on a machine under load the scripted one may not: then it is asked again, by another approval."""
        deadline = time.monotonic() + poll.DEADLINE_S
        for number in itertools.count():
            self.worker.approve(f"{approval}.{number}", bottle, change, backend=backend, kind=kind)
            job = self.worker.wait_final(f"{approval}.{number}")
            asked_in_vain = reason == "bottle_other_backend" and job["reason_code"] == "bottle_not_found"
            if not asked_in_vain or time.monotonic() > deadline:
                return job

    def run_rows(self, rows, engine, recorder, smolmachines=()):
        self.worker = Worker(self.folder, engine, NULL + self.machines.section(**dict(smolmachines)))
        bottle = self.bottle()
        before = bottle.inspect()
        started = self.machines.calls(mutating=True)
        places = {"docker": bottle.slug, "smolmachines": "vm-1", "null": "null-1", "nowhere": "nobody-home"}
        self.worker.start()
        for number, (backend, home, kind, state, reason) in enumerate(rows):
            with self.subTest(backend=backend, home=home, kind=kind):
                change = COMMANDS if (backend, home) == ("smolmachines", "smolmachines") else CHANGE
                job = self.ended(f"row-{number}", places[home], change, backend, kind, reason)
                self.assertEqual((job["state"], job["reason_code"]), (state, reason), job["message"])
                self.assert_history_whole(job["job_id"])
                if reason == "bottle_other_backend":
                    self.assertIn(home, job["message"])
                    self.assertEqual(json.loads(job["detail"])["found_in"], [home])
                if (backend, state) != ("docker", "succeeded"):
                    self.assertEqual(recorder.mutating(), [])
                    self.assert_untouched(bottle, before)
                if (backend, state) == ("smolmachines", "succeeded"):
                    self.assertEqual(self.machines.inside("vm-1", "cat /root/ran"), "ran\n")
                    started = self.machines.calls(mutating=True)
                self.assertEqual(self.machines.calls(mutating=True), started)
        return bottle, before

    def test_engine_present(self):
        with RecordingProxy(self.folder / "proxy.sock", self.engine.path) as proxy:
            bottle, before = self.run_rows(PRESENT, proxy.path, proxy)
            self.assertNotEqual(proxy.mutating(), [], "the recorder is blind")
            self.assert_changed(bottle, before)
            self.worker.wait_drained()
            self.worker.stop()

    def test_engine_absent(self):
        with RecordingProxy(self.folder / "proxy.sock", self.engine.path) as proxy:
            self.run_rows(ABSENT, self.folder / "no-engine.sock", proxy)

    def test_engine_too_old(self):
        with ExitStack() as stack:
            old = stack.enter_context(FakeEngine(self.folder / "old.sock", "1.40"))
            self.run_rows(TOO_OLD, old.path, old)
            self.assertNotEqual(old.requests, [], "nobody asked the engine")
            answer = json.loads(self.worker.tool("supports", "docker", BLOCK, "-o", "json").stdout)
            self.assertEqual((answer["supported"], answer["reason_code"]), (False, "backend_too_old"))
            self.assertIn("1.40", answer["message"])

    def run_without_machines(self, reason, **smolmachines):
        with RecordingProxy(self.folder / "proxy.sock", self.engine.path) as proxy:
            rows = [row + (UNSUPPORTED, reason) for row in NO_MACHINES]
            self.run_rows(rows, proxy.path, proxy, smolmachines)

    def test_machines_switched_off(self):
        self.run_without_machines("backend_absent", enabled=False)

    def test_machines_engine_absent(self):
        self.run_without_machines("backend_absent", engine="/nonexistent/smolvm")

    def test_machines_engine_too_old(self):
        self.run_without_machines("backend_too_old", min_version="99.0")

    def test_machines_without_kvm(self):
        self.run_without_machines("kvm_unavailable", kvm="/nonexistent/kvm")

    def test_a_machine_that_docker_builds_for_changes_nothing_else_of_docker(self):
        with RecordingProxy(self.folder / "proxy.sock", self.engine.path) as proxy:
            self.worker = Worker(self.folder, proxy.path, self.machines.section(builder="docker"))
            bottle = self.bottle()
            before = bottle.inspect()
            self.worker.start()
            self.worker.approve("built", "vm-1", BUILT, backend="smolmachines")
            job = self.worker.wait_final("built")
            self.assertEqual(job["state"], "succeeded", job["message"])
            self.worker.wait_drained()
            # "/v1.41/images/load?quiet=1" → "images/load"
            asked = {(method, path.split("?")[0].split("/", 2)[2]) for method, path in proxy.mutating()}
            self.assertEqual({path for method, path in asked if method == "POST"}, {"images/load", "build"})
            for method, path in asked:
                self.assertTrue(method == "POST" or path.startswith("images/"), (method, path))
            self.assert_untouched(bottle, before)
            self.assertEqual(self.machines.states(), {"vm-1": "stopped", "vm-1-r1": "running"})
            self.assertEqual(self.machines.inside("vm-1-r1", "cat /root/built"), "built\n")
            log = self.worker.tool("log", "built")
            self.assertIn("RUN echo built", log.stdout)
            answer = json.loads(self.worker.tool("supports", "smolmachines", BLOCK, "-o", "json").stdout)
            self.assertTrue(answer["supported"])

    # What reads, a plan does not list.
    READS = ("admit", "resolve_image", "record", "verify_new")

    def test_what_the_plan_lists_is_what_history_shows(self):
        self.worker = Worker(self.folder, self.engine.path, NULL + self.machines.section(builder="docker"))
        bottle = self.bottle()
        self.worker.start()
        for backend, slug, change in (("docker", bottle.slug, CHANGE), ("null", "null-1", CHANGE),
                                      ("smolmachines", "vm-1", BUILT)):
            with self.subTest(backend=backend):
                self.assertEqual(self.worker.tool("freeze", "--all", "--reason", "plan first").returncode, 0)
                job_id = self.worker.approve(backend, slug, {**change, "snapshot": {"paths": ["/home/agent"]}}, backend)
                planned = self.worker.tool("plan", backend, "-o", "json")
                self.assertEqual(planned.returncode, 0, planned.stderr)
                plan = json.loads(planned.stdout)
                self.assertEqual(self.worker.tool("unfreeze", "--all").returncode, 0)
                job = self.worker.wait_final(backend)
                self.assertEqual(job["state"], "succeeded", job["message"])

                rows = [json.loads(row["data"]) | {"event": row["event"]} for row in self.worker.history(job_id)]
                done = [row["summary"]["summary"] for row in rows
                        if row["event"] == "effect" and row["effect"] not in self.READS]
                self.assertEqual(done, plan["makes"] + plan["changes"])
                self.assertEqual([f"{thing}, after success" for thing in rows[-1]["to_remove"]],
                                 [line for line in plan["removes"] if line.endswith(", after success")])
        self.worker.wait_drained()


if __name__ == "__main__":
    unittest.main()
