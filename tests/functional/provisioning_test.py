# The Python example of provisioning on a real service: the tool is shown while it can be honoured, hidden otherwise,
# and the command line says the same. Not here: what the probes find (dispatch_test.py).
import os
import sqlite3
import subprocess
import sys
import time
import unittest
from pathlib import Path
from unittest import mock

from case import Case
from worker import Worker

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients/python"))
import rebottle_capabilities  # noqa: E402
from provisioning_example import tools_for  # noqa: E402

SHOWN = ["read_file", "run_tests", "capability_block"]
HIDDEN = ["read_file", "run_tests"]


class Provisioning(Case):
    def check(self, backend, tools, reason=""):
        found, why = tools_for(backend, self.worker.db)
        self.assertEqual(found, tools, why)
        self.assertEqual(why.split(":")[0], reason)

    def check_both(self, backend, tools, reason="", kind="capability_block"):
        """The example and the command line agree."""
        if kind == "capability_block":
            self.check(backend, tools, reason)
        self.assertEqual(rebottle_capabilities.supports(backend, kind, self.worker.db).reason_code, reason)
        said = self.worker.tool("supports", backend, kind)
        self.assertEqual(said.returncode, 0 if tools == SHOWN else 1, said.stdout)
        self.assertTrue(said.stdout.startswith("yes" if tools == SHOWN else f"no: {reason}"), said.stdout)

    def test_shown_while_engine_and_service_are_there(self):
        self.worker.start()
        self.check_both("docker", SHOWN)
        self.check_both("nonsense", HIDDEN, "not_known")
        self.check_both("docker", HIDDEN, "kind_unsupported", kind="repaint")
        self.worker.kill()
        self.check_both("docker", HIDDEN, "service_not_running")
        self.worker.start()
        self.check_both("docker", SHOWN)
        self.worker.stop()
        self.check_both("docker", HIDDEN, "service_not_running")

    def test_hidden_while_the_engine_is_absent(self):
        self.worker = Worker(self.folder, self.folder / "no-engine.sock")
        self.worker.start()
        self.check_both("docker", HIDDEN, "backend_absent")

    def test_hidden_once_the_backend_is_switched_off(self):
        self.worker = Worker(self.folder, self.engine.path, '[backends.null]\nenabled = true\n')
        self.worker.start()
        self.check_both("null", SHOWN)
        self.worker.kill()  # nothing is said to the database
        self.worker = Worker(self.folder, self.engine.path)
        self.worker.start()
        self.check_both("null", HIDDEN, "not_known")

    def test_hidden_when_the_answer_is_old_or_from_the_future(self):
        self.worker.start()
        good_for_s = 3 * 60 + 15
        for offset_s, tools in ((good_for_s - 30, SHOWN), (good_for_s + 1, HIDDEN), (-3600, HIDDEN)):
            now = time.time() + offset_s
            with mock.patch.object(rebottle_capabilities.time, "time", lambda now=now: now):
                self.check("docker", tools, "" if tools == SHOWN else "answer_stale")

    def test_hidden_when_there_is_no_usable_database(self):
        self.check_both("docker", HIDDEN, "database_missing")
        self.assertFalse(self.worker.db.exists(), "asking made a database")
        self.worker.db.write_text("no database at all, but some text that is long enough to have a header" * 10)
        self.check_both("docker", HIDDEN, "not_readable")
        self.worker.db.unlink()
        sqlite3.connect(self.worker.db).close()
        self.check_both("docker", HIDDEN, "not_readable")
        os.unlink(self.worker.db)

    def test_hidden_when_the_row_is_not_what_a_service_writes(self):
        for number, (columns, row) in enumerate((
                ("supported, checked_at, detail, reason_code, message, version", (1, 0, "[1]", "", "", "1")),
                ("supported, checked_at, detail, reason_code, message, version", (1, 0, '"x"', "", "", "1")),
                ("supported, checked_at, detail, reason_code, message, version", (1, 0, "[" * 100000, "", "", "1")),
                ("supported, checked_at, detail, reason_code, message", (1, 0, "{}", "", "")),
                ("supported", (1,)))):
            database = self.folder / f"strange-{number}.db"
            with sqlite3.connect(database) as connection:
                connection.execute(f"CREATE TABLE backend_capabilities (backend, kind, {columns})")
                connection.execute(f"INSERT INTO backend_capabilities VALUES ('docker', 'capability_block',"
                                   f" {', '.join('?' * len(row))})", row)
            connection.close()
            self.assertEqual(rebottle_capabilities.supports("docker", database=database).reason_code, "not_readable")

    def test_the_program_prints_the_tools_of_each_bottle(self):
        self.worker.start()
        program = Path(rebottle_capabilities.__file__).with_name("provisioning_example.py")
        ran = subprocess.run([sys.executable, program, self.worker.db, "dev-1=docker", "dev-2=nonsense"],
                             capture_output=True, text=True, timeout=60)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        first, second = ran.stdout.splitlines()
        self.assertEqual(first, "dev-1: read_file run_tests capability_block")
        self.assertIn("dev-2: read_file run_tests  (capability_block is hidden: not_known", second)


if __name__ == "__main__":
    unittest.main()
