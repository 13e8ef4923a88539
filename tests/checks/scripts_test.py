# The scripts under script/: they parse, refuse wrong usage, and set-up costs nothing when there is nothing to do.
# Not here: script/demo and script/test as a whole, and private-dockerd (tests/functional/private_engine_test.py).
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "script"
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


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


if __name__ == "__main__":
    unittest.main()
