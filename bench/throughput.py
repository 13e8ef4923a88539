#!/usr/bin/env python3
# How fast jobs go through the whole service on the null backend, as ratios against bare SQLite on the same disk.
# Not here: any container engine; what a real change takes is the engine's time.
"""usage: bench/throughput.py [--bin DIR] [--jobs N] [--dir DIR] [--json]

A ratio travels from machine to machine, jobs per second do not. The baseline, taken in the same run on the same file
system: as many transactions as the jobs have rows of history, one after the other, each with one INSERT of such a row,
synchronous=FULL, WAL. It is what a service could do that commits each step on its own and does nothing else.

  throughput  jobs per second, all queued at once, over the baseline's. Above 1: steps of many jobs share commits.
  latency     the baseline's time for the steps of one job, over the time of one job alone, from the INSERT of its
              approval to its end. Below 1: what the service does beside committing.
  recovery    the time from kill -9 with all jobs under way to READY=1, in baseline transactions per job taken over.
"""

import argparse
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ARGS = json.dumps({"change": {"dockerfile": "FROM current\n"}, "snapshot": {"paths": ["/home/agent"]}})
CONFIG = """[service]
log_level = "warning"
[backends.docker]
enabled = false
[backends.null]
enabled = true
state_file = "{folder}/null.state"
concurrency = {concurrency}
"""
PATIENCE_S = 600


class Service:
    def __init__(self, binaries, folder, concurrency):
        self.rebottled, self.folder = Path(binaries) / "rebottled", Path(folder)
        self.db, self.config = self.folder / "rebottle.db", self.folder / "rebottle.toml"
        self.config.write_text(CONFIG.format(folder=folder, concurrency=concurrency))
        self.process = None

    def start(self):
        """Until it is ready; the seconds that this took."""
        begin = time.monotonic()
        path = self.folder / "notify"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            notify.settimeout(PATIENCE_S)
            self.process = subprocess.Popen([self.rebottled, "--config", self.config, "--db", self.db],
                                            env={**os.environ, "NOTIFY_SOCKET": str(path)}, stdin=subprocess.DEVNULL)
            while b"READY=1" not in notify.recv(4096).split(b"\n"):
                pass
        return time.monotonic() - begin

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait(PATIENCE_S)

    def query(self, statement, *values):
        connection = sqlite3.connect(self.db, timeout=60)
        try:
            with connection:
                return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def approve(self, first, count):
        self.query("INSERT INTO approvals (approval_id, kind, backend, bottle, args, approved_by)"
                   " SELECT 'bench-' || value, 'capability_block', 'null', 'null-' || value, ?, 'bench'"
                   " FROM json_each(?)", ARGS, json.dumps(list(range(first, first + count))))

    def wait(self, statement, wanted):
        deadline = time.monotonic() + PATIENCE_S
        while self.query(statement)[0][0] < wanted:
            if self.process.poll() is not None:
                raise SystemExit(f"bench: rebottled ended with {self.process.returncode}")
            if time.monotonic() > deadline:
                raise SystemExit(f"bench: after {PATIENCE_S} s still not {wanted}: {statement}")
            time.sleep(0.005)

    def run(self, first, count):
        """Seconds from the insert of the approvals to the end of the last job."""
        begin = time.monotonic()
        self.approve(first, count)
        self.wait("SELECT count(*) FROM jobs_view WHERE state = 'succeeded'", first + count)
        return time.monotonic() - begin


def bare_transactions(folder, rows):
    """Seconds for that many transactions of one history row each."""
    connection = sqlite3.connect(Path(folder) / "baseline.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS history (job_id INTEGER, seq INTEGER, at INTEGER, event TEXT,"
                       " from_state TEXT, to_state TEXT, actor TEXT, data TEXT, PRIMARY KEY (job_id, seq))"
                       " STRICT, WITHOUT ROWID")
    start = connection.execute("SELECT coalesce(max(job_id), 0) + 1 FROM history").fetchone()[0]
    begin = time.monotonic()
    for i, row in enumerate(rows):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (start, i, *row))
        connection.execute("COMMIT")
    took = time.monotonic() - begin
    connection.close()
    return took


def measure(binaries, folder, jobs):
    service = Service(binaries, folder, concurrency=max(64, jobs))
    service.start()
    try:
        service.run(0, 5)  # warm
        alone = min(service.run(5 + i, 1) for i in range(5))
        together = service.run(10, jobs)
        rows = service.query("SELECT at, event, from_state, to_state, actor, data FROM history_view"
                             " WHERE job_id > 10 ORDER BY job_id, seq")
        steps = len(rows) / jobs
        # Killed with as many jobs under way as can be.
        service.approve(10 + jobs, jobs)
        service.wait("SELECT count(*) FROM jobs_view WHERE claimed_at IS NOT NULL", 10 + jobs + jobs // 2)
        service.end(signal.SIGKILL)
        under_way = service.query("SELECT count(*) FROM jobs_view"
                                  " WHERE claimed_at IS NOT NULL AND finalized_at IS NULL")
        recovered = service.start()
        service.wait("SELECT count(*) FROM jobs_view WHERE state = 'succeeded'", 10 + 2 * jobs)
    finally:
        if service.process.poll() is None:
            service.end(signal.SIGTERM)
    per_transaction = bare_transactions(folder, rows) / len(rows)
    taken_over = max(1, under_way[0][0])
    return {
        "jobs": jobs,
        "steps_per_job": round(steps, 1),
        "throughput": round(jobs / together * steps * per_transaction, 2),
        "latency": round(steps * per_transaction / alone, 2),
        "recovery": round(recovered / taken_over / per_transaction, 2),
        "here": {
            "jobs_per_s": round(jobs / together, 1),
            "one_job_ms": round(alone * 1000, 1),
            "bare_transactions_per_s": round(1 / per_transaction, 1),
            "taken_over": taken_over,
            "ready_after_kill_s": round(recovered, 3),
        },
    }


def main():
    parser = argparse.ArgumentParser(usage=__doc__.splitlines()[0][7:])
    parser.add_argument("--bin", default=ROOT / "build/release/bin")
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--dir", default=None)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.jobs < 1:
        parser.error("--jobs must be at least 1")
    if not (Path(options.bin) / "rebottled").exists():
        parser.error(f"there is no {options.bin}/rebottled: build it (cmake --build --preset release), or give --bin")
    with tempfile.TemporaryDirectory(prefix="rebottle-bench-", dir=options.dir) as folder:
        found = measure(options.bin, folder, options.jobs)
    if options.json:
        print(json.dumps(found))
    else:
        for name in ("throughput", "latency", "recovery"):
            print(f"{name:<12}{found[name]:>8}")
        print(f"on this machine: {found['here']}, {found['jobs']} jobs of {found['steps_per_job']} steps")
    return 0


if __name__ == "__main__":
    sys.exit(main())
