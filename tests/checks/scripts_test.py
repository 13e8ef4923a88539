# The scripts under script/: they parse, refuse wrong usage, and set-up costs nothing when there is nothing to do.
# And the commands of CONTRIBUTING.md: what they tell ctest to select is there.
# Not here: script/demo and script/test as a whole, and private-dockerd (tests/functional/private_engine_test.py).
import os
import re
import shlex
import subprocess
import tempfile
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "script"
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]


def run(*argv, timeout=60):
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, cwd=SCRIPTS.parent)


class Scripts(unittest.TestCase):
    def test_all_bash_scripts_parse(self):
        found = [path for path in SCRIPTS.iterdir() if path.read_text().startswith("#!/bin/bash")]
        self.assertGreaterEqual(len(found), 4)
        for path in found:
            with self.subTest(path.name):
                done = run("bash", "-n", str(path))
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_wrong_usage_is_exit_code_2(self):
        for argv in (("setup", "everything"), ("private-dockerd",), ("private-dockerd", "start"),
                     ("private-dockerd", "dance", "/tmp/x"), ("lint", "--fix"), ("smolvm-engine",),
                     ("smolvm-engine", "dance")):
            with self.subTest(argv):
                done = run(str(SCRIPTS / argv[0]), *argv[1:])
                self.assertEqual(done.returncode, 2)
                self.assertTrue(done.stderr)

    def test_help_runs_nothing(self):
        for script in ("demo", "test"):
            done = run(str(SCRIPTS / script), "--help")
            self.assertEqual((done.returncode, done.stdout), (0, ""))
            self.assertIn("Not", done.stderr)
        self.assertEqual(run(str(SCRIPTS / "demo"), "--fast").returncode, 2)

    def test_private_engines_leave_foreign_directories_alone(self):
        for script, names in (("private-dockerd", ("data", "daemon.json", "socket")),
                              ("private-podman", ("root", "storage.conf", "socket"))):
            for name in names:
                with self.subTest(script + " " + name), tempfile.TemporaryDirectory() as folder:
                    other = Path(folder, "other")
                    other.touch()
                    Path(folder, name).write_text(str(other))
                    done = run(str(SCRIPTS / script), "stop", folder)
                    self.assertEqual(done.returncode, 1)
                    self.assertIn(f"{folder}/{name} was not made by", done.stderr)
                    if name != "daemon.json":  # that one is for whoever starts an engine to write
                        self.assertEqual(run(str(SCRIPTS / script), "start", folder).returncode, 1)
                    self.assertEqual(sorted(os.listdir(folder)), sorted(["other", name]))
            with tempfile.TemporaryDirectory() as folder:
                self.assertEqual(run(str(SCRIPTS / script), "stop", folder + "/nothing").returncode, 0)

    def test_what_env_prints_can_be_evaluated(self):
        for engine in ("dockerd", "podman"):
            variable = "REBOTTLE_TEST_" + engine.removesuffix("d").upper()
            done = run("bash", "-c", f'eval "$("$0" env "/tmp/a b;c")" && printf %s "${variable}"',
                       str(SCRIPTS / f"private-{engine}"))
            self.assertRegex(done.stdout, r"^/tmp/a b;c/\w+\.sock$")

    def test_a_failed_import_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            done = run("env", f"TMPDIR={folder}", str(SCRIPTS / "private-dockerd"), "image", folder + "/none.sock")
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(os.listdir(folder), [])

    def test_the_benchmark_says_what_it_lacks(self):
        bench = str(SCRIPTS.parent / "bench/throughput.py")
        for argv, said in ((("--jobs", "0"), "--jobs must be"), (("--bin", "/nowhere"), "no /nowhere/rebottled")):
            done = run(bench, *argv)
            self.assertEqual(done.returncode, 2)
            self.assertIn(said, done.stderr)
            self.assertNotIn("Traceback", done.stderr)

    def test_setup_needs_no_network_when_nothing_is_missing(self):
        done = run(*AS_ROOT, "unshare", "--net", str(SCRIPTS / "setup"), "test")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("installed", done.stderr)

    def test_an_unreached_registry_is_said_and_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as cache:
            done = run(*AS_ROOT, "env", f"XDG_CACHE_HOME={cache}", "PIP_RETRIES=0", "PIP_FIND_LINKS=", "unshare",
                       "--net", str(SCRIPTS / "smolvm-engine"), "fetch")
            self.assertEqual(done.returncode, 75, done.stderr)
            self.assertIn("PyPI was not reached", done.stderr)
            self.assertEqual(list(Path(cache).glob("*/*/")), [])

    def test_setup_names_what_is_missing_on_other_systems(self):
        with tempfile.NamedTemporaryFile("w") as release:
            release.write('ID=other\nVERSION_ID="42"\n')
            release.flush()
            done = run(*AS_ROOT, "unshare", "--mount", "sh", "-c",
                       f'mount --bind {release.name} /etc/os-release && "{SCRIPTS}/setup" build')
        self.assertEqual(done.returncode, 1)
        for package in ("g++", "libboost1.81-dev", "docker.io", "busybox-static"):
            self.assertIn(f"  {package}\n", done.stderr)


class Contributing(unittest.TestCase):
    def selections(self):
        """(options that the tree is configured with before, what ctest is to select) of each command in the page."""
        page = (SCRIPTS.parent / "CONTRIBUTING.md").read_text()
        for line in page.splitlines():
            if found := re.search(r"ctest (?:--preset dev|--test-dir build/dev) (.*?)(  |$)", line):
                yield re.findall(r"-D\w+=ON", line), shlex.split(found[1])

    def test_every_selection_of_tests_selects_some(self):
        selections = list(self.selections())
        self.assertGreaterEqual(len(selections), 5)
        with tempfile.TemporaryDirectory() as scratch:
            options = [option for before, _ in selections for option in before]
            done = run("cmake", "--preset", "dev", "-S", str(SCRIPTS.parent), "-B", scratch, *options, timeout=300)
            self.assertEqual(done.returncode, 0, done.stderr)
            for before, selection in selections:
                with self.subTest(" ".join(selection)):
                    folder = scratch if before else os.environ["REBOTTLE_BUILD_DIR"]
                    done = run("ctest", "--test-dir", folder, "-N", *selection)
                    self.assertRegex(done.stdout, r"Total Tests: [1-9]")


if __name__ == "__main__":
    unittest.main()
