# What the backend relies on in smolvm's command line, tried without booting anything. The same cases run against the
# pinned real engine and, as its conformance test, against the fake one. Not here: booted machines (script/test-vm).
import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
import unittest
from pathlib import Path

from smolvm_case import CALL_S, SMOLVM, Case


class Smolvm(Case):
    # ---- probe ----------------------------------------------------------------------------------------------------

    def test_version_is_one_line(self):
        done = subprocess.run([SMOLVM, "--version"], capture_output=True, text=True, timeout=CALL_S)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"\Asmolvm \d+\.\d+\.\d+\n\Z")

    def test_a_usage_error_exits_2_and_is_no_json(self):
        for argv in (("machine", "create", "--no-such-option"), ("machine", "no-such-verb", "--name", "m")):
            with self.subTest(argv):
                done = self.call(*argv)
                self.assertEqual(done.returncode, 2)
                self.assertNotIn('{"error"', done.stderr)

    # ---- create and list ------------------------------------------------------------------------------------------

    def test_an_empty_state_directory_has_no_machines(self):
        self.assertEqual(self.machines(), {})

    def test_a_created_machine_is_listed_with_what_it_was_given(self):
        self.create("m-1", "--label", "bottle=b", "--label", "job=7", "--cpus", "1", "--mem", "256")
        machine = self.machines()["m-1"]
        self.assertEqual(machine["state"], "created")
        self.assertEqual(machine["labels"], {"bottle": "b", "job": "7"})
        self.assertEqual((machine["cpus"], machine["memory_mib"], machine["pid"]), (1, 256, None))
        self.assertRegex(machine["image"], r"\Alocal:[0-9a-f]{64}\Z")
        self.assertEqual((machine["mounts"], machine["ports"]), (0, 0))

    def test_mounts_and_ports_are_listed_as_counts(self):
        self.create("m", "-v", f"{self.folder}:/data:ro", "-p", "18080:80", "-e", "KEY=value")
        machine = self.machines()["m"]
        self.assertEqual((machine["mounts"], machine["ports"]), (1, 1))
        self.assertNotIn("KEY", json.dumps(machine))

    def test_the_command_of_the_workload_is_listed(self):
        self.create("m", "--", "/bin/sh", "-c", "sleep 1")
        self.assertEqual(self.machines()["m"]["cmd"], ["/bin/sh", "-c", "sleep 1"])

    def test_an_image_is_recorded_by_the_hash_of_its_archive(self):
        self.create("a")
        copy = self.folder / "copy.tar"
        shutil.copy(self.image, copy)
        self.ok("machine", "create", "--name", "b", "--image", str(copy))
        machines = self.machines()
        digest = hashlib.sha256(self.image.read_bytes()).hexdigest()
        self.assertEqual([machines[name]["image"] for name in "ab"], [f"local:{digest}"] * 2)

    def test_the_list_of_another_state_directory_is_another_one(self):
        other = self.folder / "other"
        other.mkdir()
        self.create("m")
        self.assertEqual(self.machines(state=other), {})

    def test_the_list_changes_nothing(self):
        self.create("m", "--label", "bottle=b")
        before, rows = self.machines(), self.stored()
        self.assertEqual(self.machines(), before)
        self.assertEqual(self.stored(), rows)

    def stored(self):
        """All that the engine keeps: its rows, and every other file with size and time."""
        out = {}
        for path in sorted(self.state.rglob("*")):
            if path.suffix == ".db":
                with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
                    out[path] = database.execute("SELECT name, data FROM vms ORDER BY name").fetchall()
            # Locks, what SQLite keeps beside its file, the engine's counters, and the fake's record of its calls.
            elif path.is_file() and not path.name.endswith(("-wal", "-shm", "lock", "events.jsonl", "calls.jsonl")):
                out[path] = (path.stat().st_size, path.stat().st_mtime_ns)
        self.assertTrue(out)
        return out

    def test_refused_creates_leave_nothing(self):
        missing = self.folder / "missing"
        for code, options in (("CONFIG_ERROR", ("--name", "no/slash", "--image", str(self.image))),
                              ("CONFIG_ERROR", ("--name", "m", "--image", str(self.image), "--label", "nothing")),
                              ("NOT_FOUND", ("--name", "m", "--image", str(self.image), "-v", f"{missing}:/data"))):
            with self.subTest(options):
                self.refused(code, ".", "machine", "create", *options)
        self.assertEqual(self.machines(), {})

    def test_an_allowed_host_is_resolved_when_it_is_given(self):
        """So whoever calls needs the network, and a name that is gone stops a create."""
        self.refused("CONFIG_ERROR", "resolve", "machine", "create", "--name", "m", "--image", str(self.image),
                     "--net", "--allow-host", "gone.invalid")
        self.assertEqual(self.machines(), {})

    def test_a_name_that_is_taken_is_a_config_error(self):
        self.create("m", "--label", "owner=first")
        self.refused("CONFIG_ERROR", "already exists", "machine", "create", "--name", "m", "--image", str(self.image),
                     "--label", "owner=second")
        self.assertEqual(self.machines()["m"]["labels"], {"owner": "first"})

    def test_of_many_creates_of_one_name_one_wins(self):
        calls = [self.start("machine", "create", "--name", "m", "--image", str(self.image), "--label", f"n={n}")
                 for n in range(8)]
        results = [(*call.communicate(timeout=CALL_S), call.returncode) for call in calls]
        winners = [n for n, (_, _, code) in enumerate(results) if code == 0]
        self.assertEqual(len(winners), 1, results)
        for _, err, code in results:
            if code != 0:
                self.assertEqual(json.loads(err.splitlines()[-1])["error"]["code"], "CONFIG_ERROR")
        self.assertEqual(self.machines()["m"]["labels"], {"n": str(winners[0])})

    def test_creates_of_different_names_do_not_disturb_each_other(self):
        calls = [self.start("machine", "create", "--name", f"m{n}", "--image", str(self.image)) for n in range(8)]
        self.assertEqual([(call.communicate(timeout=CALL_S), call.returncode)[1] for call in calls], [0] * 8)
        self.assertEqual(sorted(self.machines()), [f"m{n}" for n in range(8)])

    def test_after_a_killed_create_the_name_is_free_or_the_machine_whole(self):
        for n in range(8):
            call = self.start("machine", "create", "--name", f"k{n}", "--image", str(self.image), "--label", "a=b")
            try:
                call.wait(n * 0.004)
            except subprocess.TimeoutExpired:
                call.kill()
            call.communicate(timeout=CALL_S)
            machine = self.machines().get(f"k{n}")
            if machine is None:
                self.create(f"k{n}", "--label", "a=b")
                machine = self.machines()[f"k{n}"]
            self.assertEqual((machine["labels"], machine["state"]), ({"a": "b"}, "created"))

    # ---- what is not there, and what does not run ------------------------------------------------------------------

    def test_what_is_missing_is_not_found(self):
        self.refused("NOT_FOUND", "gone", "machine", "start", "--name", "gone")
        self.refused("NOT_FOUND", "gone", "machine", "stop", "--name", "gone")
        self.refused("NOT_FOUND", "gone", "machine", "delete", "--name", "gone", "-f")

    def test_stopping_what_does_not_run_is_fine_twice(self):
        self.create("m")
        for _ in range(2):
            done = self.ok("machine", "stop", "--name", "m", "-t", "1")
            self.assertIn("is not running", done.stdout + done.stderr)

    def test_exec_in_what_does_not_run_is_refused(self):
        self.create("m")
        self.refused("SMOLVM_ERROR", "not running", "machine", "exec", "--name", "m", "--", "true")

    # ---- delete and where things are -------------------------------------------------------------------------------

    def test_a_deleted_machine_is_gone_and_its_name_free(self):
        self.create("m")
        self.ok("machine", "delete", "--name", "m", "-f")
        self.assertEqual(self.machines(), {})
        self.create("m")

    def test_a_delete_that_is_not_forced_asks_and_without_an_answer_keeps(self):
        self.create("m")
        self.call("machine", "delete", "--name", "m")
        self.assertIn("m", self.machines())

    def test_the_data_directory_is_below_the_state_directory_and_stays(self):
        self.create("m")
        first = self.ok("machine", "data-dir", "--name", "m").stdout.strip()
        self.assertTrue(Path(first).is_relative_to(self.state), first)
        self.assertEqual(self.ok("machine", "data-dir", "--name", "m").stdout.strip(), first)
        self.create("n")
        self.assertNotEqual(self.ok("machine", "data-dir", "--name", "n").stdout.strip(), first)


if __name__ == "__main__":
    unittest.main()
