# Bottles of several containers under a real worker: an agent, a helper in its network namespace, a tracer in the
# helper's process namespace, and a side container that is only watched. Killed at each effect, rolled back, refused.
# Not here: who belongs to a bottle (tests/unit), what an effect does (tests/docker).
import unittest

import poll
from case import CHANGE, DIES, Case
from engine import IMAGE

ARGS = {**CHANGE, "snapshot": {"paths": ["/home/agent/notes"]}, "verify": {"stable_s": 0, "timeout_s": 5}}
SLEEPS = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done"]
ROWS = ("pin_image", "create_new", "connect_networks", "disarm", "stop_old", "park_old", "take_name", "start_new")


class Members(Case):
    def setUp(self):
        super().setUp()
        with self.worker.config.open("a") as config:
            config.write('side_label = "bot.bottle"\n')
        self.agent = self.bottle()
        self.agent.write("/home/agent/notes", "what the agent knows")
        slug = self.agent.slug
        self.helper, self.tracer, self.watched = slug + "-helper", slug + "-tracer", slug + "-watched"
        self.create(self.helper, NetworkMode="container:" + slug, RestartPolicy={"Name": "unless-stopped"})
        self.create(self.tracer, NetworkMode=self.agent.network, PidMode="container:" + self.helper)
        self.create(self.watched, NetworkMode=self.agent.network)
        self.names = [slug, self.helper, self.tracer, self.watched]
        self.before = self.look()

    def create(self, name, cmd=SLEEPS, **host_config):
        body = {"Image": IMAGE, "Cmd": cmd, "Labels": {"bot.bottle": self.agent.slug}, "HostConfig": host_config}
        return self.engine.create(name, body)

    def look(self):
        return {name: self.engine.inspect(name) for name in self.names}

    def namespace(self, name, kind):
        code, output = self.engine.run(name, "readlink", f"/proc/self/ns/{kind}")
        self.assertEqual(code, 0, output)
        return output

    # ---- promises -------------------------------------------------------------------------------------------------

    def assert_one_agent(self, bottle):
        names = sorted(one["Name"] for one in self.engine.containers(name=[f"^/{bottle.slug}"]))
        self.assertEqual(names, sorted("/" + name for name in [*self.names, bottle.side]))

    def assert_together(self):
        """All run, and share what they shared before with those that are at their places now."""
        now = self.look()
        for name, one in now.items():
            self.assertTrue(one["State"]["Running"], name)
        self.assertEqual(self.namespace(self.helper, "net"), self.namespace(self.agent.slug, "net"))
        self.assertEqual(self.namespace(self.tracer, "pid"), self.namespace(self.helper, "pid"))
        self.assertEqual(now[self.helper]["HostConfig"]["NetworkMode"], "container:" + now[self.agent.slug]["Id"])
        self.assertEqual(now[self.tracer]["HostConfig"]["PidMode"], "container:" + now[self.helper]["Id"])
        watched, before = now[self.watched], self.before[self.watched]
        self.assertEqual((watched["Id"], watched["State"]["StartedAt"]), (before["Id"], before["State"]["StartedAt"]))
        return now

    def assert_all_changed(self, job):
        self.assertEqual(job["state"], "succeeded", job["message"])
        self.assertIsNone(job["down_since"])
        now = self.assert_together()
        for name in (self.agent.slug, self.helper, self.tracer):
            self.assertNotEqual(now[name]["Id"], self.before[name]["Id"], name)
        for name in (self.helper, self.tracer):
            self.assertEqual(now[name]["Image"], self.before[name]["Image"])
        self.assertEqual(self.agent.run("hello"), (0, "hello\n"))
        self.assertEqual(self.agent.read("/home/agent/notes"), "what the agent knows")
        self.assert_drained(self.agent)

    def assert_all_as_they_were(self, job):
        self.assertEqual(job["state"], "rolled_back", job["message"] + job["detail"])
        self.assertIsNone(job["down_since"])
        now = self.assert_together()
        for name in self.names:
            self.assertEqual(now[name]["Id"], self.before[name]["Id"], name)
            self.assertEqual(now[name]["HostConfig"], self.before[name]["HostConfig"], name)
        self.assertEqual(self.agent.read("/home/agent/notes"), "what the agent knows")
        self.assert_drained(self.agent)

    # ---- cases ----------------------------------------------------------------------------------------------------

    def test_all_are_changed_and_the_downtime_spans_them(self):
        self.worker.start()
        job_id = self.worker.approve("change-1", self.agent.slug, ARGS)
        job = self.worker.wait_final("change-1")
        self.assert_all_changed(job)
        self.assertGreater(job["downtime_ms"], 0)
        rows = self.worker.sql("SELECT effect FROM intents WHERE status = 'closed' AND job_id = ?", job_id)
        done = [row["effect"] for row in rows]
        for effect in ROWS:
            for name in (self.helper, self.tracer):
                self.assertIn(f"{effect}:{name}", done)
        self.assert_history_whole(job_id)

    def killed_at(self, *places, args=ARGS, check=None):
        """One job after the other on the same bottle, each with a worker that dies at one of the places."""
        for place in places:
            with self.subTest(place):
                approval = "killed-at-" + place.replace(":", "-")
                self.worker.start(failpoint=place)
                self.worker.approve(approval, self.agent.slug, args)
                self.worker.wait_killed()
                self.worker.start()
                (check or self.assert_all_changed)(self.worker.wait_final(approval))
                self.assertEqual(self.worker.stop(), 0)
                self.before = self.look()

    def around(self, *effects):
        """Before the effect on one of them, after it on the other: the intent, or the world, is all there is."""
        self.killed_at(*(place for effect in effects for place in (
            f"intent:{effect}:{self.helper}:kill", f"effect:{effect}:{self.tracer}:kill")))

    def test_killed_in_prepare(self):
        self.around("pin_image", "create_new", "connect_networks")
        self.killed_at("effect:admit:kill", "effect:record:kill")

    def test_killed_in_stop(self):
        self.around("disarm", "stop_old")

    def test_killed_in_apply(self):
        self.around("park_old", "take_name")
        self.killed_at("effect:save_paths:kill", "effect:restore_paths:kill")

    def test_killed_in_restart(self):
        self.around("start_new")
        self.killed_at("effect:verify_new:kill", "effect:tag_current:kill")

    def test_killed_on_the_way_back(self):
        # The second time that such a place is reached is the undoing.
        places = [f"effect:{effect}:{name}:kill:2" for effect, name in (
            ("take_name", self.tracer), ("park_old", self.helper), ("stop_old", self.helper),
            ("stop_old", self.tracer), ("disarm", self.helper))]
        self.killed_at(*places, "effect:stop_old:kill:2", args={**ARGS, "change": {"dockerfile": DIES}},
                       check=self.assert_all_as_they_were)

    def test_a_member_that_cannot_be_started_gives_all_back(self):
        late = self.agent.slug + "-late"  # its program is in its own layer, not in the image
        made = self.engine.create(late, {"Image": IMAGE, "Entrypoint": ["/only-here"],
                                         "HostConfig": {"NetworkMode": "container:" + self.agent.slug}}, start=False)
        self.engine.put_program(made, "/only-here", "#!/bin/sh\nexec sleep 1000\n")
        self.engine.call("POST", f"/containers/{made}/start")
        self.names.append(late)
        self.before = self.look()
        self.worker.start()
        self.worker.approve("change-1", self.agent.slug, ARGS)
        job = self.worker.wait_final("change-1")
        self.assertEqual(job["reason_code"], "start_failed", job["message"])
        self.assert_all_as_they_were(job)

    def test_a_side_container_that_goes_down_is_rolled_back_and_proved(self):
        self.worker.start(failpoint="state:stop:kill")
        self.worker.approve("change-1", self.agent.slug, ARGS)
        self.worker.wait_killed()
        self.engine.call("POST", f"/containers/{self.watched}/stop")
        self.worker.start()
        poll.until(lambda: self.worker.job("change-1")["state"] == "rollback", "rollback", evidence=self.worker.tail)
        self.engine.call("POST", f"/containers/{self.watched}/start")
        job = self.worker.wait_final("change-1")
        self.assertEqual(job["reason_code"], "side_container_failed", job["message"])
        self.before[self.watched] = self.engine.inspect(self.watched)
        self.assert_all_as_they_were(job)


if __name__ == "__main__":
    unittest.main()
