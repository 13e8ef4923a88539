# kill -9 of the worker at every point, then a new worker: the job ends properly and exactly once (issue 3, line 5).
# Not here: crashes of the engine.
import unittest

from case import CHANGE, DIES, Case

ARGS = {**CHANGE, "snapshot": {"paths": ["/home/agent/notes"]}}


class Crash(Case):
    def check(self, place, args, end):
        bottle = self.bottle()
        bottle.write("/home/agent/notes", "what the agent knows")
        before = bottle.inspect()
        approval = "killed-at-" + place.replace(":", "-")
        self.worker.start(failpoint=f"{place}:kill")
        job_id = self.worker.approve(approval, bottle.slug, args)
        self.worker.wait_killed()
        self.worker.start()
        job = self.worker.wait_final(approval)
        self.assertEqual(job["state"], end, f"{place}: {job['message']}")
        self.assertIn("resume", [row["event"] for row in self.worker.history(job_id)])
        if end == "succeeded":
            self.assert_changed(bottle, before)
            self.assertEqual(bottle.run("hello"), (0, "hello\n"))
            self.assertEqual(bottle.read("/home/agent/starts").count("started"), 1)
        else:
            self.assert_as_it_was(bottle, before)
        self.assertEqual(bottle.read("/home/agent/notes"), "what the agent knows")
        self.assertIsNone(job["down_since"])
        self.assert_history_whole(job_id)
        self.assert_drained(bottle)
        self.assertEqual(self.worker.stop(), 0)

    # In every working state, as it is entered.
    def test_in_prepare(self):
        self.check("state:prepare", ARGS, "succeeded")

    def test_in_snapshot(self):
        self.check("state:snapshot", ARGS, "succeeded")

    def test_in_stop(self):
        self.check("state:stop", ARGS, "succeeded")

    def test_in_apply(self):
        self.check("state:apply", ARGS, "succeeded")

    def test_in_restart(self):
        self.check("state:restart", ARGS, "succeeded")

    def test_in_verify(self):
        self.check("state:verify", ARGS, "succeeded")

    def test_in_rollback(self):
        self.check("state:rollback", {"change": {"dockerfile": DIES}}, "rolled_back")

    # Around each effect: before it (the intent is written) and after it (the result is not).
    def around(self, effect):
        for place in (f"intent:{effect}", f"effect:{effect}"):
            self.check(place, ARGS, "succeeded")

    def test_around_pin_image(self):
        self.around("pin_image")

    def test_around_build_image(self):
        self.around("build_image")

    def test_around_create_new(self):
        self.around("create_new")

    def test_around_disarm(self):
        self.around("disarm")

    def test_around_stop_old(self):
        self.around("stop_old")

    def test_around_save_paths(self):
        self.around("save_paths")

    def test_around_park_old(self):
        self.around("park_old")

    def test_around_take_name(self):
        self.around("take_name")

    def test_around_restore_paths(self):
        self.around("restore_paths")

    def test_around_start_new(self):
        self.around("start_new")

    def test_around_tag_current(self):
        self.around("tag_current")

    def test_dying_again_and_again_is_rolled_back(self):
        bottle = self.bottle()
        before = bottle.inspect()
        self.worker.start(failpoint="state:apply:kill")
        self.worker.approve("crash-1", bottle.slug, ARGS)
        self.worker.wait_killed()
        for _ in range(2):  # the default of crashes_max is 3
            self.worker.start(failpoint="state:apply:kill", ready=False)
            self.worker.wait_killed()
        self.worker.start()
        job = self.worker.wait_final("crash-1")
        self.assertEqual(job["state"], "rolled_back", job["message"])
        self.assertIn("poison", [row["event"] for row in self.worker.history(job["job_id"])])
        self.assert_as_it_was(bottle, before)
        self.assert_drained(bottle)

    def test_a_graceful_stop_in_the_middle_costs_nothing(self):
        bottle = self.bottle()
        before = bottle.inspect()
        self.worker.start()
        self.worker.approve("crash-1", bottle.slug, {"change": {"dockerfile": "FROM current\nRUN sleep 2\n"}})
        for _ in range(4):  # more often than crashes are allowed
            self.assertEqual(self.worker.stop(), 0)
            self.worker.start()
        job = self.worker.wait_final("crash-1")
        self.assertEqual(job["state"], "succeeded", job["message"])
        self.assertEqual(job["crashes"], 0)
        self.assert_changed(bottle, before)
        self.assert_drained(bottle)


if __name__ == "__main__":
    unittest.main()
