# Many jobs one after the other on a bottle, each with trouble of its own, several lanes beside each other.
# Not here: which trouble, and what may become of a job (the tests).
import queue
import shutil
import sys
import tempfile
import threading
import traceback
from pathlib import Path

from case import Case
from engine import Engine, on_free_subnet
from faults import FaultProxy
from worker import FINAL, Worker

UNTOUCHED = ("failed", "cancelled", "rejected_unsupported", "rejected_stale")


class Lane(Case):
    """A worker behind a proxy of its own, with a bottle that is made anew after a failure."""

    def __init__(self, engine=None, service=None, docker=None, **changes):
        super().__init__()
        self.engine = engine or Engine()
        self.changes = changes  # of the agent, against what Bottle makes of it
        self.folder = Path(tempfile.mkdtemp(prefix="rebottle-functional-"))
        self.proxy = FaultProxy(self.folder / "engine.sock", self.engine.path)
        # Probes would be counted among the calls of a job.
        service = {"probe_interval_s": 86400, "pause_first_ms": 20, **(service or {})}
        self.worker = Worker(self.folder, self.proxy.path, service=service, docker=docker)
        self.bottles = []
        self.jobs = 0
        self.kept = False

    def __enter__(self):
        self.proxy.__enter__()
        self.worker.start()
        self.renew()
        return self

    def __exit__(self, *_):
        self.worker.stop()
        self.proxy.__exit__()
        for bottle in self.bottles:
            self.remove(bottle)
        if not self.kept:
            shutil.rmtree(self.folder)

    def remove(self, bottle):
        bottle.remove()
        self.engine.remove(f"/networks/{bottle.slug}-extra")

    def renew(self, **changes):
        """A fresh bottle, on two networks."""
        made = self.bottle(**self.changes, **changes)
        extra = f"{made.slug}-extra"
        on_free_subnet(lambda number: self.engine.make_network(extra, f"10.98.{number}.0/24"))
        self.engine.call("POST", f"/networks/{extra}/connect", {"Container": made.id})
        made.write("/home/agent/notes", "what the agent knows")
        self.current = made

    def run_job(self, args, spoil=lambda proxy: None, deadline_s=600):
        """One job from approval to the last leftover. Returns it with its calls as `calls`, and the state before."""
        bottle = self.current
        before = bottle.inspect()
        self.jobs += 1
        approval = f"job-{self.jobs}"
        self.proxy.reset({before["Id"]: "OLD", bottle.slug: "SLUG"})
        spoil(self.proxy)
        job_id = self.worker.approve(approval, bottle.slug, args)
        job = self.worker.wait_final(approval, deadline_s)
        self.assertEqual(self.proxy.errors, [])
        return job_id, job, before

    def check(self, job_id, job, before):
        """The promises of the state that the job ended in, once nothing is left to be removed."""
        bottle, state = self.current, job["state"]
        self.assertIn(state, FINAL, job["message"])
        self.assertIsNone(job["down_since"])
        if state == "succeeded":
            self.assert_changed_but(bottle, before)
        elif state in UNTOUCHED:
            self.assert_untouched(bottle, before)
        else:
            self.assertEqual(state, "rolled_back", job["message"])
            self.assert_as_it_was(bottle, before)
        self.assertEqual(bottle.read("/home/agent/notes"), "what the agent knows")
        self.assert_history_whole(job_id)
        self.assert_drained(bottle)

    def assert_changed_but(self, bottle, before):
        after = bottle.inspect()
        self.assertNotEqual(after["Id"], before["Id"])
        self.assertTrue(after["State"]["Running"])
        self.assertEqual(after["HostConfig"]["RestartPolicy"], before["HostConfig"]["RestartPolicy"])
        self.assertEqual(set(after["NetworkSettings"]["Networks"]), set(before["NetworkSettings"]["Networks"]))


def run_all(work, lanes, **settings):
    """Runs each (name, function of a lane) once, on whichever lane is free; a list of 'name: what went wrong'."""
    todo, failures = queue.Queue(), []
    for one in work:
        todo.put(one)

    def drive(number):
        try:
            with Lane(**settings) as lane:
                while True:
                    try:
                        name, function = todo.get_nowait()
                    except queue.Empty:
                        return
                    try:
                        function(lane)
                    except Exception as error:  # whatever it is, the others go on
                        failures.append(f"{name}: {error}\n(kept: {lane.folder})")
                        print(f"failed: {name}\n  {str(error)[:600]}", file=sys.stderr, flush=True)
                        lane.kept = True
                        lane.proxy.reset()
                        lane.renew()
        except Exception:
            failures.append(f"lane {number}: {traceback.format_exc()}")

    threads = [threading.Thread(target=drive, args=(number,)) for number in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not todo.empty():
        failures.append(f"{todo.qsize()} cases were not run")
    return failures
