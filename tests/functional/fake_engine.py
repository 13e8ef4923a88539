# An engine that answers as one of another version would, and writes down what it is asked.
# Not here: anything that a container engine does.
import http.server
import json
import socketserver
import threading


class FakeEngine:
    """`requests` is a list of (method, path); a context manager."""

    def __init__(self, path, api_version):
        self.path, self.requests = str(path), []
        requests = self.requests

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                requests.append((self.command, self.path))
                body = json.dumps({"Version": "1.0", "ApiVersion": api_version, "MinAPIVersion": "1.12", "Os": "linux"})
                self.send_response(200)
                self.send_header("Api-Version", api_version)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body.encode())

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

            def address_string(self):
                return "unix"

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self.server = Server(self.path, Handler)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def mutating(self):
        """All requests but those that only read."""
        return [one for one in self.requests if one[0] not in ("GET", "HEAD")]
