# What all functional tests share: a folder that is kept on failure, bottles, a worker, and the promises to check.
# Not here: single cases.
import json
import re
import shutil
import sys
import tempfile
import unittest
import uuid
from pathlib import Path

import poll
from engine import Bottle, Engine, differences, on_free_subnet
from worker import Worker

HELLO = "FROM current\nUSER root\nRUN printf '#!/bin/sh\\necho hello\\n' > /usr/local/bin/hello" \
        " && chmod 755 /usr/local/bin/hello\nUSER agent\n"
DIES = 'FROM current\nENTRYPOINT ["false"]\nCMD []\n'
CHANGE = {"change": {"dockerfile": HELLO}}

# Where inspect may differ after a change. Everything else must be equal.
RUN_MADE = (r"State\..*", r"RestartCount", r"NetworkSettings\.SandboxID", r"NetworkSettings\.SandboxKey",
            r"NetworkSettings\.Networks\.[^.]+\.EndpointID")
ENGINE_MADE = RUN_MADE + (r"Created", r"Image", r"GraphDriver\.Data\..*")
OURS = (r"Config\.Labels\.io\.rebottle\..*",)
THE_CHANGE = (r"Config\.Image",)


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.engine = Engine()
        self.folder = Path(tempfile.mkdtemp(prefix="rebottle-functional-"))
        self.worker = Worker(self.folder, self.engine.path)
        self.bottles = []
        self.addCleanup(self.clean_up)

    def clean_up(self):
        code = self.worker.stop()
        if self.outcome_failed():
            print(f"kept: {self.folder}\n{self.worker.tail()}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder)
        for bottle in reversed(self.bottles):  # a later one may use what an earlier one owns
            bottle.remove()
        self.assertEqual(code, 0, "rebottled's exit code after SIGTERM")

    def outcome_failed(self):
        outcome = self._outcome.result
        return any(test is self or getattr(test, "test_case", None) is self
                   for test, _ in outcome.failures + outcome.errors)

    def bottle(self, **changes):
        """A fresh bottle on a subnet that no other test has."""
        slug = f"fn-{uuid.uuid4().hex[:10]}"
        made = on_free_subnet(lambda number: Bottle(self.engine, slug, number, **changes))
        self.bottles.append(made)
        poll.until(lambda: made.inspect()["State"]["Running"], f"{slug} runs")
        return made

    # ---- promises -------------------------------------------------------------------------------------------------

    def assert_same_but(self, before, after, *allowed):
        """inspect before and after differ at the allowed paths only."""
        pattern = re.compile("|".join(f"(?:{one})" for one in ENGINE_MADE + OURS + THE_CHANGE + allowed))
        wrong = {path: pair for path, pair in differences(before, after).items() if not pattern.fullmatch(path)}
        self.assertEqual(wrong, {})

    def assert_changed(self, bottle, before):
        """The bottle runs a new container that differs from the old one in nothing but the change."""
        after = bottle.inspect()
        self.assertNotEqual(after["Id"], before["Id"])
        self.assertTrue(after["State"]["Running"])
        volumes = {m["Destination"]: m["Name"] for m in before["Mounts"] if m["Type"] == "volume"}
        self.assertEqual({m["Destination"]: m["Name"] for m in after["Mounts"] if m["Type"] == "volume"}, volumes)
        # An anonymous volume can only be carried over by its name: it moves from Config.Volumes to the binds.
        self.assert_same_but(before, after, r"Config\.Volumes(\..*)?", r"HostConfig\.Binds", r"Mounts\[\d+\]\.Mode")
        named = [bind.split(":")[:2] for bind in after["HostConfig"]["Binds"] or []]
        self.assertLessEqual({(destination, name) for name, destination in named},
                             {(m["Destination"], m.get("Name") or m["Source"]) for m in before["Mounts"]})

    def assert_untouched(self, bottle, before):
        """The very same container that has never stopped."""
        after = bottle.inspect()
        self.assertEqual((after["Id"], after["State"]["StartedAt"]), (before["Id"], before["State"]["StartedAt"]))
        self.assertTrue(after["State"]["Running"])
        self.assertEqual(differences(before, after), {})

    def assert_as_it_was(self, bottle, before):
        """The same container, running again, with its networks and its restart policy."""
        after = bottle.inspect()
        self.assertEqual(after["Id"], before["Id"])
        self.assertTrue(after["State"]["Running"])
        self.assertEqual({path: pair for path, pair in differences(before, after).items()
                          if not re.fullmatch("|".join(RUN_MADE), path)}, {})

    def assert_one_agent(self, bottle):
        """Exactly one container of the bottle beside its side container, and it is at its place."""
        names = sorted(one["Name"] for one in self.engine.containers(name=[f"^/{bottle.slug}"]))
        self.assertEqual(names, sorted(["/" + bottle.slug, "/" + bottle.side]))

    def assert_history_whole(self, job_id):
        """Numbered without a gap, each row beginning where the last one ended."""
        rows = self.worker.history(job_id)
        self.assertEqual([row["seq"] for row in rows], list(range(1, len(rows) + 1)))
        for last, row in zip(rows, rows[1:]):
            self.assertEqual(row["from_state"], last["to_state"])
            json.loads(row["data"])

    def assert_drained(self, bottle):
        """Nothing of ours is left but what the bottle uses."""
        self.worker.wait_drained()
        self.assert_one_agent(bottle)
        images = self.engine.images()
        mine = [tag for tag in images if tag.startswith(f"rebottle/{bottle.slug}:")]
        self.assertLessEqual({tag.split(":")[1].split("-")[0] for tag in mine}, {"current", "job"})
        used = bottle.inspect()["Image"]
        self.assertEqual([tag for tag in mine if images[tag] != used], [])
        snapshots = self.folder / "snapshots"
        self.assertEqual(sorted(snapshots.rglob("*.tar")) if snapshots.exists() else [], [])

    def states(self, job_id):
        """The states that the job passed, in order, each stay once."""
        passed = [row["to_state"] for row in self.worker.history(job_id)]
        return [state for i, state in enumerate(passed) if i == 0 or passed[i - 1] != state]
