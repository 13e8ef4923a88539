# Starts, kills and watches a real rebottled in a folder of its own, and reads its database as any program would.
# Not here: what a test expects of it.
import json
import os
import signal
import socket
import sqlite3
import subprocess
from pathlib import Path

import poll

BIN = Path(os.environ["REBOTTLE_BUILD_DIR"]) / "bin"
FINAL = ("succeeded", "rolled_back", "failed", "cancelled", "rejected_unsupported", "rejected_stale", "resolved")

# What is still to be removed: not what an undo has put back in its place.
REMAINS = "removed_at IS NULL AND withdrawn_at IS NULL"

# What differs from the defaults, so that tests are quick.
SERVICE = {"pause_first_ms": 50, "leftover_retry_s": 1, "log_level": "debug"}
DOCKER = {"concurrency": 8, "stable_s": 1, "stop_timeout_s": 5, "verify_timeout_s": 15}


def section(name, values):
    return "\n".join([f"[{name}]"] + [f"{key} = {json.dumps(value)}" for key, value in values.items()]) + "\n"


class Worker:
    def __init__(self, folder, engine_socket, more="", service=None, docker=None):  # `more`: sections as TOML
        self.folder = Path(folder)
        self.db = self.folder / "rebottle.db"
        self.config = self.folder / "rebottle.toml"
        self.config.write_text(
            section("service", {"state_dir": str(self.folder), **SERVICE, **(service or {})}) +
            section("backends.docker", {"socket": str(engine_socket), **DOCKER, **(docker or {})}) + more)
        self.process = None
        self.log = self.folder / "rebottled.log"

    def start(self, failpoint=None, ready=True):
        """Starts it and waits for READY=1, which systemd would get; with a failpoint it may die before that."""
        assert self.process is None, "it runs already"
        notify_path = self.folder / "notify"
        notify_path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, self.log.open("ab") as log:
            notify.bind(str(notify_path))
            notify.setblocking(False)
            environment = {**os.environ, "NOTIFY_SOCKET": str(notify_path)}
            if failpoint:
                environment["REBOTTLE_FAILPOINT"] = failpoint
            self.process = subprocess.Popen([BIN / "rebottled", "--config", self.config, "--db", self.db],
                                            env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

            def is_ready():
                if self.process.poll() is not None:
                    raise AssertionError(f"rebottled ended with {self.process.returncode}\n{self.tail()}")
                try:
                    return b"READY=1" in notify.recv(4096).split(b"\n")
                except BlockingIOError:
                    return False

            if ready:
                poll.until(is_ready, "rebottled is ready", evidence=self.tail)

    def stop(self):
        """SIGTERM and the drain; the exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.process = None
        return code

    def kill(self):
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def wait_killed(self):
        """For a failpoint that kills: it must happen, and be a SIGKILL."""
        poll.until(lambda: self.process.poll() is not None, "the failpoint kills rebottled", evidence=self.tail)
        assert self.process.returncode == -signal.SIGKILL, f"ended with {self.process.returncode}\n{self.tail()}"
        self.process = None

    def peak_memory_kib(self):
        """The largest resident size so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0])

    def tail(self, lines=60):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def tool(self, *arguments):
        """Runs the operator's CLI on this database."""
        return subprocess.run([BIN / "rebottle", "--db", self.db, *arguments], capture_output=True, text=True,
                              timeout=90)

    # ---- the database, as a foreign program sees it ------------------------------------------------------------

    def sql(self, statement, *values):
        connection = sqlite3.connect(self.db, timeout=30)
        connection.row_factory = sqlite3.Row
        try:
            with connection:
                return [dict(row) for row in connection.execute(statement, values)]
        finally:
            connection.close()

    def approve(self, approval_id, bottle, args, backend="docker", kind="capability_block"):
        self.sql("INSERT INTO approvals (approval_id, kind, backend, bottle, args, approved_by)"
                 " VALUES (?, ?, ?, ?, ?, 'a test')", approval_id, kind, backend, bottle, json.dumps(args))
        return self.job(approval_id)["job_id"]

    def job(self, approval_id):
        return self.sql("SELECT * FROM jobs_view WHERE approval_id = ? ORDER BY run DESC LIMIT 1", approval_id)[0]

    def history(self, job_id):
        return self.sql("SELECT * FROM history_view WHERE job_id = ? ORDER BY seq", job_id)

    def wait_final(self, approval_id, deadline_s=poll.DEADLINE_S):
        """The job once it is final, or needs a person."""

        def ended():
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"rebottled ended with {self.process.returncode}\n{self.tail()}")
            job = self.job(approval_id)
            return job if job["state"] in FINAL + ("needs_attention",) else None

        return poll.until(ended, f"job of {approval_id} ends", deadline_s, evidence=self.tail)

    def wait_gone(self, approval_id, state):
        """The job once it has left this state and ended again."""
        poll.until(lambda: self.job(approval_id)["state"] != state, f"{approval_id} leaves {state}", evidence=self.tail)
        return self.wait_final(approval_id)

    def wait_drained(self):
        """Until nothing is left to be removed."""
        poll.until(lambda: not self.sql("SELECT 1 FROM leftovers WHERE " + REMAINS),
                   "all leftovers are gone",
                   evidence=lambda: str(self.sql("SELECT * FROM leftovers WHERE " + REMAINS)) + self.tail())
