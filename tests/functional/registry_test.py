# Images behind a password, from a registry that only the engine can reach. Not here: what is in the file of credentials
# (tests/unit/worker/backends/docker/registry_auth_test.cpp).
import base64
import json
import os
import socket
import struct
import subprocess
import sys
import unittest
from pathlib import Path

import poll
import registry
from case import Case
from engine import IMAGE


def engine_pid(path):
    """The process that listens on a unix socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


class Registry(Case):
    def setUp(self):
        super().setUp()
        archive, port_file = self.folder / "image.tar", self.folder / "port"
        archive.write_bytes(self.engine.call("GET", f"/images/{IMAGE}/get"))
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        network = f"--net=/proc/{engine_pid(self.engine.path)}/ns/net"
        server = subprocess.Popen([*sudo, "nsenter", network, sys.executable, Path(registry.__file__), archive,
                                   port_file])
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        poll.until(port_file.exists, "the registry listens")
        self.host = f"127.0.0.1:{port_file.read_text()}"
        self.reference = f"{self.host}/private/agent:1"
        self.addCleanup(self.forget)

    def forget(self):
        if self.reference in self.engine.images():
            self.engine.call("DELETE", f"/images/{self.reference}")

    def configure(self, credentials=None):
        config = self.worker.config.read_text() + "pull = true\n"
        if credentials is not None:
            path = self.folder / "registry.json"
            auth = base64.b64encode(credentials.encode()).decode()
            path.write_text(json.dumps({"auths": {self.host: {"auth": auth}}}))
            path.chmod(0o600)
            config += f'registry_auth_file = "{path}"\n'
        self.worker.config.write_text(config)
        self.worker.start()

    def assert_secret(self):
        for path in (self.worker.log, *self.folder.glob("rebottle.db*")):
            content = path.read_bytes()
            for secret in (registry.PASSWORD.encode(), registry.AUTHORIZATION.split()[1].encode()):
                self.assertNotIn(secret, content, path)

    def test_image_is_pulled_with_the_configured_credentials(self):
        self.configure(f"{registry.USER}:{registry.PASSWORD}")
        bottle = self.bottle()
        before = bottle.inspect()
        job_id = self.worker.approve("from-the-registry", bottle.slug, {"change": {"image": self.reference}})
        job = self.worker.wait_final("from-the-registry")
        self.assertEqual(job["state"], "succeeded", job["message"])
        self.assert_changed(bottle, before)
        self.assertIn(self.reference, self.engine.images())
        log = self.worker.tool("log", str(job_id))
        self.assertIn("Pulling from private/agent", log.stdout)
        self.assert_secret()

    def test_from_is_pulled_before_the_build(self):
        self.configure(f"{registry.USER}:{registry.PASSWORD}")
        bottle = self.bottle()
        dockerfile = f"FROM {self.reference} AS other\nFROM current\nCOPY --from=other /etc/passwd /home/agent/copied\n"
        self.worker.approve("stage-from-the-registry", bottle.slug, {"change": {"dockerfile": dockerfile}})
        job = self.worker.wait_final("stage-from-the-registry")
        self.assertEqual(job["state"], "succeeded", job["message"])
        self.assertIn("agent:", bottle.read("/home/agent/copied"))
        self.assert_secret()

    def test_without_or_with_wrong_credentials_the_bottle_is_untouched(self):
        bottle = self.bottle()
        before = bottle.inspect()
        for approval, credentials in (("none", None), ("wrong", f"{registry.USER}:wrong")):
            self.configure(credentials)
            self.worker.approve(approval, bottle.slug, {"change": {"image": self.reference}})
            job = self.worker.wait_final(approval)
            self.assertEqual((job["state"], job["reason_code"]), ("failed", "pull_failed"), job["message"])
            self.assertEqual(job["attempt"], 1, "a registry that said no is asked again")
            self.assertEqual(self.worker.stop(), 0)
            self.worker.config.write_text(self.worker.config.read_text().split("pull = true")[0])
        self.assert_untouched(bottle, before)
        self.assert_secret()


if __name__ == "__main__":
    unittest.main()
