# A state directory of the scripted smolvm with machines in it, and the section of the configuration that serves them.
# Not here: what a test expects of them.
import hashlib
import json
import subprocess
from pathlib import Path

SUPPORT = Path(__file__).resolve().parent.parent / "support"
FAKE = SUPPORT / "fake_smolvm"
# What only reads, or asks for the version.
READS = ("version", "ls", "data-dir", "logs")


class Machines:
    def __init__(self, folder):
        self.folder = Path(folder)
        for name in ("state", "state/fake", "specs", "images"):
            (self.folder / name).mkdir()
        (self.folder / "kvm").touch()
        (self.folder / "kvm").chmod(0o666)

    def section(self, engine=FAKE, **more):
        values = {"enabled": True, "engine": str(engine), "engine_state_dir": f"{self.folder}/state",
                  "kvm": f"{self.folder}/kvm", "spec_dir": f"{self.folder}/specs",
                  "import_dirs": [f"{self.folder}/images"], "stable_s": 0, "stop_timeout_s": 5, **more}
        return "\n".join(["[backends.smolmachines]"] +
                         [f"{key} = {json.dumps(value)}" for key, value in values.items()]) + "\n"

    def call(self, *words):
        done = subprocess.run([FAKE, "machine", *words[:1], "--state-dir", self.folder / "state", *words[1:]],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"{words}: {done.returncode} {done.stderr}")
        return done.stdout

    def make(self, name):
        """A running machine with a note in it, from an archive of the import directory."""
        self.image("old.tar")
        self.call("create", "--name", name, "--image", self.folder / "images/old.tar", "--cpus", "1", "--env",
                  "WHO=agent")
        (self.folder / f"specs/{name}.json").write_text(json.dumps({"cpus": 1, "env": ["WHO=agent"]}))
        self.call("start", "--name", name)
        self.inside(name, "echo keep > /home/agent/notes; sync")

    def image(self, name):
        """The approved change to an image file."""
        path = self.folder / "images" / name
        subprocess.run([SUPPORT / "make_image", path], check=True, timeout=60)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return {"change": {"image": {"file": name, "sha256": digest}}, "snapshot": {"paths": ["/home/agent"]}}

    def rows(self):
        return {row["name"]: row for row in json.loads(self.call("ls", "--json"))}

    def states(self):
        return {name: row["state"] for name, row in self.rows().items()}

    def inside(self, name, line):
        return self.call("exec", "--name", name, "--", "/bin/sh", "-c", line)

    def spoil(self, *faults):
        (self.folder / "state/fake/faults.json").write_text(json.dumps(faults))

    def release(self):
        (self.folder / "state/fake/release").touch()

    def calls(self, mutating=False):
        log = self.folder / "state/fake/calls.jsonl"
        calls = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [call for call in calls if not mutating or call["verb"] not in READS]

    def remove(self):
        for name in self.rows():
            self.call("delete", "--force", "--name", name)
