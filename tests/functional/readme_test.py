# Runs the examples of README.md as they stand there, on a real bottle: what a reader copies must work.
# Not here: the two commands of its first page (script/demo is a test of its own; script/test is running now).
import json
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

from case import HELLO, Case
from worker import BIN

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
DATABASE, BOTTLE = "/var/lib/rebottle/rebottle.db", "dev-fix-12"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


class Readme(Case):
    def example(self, language, mark, *names):
        """The one block of that language with `mark` in it, and these names in it replaced by this test's."""
        found = [block for block in blocks(language) if mark in block]
        self.assertEqual(len(found), 1, f"README.md has {len(found)} {language} blocks with {mark}")
        text = found[0]
        for name in names:
            self.assertIn(name, text)
            text = text.replace(name, {DATABASE: str(self.worker.db), BOTTLE: self.slug}[name])
        return text

    def setUp(self):
        super().setUp()
        self.target = self.bottle()
        self.slug = self.target.slug
        self.worker.start()

    def check_succeeded(self, approval_id):
        job = self.worker.wait_final(approval_id)
        self.assertEqual(job["state"], "succeeded", job["message"])
        code, output = self.target.run("hello")
        self.assertEqual((code, output.strip()), (0, "hello"))

    def test_sql(self):
        statement = self.example("sh", "INSERT INTO approvals", DATABASE, BOTTLE)
        subprocess.run(["sh", "-ec", statement], check=True, timeout=60)
        self.check_succeeded("prop-7f3")

    def test_python(self):
        program = self.example("python", "INSERT INTO approvals", DATABASE, BOTTLE)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("succeeded", done.stdout)
        self.check_succeeded("prop-7f4")

    def test_command_line(self):
        (self.folder / "Dockerfile").write_text(HELLO)
        script = self.example("sh", "rebottle enqueue", BOTTLE)
        environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "REBOTTLE_DB": str(self.worker.db)}
        done = subprocess.run(["sh", "-ec", script], env=environment, cwd=self.folder, capture_output=True, text=True,
                              timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.check_succeeded("prop-7f5")


class States(unittest.TestCase):
    def setUp(self):
        printed = subprocess.run([BIN / "rebottle", "states", "-o", "json"], capture_output=True, text=True, check=True,
                                 timeout=30).stdout
        self.table = json.loads(printed)

    def test_the_path_is_the_one_of_the_table(self):
        next_state = {row["from"]: row["to"] for row in self.table["transitions"] if row["on"] == "step_done"}
        path = ["queued", "prepare"]
        while path[-1] in next_state:
            path.append(next_state[path[-1]])
        self.assertIn("\n" + " → ".join(path) + "\n", README)

    def test_every_state_is_explained_and_no_other(self):
        section = README.split("## What a job goes through")[1].split("\n## ")[0]
        first_cells = re.findall(r"^\| ([a-z_, ]+) \|", section, re.M)
        rows = {name for cell in first_cells for name in cell.split(", ")} - {"state"}
        ends = set(re.findall(r"`([a-z_]+)`", section.split("The ends:")[1].split("[docs")[0]))
        states = {row["state"]: row["final"] for row in self.table["states"]}
        self.assertEqual(rows, {name for name, final in states.items() if not final})
        self.assertEqual(ends, {name for name, final in states.items() if final})


if __name__ == "__main__":
    unittest.main()
