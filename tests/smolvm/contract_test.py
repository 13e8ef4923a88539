# What the backend relies on in smolvm's command line, tried without booting anything. The same cases run against the
# pinned real engine and, as its conformance test, against the fake one. Not here: booted machines (script/test-vm).
import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

SMOLVM = os.environ["REBOTTLE_TEST_SMOLVM"]
CALL_S = 60


def error_of(done):
    """The engine's error: the last line of stderr that is one, which it must be."""
    return json.loads(done.stderr.splitlines()[-1])["error"]


class Smolvm(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="rebottle-smolvm-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.state = self.folder / "state"
        self.state.mkdir()
        self.rootfs = self.folder / "rootfs"
        (self.rootfs / "bin").mkdir(parents=True)
        (self.rootfs / "bin/sh").write_text("not really\n")

    def start(self, *argv, state=None):
        """As the backend calls it: an argv, no input, the machine named, errors as JSON."""
        verb, rest = argv[:2], argv[2:]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "NO_COLOR": "1"}
        command = [SMOLVM, *verb, "--state-dir", str(state or self.state), "--error-format", "json", *rest]
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def call(self, *argv, state=None):
        process = self.start(*argv, state=state)
        try:
            out, err = process.communicate(timeout=CALL_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    def ok(self, *argv, **options):
        done = self.call(*argv, **options)
        self.assertEqual(done.returncode, 0, f"{argv}: {done.stdout}{done.stderr}")
        return done

    def refused(self, code, pattern, *argv):
        done = self.call(*argv)
        self.assertEqual(done.returncode, 1, f"{argv}: {done.stdout}{done.stderr}")
        error = error_of(done)
        self.assertEqual(error["code"], code, error)
        self.assertRegex(error["message"], pattern)

    def create(self, name, *options):
        return self.ok("machine", "create", "--name", name, "--image", str(self.rootfs), *options)

    def machines(self, **options):
        listed = json.loads(self.ok("machine", "ls", "--json", **options).stdout)
        return {machine["name"]: machine for machine in listed}

    def archive(self):
        """A docker-save archive with one layer, as `docker save` and the Engine API write it."""
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as tar:
            tar.add(self.rootfs, arcname=".")
        layer_id = hashlib.sha256(layer.getvalue()).hexdigest()
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]},
                             "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_id}"]}}).encode()
        config_name = hashlib.sha256(config).hexdigest() + ".json"
        manifest = json.dumps([{"Config": config_name, "RepoTags": ["tried:1"],
                                "Layers": [f"{layer_id}/layer.tar"]}]).encode()
        path = self.folder / "image.tar"
        with tarfile.open(path, "w") as tar:
            for name, data in ((f"{layer_id}/layer.tar", layer.getvalue()), (config_name, config),
                               ("manifest.json", manifest)):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        return path

    # ---- probe ----------------------------------------------------------------------------------------------------

    def test_version_is_one_line(self):
        done = subprocess.run([SMOLVM, "--version"], capture_output=True, text=True, timeout=CALL_S)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"\Asmolvm \d+\.\d+\.\d+\n\Z")

    def test_a_usage_error_exits_2_and_is_no_json(self):
        for argv in (("machine", "create", "--no-such-option"), ("machine", "no-such-verb", "--name", "m"),
                     ("machine", "update", "--name", "m", "--label", "a=b")):
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
        self.assertEqual(machine["image"], f"local-dir:{self.rootfs}")
        self.assertEqual((machine["mounts"], machine["ports"]), (0, 0))

    def test_mounts_and_ports_are_listed_as_counts(self):
        self.create("m", "-v", f"{self.rootfs}:/data:ro", "-p", "18080:80", "-e", "KEY=value")
        machine = self.machines()["m"]
        self.assertEqual((machine["mounts"], machine["ports"]), (1, 1))
        self.assertNotIn("KEY", json.dumps(machine))

    def test_the_command_of_the_workload_is_listed(self):
        self.create("m", "--", "/bin/sh", "-c", "sleep 1")
        self.assertEqual(self.machines()["m"]["cmd"], ["/bin/sh", "-c", "sleep 1"])

    def test_status_is_the_same_object_as_in_the_list(self):
        self.create("m", "--label", "bottle=b")
        status = json.loads(self.ok("machine", "status", "--name", "m", "--json").stdout)
        self.assertEqual(status, self.machines()["m"])

    def test_an_archive_is_recorded_by_the_hash_of_its_content(self):
        archive = self.archive()
        self.ok("machine", "create", "--name", "a", "--image", str(archive))
        self.ok("machine", "create", "--name", "b", "--image", str(archive))
        machines = self.machines()
        self.assertRegex(machines["a"]["image"], r"\Alocal:[0-9a-f]{64}\Z")
        self.assertEqual(machines["a"]["image"], machines["b"]["image"])

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
            elif path.is_file() and not path.name.endswith(("-wal", "-shm", ".lock")) and "usage" not in path.parts:
                out[path] = (path.stat().st_size, path.stat().st_mtime_ns)
        self.assertTrue(out)
        return out

    def test_refused_creates_leave_nothing(self):
        missing = self.folder / "missing"
        for code, options in (("CONFIG_ERROR", ("--name", "no/slash", "--image", str(self.rootfs))),
                              ("CONFIG_ERROR", ("--name", "m", "--image", str(self.rootfs), "--label", "nothing")),
                              ("NOT_FOUND", ("--name", "m", "--image", str(self.rootfs), "-v", f"{missing}:/data"))):
            with self.subTest(options):
                self.refused(code, ".", "machine", "create", *options)
        self.assertEqual(self.machines(), {})

    def test_a_name_that_is_taken_is_a_config_error(self):
        self.create("m", "--label", "owner=first")
        self.refused("CONFIG_ERROR", "already exists", "machine", "create", "--name", "m", "--image", str(self.rootfs),
                     "--label", "owner=second")
        self.assertEqual(self.machines()["m"]["labels"], {"owner": "first"})

    def test_of_many_creates_of_one_name_one_wins(self):
        calls = [self.start("machine", "create", "--name", "m", "--image", str(self.rootfs), "--label", f"n={n}")
                 for n in range(8)]
        results = [(*call.communicate(timeout=CALL_S), call.returncode) for call in calls]
        winners = [n for n, (_, _, code) in enumerate(results) if code == 0]
        self.assertEqual(len(winners), 1, results)
        for _, err, code in results:
            if code != 0:
                self.assertEqual(json.loads(err.splitlines()[-1])["error"]["code"], "CONFIG_ERROR")
        self.assertEqual(self.machines()["m"]["labels"], {"n": str(winners[0])})

    def test_creates_of_different_names_do_not_disturb_each_other(self):
        calls = [self.start("machine", "create", "--name", f"m{n}", "--image", str(self.rootfs)) for n in range(8)]
        self.assertEqual([(call.communicate(timeout=CALL_S), call.returncode)[1] for call in calls], [0] * 8)
        self.assertEqual(sorted(self.machines()), [f"m{n}" for n in range(8)])

    def test_after_a_killed_create_the_name_is_free_or_the_machine_whole(self):
        for n in range(8):
            call = self.start("machine", "create", "--name", f"k{n}", "--image", str(self.rootfs), "--label", "a=b")
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

    # ---- update ---------------------------------------------------------------------------------------------------

    def test_an_update_can_be_repeated(self):
        self.create("m", "-e", "OLD=1")
        for _ in range(2):
            self.ok("machine", "update", "--name", "m", "-e", "NEW=2", "--remove-env", "OLD", "--cpus", "2",
                    "--mem", "512")
            machine = self.machines()["m"]
            self.assertEqual((machine["cpus"], machine["memory_mib"]), (2, 512))

    def test_a_whole_allow_list_can_be_set_twice(self):
        self.create("m", "--net", "--allow-cidr", "10.1.0.0/16", "--allow-cidr", "10.2.0.0/16")
        for _ in range(2):
            self.ok("machine", "update", "--name", "m", "--reset-allow-list", "--allow-cidr", "10.2.0.0/16",
                    "--allow-cidr", "10.3.0.0/16")
            self.assertEqual(sorted(self.machines()["m"]["allowed_cidrs"]), ["10.2.0.0/16", "10.3.0.0/16"])

    def test_an_allowed_host_is_resolved_when_it_is_given(self):
        """So whoever calls needs the network, and a name that is gone stops a create."""
        self.refused("CONFIG_ERROR", "resolve", "machine", "create", "--name", "m", "--image", str(self.rootfs),
                     "--net", "--allow-host", "gone.invalid")
        self.assertEqual(self.machines(), {})

    def test_parallel_updates_of_one_machine_are_all_kept(self):
        self.create("m", "--net", "--allow-cidr", "10.9.0.0/16")
        calls = [self.start("machine", "update", "--name", "m", "--allow-cidr", f"10.{n}.0.0/16") for n in range(6)]
        self.assertEqual([(call.communicate(timeout=CALL_S), call.returncode)[1] for call in calls], [0] * 6)
        self.assertEqual(sorted(self.machines()["m"]["allowed_cidrs"]),
                         sorted(f"10.{n}.0.0/16" for n in (*range(6), 9)))

    # ---- what is not there, and what does not run ------------------------------------------------------------------

    def test_the_code_of_a_missing_machine_depends_on_the_verb(self):
        """Which is why the backend asks the list whether a machine exists."""
        self.refused("CONFIG_ERROR", "not found", "machine", "status", "--name", "gone", "--json")
        self.refused("CONFIG_ERROR", "not found", "machine", "update", "--name", "gone", "--cpus", "2")
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
