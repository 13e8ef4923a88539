# What a backend cannot do is refused by name, and no engine hears of it (issue 3, line 7).
# Not here: bad rows, which the database refuses (tests/unit/schema).
import json
import unittest

import poll
from case import CHANGE, Case
from proxy import RecordingProxy
from worker import Worker


class Refusal(Case):
    def setUp(self):
        super().setUp()
        self.proxy = RecordingProxy(self.folder / "proxy.sock", self.engine.path)
        self.proxy.__enter__()
        self.addCleanup(self.proxy.__exit__)
        self.worker = Worker(self.folder, self.proxy.path)

    def check(self, reason, state="rejected_unsupported", **row):
        bottle = row.pop("bottle", None) or self.bottle()
        self.worker.start()
        before = bottle.inspect()
        job_id = self.worker.approve("no-1", bottle.slug, row.pop("args", CHANGE), **row)
        job = self.worker.wait_final("no-1")
        self.assertEqual((job["state"], job["reason_code"]), (state, reason), job["message"])
        self.assertTrue(job["message"])
        self.assertIsInstance(json.loads(job["detail"]), dict)
        self.assertEqual(self.proxy.mutating(), [])
        self.assert_untouched(bottle, before)
        self.assert_history_whole(job_id)
        return job

    def test_unknown_backend(self):
        self.check("backend_unknown", backend="nebula")

    def test_smolmachines_never_reaches_docker(self):
        job = self.check("backend_absent", backend="smolmachines")
        self.assertIn("smolmachines", job["message"])

    def test_unknown_kind(self):
        self.check("kind_unsupported", kind="repaint")

    def test_paused_bottle(self):
        bottle = self.bottle()
        self.engine.call("POST", f"/containers/{bottle.id}/pause")
        self.addCleanup(self.engine.call, "POST", f"/containers/{bottle.id}/unpause")
        self.check("target_state_unsupported", bottle=bottle)

    def test_shared_namespace(self):
        bottle = self.bottle()
        owner = self.engine.create(bottle.slug + "-owner", {
            "Image": "rebottle-demo/busybox:1", "Cmd": ["sleep", "1000"],
            "HostConfig": {"NetworkMode": bottle.network}})
        self.engine.call("DELETE", f"/containers/{bottle.id}", force=1, v=1)
        bottle.id = self.engine.create(bottle.slug, {
            "Image": "rebottle-demo/busybox:1", "Cmd": ["sleep", "1000"],
            "HostConfig": {"NetworkMode": f"container:{owner}"}})
        self.engine.call("POST", f"/containers/{owner}/kill")
        poll.until(lambda: not self.engine.inspect(owner)["State"]["Running"], "the owner ends")
        job = self.check("shared_namespace", bottle=bottle)
        self.assertIn(bottle.slug + "-owner", job["message"])

    def test_what_is_not_carried_over_is_named(self):
        lender = self.bottle()
        bottle = self.bottle(HostConfig={"VolumesFrom": [lender.slug]})
        self.assertIn("VolumesFrom", self.check("not_carried", bottle=bottle)["detail"])

    def test_bottle_that_is_not_there(self):
        self.worker.start()
        self.worker.approve("no-1", "nobody-home", CHANGE)
        job = self.worker.wait_final("no-1")
        self.assertEqual(job["state"], "rejected_stale", job["message"])
        self.assertIn("nobody-home", job["message"])
        self.assertEqual(self.proxy.mutating(), [])

    def test_plan_changes_nothing(self):
        bottle = self.bottle()
        self.worker.start()
        before = bottle.inspect()
        dockerfile = self.folder / "Dockerfile"
        dockerfile.write_text(CHANGE["change"]["dockerfile"])
        done = self.worker.tool("plan", "docker", bottle.slug, "--dockerfile", str(dockerfile))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(bottle.slug, done.stdout)
        self.assertEqual(self.proxy.mutating(), [])
        self.assert_untouched(bottle, before)

    def test_the_proxy_would_have_seen_it(self):
        bottle = self.bottle()
        self.worker.start()
        self.worker.approve("yes-1", bottle.slug, CHANGE)
        self.assertEqual(self.worker.wait_final("yes-1")["state"], "succeeded")
        seen = " ".join(path for _, path in self.proxy.mutating())
        for call in ("/build", "/containers/create", "/stop", "/rename", "/start"):
            self.assertIn(call, seen)


class AbsentEngine(Case):
    def test_refused_and_not_offered(self):
        self.worker = Worker(self.folder, self.folder / "no-engine.sock")
        self.worker.start()
        self.worker.approve("no-1", "dev-1", CHANGE)
        job = self.worker.wait_final("no-1")
        self.assertEqual((job["state"], job["reason_code"]), ("rejected_unsupported", "backend_absent"))
        self.assertIn("no-engine.sock", job["message"] + job["detail"])
        self.assertEqual(self.worker.tool("supports", "docker", "capability_block").returncode, 1)

    def test_offered_while_the_engine_is_there(self):
        self.worker.start()
        self.assertEqual(self.worker.tool("supports", "docker", "capability_block").returncode, 0)
        self.assertEqual(self.worker.tool("supports", "smolmachines", "capability_block").returncode, 1)


if __name__ == "__main__":
    unittest.main()
