# A registry of one image behind a name and a password: as much of the API as a pull needs, and nothing to push to.
# Not here: tests. Runs as a program of its own inside the engine's network namespace: registry.py ARCHIVE PORT-FILE.
import base64
import gzip
import hashlib
import http.server
import json
import sys
import tarfile
from pathlib import Path

USER, PASSWORD = "puller", "not-for-the-log"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
AUTHORIZATION = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def contents(archive):
    """{digest: bytes} of the image's parts, and its manifest, from what `docker save` wrote."""
    with tarfile.open(archive) as tar:
        image = json.load(tar.extractfile("manifest.json"))[0]
        config = tar.extractfile(image["Config"]).read()
        layers = [gzip.compress(tar.extractfile(name).read(), 1, mtime=0) for name in image["Layers"]]
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config),
                   "digest": digest(config)},
        "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": len(layer),
                    "digest": digest(layer)} for layer in layers]}).encode()
    return {digest(part): part for part in (config, *layers)}, manifest


class Handler(http.server.BaseHTTPRequestHandler):
    blobs, manifest = {}, b""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        if self.headers["Authorization"] != AUTHORIZATION:
            return self.answer(401, b"{}", "application/json", {"WWW-Authenticate": 'Basic realm="registry"'})
        kind, _, name = self.path.rpartition("/")
        if kind.endswith("/manifests"):
            return self.answer(200, self.manifest, MANIFEST, {"Docker-Content-Digest": digest(self.manifest)})
        if kind.endswith("/blobs") and name in self.blobs:
            return self.answer(200, self.blobs[name], "application/octet-stream")
        return self.answer(200 if self.path == "/v2/" else 404, b"{}", "application/json")

    def answer(self, status, content, kind, headers=None):
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Type": kind, "Content-Length": str(len(content)),
                            "Docker-Distribution-Api-Version": "registry/2.0"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    Handler.blobs, Handler.manifest = contents(sys.argv[1])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port = Path(sys.argv[2])
        port.with_suffix(".new").write_text(str(server.server_port))
        port.with_suffix(".new").rename(port)
        server.serve_forever()
