# kill -9 of the real worker in every working state, its bottle on a real Podman, then a new worker.
# Not here: the same on Docker, around each effect (tests/functional/crash_test.py).
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "functional"))
import case  # noqa: E402
from engine import AGENT, Engine, differences  # noqa: E402
from worker import Worker  # noqa: E402

CONFIG = """[service]
state_dir = "{folder}"
pause_first_ms = 50
leftover_retry_s = 1
log_level = "debug"
[backends.docker]
enabled = false
[backends.podman]
socket = "{socket}"
stable_s = 1
stop_timeout_s = 5
verify_timeout_s = 30
"""
IMAGE = "docker.io/rebottle-demo/busybox:1"
ARGS = {**case.CHANGE, "snapshot": {"paths": ["/home/agent/notes"]}}
RESTARTED = (r"State\..*", r"RestartCount", r"ExecIDs", r"NetworkSettings\.SandboxKey",
             r"NetworkSettings\.(Networks\.[^.]+\.)?(IPAddress|MacAddress|Gateway|IPPrefixLen)")


class Podman(Engine):
    def __init__(self):
        super().__init__(os.environ["REBOTTLE_TEST_PODMAN"])

    def tell(self, name):
        """Podman's own document, which tells more than the one of the other API."""
        return self.call("GET", f"/libpod/containers/{name}/json")


class PodmanBottle:
    """An agent made by Podman's command line."""

    def __init__(self, engine, slug):
        self.engine, self.slug, self.side = engine, slug, slug + "-side"
        for name, options in ((slug, ["--user", "agent", "--workdir", "/home/agent", "--restart", "unless-stopped",
                                      "--stop-timeout", "5", "-v", "/scratch", "--init"]), (self.side, [])):
            subprocess.run(["podman", "--remote", "--url", f"unix://{engine.path}", "run", "-d", "--name", name,
                            *options, IMAGE, "sh", "-c", AGENT], check=True, capture_output=True, timeout=60)

    def inspect(self):
        return self.engine.inspect(self.slug)

    def run(self, *argv, user="agent"):
        return self.engine.run(self.slug, *argv, user=user)

    write, read = case.Bottle.write, case.Bottle.read

    def remove(self):
        for one in self.engine.containers(name=[f"^{re.escape(self.slug)}"]):
            self.engine.remove(f"/containers/{one['Id']}", force=1, v=1)


class PodmanCrash(case.Case):
    def setUp(self):
        super().setUp()
        self.engine = Podman()
        self.worker = Worker(self.folder, self.engine.path)
        self.worker.config.write_text(CONFIG.format(folder=self.folder, socket=self.engine.path))

    def assert_one_agent(self, bottle):
        names = sorted(one["Name"] for one in self.engine.containers(name=[f"^{bottle.slug}"]))
        self.assertEqual(names, sorted(["/" + bottle.slug, "/" + bottle.side]))

    def check(self, state, args, end):
        bottle = PodmanBottle(self.engine, "pm-" + self.folder.name[-8:].replace("_", "0").lower())
        self.bottles.append(bottle)
        bottle.write("/home/agent/notes", "what the agent knows")
        before = self.engine.tell(bottle.slug)
        self.worker.start(failpoint=f"state:{state}:kill" if state else None)
        job_id = self.worker.approve("killed", bottle.slug, args, backend="podman")
        if state:
            self.worker.wait_killed()
            self.worker.start()
        job = self.worker.wait_final("killed")
        self.assertEqual(job["state"], end, f"{state}: {job['message']}")
        after = self.engine.tell(bottle.slug)
        self.assertTrue(after["State"]["Running"])
        if end == "succeeded":
            self.assertNotEqual(after["Id"], before["Id"])
            self.assertEqual(bottle.run("hello"), (0, "hello\n"))
            self.assertEqual([mount.get("Name") for mount in after["Mounts"]],
                             [mount.get("Name") for mount in before["Mounts"]])
        else:
            self.assertEqual({path: pair for path, pair in differences(before, after).items()
                              if not re.fullmatch("|".join(RESTARTED), path)}, {})
        self.assertEqual(bottle.read("/home/agent/notes"), "what the agent knows")
        bottle.write("/home/agent/notes", "what it learns now")  # they are still its own
        self.assertEqual(bottle.read("/home/agent/notes"), "what it learns now")
        self.assertIsNone(job["down_since"])
        self.assert_history_whole(job_id)
        self.worker.wait_drained()
        self.assert_one_agent(bottle)

    def test_not_at_all(self):
        self.check(None, ARGS, "succeeded")

    def test_in_prepare(self):
        self.check("prepare", ARGS, "succeeded")

    def test_in_snapshot(self):
        self.check("snapshot", ARGS, "succeeded")

    def test_in_stop(self):
        self.check("stop", ARGS, "succeeded")

    def test_in_apply(self):
        self.check("apply", ARGS, "succeeded")

    def test_in_restart(self):
        self.check("restart", ARGS, "succeeded")

    def test_in_verify(self):
        self.check("verify", ARGS, "succeeded")

    def test_in_rollback(self):
        self.check("rollback", {"change": {"dockerfile": case.DIES}}, "rolled_back")


if __name__ == "__main__":
    unittest.main()
