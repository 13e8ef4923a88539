# What a build printed, from the engine through the real worker and its database to the operator's terminal.
# Not here: how the streams of the two builders are read (tests/docker/build_test.cpp).
import json
import unittest
import uuid

from case import Case
from worker import Worker

BUILDERS = ("classic", "buildkit")
LINES = 4000
MAX_KIB = 16
CONTROL = [chr(one) for one in (*range(0, 10), *range(11, 32), 127, *range(128, 160))]
# Nothing is printed by what a builder remembers.
ONCE = f"RUN : {uuid.uuid4().hex};"
# As much as the agent likes, and what would clear the screen or set the title of the terminal that shows it.
TALKATIVE = f"""FROM current
{ONCE} i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo "said for the $i. time"; done
RUN printf 'clears \\033[2J sets \\033]0;title\\007 hides \\342\\200\\256 breaks \\377 end\\n'
"""
FAILS = f"FROM current\n{ONCE} echo before it fails && exit 7\n"
SLEEPS = f"FROM current\n{ONCE} echo before it sleeps && sleep 1000\n"


class BuildLog(Case):
    def build(self, builder, dockerfile, **more):
        """A bottle, its job, and what `rebottle log` prints of it."""
        self.worker = Worker(self.folder, self.engine.path, service={"build_log_max_kib": MAX_KIB},
                             docker={"builder": builder})
        self.worker.start()
        bottle = self.bottle()
        self.before = bottle.inspect()
        approval = "by-" + builder
        self.worker.approve(approval, bottle.slug, {"change": {"dockerfile": dockerfile}, **more})
        job = self.worker.wait_final(approval)
        ran = self.worker.tool("log", approval)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""), ran.stdout + self.worker.tail())
        self.assertEqual(self.worker.stop(), 0)
        return bottle, job, ran.stdout

    def test_a_long_hostile_one_is_cut_in_the_middle_and_escaped(self):
        for builder in BUILDERS:
            with self.subTest(builder):
                _, job, log = self.build(builder, TALKATIVE)
                self.assertEqual(job["state"], "succeeded", job["message"])
                self.assertIn("bytes left out", log)
                self.assertIn("said for the 1. time", log)
                self.assertNotIn(f"said for the {LINES // 2}. time", log)
                self.assertIn(f"said for the {LINES}. time", log)
                self.assertEqual([one for one in CONTROL if one in log], [])
                self.assertNotIn("\u202e", log)
                self.assertIn("\\x1b[2J", log)
                kept = json.loads(self.worker.tool("log", str(job["job_id"]), "-o", "json").stdout)
                self.assertGreater(kept["cut_bytes"], 0)
                # The one byte that is no text is shown as a character of three.
                self.assertLessEqual(len((kept["head"] + kept["tail"]).encode()), (MAX_KIB << 10) + 2)

    def test_that_of_a_build_that_fails_is_kept(self):
        for builder in BUILDERS:
            with self.subTest(builder):
                bottle, job, log = self.build(builder, FAILS)
                self.assertEqual((job["state"], job["reason_code"]), ("failed", "build_failed"), job["message"])
                self.assertIn("before it fails", log)
                self.assertIn("7", job["message"])
                self.assert_untouched(bottle, self.before)

    def test_that_of_a_build_that_takes_too_long_is_kept(self):
        for builder in BUILDERS:
            with self.subTest(builder):
                bottle, job, log = self.build(builder, SLEEPS, limits={"build_timeout_s": 15})
                self.assertEqual((job["state"], job["reason_code"]), ("failed", "build_timeout"), job["message"])
                self.assertIn("before it sleeps", log)
                self.assert_untouched(bottle, self.before)


class NoBuildLog(Case):
    def test_of_an_image_there_is_none(self):
        bottle = self.bottle()
        self.worker.start()
        self.worker.approve("image", bottle.slug, {"change": {"image": "rebottle-demo/busybox:1"}})
        self.assertEqual(self.worker.wait_final("image")["state"], "succeeded")
        ran = self.worker.tool("log", "image")
        self.assertEqual((ran.returncode, ran.stdout), (3, ""))
        self.assertIn("has no build log", ran.stderr)


if __name__ == "__main__":
    unittest.main()
