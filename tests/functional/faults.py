# An engine that misbehaves: a proxy before the real one that gives each call a name and spoils those it is told to.
# Not here: what must become of a job then.
import json
import re
import select
import socket
import threading
from collections import Counter
from pathlib import Path

PIECE = 65536
HEX_ID = re.compile(r"\b[0-9a-f]{64}\b")
JOB_KEY = re.compile(r"(new|prev|job)-[0-9a-z]+-[0-9]+\b")


class Exchange:
    """One call: the request as it came, and the two ends it concerns."""

    def __init__(self, client, upstream, head, body, learn):
        self.client, self.upstream, self.head, self.body, self.learn = client, upstream, head, body, learn
        self.method, self.target = head.split(b"\r\n", 1)[0].decode().split(" ")[:2]

    def connect(self):
        engine = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        engine.connect(self.upstream)
        engine.sendall(self.head + self.body)
        return engine

    def carry_out(self):
        """The engine's whole answer, which the client does not see."""
        with self.connect() as engine:
            answer = b""
            while piece := engine.recv(PIECE):
                answer += piece
            self.learn(self, answer)
            return answer

    def pass_on(self):
        """The answer piece by piece; a client that leaves takes the engine's call with it."""
        start = b""
        with self.connect() as engine:
            while True:
                readable, _, _ = select.select([engine, self.client], [], [])
                if self.client in readable and not self.client.recv(PIECE):
                    return
                if engine in readable:
                    piece = engine.recv(PIECE)
                    if not piece:
                        return
                    if len(start) < PIECE:
                        start += piece
                        self.learn(self, start)
                    self.client.sendall(piece)

    def answer(self, status_line, body=b"", *headers):
        lines = [f"HTTP/1.1 {status_line}", "Api-Version: 1.41", "Content-Type: application/json",
                 *(headers or (f"Content-Length: {len(body)}",)), "Connection: close"]
        self.client.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if self.method == "HEAD" else body))

    def wait_for_client(self):
        """Until the client gives up."""
        while self.client.recv(PIECE):
            pass

    def flood(self, piece):
        """The same piece again and again, until the client gives up."""
        self.answer("200 OK", b"", "Transfer-Encoding: chunked")
        chunk = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
        while True:
            self.client.sendall(chunk)


def exactly(name):
    return re.escape(name)


# ---- faults: each a function of the exchange ---------------------------------------------------------------------

def status(line, carried_out=False, text="a fault of the test"):
    def fault(call):
        if carried_out:
            call.carry_out()
        call.answer(line, json.dumps({"message": text}).encode())
    return fault


def silence(call):
    call.wait_for_client()


def silence_after(call):
    call.carry_out()
    call.wait_for_client()


def hang_up(call):
    """Closes without an answer; the call never reached the engine."""


def hang_up_after(call):
    call.carry_out()


def half_an_answer(call):
    answer = call.carry_out()
    call.client.sendall(answer[:len(answer) // 2])


def one_byte_a_second(call):
    answer = call.carry_out()
    for i in range(len(answer)):
        call.client.sendall(answer[i:i + 1])
        readable, _, _ = select.select([call.client], [], [], 1)
        if readable:
            return


def no_http(call):
    call.client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 50)


def garbage_chunks(call):
    call.answer("200 OK", b"", "Transfer-Encoding: chunked")
    call.client.sendall(b"5\r\n{\"Id\"\r\nzz;\r\n" + b"\0" * 100)


def length_too_long(call):
    body = b'{"Id":"0"}'
    call.answer("200 OK", body, f"Content-Length: {len(body) + 100}")


def length_too_short(call):
    body = b'{"Id":"0","Name":"/x"}'
    call.answer("200 OK", body, f"Content-Length: {len(body) // 2}")


def no_json(call):
    call.answer("200 OK", b'{"Id":' + b"\xff\xfe" + b"]]")


def other_json(call):
    """JSON of another shape at every level."""
    call.answer("200 OK", b'[[null,{"Id":[],"State":7,"HostConfig":[]}]]')


def endless_body(call):
    call.flood(b"x" * PIECE)


def endless_list(call):
    """A JSON document that could grow for ever: the costliest kind to read."""
    call.answer("200 OK", b"", "Transfer-Encoding: chunked")
    call.client.sendall(b"1\r\n[\r\n")
    piece = b"0," * 30000
    while True:
        call.client.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")


def hundred_megabytes(call):
    call.answer("200 OK", b"", f"Content-Length: {100 << 20}")
    for _ in range((100 << 20) // PIECE):
        call.client.sendall(b" " * PIECE)


def endless_header(call):
    call.client.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        call.client.sendall(b"X-More: " + b"y" * 1000 + b"\r\n")


def endless_log_line(call):
    """One line, one frame, one JSON text: none of them ends."""
    call.answer("200 OK", b"", "Transfer-Encoding: chunked")
    start = b"\x01\0\0\0\xff\xff\xff\xff" if "/build" not in call.target else b'{"stream":"'
    call.client.sendall(f"{len(start):x}\r\n".encode() + start + b"\r\n")
    piece = f"{PIECE:x}\r\n".encode() + b"x" * PIECE + b"\r\n"
    while True:
        call.client.sendall(piece)


def endless_progress(call):
    call.flood(b'{"stream":"still building\\n"}\n' * 1000)


# ---- the proxy ---------------------------------------------------------------------------------------------------

class FaultProxy:
    """`calls` lists (name, how many times so far) of each call since reset(); a context manager."""

    def __init__(self, path, upstream):
        self.path, self.upstream = str(path), upstream
        self.lock = threading.Lock()
        self.open = set()
        self.words, self.counts, self.calls, self.plan, self.fired = {}, Counter(), [], [], []
        self.listener, self.errors = None, []

    def __enter__(self):
        self.listen()
        return self

    def __exit__(self, *_):
        self.refuse()
        with self.lock:
            for one in self.open:
                one.close()

    def listen(self):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def refuse(self):
        """From now on nobody can connect."""
        if self.listener is None:
            return
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.listener = None
        Path(self.path).unlink()

    def reset(self, words=None):
        """Counts from zero, spoils nothing. `words` maps texts in paths to the words that stand for them."""
        with self.lock:
            self.words = dict(words or {})
            self.counts, self.calls, self.plan, self.fired, self.errors = Counter(), [], [], [], []

    def spoil(self, name, fault, nth=None):
        """The nth call of this name (a regular expression; each one, if nth is None) meets the fault."""
        with self.lock:
            self.plan.append((re.compile(name), nth, fault))

    def before(self, name, action, nth=1):
        """Runs action() when the nth call of this name has come, before the engine sees it."""
        def fault(call):
            action()
            call.pass_on()
        self.spoil(name, fault, nth)

    def after(self, name, action, nth=1):
        """Runs action() when the engine has carried the nth call of this name out, before its answer is passed on."""
        def fault(call):
            answer = call.carry_out()
            action()
            call.client.sendall(answer)
        self.spoil(name, fault, nth)

    def name_of(self, method, target):
        path = re.sub(r"^/v[0-9.]+", "", target).split("?")[0].replace("%2F", "/").replace("%3A", ":")
        for text, word in self.words.items():
            path = path.replace(text, word)
        path = JOB_KEY.sub(r"\1-KEY", path)
        return f"{method} {HEX_ID.sub('ID', path)}"

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                self.open.add(client)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            call = self.read(client)
            if call is not None:
                self.exchange(call)
        except OSError:
            pass  # one of the two has left
        except Exception as error:  # what a test wanted to do at this point went wrong
            self.errors.append(error)
        finally:
            client.close()
            with self.lock:
                self.open.discard(client)

    def read(self, client):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = client.recv(PIECE)
            if not piece:
                return None
            data += piece
        head, body = data.split(b"\r\n\r\n", 1)
        length = re.search(rb"(?i)^content-length: *(\d+)", head, re.M)
        while length and len(body) < int(length[1]):
            piece = client.recv(PIECE)
            if not piece:
                return None
            body += piece
        return Exchange(client, self.upstream, head + b"\r\n\r\n", body, self.learn)

    def exchange(self, call):
        with self.lock:
            name = self.name_of(call.method, call.target)
            self.counts[name] += 1
            self.calls.append((name, self.counts[name]))
            fault = None
            for pattern, nth, one in self.plan:
                if pattern.fullmatch(name) and nth in (None, self.counts[name]):
                    fault = one
                    self.fired.append((name, self.counts[name]))
        if fault is not None:
            fault(call)
        else:
            call.pass_on()

    def learn(self, call, answer):
        """The container that the job makes is called NEW from here on."""
        made = re.search(rb'"Id":"([0-9a-f]{64})"', answer)
        if made and "/containers/create?" in call.target:
            with self.lock:
                self.words[made[1].decode()] = "NEW"
