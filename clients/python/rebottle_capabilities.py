# Tells provisioning code which tools to give to an agent: only those that the agent's backend can honour right now.
# One file without dependencies, to copy or import. Not here: approvals; for those, one INSERT is enough (README.md).
"""Whether rebottle can carry out a kind of job on a backend, read from its database.

    from rebottle_capabilities import supports

    answer = supports("docker", "capability_block")
    tools = [tool for tool in TOOLS if tool.name != "capability_block" or answer]
    if not answer:
        log(f"capability_block is hidden: {answer.reason_code}: {answer.message}")

It fails closed: whatever is not known for certain is a no. In particular a service that does not run, a backend that it
does not serve, an answer older than the service itself allows, and a clock that was set back. It never raises.

From a shell: python3 rebottle_capabilities.py DATABASE BACKEND [KIND]; exit 0 yes, 1 no.
"""

import dataclasses
import errno
import fcntl
import json
import os
import sqlite3
import struct
import sys
import time

DATABASE = "/var/lib/rebottle/rebottle.db"
CLOCK_SLACK_MS = 5_000  # an answer from further in the future says that a clock was set back
F_OFD_GETLK = 36        # asks who holds the lock without taking it; not in the fcntl module of Python 3.11


@dataclasses.dataclass(frozen=True)
class Answer:
    """True if the backend can do it."""
    supported: bool
    reason_code: str = ""  # why not: a stable word
    message: str = ""      # for people; may quote an engine
    version: str = ""      # of the backend
    age_s: float | None = None

    def __bool__(self):
        return self.supported


def supports(backend, kind="capability_block", database=DATABASE):
    """What the service found when it last looked, if that can still be believed."""
    try:
        rows = answers_of(backend, database)
        if not rows:
            return Answer(False, "not_known", f"no service has said anything about {backend}")
        if kind not in rows:
            return Answer(False, "kind_unsupported", f"{backend} does not know jobs of kind {kind}")
        return judged(rows[kind], database)
    except FileNotFoundError:
        return Answer(False, "database_missing", f"there is no database at {database}")
    except Exception as error:  # whatever stands in that file: a no
        return Answer(False, "not_readable", f"{database}: {type(error).__name__}: {error}")


def answers_of(backend, database):
    """The newest row of backend_capabilities for each kind."""
    if not os.path.exists(database):
        raise FileNotFoundError(errno.ENOENT, "there is no such database")
    connection = sqlite3.connect(database, timeout=10)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM backend_capabilities WHERE backend = ?", (backend,))
        return {row["kind"]: row for row in rows}
    finally:
        connection.close()


def judged(row, database):
    age_ms = time.time() * 1000 - row["checked_at"]
    good_for_s = json.loads(row["detail"]).get("good_for_s")

    def no(reason_code, message):
        return Answer(False, reason_code, message, row["version"], age_ms / 1000)

    if row["supported"] != 1:
        return no(row["reason_code"], row["message"])
    if not service_runs(database):
        return no("service_not_running", "no service runs that could carry it out")
    if age_ms < -CLOCK_SLACK_MS:
        return no("answer_stale", "its time is in the future, so the clock was set back")
    if type(good_for_s) is not int or age_ms > good_for_s * 1000:
        return no("answer_stale", f"last probed {age_ms / 1000:.0f} s ago")
    return Answer(True, version=row["version"], age_s=age_ms / 1000)


def service_runs(database):
    """Whether a service holds its lock, which lies beside the database."""
    try:
        file = os.open(os.path.realpath(database) + ".lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        whole_file = struct.pack("@hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        found = fcntl.fcntl(file, F_OFD_GETLK, whole_file + bytes(4))
        return struct.unpack_from("@h", found)[0] != fcntl.F_UNLCK
    finally:
        os.close(file)


def main(arguments):
    if len(arguments) not in (2, 3):
        print("usage: rebottle_capabilities.py DATABASE BACKEND [KIND]", file=sys.stderr)
        return 2
    answer = supports(*arguments[1:], database=arguments[0])
    print(json.dumps(dataclasses.asdict(answer)))
    return 0 if answer else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
