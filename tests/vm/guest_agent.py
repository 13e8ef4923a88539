#!/usr/bin/python3
# Runs inside the test machine: commands come in and results go out as JSON lines over a virtio serial port.
# Not here: what is run, or what is expected of it (run.py, on the host).
import base64
import json
import os
import subprocess
import threading
import time

PORT = "/dev/virtio-ports/rebottle.agent"
KEPT_BYTES = 4 << 20  # of each stream


def run(request):
    """The request's argv, with its stdin, within its timeout; a whole process group is killed at the end of it."""
    process = subprocess.Popen(request["argv"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               start_new_session=True, env={**os.environ, **request.get("env", {})})
    try:
        out, err = process.communicate(base64.b64decode(request.get("stdin", "")), timeout=request["timeout_s"])
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        out, err = process.communicate()
        code = 124
    return {"code": code, "out": base64.b64encode(out[-KEPT_BYTES:]).decode(),
            "err": base64.b64encode(err[-KEPT_BYTES:]).decode()}


def answer(request, port, lock):
    try:
        result = run(request)
    except OSError as error:
        result = {"code": 127, "out": "", "err": base64.b64encode(str(error).encode()).decode()}
    line = json.dumps({"id": request["id"], **result}).encode() + b"\n"
    with lock:
        port.write(line)


def main():
    lock = threading.Lock()
    while not os.path.exists(PORT):  # udev has not come to it yet
        time.sleep(0.2)
    with open(PORT, "r+b", buffering=0) as port:
        port.write(b'{"id": 0}\n')  # "here I am"
        rest = b""
        while True:
            data = port.read(65536)
            if not data:  # nobody at the other end: ask again, a little later
                time.sleep(0.2)
                continue
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                threading.Thread(target=answer, args=(json.loads(line), port, lock), daemon=True).start()


main()
