# Someone else removes, renames, starts, kills or takes what a job is working with, at each point (issue 4, line 2).
# Not here: faults of the engine itself.
import json
import shutil
import unittest

import faults
import poll
from engine import IMAGE, EngineError
from every_call_test import BAD, GOOD, KEEP
from lane import run_all

CREATE, CONNECT, BUILD = "POST /containers/create", "POST /networks/ID/connect", "POST /build"
STOP, PARK, TAKE, START = ("POST /containers/OLD/stop", "POST /containers/OLD/rename", "POST /containers/NEW/rename",
                           "POST /containers/NEW/start")
EXEC = "POST /exec/ID/start"
LANES = 3


class Meddler:
    """Someone else on the same engine, who gets a lane's bottle to play with."""

    def __init__(self, lane):
        self.lane, self.engine, self.strangers = lane, lane.engine, []
        self.look()

    def look(self):
        self.bottle = self.lane.current
        self.slug = self.bottle.slug
        self.old = self.bottle.inspect()["Id"]

    def renew(self, **changes):
        """Goes on with another bottle."""
        self.lane.renew(**changes)
        self.look()

    def post(self, container, verb, **query):
        self.engine.call("POST", f"/containers/{container}/{verb}", **query)

    def remove(self, name):
        self.engine.call("DELETE", f"/containers/{name}", force=1)

    @property
    def new(self):
        """The container that the job has made: the youngest that carries the bottle's label."""
        listed = self.engine.containers(label=[f"io.rebottle.bottle={self.slug}"])
        return max(listed, key=lambda one: one["Created"])

    def key(self):
        return self.new["Config"]["Labels"]["io.rebottle.job"]

    def take_name(self, name):
        made = self.engine.create(name, {"Image": IMAGE, "Cmd": ["sleep", "1000"]}, start=False)
        self.strangers.append(made)

    def leave(self):
        for one in self.strangers:
            self.remove(one)
        self.strangers.clear()

    # ---- one job, with one deed at one point -----------------------------------------------------------------------

    def job(self, args, when, call, nth, deed):
        job_id, job, before = self.lane.run_job(
            args, lambda proxy: getattr(proxy, when)(faults.exactly(call), deed, nth))
        self.lane.assertEqual(self.lane.proxy.fired, [(call, nth)], job["message"])
        self.lane.assert_history_whole(job_id)
        return job_id, job, before

    def expect(self, job, state, reason=""):
        self.lane.assertEqual(job["state"], state, job["reason_code"] + ": " + job["message"])
        self.lane.assertRegex(job["reason_code"], reason or ".*")

    def ends(self, state, args, when, call, nth, deed, reason=""):
        """The job ends in this state, with all its promises."""
        job_id, job, before = self.job(args, when, call, nth, deed)
        self.expect(job, state, reason)
        self.lane.check(job_id, job, before)
        return job

    def retry(self, job):
        """A person has cleared the way; the interrupted step is tried again."""
        done = self.lane.worker.tool("retry", str(job["job_id"]))
        self.lane.assertEqual(done.returncode, 0, done.stderr)
        return self.lane.worker.wait_gone(job["approval_id"], "needs_attention")


# ---- before the stop: refused by name, nothing of ours was done to the bottle --------------------------------------

def renamed(m):
    _, job, _ = m.job(GOOD, "before", CREATE, 1, lambda: m.post(m.slug, "rename", name=m.slug + "-x"))
    m.post(m.slug + "-x", "rename", name=m.slug)
    m.expect(job, "rejected_stale", "drift")
    m.lane.assertIn("Name", job["detail"])
    m.lane.assert_drained(m.bottle)


def paused(m):
    _, job, _ = m.job(GOOD, "after", CREATE, 1, lambda: m.post(m.slug, "pause"))
    m.post(m.slug, "unpause")
    m.expect(job, "rejected_unsupported", "target_state_unsupported")
    m.lane.assert_drained(m.bottle)


def stopped(m):
    _, job, _ = m.job(GOOD, "after", CREATE, 1, lambda: m.post(m.slug, "stop"))
    m.post(m.slug, "start")
    m.expect(job, "rejected_stale", "drift")
    m.lane.assertIn("State.Running", job["detail"])
    m.lane.assert_drained(m.bottle)


def restarted(m):
    """The same bottle, only younger."""
    m.ends("succeeded", GOOD, "after", CREATE, 1, lambda: m.post(m.slug, "restart"))


def disconnected(m):
    def leave():
        m.engine.call("POST", f"/networks/{m.slug}-extra/disconnect", {"Container": m.old})
    _, job, _ = m.job(GOOD, "after", CONNECT, 1, leave)
    m.engine.call("POST", f"/networks/{m.slug}-extra/connect", {"Container": m.old})
    m.expect(job, "rejected_stale", "drift")
    m.lane.assert_drained(m.bottle)


def recreated(m):
    def recreate():
        body = m.bottle.agent(0, modest=True)
        m.remove(m.slug)
        m.engine.create(m.slug, body)
    _, job, _ = m.job(GOOD, "after", CREATE, 1, recreate)
    m.expect(job, "rejected_stale", "drift|bottle_not_found|bottle_drifted")
    m.lane.assert_drained(m.bottle)
    m.lane.assertEqual(m.bottle.inspect()["Config"]["Labels"], m.bottle.agent(0)["Labels"])
    m.renew()


def new_one_removed(m):
    m.ends("rejected_stale", GOOD, "before", CONNECT, 1, lambda: m.remove(m.new["Id"]))


def new_one_removed_when_connected(m):
    m.ends("rejected_stale", GOOD, "after", CONNECT, 1, lambda: m.remove(m.new["Id"]))


def new_one_started(m):
    """Two agents of one bottle, by someone else's hand; the paths could not be put into it any more."""
    m.renew(modest=True)
    _, job, before = m.job(GOOD, "after", CONNECT, 1, lambda: m.post(m.new["Id"], "start"))
    m.expect(job, "rejected_stale", "drift")
    m.lane.assert_untouched(m.bottle, before)
    m.post(m.new["Id"], "stop")
    m.lane.assert_drained(m.bottle)
    m.renew()


def name_for_the_new_one_taken(m):
    job_id, job, before = m.lane.run_job(GOOD)  # for the key
    m.lane.check(job_id, job, before)
    instance, number = m.key().rsplit("-", 1)
    m.look()
    name = f"{m.slug}.new-{instance}-{int(number) + 1}"
    _, job, before = m.job(GOOD, "before", BUILD, 1, lambda: m.take_name(name))
    m.expect(job, "rejected_stale", "bottle_drifted")
    m.lane.assertIn(name, job["message"] + job["detail"])
    m.lane.assert_untouched(m.bottle, before)
    m.lane.assertIsNotNone(m.engine.inspect(name), "what is not ours was removed")
    m.leave()
    m.lane.assert_drained(m.bottle)


def name_for_the_parked_one_taken(m):
    def take():
        m.take_name(f"{m.slug}.prev-{m.key()}")
    _, job, before = m.job(GOOD, "after", CONNECT, 1, take)
    m.expect(job, "rejected_stale")
    m.lane.assertIn(".prev-", job["message"] + job["detail"])
    m.lane.assert_untouched(m.bottle, before)
    m.leave()
    m.lane.assert_drained(m.bottle)


def built_image_removed(m):
    """It is built again."""
    def remove():
        tag = next(tag for tag in m.engine.images() if tag.startswith(f"rebottle/{m.slug}:job-"))
        m.engine.call("DELETE", f"/images/{tag}", force=1)
    m.ends("succeeded", GOOD, "before", CREATE, 1, remove)


def parent_image_removed(m):
    """By a prune while the builder goes on from it; the engine blames the build."""
    lost = faults.status("500 Internal Server Error", text="unknown parent image ID sha256:0")
    job_id, job, before = m.lane.run_job(GOOD, lambda proxy: proxy.spoil(faults.exactly(BUILD), lost, 1))
    m.lane.assertEqual(m.lane.proxy.fired, [(BUILD, 1)])
    m.expect(job, "succeeded")
    m.lane.check(job_id, job, before)


def pinned_image_untagged(m):
    """The builder finds nobody who has it."""
    def remove():
        tag = next(tag for tag in m.engine.images() if tag.startswith(f"rebottle/{m.slug}:prev-"))
        m.engine.call("DELETE", f"/images/{tag}", noprune=1)
    m.ends("failed", GOOD, "before", BUILD, 1, remove, "build_failed")


BEFORE_STOP = (renamed, paused, stopped, restarted, disconnected, recreated, new_one_removed,
               new_one_removed_when_connected, new_one_started, name_for_the_new_one_taken,
               name_for_the_parked_one_taken, built_image_removed, parent_image_removed,
               pinned_image_untagged)


# ---- past the stop: changed, or as it was, or a person is told -------------------------------------------------------

def parked_one_started(m):
    m.ends("rolled_back", GOOD, "before", TAKE, 1, lambda: m.post(m.old, "start"), "other_one_runs")


def parked_one_started_while_verified(m):
    m.renew(modest=True)
    _, job, before = m.job(GOOD, "before", EXEC, 1, lambda: m.post(m.old, "start"))
    m.expect(job, "rolled_back", "other_one_runs")
    after = m.bottle.inspect()
    m.lane.assertEqual((after["Id"], after["State"]["Running"]), (before["Id"], True))
    m.lane.assert_drained(m.bottle)
    m.renew()  # the addresses that the engine gave this one while both ran are not those it will give it next time


def parked_one_renamed(m):
    m.ends("rolled_back", BAD, "before", EXEC, 1, lambda: m.post(m.old, "rename", name=m.slug + "-mine"))


def new_one_killed(m):
    m.ends("rolled_back", GOOD, "before", EXEC, 1, lambda: m.post(m.slug, "kill"), "exited|engine|exec")


def new_one_removed_while_verified(m):
    m.ends("rolled_back", GOOD, "before", EXEC, 1, lambda: m.remove(m.slug), "container_gone|engine|exec")


def new_one_removed_before_it_starts(m):
    m.ends("rolled_back", GOOD, "before", START, 1, lambda: m.remove(m.slug))


def new_one_renamed(m):
    m.ends("rolled_back", GOOD, "before", EXEC, 1, lambda: m.post(m.slug, "rename", name=m.slug + "-mine"), "renamed")


def new_one_paused(m):
    m.ends("rolled_back", GOOD, "before", EXEC, 1, lambda: m.post(m.slug, "pause"), "paused|engine|exec")


def parked_one_removed_and_all_is_well(m):
    m.ends("succeeded", GOOD, "before", EXEC, 1, lambda: m.remove(m.old))


def parked_one_removed_and_there_is_no_way_back(m):
    """The changed one does not pass, but it is all that is left: it keeps running, and a person is told."""
    _, job, _ = m.job(BAD, "before", EXEC, 1, lambda: m.remove(m.old))
    m.expect(job, "needs_attention", "container_gone|bottle_drifted")
    m.lane.assertIn(m.old, job["message"] + job["detail"])
    m.lane.assertTrue(m.bottle.inspect()["State"]["Running"])
    done = m.lane.worker.tool("resolve", str(job["job_id"]), "--outcome", "changed", "--reason", "it will do")
    m.lane.assertEqual(done.returncode, 0, done.stderr)
    kept = m.lane.folder / "snapshots" / m.key()
    m.lane.assertTrue((kept / "0.tar").exists(), "what may be the only copy was removed")
    shutil.rmtree(kept)  # a person's to remove
    m.renew()


def own_name_taken(m):
    _, job, before = m.job(GOOD, "after", PARK, 1, lambda: m.take_name(m.slug))
    m.expect(job, "needs_attention", "bottle_drifted")
    m.lane.assertIn(m.strangers[0], job["message"] + job["detail"])
    m.leave()
    job = m.retry(job)
    m.expect(job, "rolled_back")
    m.lane.check(job["job_id"], job, before)


def network_removed(m):
    """No container of the bottle runs, so the engine allows it; neither the old nor the new one can start."""
    def remove():
        m.engine.call("DELETE", f"/networks/{m.slug}-extra")
    _, job, _ = m.job(GOOD, "after", STOP, 1, remove)
    m.expect(job, "needs_attention")
    m.lane.assertIn("network", job["message"])
    # What docs/docker.md says: a network of that name, and the old container connected to it.
    m.engine.call("POST", "/networks/create", {"Name": m.slug + "-extra"})
    m.engine.call("POST", f"/networks/{m.slug}-extra/disconnect", {"Container": m.old, "Force": True})
    m.engine.call("POST", f"/networks/{m.slug}-extra/connect", {"Container": m.old})
    m.expect(m.retry(job), "rolled_back")
    m.lane.assertEqual(m.bottle.inspect()["Id"], m.old)
    m.lane.assertTrue(m.bottle.inspect()["State"]["Running"])
    m.lane.assert_drained(m.bottle)


def volume_in_use(m):
    """The engine does not let anyone take a volume from under a stopped container."""
    refused = []

    def remove():
        try:
            m.engine.call("DELETE", f"/volumes/{m.bottle.volume}", force=1)
        except EngineError as error:
            refused.append(error.status)
    m.ends("succeeded", GOOD, "after", STOP, 1, remove)
    m.lane.assertEqual(refused, [409])


def images_removed(m):
    """By force, under containers that do not run: the new one's cannot become `current`; the layers of the old one's
    stay, so that it comes up all the same."""
    def remove():
        for tag in [tag for tag in m.engine.images() if tag.startswith(f"rebottle/{m.slug}:")]:
            m.engine.call("DELETE", f"/images/{tag}", force=1)
    m.ends("rolled_back", GOOD, "after", TAKE, 1, remove)


PAST_STOP = (parked_one_started, parked_one_started_while_verified, parked_one_renamed, new_one_killed,
             new_one_removed_while_verified, new_one_removed_before_it_starts, new_one_renamed, new_one_paused,
             parked_one_removed_and_all_is_well, parked_one_removed_and_there_is_no_way_back, own_name_taken,
             network_removed, volume_in_use, images_removed)


# ---- agents that misbehave -------------------------------------------------------------------------------------------

def changed(*lines, **verify):
    return {"change": {"dockerfile": "\n".join(("FROM current", *lines)) + "\n"}, "verify": verify, **KEEP}


class Agent:
    """A bottle of its own for one agent."""

    def __init__(self, args, state, reason="", **bottle):
        self.args, self.state, self.reason, self.bottle = args, state, reason, bottle

    def __call__(self, lane):
        lane.renew(**self.bottle)
        job_id, job, before = lane.run_job(self.args)
        lane.assertEqual(job["state"], self.state, job["reason_code"] + ": " + job["message"])
        lane.assertRegex(job["reason_code"], self.reason or ".*")
        self.judge(lane, job_id, job, before)

    def judge(self, lane, job_id, job, before):
        lane.check(job_id, job, before)


class Deaf(Agent):
    def judge(self, lane, job_id, job, before):
        super().judge(lane, job_id, job, before)
        stops = lane.worker.sql("SELECT result FROM intents WHERE job_id = ? AND effect = 'stop_old'", job["job_id"])
        lane.assertEqual([json.loads(row["result"])["exit_code"] for row in stops], [137])


class DiesLater(Agent):
    def judge(self, lane, job_id, job, before):
        poll.until(lambda: not lane.current.inspect()["State"]["Running"], "the changed agent dies")
        lane.assertEqual(lane.worker.job(job["approval_id"])["state"], "succeeded")


FLAPS = "if [ -e /tmp/well ]; then rm /tmp/well; exit 1; else touch /tmp/well; fi"
AGENTS = {
    "deaf": Deaf(GOOD, "succeeded", Cmd=["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], StopTimeout=1),
    "crash loop": Agent(changed('ENTRYPOINT ["false"]', "CMD []", stable_s=2), "rolled_back", "exited|restarting",
                        restart_policy="always"),
    "flapping": Agent(changed(f"HEALTHCHECK --interval=300ms --retries=1 CMD {FLAPS}", stable_s=4), "rolled_back",
                      "unhealthy"),
    "healthy late": Agent(changed("HEALTHCHECK --interval=200ms --start-period=60s CMD"
                                  " echo x >> /tmp/n; [ $(wc -l < /tmp/n) -gt 10 ]"), "succeeded"),
    "dies later": DiesLater(changed('ENTRYPOINT ["sh", "-c", "sleep 5; exit 1"]', stable_s=1), "succeeded",
                            restart_policy="no"),
    "forks and exits": Agent(changed('ENTRYPOINT ["sh", "-c", "sleep 1000 & exit 0"]', stable_s=2), "rolled_back",
                             "exited"),
}


class Others(unittest.TestCase):
    longMessage = False
    maxDiff = None

    def run_work(self, work, **docker):
        failures = run_all(work, LANES, docker={"verify_timeout_s": 60, **docker})
        self.assertFalse(failures, f"{len(failures)} of {len(work)}:\n" + "\n".join(failures))

    def meddle(self, cases):
        def with_meddler(case):
            def run(lane):
                meddler = Meddler(lane)
                try:
                    case(meddler)
                finally:
                    meddler.leave()
            return run

        self.run_work([(case.__name__, with_meddler(case)) for case in cases])

    def test_before_the_stop(self):
        self.meddle(BEFORE_STOP)

    def test_past_the_stop(self):
        self.meddle(PAST_STOP)

    def test_agents_that_misbehave(self):
        self.run_work(list(AGENTS.items()))


if __name__ == "__main__":
    unittest.main()
