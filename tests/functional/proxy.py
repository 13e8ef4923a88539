# A unix socket in front of the engine's that writes down each request's method and path.
# Not here: faults; this one passes every byte on unchanged.
import re
import socket
import threading

# Wherever it stands in the stream: what looks like a request in a body would be counted, too, and rightly alarm.
REQUEST = re.compile(rb"(GET|HEAD|POST|PUT|DELETE|PATCH) (/\S*) HTTP/1\.[01]\r\n")


class RecordingProxy:
    """`requests` is a list of (method, path); a context manager."""

    def __init__(self, path, upstream):
        self.path, self.upstream = str(path), upstream
        self.requests = []
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(64)
        self.lock = threading.Lock()
        self.open = set()
        self.acceptor = threading.Thread(target=self.accept, daemon=True)

    def __enter__(self):
        self.acceptor.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for one in self.open:
                one.close()
        self.acceptor.join(10)

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            engine.connect(self.upstream)
            with self.lock:
                self.open |= {client, engine}
            threading.Thread(target=self.pump, args=(client, engine, True), daemon=True).start()
            threading.Thread(target=self.pump, args=(engine, client, False), daemon=True).start()

    def pump(self, source, sink, recording):
        seen = b""
        try:
            while chunk := source.recv(65536):
                if recording:
                    # A request line may come in pieces: look at the whole stream, count what is new.
                    before = len(REQUEST.findall(seen))
                    seen += chunk
                    for method, path in REQUEST.findall(seen)[before:]:
                        self.requests.append((method.decode(), path.decode()))
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def mutating(self):
        """All requests but those that only read."""
        return [one for one in self.requests if one[0] not in ("GET", "HEAD")]
