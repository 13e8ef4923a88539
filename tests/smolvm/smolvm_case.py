# Calls smolvm as the backend does, in a state directory of its own, and reads its answers.
# Not here: what is expected of it.
import hashlib
import io
import json
import os
import shutil
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


def write_archive(path):
    """A docker-save archive with one layer, as `docker save` and the Engine API write it."""
    def member(tar, name, data):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))

    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        member(tar, "bin/sh", b"not really\n")
    layer_id = hashlib.sha256(layer.getvalue()).hexdigest()
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]},
                         "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_id}"]}}).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": ["tried:1"], "Layers": [f"{layer_id}/layer.tar"]}]
    with tarfile.open(path, "w") as tar:
        member(tar, f"{layer_id}/layer.tar", layer.getvalue())
        member(tar, config_name, config)
        member(tar, "manifest.json", json.dumps(manifest).encode())


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="rebottle-smolvm-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.state = self.folder / "state"
        self.state.mkdir()
        self.image = self.folder / "image.tar"
        write_archive(self.image)

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
        return self.ok("machine", "create", "--name", name, "--image", str(self.image), *options)

    def machines(self, **options):
        listed = json.loads(self.ok("machine", "ls", "--json", **options).stdout)
        return {machine["name"]: machine for machine in listed}
