# A virtual machine under QEMU: booted, spoken to through its agent, cut from power, always ended by its process id.
# Not here: what is on its disk (script/test-vm builds that), or what is tried in it (run.py).
import base64
import itertools
import json
import os
import selectors
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

# no_timer_check: an emulated timer that is late on a busy host is no broken one.
COMMAND_LINE = ("root=/dev/vda rw console=ttyS0 quiet panic=-1 mitigations=off no_timer_check systemd.show_status=false"
                " systemd.default_timeout_start_sec=900")
BOOT_S = {"kvm": 120, "tcg": 1800}
PROBE_S = 20


@dataclass(frozen=True)
class Result:
    argv: tuple
    code: int
    out: str
    err: str


class MachineError(AssertionError):
    pass


class Machine:
    """One disk, one life at a time. `folder` gets the console and the sockets; `accel` is kvm or tcg."""

    def __init__(self, folder, kernel, initrd, disks, accel, memory_mib=4096):
        self.folder, self.kernel, self.initrd, self.disks = folder, kernel, initrd, disks
        self.accel, self.memory_mib = accel, memory_mib
        self.process = self.socket = None
        self.ids = itertools.count(1)
        self.rest = b""
        self.answers = False  # the agent inside

    def argv(self):
        cpu = "host" if self.accel == "kvm" else "max,+svm"
        accel = "kvm" if self.accel == "kvm" else "tcg,thread=multi,tb-size=1024"
        drives = []
        for path, options in self.disks:
            drives += ["-drive", f"file={path},if=virtio,{options}"]
        # Two emulated processors that both leave and enter microVMs end QEMU 7.2 now and then by a triple fault.
        processors = "2" if self.accel == "kvm" else "1"
        return ["nice", "-n", os.environ.get("REBOTTLE_VM_NICE", "10"), "qemu-system-x86_64", "-accel", accel,
                "-cpu", cpu, "-smp", processors, "-m", str(self.memory_mib), "-nodefaults", "-display", "none",
                "-no-reboot", "-net", "none", "-d", "cpu_reset", "-D", f"{self.folder}/cpu-resets.log",
                "-kernel", self.kernel, "-initrd", self.initrd, "-append", COMMAND_LINE,
                "-serial", f"file:{self.folder}/console-{int(time.time())}.log",
                "-device", "virtio-rng-pci", "-device", "virtio-serial",
                "-chardev", f"socket,id=agent,path={self.folder}/agent.sock,server=on,wait=off",
                "-device", "virtserialport,chardev=agent,name=rebottle.agent", *drives]

    def boot(self):
        """Until the agent inside answers. How long it took, in seconds."""
        began = time.monotonic()
        with open(self.folder / "qemu.log", "ab") as log:
            # A session of its own: ^C is for the tests, which then end it in an orderly way.
            self.process = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True, preexec_fn=die_with_parent)
        deadline = began + BOOT_S[self.accel]
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(str(self.folder / "agent.sock"))
                break
            except OSError:
                self.check_alive(deadline, "QEMU opens its socket")
                time.sleep(0.05)
        while self.read_line(deadline, "the agent says hello")["id"] != 0:
            pass
        self.answers = True
        return time.monotonic() - began

    def check_alive(self, deadline, what):
        if self.process.poll() is not None:
            raise MachineError(f"QEMU ended with {self.process.returncode} before {what}; see {self.folder}")
        if time.monotonic() > deadline:
            raise MachineError(f"too late: {what}; see {self.folder}")

    def read_line(self, deadline, what):
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            while b"\n" not in self.rest:
                self.check_alive(deadline, what)
                if selector.select(0.5):
                    data = self.socket.recv(1 << 20)
                    if not data:
                        code = self.process.wait(30)
                        raise MachineError(f"QEMU ended with {code} before {what}; see {self.folder}")
                    self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def send(self, argv, stdin=b"", timeout_s=120, env=None):
        """Starts a command and returns its number, for `receive`."""
        number = next(self.ids)
        request = {"id": number, "argv": list(argv), "stdin": base64.b64encode(stdin).decode(),
                   "timeout_s": timeout_s, "env": env or {}}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        return number

    def run(self, *argv, stdin=b"", timeout_s=120, check=True, env=None):
        """Runs a command as root inside and waits for it; raises when it fails, unless check is False."""
        number = self.send(argv, stdin, timeout_s, env)
        deadline = time.monotonic() + timeout_s + 60
        while True:
            answer = self.read_line(deadline, " ".join(argv))
            if answer["id"] == number:
                break
        text = {name: base64.b64decode(answer[name]).decode(errors="replace") for name in ("out", "err")}
        result = Result(argv, answer["code"], text["out"], text["err"])
        if check and result.code != 0:
            raise MachineError(f"{' '.join(argv)}: exit {result.code}\n{result.out}{result.err}")
        return result

    def sh(self, line, **options):
        return self.run("/bin/bash", "-c", line, **options)

    def power_off(self, timeout_s=60):
        """In an orderly way, as far as it goes."""
        self.send(["systemctl", "poweroff"])
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pass  # cut_power follows

    def cut_power(self):
        """What a power switch does: the guest gets no chance to write anything."""
        if self.process is None:
            return
        self.answers = False
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(30)
        self.process = None
        self.socket.close()
        self.rest = b""


def kvm_boots(kernel, initrd, folder):
    """Whether an ordinary guest kernel boots on this host's KVM, with virtualisation inside: tried, within PROBE_S."""
    nested = [Path(f"/sys/module/{module}/parameters/nested") for module in ("kvm_amd", "kvm_intel")]
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or not any(
            path.exists() and path.read_text().strip() in ("1", "Y") for path in nested):
        return False
    console = folder / "kvm-probe.log"
    argv = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "512", "-nodefaults", "-display", "none",
            "-no-reboot", "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 panic=-1 break=top",
            "-serial", f"file:{console}"]
    with open(folder / "kvm-probe.err", "ab") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
    try:
        end = time.monotonic() + PROBE_S
        while time.monotonic() < end and process.poll() is None:
            if console.exists() and b"initramfs" in console.read_bytes():
                return True
            time.sleep(0.1)
        return False
    finally:
        process.kill()
        process.wait(30)


def die_with_parent():
    """PR_SET_PDEATHSIG: however the tests end, QEMU ends with them."""
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
