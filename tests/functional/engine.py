# A small Engine API client for tests: makes bottles, looks at them, removes them again.
# Not here: anything of rebottle; what it says about a container comes from the engine alone.
import http.client
import io
import json
import os
import re
import socket
import tarfile
import urllib.parse

import poll

IMAGE = "rebottle-demo/busybox:1"
API = "/v1.41"

# An agent that leaves a note when it is stopped, so that a test sees whether the stop was a graceful one.
AGENT = """
trap 'echo "last words of $HOSTNAME" > /home/agent/last-words; exit 0' TERM
echo started >> /home/agent/starts
while :; do sleep 1000 & wait $!; done
"""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("engine", timeout=300)  # a loaded machine, not a hanging engine
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class EngineError(Exception):
    def __init__(self, status, text):
        super().__init__(f"{status}: {text}")
        self.status = status


class Engine:
    def __init__(self, path=None):
        self.path = path or os.environ["REBOTTLE_TEST_DOCKER"]

    def call(self, method, path, body=None, **query):
        connection = UnixConnection(self.path)
        try:
            target = API + path + ("?" + urllib.parse.urlencode(query) if query else "")
            payload = None if body is None else json.dumps(body)
            connection.request(method, target, payload, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            data = answer.read()
            if answer.status >= 400:
                raise EngineError(answer.status, data.decode(errors="replace"))
            if answer.getheader("Content-Type", "").startswith("application/json") and data:
                return json.loads(data)
            return data
        finally:
            connection.close()

    def remove(self, path, **query):
        """Until it is gone, by whoever's hand."""
        def gone():
            try:
                self.call("DELETE", path, **query)
            except EngineError as error:
                # The worker's last call may be removing it still.
                if error.status == 409 and "already in progress" in str(error):
                    return False
                if error.status != 404:
                    raise
            return True

        poll.until(gone, f"{path} is removed")

    def inspect(self, name):
        """The container of exactly this name or id; None if there is none."""
        try:
            found = self.call("GET", f"/containers/{name}/json")
        except EngineError as error:
            if error.status == 404:
                return None
            raise
        return found if found["Name"] == "/" + name or found["Id"] == name else None

    def containers(self, **filters):
        listed = self.call("GET", "/containers/json", all=1, filters=json.dumps(filters))
        seen = [self.inspect(one["Id"]) for one in listed]
        return [one for one in seen if one is not None]  # without those that vanished in between

    def create(self, name, body, start=True):
        made = self.call("POST", "/containers/create", body, name=name)["Id"]
        if start:
            self.call("POST", f"/containers/{made}/start")
        return made

    def run(self, name, *argv, user=""):
        """(exit code, output) of a command inside a running container."""
        body = {"Cmd": list(argv), "AttachStdout": True, "AttachStderr": True, "Tty": True, "User": user}
        made = self.call("POST", f"/containers/{name}/exec", body)["Id"]
        output = self.call("POST", f"/exec/{made}/start", {"Detach": False, "Tty": True})
        code = self.call("GET", f"/exec/{made}/json")["ExitCode"]
        return code, output.decode(errors="replace").replace("\r\n", "\n")

    def put_program(self, name, path, text):
        """An executable file in the writable layer of a container."""
        archive, content = io.BytesIO(), text.encode()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
        connection = UnixConnection(self.path)
        try:
            connection.request("PUT", f"{API}/containers/{name}/archive?path=/", archive.getvalue(),
                               {"Content-Type": "application/x-tar"})
            answer = connection.getresponse()
            if answer.status >= 400:
                raise EngineError(answer.status, answer.read().decode(errors="replace"))
        finally:
            connection.close()

    def make_network(self, name, subnet):
        self.call("POST", "/networks/create",
                  {"Name": name, "CheckDuplicate": True, "IPAM": {"Config": [{"Subnet": subnet}]}})

    def images(self):
        """{reference: image id} of all tagged images."""
        listed = self.call("GET", "/images/json")
        return {tag: one["Id"] for one in listed for tag in one["RepoTags"] or []}


def on_free_subnet(make):
    """What make(number) makes on the first of 250 subnets that nobody has: tests run beside each other."""
    for number in range(250):
        try:
            return make((os.getpid() + number) % 250)
        except EngineError as error:
            if "overlap" not in str(error):
                raise
    raise AssertionError("no free subnet")


class Bottle:
    """An agent container with a side container on a network of their own, both using most of what can be carried."""

    def __init__(self, engine, slug, subnet, **changes):
        self.engine, self.slug, self.network, self.side = engine, slug, slug + "-net", slug + "-proxy"
        self.volume = slug + "-volume"
        self.subnet = f"10.99.{subnet}.0/24"
        engine.make_network(self.network, self.subnet)
        engine.create(self.side, {
            "Image": IMAGE, "Cmd": ["httpd", "-f", "-p", "80", "-h", "/etc"],
            "HostConfig": {"NetworkMode": self.network, "Init": True, "RestartPolicy": {"Name": "always"}}})
        self.id = engine.create(slug, self.agent(subnet, **changes))

    def agent(self, subnet, restart_policy="unless-stopped", modest=False, **changes):
        """The body of its creation. A modest one has nothing that only one can have: no port, no address."""
        body = {
            "Image": IMAGE,
            "Cmd": ["sh", "-c", AGENT],
            "Env": ["TOKEN=not a secret", "EMPTY="],
            "User": "agent",
            "WorkingDir": "/home/agent",
            "Labels": {"bot.bottle": self.slug, "bot.role": "agent"},
            "Volumes": {"/scratch": {}},
            "StopTimeout": 5,
            "ExposedPorts": {"8080/tcp": {}},
            "HostConfig": {
                "NetworkMode": self.network,
                "Binds": [f"{self.volume}:/project:rw"],
                "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(20000 + subnet)}]},
                "RestartPolicy": {"Name": restart_policy, "MaximumRetryCount": 0},
                "Memory": 64 << 20, "NanoCpus": 500_000_000, "PidsLimit": 64,
                "CapDrop": ["NET_RAW"], "SecurityOpt": ["no-new-privileges"], "Init": True},
            "NetworkingConfig": {"EndpointsConfig": {self.network: {
                "Aliases": ["the-agent"], "IPAMConfig": {"IPv4Address": f"10.99.{subnet}.10"}}}},
        }
        if modest:
            for one in (body, body["HostConfig"]):
                for key in ("ExposedPorts", "PortBindings", "NetworkingConfig"):
                    one.pop(key, None)
        body.update(changes)
        return body

    def inspect(self):
        return self.engine.inspect(self.slug)

    def run(self, *argv, user="agent"):
        return self.engine.run(self.slug, *argv, user=user)

    def write(self, path, text):
        code, output = self.run("sh", "-c", f"printf %s '{text}' > {path}")
        assert code == 0, output

    def read(self, path):
        code, output = self.run("cat", path)
        assert code == 0, output
        return output

    def remove(self):
        listed = self.engine.call("GET", "/containers/json", all=1,
                                  filters=json.dumps({"name": [f"^/{re.escape(self.slug)}"]}))
        for one in listed:
            self.engine.remove(f"/containers/{one['Id']}", force=1, v=1)
        tags = [tag for tag in self.engine.images() if tag.startswith(f"rebottle/{self.slug}:")]
        for one in (f"/networks/{self.network}", f"/volumes/{self.volume}", *(f"/images/{tag}" for tag in tags)):
            self.engine.remove(one)


# ---- comparing what inspect says ---------------------------------------------------------------------------------

def flat(value, path=""):
    """{dotted path: leaf} of a JSON value; lists of scalars count as one leaf, their order ignored."""
    if isinstance(value, dict) and value:
        return {k: v for key in value for k, v in flat(value[key], f"{path}.{key}" if path else key).items()}
    if isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value):
        ordered = sorted(value, key=lambda one: json.dumps(one, sort_keys=True))
        return {k: v for i, one in enumerate(ordered) for k, v in flat(one, f"{path}[{i}]").items()}
    if isinstance(value, list):
        return {path: sorted(value, key=str)}
    return {path: value}


def differences(before, after):
    """{path: (before, after)} of two inspect documents, once each one's own id is called <id> and <short id>."""

    def without_id(document):
        text = json.dumps(document).replace(document["Id"], "<id>")
        return flat(json.loads(re.sub(rf"\b{document['Id'][:12]}\b", "<short id>", text)))

    one, two = without_id(before), without_id(after)
    return {path: (one.get(path), two.get(path)) for path in sorted({*one, *two})
            if one.get(path, None) != two.get(path, None)}
