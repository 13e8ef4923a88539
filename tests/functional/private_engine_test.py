# The private engine that tests and demo rely on: isolated, and gone without a trace after stop.
# Not here: what runs on it.
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from engine import IMAGE, Engine

SCRIPT = Path(__file__).resolve().parents[2] / "script" / "private-dockerd"


def script(*arguments):
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def network_of_the_host():
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, timeout=30).stdout
    return os.listdir("/sys/class/net"), [line for line in rules.splitlines() if not line.startswith("#")]


def processes_naming(text):
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text in entry.read_bytes().decode(errors="replace") and int(entry.parent.name) != os.getpid():
                found.append(entry.parent.name)
        except (OSError, ValueError):
            pass  # ended meanwhile
    return found


class PrivateEngine(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="rebottle-private-")
        self.addCleanup(script, "stop", self.folder)

    def socket_of(self, folder):
        lines = dict(line.removeprefix("export ").split("=", 1) for line in script("env", folder).splitlines())
        self.assertEqual(lines["DOCKER_HOST"], "unix://" + lines["REBOTTLE_TEST_DOCKER"])
        return lines["REBOTTLE_TEST_DOCKER"]

    def test_it_leaves_the_host_as_it_was(self):
        before = network_of_the_host()
        script("start", self.folder)
        engine = Engine(self.socket_of(self.folder))
        engine.create("probe", {"Image": IMAGE, "Cmd": ["sleep", "1000"], "ExposedPorts": {"80/tcp": {}},
                                "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "80"}]}}})
        self.assertEqual(engine.run("probe", "id", "-un", user="agent"), (0, "agent\n"))
        self.assertEqual(network_of_the_host(), before)
        script("stop", self.folder)
        self.assertEqual(network_of_the_host(), before)
        self.assertEqual(processes_naming(self.folder), [])
        self.assertFalse(Path(self.folder).exists())

    def test_starting_and_stopping_twice_is_no_error(self):
        script("start", self.folder)
        first = Path(self.folder, "pid").read_text()
        script("start", self.folder)
        self.assertEqual(Path(self.folder, "pid").read_text(), first)
        script("stop", self.folder)
        script("stop", self.folder)
        script("start", self.folder)
        self.assertEqual(list(Engine(self.socket_of(self.folder)).images()), [IMAGE])

    def test_a_path_too_long_for_a_socket_gets_a_short_one(self):
        folder = os.path.join(self.folder, "x" * 100)
        try:
            script("start", folder)
            path = self.socket_of(folder)
            self.assertLess(len(path), 108)
            self.assertEqual(Engine(path).call("GET", "/_ping"), b"OK")
        finally:
            script("stop", folder)
        self.assertFalse(Path(path).parent.exists())


if __name__ == "__main__":
    unittest.main()
