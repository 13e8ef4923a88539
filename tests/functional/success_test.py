# An approval inserted by plain SQL comes out as a changed bottle that lost nothing (issue 3, lines 2 and 3).
# Not here: failures (failure_test.py) and crashes (crash_test.py).
import unittest

from case import CHANGE, HELLO, Case

ALL_STATES = ["queued", "prepare", "snapshot", "stop", "apply", "restart", "verify", "succeeded"]


class Success(Case):
    def test_only_what_was_asked_for_changes(self):
        bottle = self.bottle()
        self.worker.start()
        before = bottle.inspect()
        job_id = self.worker.approve("change-1", bottle.slug, CHANGE)
        job = self.worker.wait_final("change-1")
        self.assertEqual(job["state"], "succeeded", job["message"])
        self.assertEqual(self.states(job_id), ALL_STATES)
        self.assertEqual(bottle.run("hello"), (0, "hello\n"))
        self.assert_changed(bottle, before)
        self.assert_history_whole(job_id)
        self.assert_drained(bottle)

    def test_paths_are_kept_even_from_the_stop_handler(self):
        bottle = self.bottle()
        self.worker.start()
        bottle.write("/home/agent/notes", "what the agent knows")
        bottle.write("/home/agent/forgotten", "not asked for")
        args = {**CHANGE, "snapshot": {"paths": ["/home/agent/notes", "/home/agent/last-words"]}}
        self.worker.approve("keep-1", bottle.slug, args)
        hostname = bottle.inspect()["Config"]["Hostname"]
        job = self.worker.wait_final("keep-1")
        self.assertEqual(job["state"], "succeeded", job["message"])
        self.assertEqual(bottle.read("/home/agent/notes"), "what the agent knows")
        self.assertEqual(bottle.read("/home/agent/last-words"), f"last words of {hostname}\n")
        code, _ = bottle.run("test", "-e", "/home/agent/forgotten")
        self.assertEqual(code, 1, "a file outside the paths came along")
        self.assertEqual(bottle.run("stat", "-c", "%U %a", "/home/agent/notes")[1], "agent 644\n")
        self.assert_drained(bottle)

    def test_volumes_are_the_same_ones(self):
        bottle = self.bottle()
        self.worker.start()
        code, output = bottle.run("sh", "-c", "echo kept > /project/file; echo kept too > /scratch/file", user="root")
        self.assertEqual(code, 0, output)
        self.worker.approve("volumes-1", bottle.slug, CHANGE)
        job = self.worker.wait_final("volumes-1")
        self.assertEqual(job["state"], "succeeded", job["message"])
        self.assertEqual(bottle.read("/project/file"), "kept\n")
        self.assertEqual(bottle.read("/scratch/file"), "kept too\n")
        self.assert_drained(bottle)
        # Removing the parked container must not have taken the anonymous volume with it.
        self.assertEqual(bottle.read("/scratch/file"), "kept too\n")

    def test_the_bottle_is_reachable_as_before(self):
        bottle = self.bottle()
        self.worker.start()
        self.worker.approve("network-1", bottle.slug, CHANGE)
        self.assertEqual(self.worker.wait_final("network-1")["state"], "succeeded")
        code, output = self.engine.run(bottle.side, "nslookup", "the-agent")
        address = bottle.inspect()["NetworkSettings"]["Networks"][bottle.network]["IPAddress"]
        self.assertIn(address, output)
        self.assertEqual(bottle.run("wget", "-q", "-O-", f"http://{bottle.side}/group")[0], 0)

    def test_a_second_change_replaces_what_the_first_one_left(self):
        bottle = self.bottle()
        self.worker.start()
        self.worker.approve("twice-1", bottle.slug, CHANGE)
        self.assertEqual(self.worker.wait_final("twice-1")["state"], "succeeded")
        self.worker.wait_drained()
        first = bottle.inspect()
        second = {"change": {"dockerfile": HELLO.replace("hello", "hallo")}}
        self.worker.approve("twice-2", bottle.slug, second)
        job = self.worker.wait_final("twice-2")
        self.assertEqual(job["state"], "succeeded", job["message"])
        # The second builds on the first: both programs are there.
        self.assertEqual(bottle.run("hello"), (0, "hello\n"))
        self.assertEqual(bottle.run("hallo"), (0, "hallo\n"))
        now = bottle.inspect()
        self.assertEqual(set(now["Config"]["Labels"]), set(first["Config"]["Labels"]), "labels pile up")
        self.assertEqual(now["HostConfig"]["Binds"], first["HostConfig"]["Binds"])
        self.assert_changed(bottle, first)
        self.assert_drained(bottle)

    def test_commands_and_image_are_changes_too(self):
        bottle = self.bottle()
        self.worker.start()
        before = bottle.inspect()
        commands = {"change": {"commands": ["echo one > /etc/one", "test -s /etc/one"]}}
        self.worker.approve("commands-1", bottle.slug, commands)
        job = self.worker.wait_final("commands-1")
        self.assertEqual(job["state"], "succeeded", job["message"])
        self.assertEqual(bottle.read("/etc/one"), "one\n")
        self.worker.wait_drained()
        self.worker.approve("image-1", bottle.slug, {"change": {"image": before["Config"]["Image"]}})
        job = self.worker.wait_final("image-1")
        self.assertEqual(job["state"], "succeeded", job["message"])
        self.assertEqual(bottle.inspect()["Image"], before["Image"])
        self.assert_drained(bottle)

    def test_two_jobs_on_one_bottle_run_one_after_the_other(self):
        bottle = self.bottle()
        self.worker.start()
        one = self.worker.approve("pair-1", bottle.slug, CHANGE)
        two = self.worker.approve("pair-2", bottle.slug, {"change": {"commands": ["true"]}})
        for name in ("pair-1", "pair-2"):
            self.assertEqual(self.worker.wait_final(name)["state"], "succeeded")
        end = self.worker.history(one)[-1]["at"]
        begin = next(row["at"] for row in self.worker.history(two) if row["event"] == "claim")
        self.assertGreaterEqual(begin, end)
        self.assertEqual(bottle.run("hello"), (0, "hello\n"))
        self.assert_drained(bottle)


if __name__ == "__main__":
    unittest.main()
