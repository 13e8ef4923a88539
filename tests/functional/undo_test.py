# Undo, by the real worker and the operator's CLI: the same container is back, also when the worker is killed on the
# way. Not here: each effect on its own (tests/docker/undo_test.cpp).
import json
import unittest

import poll
from case import CHANGE, Case


class Undo(Case):
    def setUp(self):
        super().setUp()
        config = self.worker.config.read_text()
        self.worker.config.write_text(config + 'keep_old_s = 3600\n'
                                      f'override_dockerfile = "{self.folder}/{{bottle}}.override"\n')

    def changed(self):
        """A bottle after a change that can be undone: the bottle, and what it was before."""
        bottle = self.bottle()
        bottle.write("/home/agent/notes", "what the agent knows")
        before = bottle.inspect()
        self.worker.approve("the-change", bottle.slug, CHANGE)
        job = self.worker.wait_final("the-change")
        self.assertEqual(job["state"], "succeeded", job["message"])
        self.assert_changed(bottle, before)
        return bottle, before

    def ask(self, *arguments, code=0):
        """Runs `rebottle undo`; the number of the new job."""
        ran = self.worker.tool("undo", "-o", "json", *arguments)
        self.assertEqual(ran.returncode, code, ran.stdout + ran.stderr)
        return json.loads(ran.stdout)["answer"]

    def assert_back(self, bottle, before):
        self.assert_as_it_was(bottle, before)
        self.assertEqual(bottle.read("/home/agent/notes"), "what the agent knows")
        self.assertNotEqual(bottle.run("hello")[0], 0)
        self.assertFalse((self.folder / f"{bottle.slug}.override").exists())
        self.assertNotIn(f"rebottle/{bottle.slug}:current", self.engine.images())
        self.worker.wait_drained()
        self.assert_one_agent(bottle)
        mine = [tag for tag in self.engine.images() if tag.startswith(f"rebottle/{bottle.slug}:")]
        self.assertEqual(mine, [])

    def test_puts_the_same_container_back(self):
        self.worker.start()
        bottle, before = self.changed()
        self.assertEqual((self.folder / f"{bottle.slug}.override").read_text(), CHANGE["change"]["dockerfile"])
        shown = json.loads(self.worker.tool("bottles", "-o", "json").stdout)[0]
        self.assertIsNotNone(shown["undo_until"])
        plan = self.worker.tool("undo", "docker", bottle.slug, "--plan")
        self.assertEqual(plan.returncode, 0, plan.stdout + plan.stderr)
        self.assertIn("start " + bottle.slug + ", as it was before the change", plan.stdout)
        self.assertIn("what the changed containers wrote outside of volumes", plan.stdout)
        undo = self.ask("docker", bottle.slug)["job_id"]
        job = self.worker.wait_final("the-change")
        self.assertEqual((job["job_id"], job["state"], job["undoes"]), (undo, "succeeded", shown["undo_job_id"]))
        self.assert_back(bottle, before)
        self.assert_history_whole(undo)
        undone = json.loads(self.worker.tool("show", str(shown["undo_job_id"]), "-o", "json").stdout)
        self.assertEqual(undone["undone_by"], undo)
        self.assertEqual(self.ask("the-change", code=5)["reason_code"], "not_a_change")
        self.assertEqual(self.ask(str(shown["undo_job_id"]), code=5)["reason_code"], "not_standing")
        self.assertEqual(self.ask("docker", bottle.slug, code=5)["reason_code"], "never_changed")

    def check_killed(self, *places):
        """The worker dies at each place in turn, and another one takes over."""
        self.worker.start()
        bottle, before = self.changed()
        self.assertEqual(self.worker.stop(), 0)
        first, *rest = places
        self.worker.start(failpoint=first + ":kill")
        undo = self.ask("docker", bottle.slug)["job_id"]
        self.worker.wait_killed()
        for place in rest:
            self.worker.start(failpoint=place + ":kill", ready=False)
            self.worker.wait_killed()
        self.worker.start()
        job = self.worker.wait_final("the-change")
        self.assertEqual((job["job_id"], job["state"]), (undo, "succeeded"), job["message"])
        self.assertIn("resume", [row["event"] for row in self.worker.history(undo)])
        self.assertIsNone(job["down_since"])
        self.assert_back(bottle, before)

    def test_killed_before_and_after_the_stop(self):
        self.check_killed("intent:stop_old", "effect:stop_old")

    def test_killed_around_the_renames(self):
        self.check_killed("effect:park_old", "effect:take_name")

    def test_killed_around_the_start(self):
        self.check_killed("intent:start_new", "effect:start_new")

    def test_killed_around_what_lasts(self):
        self.check_killed("effect:write_override", "effect:tag_current")

    def test_killed_too_often_in_one_step_ends_as_the_changed_one(self):
        self.worker.start()
        bottle, _ = self.changed()
        changed = bottle.inspect()
        self.assertEqual(self.worker.stop(), 0)
        self.worker.start(failpoint="intent:park_old:kill")
        undo = self.ask("docker", bottle.slug)["job_id"]
        self.worker.wait_killed()
        for place in ("effect:park_old:kill", "effect:take_name:kill"):
            self.worker.start(failpoint=place, ready=False)
            self.worker.wait_killed()
        self.worker.start()
        job = self.worker.wait_final("the-change")
        self.assertEqual((job["job_id"], job["state"]), (undo, "rolled_back"), job["message"])
        self.assert_as_it_was(bottle, changed)
        # The way back is still there, and works.
        self.ask("docker", bottle.slug)
        job = self.worker.wait_final("the-change")
        self.assertEqual(job["state"], "succeeded", job["message"])

    def override(self, bottle):
        """What is in the bottle's file, and what lies beside it."""
        path = self.folder / f"{bottle.slug}.override"
        return path.read_text(), sorted(one.name for one in self.folder.glob(path.name + ".*"))

    def test_the_override_of_a_change_that_is_killed_too_often_is_as_it_was(self):
        bottle = self.bottle()
        before = bottle.inspect()
        (self.folder / f"{bottle.slug}.override").write_text("FROM before\n")
        self.worker.start(failpoint="intent:write_override:kill")
        self.worker.approve("the-change", bottle.slug, CHANGE)
        self.worker.wait_killed()
        self.assertEqual(self.override(bottle), ("FROM before\n", []))
        self.worker.start(failpoint="effect:write_override:kill", ready=False)
        self.worker.wait_killed()
        dockerfile, beside = self.override(bottle)
        self.assertEqual((dockerfile, len(beside)), (CHANGE["change"]["dockerfile"], 1))
        self.assertEqual((self.folder / beside[0]).read_text(), "FROM before\n")
        self.worker.start(failpoint="effect:tag_current:kill", ready=False)
        self.worker.wait_killed()
        self.worker.start()
        job = self.worker.wait_final("the-change")
        self.assertEqual(job["state"], "rolled_back", job["message"])
        self.assertEqual(self.override(bottle), ("FROM before\n", []))
        self.assert_as_it_was(bottle, before)

    def test_an_override_that_cannot_be_written_is_a_refusal(self):
        bottle = self.bottle()
        before = bottle.inspect()
        (self.folder / f"{bottle.slug}.override").mkdir()
        self.worker.start()
        self.worker.approve("the-change", bottle.slug, CHANGE)
        job = self.worker.wait_final("the-change")
        self.assertEqual((job["state"], job["reason_code"]), ("failed", "override_unusable"), job["message"])
        self.assert_untouched(bottle, before)

    def test_is_refused_while_another_job_waits(self):
        self.worker.start()
        bottle, _ = self.changed()
        self.worker.tool("freeze", "docker", bottle.slug, "--reason", "a test")
        self.worker.approve("another", bottle.slug, CHANGE)
        self.assertEqual(self.ask("docker", bottle.slug, code=5)["reason_code"], "busy")
        self.worker.tool("unfreeze", "docker", bottle.slug)
        self.assertEqual(self.worker.wait_final("another")["state"], "succeeded")
        self.assertEqual(self.ask("the-change", code=5)["reason_code"], "not_standing")

    def test_of_two_changes_one_after_the_other(self):
        self.worker.start()
        bottle, before = self.changed()
        first = bottle.inspect()
        second = {"change": {"dockerfile": CHANGE["change"]["dockerfile"].replace("hello", "hallo")}}
        self.worker.approve("another", bottle.slug, second)
        self.assertEqual(self.worker.wait_final("another")["state"], "succeeded")
        self.ask("docker", bottle.slug)
        job = self.worker.wait_final("another")
        self.assertEqual(job["state"], "succeeded", job["message"])
        self.assert_as_it_was(bottle, first)
        self.assertNotEqual(bottle.run("hallo")[0], 0)
        self.assertEqual((self.folder / f"{bottle.slug}.override").read_text(), CHANGE["change"]["dockerfile"])
        self.ask("docker", bottle.slug)
        job = self.worker.wait_final("the-change")
        self.assertEqual(job["state"], "succeeded", job["message"])
        self.assert_back(bottle, before)

    def test_of_an_old_one_that_does_not_come_up_ends_as_the_changed_one(self):
        self.worker.start()
        bottle, _ = self.changed()
        changed = bottle.inspect()
        parked = next(one for one in self.engine.containers(name=[f"^/{bottle.slug}"]) if ".prev-" in one["Name"])
        # Its writable layer is its own: this breaks the old one alone.
        self.engine.put_program(parked["Id"], "/bin/sh", "#!/no/such/interpreter\n")
        undo = self.ask("docker", bottle.slug)["job_id"]
        job = self.worker.wait_final("the-change")
        self.assertEqual((job["job_id"], job["state"]), (undo, "rolled_back"), job["message"])
        self.assert_as_it_was(bottle, changed)
        self.assertEqual(bottle.run("hello"), (0, "hello\n"))
        self.assertEqual((self.folder / f"{bottle.slug}.override").read_text(), CHANGE["change"]["dockerfile"])
        # The way back is still there.
        self.assertIsNotNone(json.loads(self.worker.tool("bottles", "-o", "json").stdout)[0]["undo_until"])

    def test_removed_by_hand_or_over_it_is_refused(self):
        config = self.worker.config.read_text()
        self.worker.start()
        bottle, _ = self.changed()
        changed = bottle.inspect()
        parked = next(one for one in self.engine.containers(name=[f"^/{bottle.slug}"]) if ".prev-" in one["Name"])
        self.engine.call("DELETE", f"/containers/{parked['Id']}")
        self.assertEqual(self.ask("docker", bottle.slug, code=5)["reason_code"], "nothing_parked")
        self.assertEqual(self.worker.stop(), 0)
        self.worker.config.write_text(config.replace("keep_old_s = 3600", "keep_old_s = 1"))
        self.worker.start()
        self.worker.approve("another", bottle.slug, CHANGE)
        self.assertEqual(self.worker.wait_final("another")["state"], "succeeded")

        def gone():
            return [one["Name"] for one in self.engine.containers(name=[f"^/{bottle.slug}"])
                    if one["Name"] != f"/{bottle.side}"] == [f"/{bottle.slug}"]

        poll.until(gone, "what was replaced is removed once its time is over", evidence=self.worker.tail)
        self.assertEqual(self.ask("docker", bottle.slug, code=5)["reason_code"], "not_kept")
        self.assertNotEqual(bottle.inspect()["Id"], changed["Id"])


if __name__ == "__main__":
    unittest.main()
