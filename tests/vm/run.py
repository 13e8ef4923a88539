# Runs the cases of script/test-vm on one machine and reports each: states, downtime, what was verified inside.
# Not here: what the cases are (cases.py).
import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import cases
from lab import Lab
from machine import kvm_boots


def say(text):
    print(text, flush=True)


def report(name, seen, took):
    say(f"ok   {name}  ({took:.0f} s)")
    for what, job in seen.jobs:
        say(f"       {what}: {' > '.join(Lab.passed(job))}; downtime {job['downtime_ms'] / 1000:.1f} s")
    for text in seen.verified:
        say(f"       - {text}")


def chosen(words):
    stage = cases.STAGE
    if any("smolvm" in word or "power" in word for word in words):
        stage += cases.SMOLVM_STAGE
    return [case for case in cases.ALL
            if not words or any(word in case.__name__ for word in words) or case in stage]


def run_cases(lab, wanted):
    took = lab.machine.boot()
    say(f"the machine is up after {took:.0f} s ({lab.accel})")
    for case in wanted:
        began = time.monotonic()
        try:
            report(case.__name__, case(lab), time.monotonic() - began)
        except AssertionError as error:
            say(f"FAILED {case.__name__}  ({time.monotonic() - began:.0f} s)\n{error}")
            return case.__name__
    return None


def end(lab, folder, failed):
    """The machine is gone afterwards, whatever happens on the way."""
    try:
        if lab and lab.machine.answers:
            if failed:
                say("collecting what the machine can still tell")
                lab.keep_evidence()
            else:
                lab.machine.power_off()
    finally:
        if lab:
            lab.machine.cut_power()
        (folder / "disk.qcow2").unlink(missing_ok=True)
        if not failed:
            shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--image", required=True)
    parser.add_argument("--build", required=True)
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    # However this ends, QEMU ends with it: SIGTERM becomes an exception, and die_with_parent covers the rest.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wanted = chosen(options.cases)
    folder = Path(tempfile.mkdtemp(prefix="rebottle-vm-"))
    began = time.monotonic()
    failed = "the stage"
    lab = None
    try:
        image = Path(options.image)
        accel = "kvm" if kvm_boots(image / "vmlinuz", image / "initrd.img", folder) else "tcg"
        say(f"{'KVM works here' if accel == 'kvm' else 'no ordinary guest boots on KVM here: QEMU emulates (TCG)'};"
            f" {len(wanted)} cases")
        lab = Lab(image, options.build, folder, accel)
        failed = run_cases(lab, wanted)
    except (AssertionError, OSError, subprocess.SubprocessError):
        traceback.print_exc()
    finally:
        end(lab, folder, failed)
    if failed:
        say(f"\nFAILED: {failed}; console, journal and jobs are in {folder}")
        return 1
    say(f"\nall {len(wanted)} cases held, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
