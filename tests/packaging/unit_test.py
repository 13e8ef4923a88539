# The systemd unit and its fragments as installed: parsed without a complaint, and tightly sandboxed.
# Not here: READY, WATCHDOG and STOPPING of the running worker (tests/unit/worker/engine).
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

BUILD = Path(os.environ["REBOTTLE_BUILD_DIR"])
SOURCE = Path(__file__).resolve().parents[2]
EXPOSURE_MAX = 5  # tenths, as systemd-analyze counts: 0.5
EXPOSURE_MICROVMS_MAX = 20  # with devices and the network, which microVMs need


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = Path(tempfile.mkdtemp(prefix="rebottle-install-"))
        cls.addClassCleanup(shutil.rmtree, cls.root)
        environment = {**os.environ, "DESTDIR": str(cls.root)}
        done = subprocess.run(["cmake", "--install", BUILD, "--prefix", "/usr"], env=environment, text=True,
                              capture_output=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        cls.unit = cls.root / "usr/lib/systemd/system/rebottled.service"

    def staged(self, folder, drop_in=None):
        """The unit where verify finds its executable, which is not where a test may write; a drop-in beside it."""
        text = self.unit.read_text()
        binary = re.search(r"^ExecStart=(\S+)", text, re.M)[1]
        unit = self.root / folder / "rebottled.service"
        unit.parent.mkdir()
        unit.write_text(text.replace(f"ExecStart={binary}", f"ExecStart={BUILD}/bin/rebottled"))
        if drop_in is not None:
            (unit.parent / "rebottled.service.d").mkdir()
            (unit.parent / "rebottled.service.d/smolmachines.conf").write_text(drop_in)
        return unit

    def test_unit_verifies_without_a_word(self):
        done = run("systemd-analyze", "verify", str(self.staged("verify")))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_unit_for_microvms_verifies_without_a_word(self):
        drop_in = (self.root / "usr/share/doc/rebottle/systemd/smolmachines.conf").read_text()
        unit = self.staged("verify-microvms", drop_in)
        done = run("systemd-analyze", "verify", str(unit))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        wrong = self.staged("verify-wrong", drop_in + "KillMod=process\n")
        self.assertIn("KillMod", run("systemd-analyze", "verify", str(wrong)).stderr, "the drop-in is not looked at")
        done = run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MICROVMS_MAX}", str(unit))
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_verify_would_complain(self):
        broken = self.root / "broken" / "rebottled.service"
        broken.parent.mkdir(exist_ok=True)
        broken.write_text(self.unit.read_text() + "\n[Service]\nWatchdogSeconds=1\n")
        self.assertIn("WatchdogSeconds", run("systemd-analyze", "verify", str(broken)).stderr)

    def test_exposure_stays_low(self):
        done = run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", str(self.unit))
        self.assertEqual(done.returncode, 0, done.stdout)
        done = run("systemd-analyze", "security", "--offline=yes", "--threshold=1", str(self.unit))
        self.assertNotEqual(done.returncode, 0, "the gate never closes")

    def test_stop_waits_longer_than_the_drain(self):
        drain = int(re.search(r"^#drain_s = (\d+)", (SOURCE / "packaging/rebottle.toml").read_text(), re.M)[1])
        stop = int(re.search(r"^TimeoutStopSec=(\d+)", self.unit.read_text(), re.M)[1])
        self.assertGreater(stop, drain)

    def test_unit_names_the_places_where_files_are_installed(self):
        text = self.unit.read_text()
        for name in re.findall(r"(/(?:usr|etc)/\S+)", text):
            self.assertTrue((self.root / name.lstrip("/")).exists(), name)

    def test_sysusers_and_tmpfiles_do_what_they_say(self):
        (self.root / "etc").mkdir(exist_ok=True)
        done = run("systemd-sysusers", f"--root={self.root}", "rebottle.conf")
        self.assertEqual((done.returncode, done.stderr.count("Failed")), (0, 0), done.stderr)
        self.assertIn("rebottle:", (self.root / "etc/passwd").read_text())
        self.assertRegex((self.root / "etc/group").read_text(), r"docker:.*:rebottle")
        done = run("systemd-tmpfiles", f"--root={self.root}", "--create", "rebottle.conf")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.root / "var/lib/rebottle").stat().st_mode & 0o7777, 0o2770)
        self.assertEqual((self.root / "var/lib/rebottle/snapshots").stat().st_mode & 0o7777, 0o700)

    def test_configuration_is_never_overwritten(self):
        installed = self.root / "etc/rebottle/rebottle.toml"
        before = installed.read_text()
        try:
            installed.write_text("# mine\n")
            environment = {**os.environ, "DESTDIR": str(self.root)}
            subprocess.run(["cmake", "--install", BUILD, "--prefix", "/usr"], env=environment, check=True,
                           capture_output=True, timeout=120)
            self.assertEqual(installed.read_text(), "# mine\n")
        finally:
            installed.write_text(before)


class Example(unittest.TestCase):
    """packaging/rebottle.toml with every key switched on is what the worker does without a file."""

    def check(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(text)
            file.flush()
            return run(str(BUILD / "bin/rebottled"), "--check-config", "--config", file.name)

    def test_all_keys_are_known_and_every_known_key_is_there(self):
        text = re.sub(r"^#(\w+ = )", r"\1", (SOURCE / "packaging/rebottle.toml").read_text(), flags=re.M)
        done = self.check(text)
        self.assertEqual(done.returncode, 0, done.stderr)
        backends = sorted((SOURCE / "worker/backends").glob("*/*_config.hpp"))
        self.assertGreater(len(backends), 1)
        for header in [SOURCE / "worker/engine/config.hpp", *backends]:
            body = re.search(r"struct \w+Config \{(.*?)\n\};", header.read_text(), re.S)[1]
            for field in re.findall(r"^  [\w:]+ (\w+)(?: = [^;]*)?;", body, re.M):
                if field == "snapshot_dir":  # the service's own, below state_dir
                    continue
                with self.subTest(field):
                    self.assertRegex(text, rf"(?m)^{field} = ")

    def test_a_wrong_key_is_refused_by_name(self):
        done = self.check("[service]\ndrain_seconds = 3\n")
        self.assertEqual(done.returncode, 2)
        self.assertIn("drain_seconds", done.stderr)
        self.assertIn("drain_s", done.stderr)


if __name__ == "__main__":
    unittest.main()
