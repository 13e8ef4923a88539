# A full disk under the engine, under the snapshots and under the database, in the middle of a job (issue 4, line 2).
# Not here: the store's own reaction to SQLITE_FULL (tests/unit/schema/faults_test.cpp).
import os
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

import faults
import poll
from engine import Engine
from engine_restart_test import SCRIPT, script
from every_call_test import GOOD
from lane import Lane

BUILD, CREATE, STOP, START = ("POST /build", "POST /containers/create", "POST /containers/OLD/stop",
                              "POST /containers/NEW/start")
FILLS = {"change": {"dockerfile": "FROM current\nUSER root\nRUN dd if=/dev/zero of=/filler bs=1M count=500\n"}}


def as_root(*command):
    if os.geteuid() != 0:
        command = ("sudo", "--", *command)
    subprocess.run(command, check=True, capture_output=True, timeout=60)


class SmallDisk:
    """A file system of a few megabytes that can be filled and emptied at any time."""

    def __init__(self, case, place, mebibytes):
        self.place = Path(place)
        self.place.mkdir(parents=True, exist_ok=True)
        as_root("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0711,uid={os.getuid()}", "tmpfs", self.place)
        case.addCleanup(as_root, "umount", self.place)
        self.filler = self.place / "filler"

    def fill(self):
        as_root("sh", "-c", f"cat /dev/zero > '{self.filler}' 2>/dev/null || true")
        space = os.statvfs(self.place)
        assert space.f_bavail == 0, space

    def free(self):
        as_root("rm", "-f", self.filler)


class DiskFull(unittest.TestCase):
    maxDiff = None

    def lane(self, engine=None, **settings):
        lane = Lane(engine, docker={"verify_timeout_s": 10}, **settings)
        lane.__enter__()
        self.addCleanup(lane.__exit__)
        return lane

    def ends(self, lane, args, state, when=None, call=None, deed=None):
        def spoil(proxy):
            if when:
                getattr(proxy, when)(faults.exactly(call), deed, 1)

        job_id, job, before = lane.run_job(args, spoil)
        self.assertEqual(job["state"], state, f"{job['reason_code']}: {job['message']}\n{lane.worker.tail(20)}")
        lane.check(job_id, job, before)
        return job

    def test_under_the_engine(self):
        folder = tempfile.mkdtemp(prefix="rebottle-full-")
        self.addCleanup(os.rmdir, folder)
        disk = SmallDisk(self, folder, 100)
        self.addCleanup(script, "stop", folder)
        script("start", folder)
        lines = subprocess.run([SCRIPT, "env", folder], capture_output=True, text=True, timeout=30).stdout
        lane = self.lane(Engine(lines.split("REBOTTLE_TEST_DOCKER=")[1].strip()))

        job = self.ends(lane, FILLS, "failed")
        self.assertRegex(job["message"] + job["detail"], "[Nn]o space left")
        job = self.ends(lane, GOOD, "failed", "before", CREATE, disk.fill)
        self.assertIn("no space left", job["message"])
        disk.free()

        # Neither the changed nor the old one can start until there is room again: a person is told why.
        def fill(call):
            disk.fill()
            call.pass_on()

        job_id, job, before = lane.run_job(GOOD, lambda proxy: proxy.spoil(faults.exactly(START), fill, 1))
        self.assertEqual(job["state"], "needs_attention", job["message"])
        self.assertIn("no space left", job["message"])
        disk.free()
        self.assertEqual(lane.worker.tool("retry", str(job_id)).returncode, 0)
        job = lane.worker.wait_gone(job["approval_id"], "needs_attention")
        self.assertEqual(job["state"], "rolled_back", job["message"])
        lane.check(job_id, job, before)
        self.ends(lane, GOOD, "succeeded")

    def test_under_the_snapshots(self):
        folder = tempfile.mkdtemp(prefix="rebottle-full-")
        self.addCleanup(os.rmdir, folder)
        disk = SmallDisk(self, folder, 100)
        lane = self.lane(service={"state_dir": folder})
        job = self.ends(lane, GOOD, "rolled_back", "before", STOP, disk.fill)
        self.assertEqual(job["reason_code"], "snapshot_not_written")
        self.assertIn("No space left", job["message"])
        self.assertEqual(list(Path(folder, "snapshots").rglob("*.part")), [])
        # Now it is known before anything is touched.
        job = self.ends(lane, GOOD, "failed")
        self.assertEqual(job["reason_code"], "disk_space")
        disk.free()
        self.ends(lane, GOOD, "succeeded")

    def database_on_a_small_disk(self):
        folder = tempfile.mkdtemp(prefix="rebottle-full-")
        self.addCleanup(os.rmdir, folder)
        disk = SmallDisk(self, folder, 20)
        lane = Lane(docker={"verify_timeout_s": 10})
        lane.worker.db = Path(folder, "rebottle.db")
        lane.__enter__()
        self.addCleanup(lane.__exit__)
        return disk, lane

    def test_under_the_database(self):
        disk, lane = self.database_on_a_small_disk()

        # Nothing is done that could not be written down first: the job waits where it is, and goes on by itself.
        # At first until a write has failed, however long that takes; later there is room in the WAL's file.
        def free_once_noticed():
            poll.until(lambda: "disk is full" in lane.worker.log.read_text(), "a write fails")
            threading.Timer(3, disk.free).start()

        def fill_for_a_while():
            disk.fill()
            threading.Thread(target=free_once_noticed, daemon=True).start()

        for call in (BUILD, STOP, START):
            job = self.ends(lane, GOOD, "succeeded", "before", call, fill_for_a_while)
            poll.until(lambda: not disk.filler.exists(), "the disk is free again")
        self.assertEqual(lane.worker.sql("PRAGMA integrity_check")[0]["integrity_check"], "ok")

    def test_under_the_database_before_the_worker_starts(self):
        disk, lane = self.database_on_a_small_disk()
        lane.worker.stop()
        before = lane.current.inspect()
        lane.proxy.reset({before["Id"]: "OLD", lane.current.slug: "SLUG"})
        job_id = lane.worker.approve("waits", lane.current.slug, GOOD)
        disk.fill()
        lane.worker.start(ready=False)
        poll.until(lambda: "the database cannot be used yet" in lane.worker.log.read_text(),
                   "the worker waits for room", evidence=lane.worker.tail)
        self.assertIsNone(lane.worker.process.poll())
        disk.free()
        job = lane.worker.wait_final("waits")
        self.assertEqual(job["state"], "succeeded", job["message"])
        lane.check(job_id, job, before)


if __name__ == "__main__":
    unittest.main()
