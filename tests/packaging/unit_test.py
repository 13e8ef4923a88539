# The systemd unit and its fragments as installed: parsed without a complaint, and tightly sandboxed.
# Not here: READY, WATCHDOG and STOPPING of the running worker (tests/unit/worker/engine).
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

BUILD = Path(os.environ["REBOTTLE_BUILD_DIR"])
SOURCE = Path(__file__).resolve().parents[2]
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
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

    def test_no_link_of_the_installed_pages_is_dead(self):
        pages = list((self.root / "usr/share/doc/rebottle").rglob("*.md"))
        self.assertGreater(len(pages), 10)
        for page in pages:
            for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
                if "://" not in link:
                    self.assertTrue((page.parent / link).exists(), f"{page.relative_to(self.root)}: {link}")

    def test_python_client_is_installed(self):
        client = self.root / "usr/share/doc/rebottle/clients/python/rebottle_capabilities.py"
        done = run("python3", "-B", str(client), str(self.root / "none.db"), "docker")
        self.assertEqual((done.returncode, json.loads(done.stdout)["reason_code"]), (1, "database_missing"))

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

    def test_the_words_that_it_lists_are_taken(self):
        words = re.search(r"^# ([\w, ]+)\n#log_level = ", (SOURCE / "packaging/rebottle.toml").read_text(), re.M)[1]
        self.assertGreater(len(words.split(", ")), 2)
        for word in words.split(", "):
            with self.subTest(word):
                done = self.check(f'[service]\nlog_level = "{word}"\n')
                self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.check('[service]\nlog_level = "loud"\n').returncode, 2)

    def test_the_judged_file_is_named(self):
        with tempfile.TemporaryDirectory() as home:
            os.chmod(home, 0o755)
            argv = [*AS_ROOT, "env", "-u", "XDG_CONFIG_HOME", "-u", "REBOTTLE_CONFIG", f"HOME={home}"]
            program = str(BUILD / "bin/rebottled")
            done = run(*argv, *AS_NOBODY, program, "--check-config")
            if done.returncode != 4:  # a host with an /etc/rebottle that is closed to nobody
                self.assertEqual((done.returncode, done.stdout),
                                 (0, f"no file at {home}/.config/rebottle/rebottle.toml: the defaults apply\n"))

    def test_a_closed_configuration_is_not_passed_over(self):
        script = ("mount -t tmpfs none /etc && mkdir -m 700 /etc/rebottle && touch /etc/rebottle/rebottle.toml && "
                  f"exec env HOME=/tmp/none {' '.join(AS_NOBODY)} '{BUILD}/bin/rebottled' --check-config")
        done = run(*AS_ROOT, "unshare", "--mount", "sh", "-c", script)
        self.assertEqual((done.returncode, done.stdout), (4, ""))
        self.assertIn("/etc/rebottle/rebottle.toml: may not be read", done.stderr)

    def test_a_wrong_key_is_refused_by_name(self):
        done = self.check("[service]\ndrain_seconds = 3\n")
        self.assertEqual(done.returncode, 2)
        self.assertIn("drain_seconds", done.stderr)
        self.assertIn("drain_s", done.stderr)


if __name__ == "__main__":
    unittest.main()
