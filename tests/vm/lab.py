# The stage of script/test-vm: a machine with rebottle installed as README says, and what the cases ask it.
# Not here: what must hold (cases.py), or QEMU (machine.py).
import json
import os
import shlex
import subprocess
from pathlib import Path

from machine import Machine

SMOLVM = "/opt/smolvm/smolvm"
STATE = "/var/lib/smolvm"
DB = "/var/lib/rebottle/rebottle.db"
FINAL = ("succeeded", "rolled_back", "failed", "cancelled", "rejected_unsupported", "rejected_stale", "resolved")
# What is only slow natively takes this many times as long under TCG, on a machine that others use, too.
SLOWNESS = {"kvm": 1, "tcg": 10}

# smolvm gives a start up when the host stalls the machine for 30 seconds: it is tried again, more often than usual.
CONFIG = """[service]
attempts_max = 20
max_downtime_s = 1800
drain_s = 300
leftover_retry_s = 2
[backends.docker]
stop_timeout_s = 20
"""
# Where everything is slower, a stop may take longer, too.
SLOW_UNIT = """[Service]
TimeoutStartSec=600
TimeoutStopSec=400
"""
SMOLMACHINES_CONFIG = """[backends.smolmachines]
enabled = true
engine = "/opt/smolvm/smolvm"
engine_state_dir = "/var/lib/smolvm"
spec_dir = "/etc/rebottle/smolmachines"
import_dirs = ["/var/lib/rebottle-images"]
start_timeout_s = 600
call_timeout_s = 180
exec_timeout_s = 600
verify_timeout_s = 300
stop_timeout_s = 20
"""

# Says when it starts and when it was stopped in an orderly way.
AGENT = """#!/bin/sh
mkdir -p /home/agent
trap 'echo stopped >>/home/agent/notes; sync; exit 0' TERM
echo started >>/home/agent/notes
sync
while :; do sleep 1000 & wait $!; done
"""

# Runs inside: a shell would be too slow to catch a state that lasts milliseconds.
CATCHER = b"""
import os, signal, sqlite3, subprocess, sys, time
path, job, wanted, action = sys.argv[1:]
pid = int(subprocess.check_output(["systemctl", "show", "-P", "MainPID", "rebottled"]))
database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
state = lambda: database.execute("SELECT state FROM jobs_view WHERE job_id = ?", (job,)).fetchone()[0]
order = ["queued", "prepare", "snapshot", "stop", "apply", "restart", "verify"]
while (now := state()) != wanted:
    if now not in order:
        sys.exit(f"it is {now} already")
    if order.index(now) > order.index(wanted):
        break  # it lasted for less than a look
    time.sleep(0.01)
if action in ("kill", "freeze"):
    os.kill(pid, signal.SIGKILL if action == "kill" else signal.SIGSTOP)
elif action == "stop":
    subprocess.run(["systemctl", "stop", "--no-block", "rebottled"], check=True)
print(state())
"""


class CaseFailed(AssertionError):
    pass


def must(holds, what, evidence=""):
    if not holds:
        raise CaseFailed(f"{what}\n{evidence}" if evidence else what)


class Lab:
    def __init__(self, image, build, folder, accel):
        self.image, self.build, self.folder, self.accel = Path(image), Path(build), Path(folder), accel
        self.slow = SLOWNESS[accel]
        self.machine = Machine(self.folder, self.image / "vmlinuz", self.image / "initrd.img", self.disks(), accel)

    def disks(self):
        overlay, install = self.folder / "disk.qcow2", self.folder / "rebottle.tar"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", self.image / "disk.img", overlay],
                       check=True)
        staging = self.folder / "staging"
        subprocess.run(["cmake", "--install", self.build, "--prefix", "/usr"], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "DESTDIR": str(staging)})
        subprocess.run(["tar", "--owner=0", "--group=0", "-C", staging, "-cf", install, "."], check=True)
        subprocess.run(["rm", "-rf", staging], check=True)
        # cache=writeback keeps what the guest flushed: QEMU's death is a power cut for the guest, not for this host.
        return [(overlay, "format=qcow2,cache=writeback"), (install, "format=raw,readonly=on")]

    # ---- inside -----------------------------------------------------------------------------------------------------

    def sh(self, line, timeout_s=60, **options):
        return self.machine.sh("set -euo pipefail; " + line, timeout_s=timeout_s * self.slow, **options)

    def write(self, path, text, mode="644"):
        self.sh(f"install -m {mode} /dev/stdin {shlex.quote(path)}", stdin=text.encode())

    def until(self, line, what, timeout_s=60):
        """Until the shell line succeeds inside; asked there, so that a question costs no round trip."""
        loop = f"until {line}; do sleep 0.2; done"
        done = self.machine.sh(loop, timeout_s=timeout_s * self.slow, check=False)
        must(done.code == 0, f"not within {timeout_s * self.slow} s: {what}", done.out + done.err)

    def rebottle(self, *words, user="alice", check=True, timeout_s=60):
        return self.machine.run("runuser", "-u", user, "--", "rebottle", "--db", DB, *words, check=check,
                                timeout_s=timeout_s * self.slow)

    def approve(self, backend, bottle, args):
        """One INSERT's worth, by the CLI as the user alice; the job's number."""
        self.write("/tmp/args.json", json.dumps(args))
        return int(self.rebottle("-o", "name", "enqueue", backend, bottle, "--args", "/tmp/args.json").out.split()[0])

    def job(self, number):
        return json.loads(self.rebottle("-o", "json", "show", str(number)).out)

    def wait(self, number, timeout_s=120):
        done = self.rebottle("wait", str(number), "--timeout", f"{timeout_s * self.slow}s", check=False,
                             timeout_s=timeout_s + 30)
        job = self.job(number)
        must(done.code in (0, 6, 7), f"job {number} did not end", self.story(job))
        return job

    def finish(self, number, state, reason=None, timeout_s=120):
        """Waits for the job's end, which must be `state`; returns the job."""
        job = self.wait(number, timeout_s)
        must(job["state"] == state, f"job {number} ended as {job['state']}, not {state}", self.story(job))
        must(reason in (None, job["reason_code"]), f"reason {job['reason_code']}, not {reason}", self.story(job))
        return job

    @staticmethod
    def passed(job):
        states = [row["to_state"] for row in job["history"] if row["to_state"]]
        return [state for i, state in enumerate(states) if i == 0 or states[i - 1] != state]

    @staticmethod
    def interrupted_in(job):
        """The states in which a worker died and the next one took the job over."""
        return [row["from_state"] for row in job["history"] if row["event"] == "resume"]

    @staticmethod
    def story(job):
        rows = [f"  {row['seq']:3} {row['event']:16} {row['from_state'] or '-'} -> {row['to_state'] or '-'} "
                f"{json.dumps(row['data'])[:300]}" for row in job["history"]]
        return "\n".join([f"  {job['reason_code']}: {job['message']}", *rows])

    # ---- the service ------------------------------------------------------------------------------------------------

    def property(self, name):
        return self.sh(f"systemctl show -P {name} rebottled").out.strip()

    def catch(self, number, state, action, timeout_s=120):
        """As soon as the job is in that state, or past it: kill -9, freeze or stop the worker, or only tell; the state
        it really was in."""
        done = self.machine.run("/usr/bin/python3", "-", DB, str(number), state, action, stdin=CATCHER,
                                timeout_s=timeout_s * self.slow, check=False)
        must(done.code == 0, f"the job was never seen in {state}", done.out + done.err)
        return done.out.strip()

    # ---- real microVMs ----------------------------------------------------------------------------------------------

    def smolvm(self, *words, check=True, timeout_s=60):
        """As the bottles' provisioner calls it: as the user whose machines they are."""
        return self.machine.run(
            "runuser", "-u", "rebottle", "--", "env", "-C", "/", "NO_COLOR=1", f"HOME={STATE}",
            f"SMOLVM_AGENT_ROOTFS={STATE}/agent-rootfs", "SMOLVM_AGENT_READY_TIMEOUT_SECS=600", SMOLVM, *words[:2],
            "--state-dir", STATE, "--error-format", "json", *words[2:], check=check, timeout_s=timeout_s * self.slow)

    def machines(self):
        return {row["name"]: row for row in json.loads(self.smolvm("machine", "ls", "--json").out)}

    def in_machine(self, name, line, check=True):
        return self.smolvm("machine", "exec", "--name", name, "--", "/bin/sh", "-c", line, check=check).out

    # ---- evidence ---------------------------------------------------------------------------------------------------

    def keep_evidence(self):
        """What a failing run leaves, as far as the machine still answers; its console is there anyway."""
        for name, line in (("journal.log", "journalctl --no-pager -o short-monotonic"),
                           ("rebottle.txt", f"rebottle --db {DB} list --all; for n in $(rebottle --db {DB} -o name list"
                                            f" --all); do rebottle --db {DB} show $n; done"),
                           ("containers.txt", "docker ps -a; docker images"),
                           ("machines.json", f"runuser -u rebottle -- {SMOLVM} machine ls --json --state-dir {STATE}")):
            try:
                result = self.machine.sh(line, timeout_s=120, check=False)
                (self.folder / name).write_text(result.out + result.err)
            except (AssertionError, OSError) as error:
                (self.folder / name).write_text(f"the machine does not answer: {error}\n")
