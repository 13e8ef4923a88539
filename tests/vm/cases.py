# What must hold on a real machine. Each case returns what it saw; the first thing that does not hold ends it.
# Cases run in this order on one machine, each on bottles of its own. Not here: the stage (lab.py), the report (run.py).
import json
from dataclasses import dataclass, field

from lab import AGENT, CONFIG, DB, SLOW_UNIT, SMOLMACHINES_CONFIG, STATE, Lab, must

TOOL = ["printf '#!/bin/sh\\necho hello\\n' >/bin/hello", "chmod 755 /bin/hello"]
DOCKERFILE = "FROM current\nRUN printf '#!/bin/sh\\necho hello\\n' >/bin/hello && chmod 755 /bin/hello\n"
DIES = 'FROM current\nCMD ["/bin/false"]\n'
RUN = ["queued", "prepare", "snapshot", "stop", "apply", "restart", "verify", "succeeded"]
UNDONE = ["rollback", "rolled_back"]


@dataclass
class Seen:
    jobs: list = field(default_factory=list)  # (what, job)
    verified: list = field(default_factory=list)

    def held(self, holds, what, evidence=""):
        must(holds, f"does not hold: {what}", evidence)
        self.verified.append(what)

    def job(self, what, job):
        self.jobs.append((what, job))
        return job


# ---- the package -----------------------------------------------------------------------------------------------------


def configure(lab: Lab, text):
    lab.write("/etc/rebottle/rebottle.toml", text, "640")
    lab.sh("chgrp rebottle /etc/rebottle/rebottle.toml")


def install(lab: Lab):
    """As README says; everything after this case stands on it."""
    seen = Seen()
    lab.sh("tar -xf /dev/vdb -C /", timeout_s=60)
    lab.sh("systemd-sysusers && systemd-tmpfiles --create && systemctl daemon-reload")
    configure(lab, CONFIG)
    lab.sh("adduser --quiet --disabled-password --gecos '' alice && adduser --quiet --disabled-password --gecos '' bob"
           " && adduser --quiet alice rebottle")
    lab.sh("mkdir -p /etc/systemd/system/rebottled.service.d")
    lab.write("/etc/systemd/system/rebottled.service.d/slow.conf", SLOW_UNIT)
    lab.sh("systemctl daemon-reload")
    lab.until("systemctl is-active -q docker", "dockerd is up", 120)
    # No word of rebottled's own: `systemd-analyze verify` beside the real packages.
    said = lab.sh("systemd-analyze verify rebottled.service 2>&1 || true", timeout_s=120).out
    seen.held("rebottle" not in said, "systemd-analyze verify has nothing to say about the installed unit", said)
    lab.sh("systemctl enable --now rebottled", timeout_s=120)
    seen.held(lab.property("ActiveState") == "active", "`systemctl enable --now rebottled` came back with READY")
    seen.held(lab.property("User") == "rebottle" and lab.property("NRestarts") == "0", "it runs as its own user")
    lab.until("runuser -u alice -- rebottle supports docker capability_block", "docker is probed", 60)
    seen.verified.append("it reaches dockerd from inside its sandbox")
    return seen


def who_may(lab: Lab):
    seen = Seen()
    seen.held(lab.rebottle("list", user="alice").code == 0, "a user in the group rebottle may look")
    for words in (("list",), ("enqueue", "docker", "x", "--command", "true"), ("freeze", "--all", "--reason", "mine")):
        denied = lab.rebottle(*words, user="bob", check=False)
        must(denied.code == 4, f"bob: {words}: exit {denied.code}, not 4", denied.out + denied.err)
    seen.verified.append("a user who is not gets exit 4 for list, enqueue and freeze, and nothing was sent")
    seen.held(lab.sh(f"sqlite3 -readonly {DB} 'SELECT count(*) FROM approvals'").out == "0\n", "no approval is there")
    return seen


# ---- Docker bottles --------------------------------------------------------------------------------------------------


def agent_image(lab: Lab):
    """One image for both backends: busybox and the agent. Made by the dockerd inside; no registry is there."""
    lab.sh("mkdir -p /root/image && cd /root/image && mkdir -p bin etc home/agent root tmp proc sys dev run workspace"
           " var/lib && cp /bin/busybox bin/ && for a in $(/bin/busybox --list); do"
           " [[ $a == busybox ]] || ln -sf busybox bin/$a; done && echo root:x:0:0::/root:/bin/sh >etc/passwd")
    lab.write("/root/image/bin/agent", AGENT, "755")
    lab.write("/root/Dockerfile", 'FROM scratch\nADD . /\nCMD ["/bin/agent"]\n')
    lab.sh("docker build -q -t agent:1 -f /root/Dockerfile /root/image", timeout_s=120)


def docker_bottle(lab: Lab, slug):
    lab.sh(f"docker run -d --name {slug} --hostname box --network none -e WHO=agent agent:1", timeout_s=60)
    lab.until(f"docker exec {slug} grep -q started /home/agent/notes", "the agent writes")
    return docker_id(lab, slug)


def docker_id(lab: Lab, slug):
    return lab.sh(f"docker inspect -f '{{{{.Id}}}} {{{{.State.Running}}}}' {slug}").out.split()


def docker_change(lab: Lab):
    seen = Seen()
    agent_image(lab)
    before = docker_bottle(lab, "d-1")
    number = lab.approve("docker", "d-1", {"change": {"dockerfile": DOCKERFILE}, "snapshot": {"paths": ["/home/agent"]},
                                           "verify": {"exec": ["/bin/hello"]}})
    job = seen.job("dockerfile", lab.finish(number, "succeeded"))
    must(lab.passed(job) == RUN, "the states", lab.story(job))
    after = docker_id(lab, "d-1")
    seen.held(after[0] != before[0] and after[1] == "true", "another container runs under the bottle's name")
    seen.held(lab.sh("docker exec d-1 hello").out == "hello\n", "the tool answers in it")
    notes = lab.sh("docker exec d-1 cat /home/agent/notes").out.split()
    seen.held(notes[:3] == ["started", "stopped", "started"], "what the agent wrote up to its stop is there", notes)
    seen.held(lab.sh("docker exec d-1 sh -c 'echo $WHO; hostname'").out == "agent\nbox\n", "its settings came along")
    return seen


def step(number):
    """A change that is quick to build, and whose outcome can be asked for."""
    return {"change": {"dockerfile": f"FROM current\nENV STEP={number}\n"}}


def docker_step(lab: Lab, number):
    must(lab.sh("docker exec d-1 sh -c 'echo $STEP; hello'").out == f"{number}\nhello\n", f"step {number} is in d-1")


def docker_dies(lab: Lab):
    seen = Seen()
    before = docker_id(lab, "d-1")
    number = lab.approve("docker", "d-1", {"change": {"dockerfile": DIES}})
    job = seen.job("dockerfile whose workload dies", lab.finish(number, "rolled_back"))
    must(lab.passed(job)[-2:] == UNDONE, "the states", lab.story(job))
    seen.held(docker_id(lab, "d-1") == before, "the very same container runs again")
    return seen


def docker_drain(lab: Lab):
    """`systemctl stop` in the middle: a bottle that is down comes up first."""
    seen = Seen()
    number = lab.approve("docker", "d-1", step(1))
    caught_in = lab.catch(number, "stop", "stop")
    must(caught_in in ("stop", "apply", "restart", "verify"), f"it was caught past the stop, not in {caught_in}")
    lab.sh("systemctl stop rebottled", timeout_s=60)
    seen.held(lab.property("Result") == "success" and lab.property("ExecMainStatus") == "0",
              f"`systemctl stop` in {caught_in} ends with exit 0")
    seen.held(docker_id(lab, "d-1")[1] == "true", "the bottle is up while the service is down")
    lab.sh("systemctl start rebottled", timeout_s=120)
    seen.job(f"drained in {caught_in}", lab.finish(number, "succeeded"))
    docker_step(lab, 1)
    return seen


def docker_kill(lab: Lab):
    """kill -9 twice in one job: systemd starts it again, and READY comes only when it owns the job again."""
    seen = Seen()
    number = lab.approve("docker", "d-1", step(2))
    for times, state in ((1, "stop"), (2, "restart")):
        restarts = int(lab.property("NRestarts"))
        lab.catch(number, state, "kill")
        lab.until("systemctl is-active -q rebottled", "systemd starts it again")
        must(int(lab.property("NRestarts")) == restarts + 1, "one restart")
        # Type=notify: `active` means READY. By then the job has an owner of the new epoch.
        must(len(lab.interrupted_in(lab.job(number))) == times, "at READY the job had been taken over")
    job = lab.finish(number, "succeeded")
    seen.job(f"worker killed in {' and '.join(lab.interrupted_in(job))}", job)
    docker_step(lab, 2)
    seen.verified.append("systemd restarts it; at READY the interrupted job is owned again; the change is done")
    return seen


def watchdog(lab: Lab):
    """A worker that hangs while a bottle is down: systemd ends it within WatchdogSec, and the next one goes on."""
    seen = Seen()
    number = lab.approve("docker", "d-1", step(3))
    restarts = int(lab.property("NRestarts"))
    lab.catch(number, "stop", "freeze")
    lab.until(f"[[ $(systemctl show -P NRestarts rebottled) == {restarts + 1} ]]", "the watchdog bites")
    seen.held(lab.sh("journalctl -u rebottled -o cat").out.count("Watchdog timeout") == 1,
              "a worker that is frozen (SIGSTOP) is ended by the watchdog, which never bit before")
    job = lab.finish(number, "succeeded")
    must(len(lab.interrupted_in(job)) == 1, "it was taken over once", lab.story(job))
    seen.job(f"worker frozen in {lab.interrupted_in(job)[0]}", job)
    docker_step(lab, 3)
    seen.verified.append("the next worker finished the change")
    return seen


# ---- real microVMs ---------------------------------------------------------------------------------------------------

SETTINGS = {"cpus": 1, "mem": 256, "env": ["WHO=agent"]}
IMAGES = "/var/lib/rebottle-images"


def smolvm_install(lab: Lab):
    """As docs/smolmachines.md says."""
    seen = Seen()
    lab.sh("for m in kvm_amd kvm_intel; do modprobe -q $m && echo $m >/etc/modules-load.d/kvm.conf && break; done;"
           " udevadm settle; test -c /dev/kvm")
    lab.sh(f"install -d -o rebottle -g rebottle -m 700 {STATE} && install -d -m 755 {IMAGES} /etc/rebottle/smolmachines"
           f" && cp -a /opt/smolvm/agent-rootfs {STATE}/ && chown -R rebottle:rebottle {STATE}/agent-rootfs"
           " && adduser --quiet rebottle kvm")
    lab.sh("install -D -m 644 /usr/share/doc/rebottle/systemd/smolmachines.conf"
           " /etc/systemd/system/rebottled.service.d/smolmachines.conf && systemctl daemon-reload")
    configure(lab, CONFIG + SMOLMACHINES_CONFIG)
    lab.sh("systemctl restart rebottled", timeout_s=120)
    lab.until("runuser -u alice -- rebottle supports smolmachines capability_block", "smolvm is probed", 60)
    answer = json.loads(lab.rebottle("-o", "json", "supports", "smolmachines", "capability_block").out)
    seen.held(answer["supported"] and answer["version"], f"`rebottle supports smolmachines`: yes, {answer['version']}")
    lab.sh(f"docker save -o {IMAGES}/agent.tar agent:1 && chmod 644 {IMAGES}/agent.tar", timeout_s=60)
    return seen


def microvm(lab: Lab, slug):
    """As its provisioner makes a bottle. Its first start is slow: smolvm unpacks the image in a machine of its own."""
    lab.write(f"/etc/rebottle/smolmachines/{slug}.json", json.dumps(SETTINGS))
    lab.smolvm("machine", "create", "--name", slug, "--image", f"{IMAGES}/agent.tar", "--cpus", "1", "--mem", "256",
               "-e", "WHO=agent", "--label", f"owner={slug}")
    for _ in range(5):
        started = lab.smolvm("machine", "start", "--name", slug, check=False, timeout_s=120)
        if started.code == 0 or "no boot progress" not in started.err:  # the host stalled it for 30 seconds
            break
    must(started.code == 0, f"{slug} starts", started.err)
    lab.in_machine(slug, "until grep -q started /home/agent/notes; do sleep 0.2; done; echo kept >/root/kept; sync")


def image_file(lab: Lab, name, dockerfile):
    """A docker-save archive in the directory for imports; its change."""
    lab.write("/root/Dockerfile", dockerfile)
    lab.sh(f"[[ -e {IMAGES}/{name}.tar ]] || {{ docker build -q -t agent:{name} -f /root/Dockerfile /root/image &&"
           f" docker save -o {IMAGES}/{name}.tar agent:{name} && chmod 644 {IMAGES}/{name}.tar; }}", timeout_s=60)
    return {"image": {"file": f"{name}.tar", "sha256": lab.sh(f"sha256sum {IMAGES}/{name}.tar").out.split()[0]}}


def tool_image(lab: Lab):
    return image_file(lab, "tool", DOCKERFILE.replace("current", "agent:1"))


def active(lab: Lab, slug):
    """The one machine of the bottle that runs."""
    running = [name for name, row in lab.machines().items()
               if (name == slug or name.startswith(slug + "-r")) and row["state"] == "running"]
    must(len(running) == 1, f"one machine of {slug} runs", str(running))
    return running[0]


def inside(lab: Lab, seen, name, line, expected, what):
    """What the line prints in the machine, which must be writable, too: a damaged disk boots read-only."""
    printed = lab.in_machine(name, f"{line}; touch /F && sync && rm /F && echo writable")
    seen.held(printed == expected + "writable\n", f"in {name}, writable: {what}", printed)


def smolvm_image_file(lab: Lab):
    seen = Seen()
    microvm(lab, "m-file")
    number = lab.approve("smolmachines", "m-file", {"change": tool_image(lab), "snapshot": {"paths": ["/home/agent"]},
                                                    "verify": {"exec": ["/bin/hello"]}})
    job = seen.job("image file", lab.finish(number, "succeeded", timeout_s=200))
    must(lab.passed(job) == RUN, "the states", lab.story(job))
    name = active(lab, "m-file")
    seen.held(name != "m-file" and lab.machines()["m-file"]["state"] == "stopped",
              f"{name} runs, m-file is kept stopped")
    inside(lab, seen, name, "hello; head -n 1 /home/agent/notes; echo $WHO; pidof agent >/dev/null && echo runs",
           "hello\nstarted\nagent\nruns\n", "the tool, the agent's notes, its settings, the agent")
    return seen


def smolvm_refused(lab: Lab):
    """What cannot be done, or belongs to the other backend, is refused, and nothing was touched on either."""
    seen = Seen()
    world = lambda: (lab.machines(), lab.sh("docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}}'").out)
    before = world()
    for backend, bottle, change, reason in (
            ("smolmachines", "m-file", {"dockerfile": DOCKERFILE}, "change_unsupported"),
            ("smolmachines", "m-file", {"image": "agent:1"}, "change_unsupported"),
            ("smolmachines", "d-1", {"commands": ["true"]}, "bottle_other_backend"),
            ("docker", "m-file", {"commands": ["true"]}, "bottle_other_backend")):
        job = lab.finish(lab.approve(backend, bottle, {"change": change}), "rejected_unsupported", reason)
        seen.job(f"{next(iter(change))} of {bottle} by {backend}: {reason}", job)
    seen.held(world() == before, "every microVM and container is there as before, by its pid and id")
    return seen


def smolvm_dies(lab: Lab):
    seen = Seen()
    before = active(lab, "m-file")
    lab.in_machine(before, "echo kept >/root/kept; sync")
    change = image_file(lab, "dies", 'FROM agent:1\nCMD ["/bin/false"]\n')
    number = lab.approve("smolmachines", "m-file", {"change": change})
    job = seen.job("image whose workload dies", lab.finish(number, "rolled_back", timeout_s=300))
    must(lab.passed(job)[-2:] == UNDONE, "the states", lab.story(job))
    seen.held(active(lab, "m-file") == before, "the same machine runs again")
    inside(lab, seen, before, "cat /root/kept; hello; head -n 1 /home/agent/notes", "kept\nhello\nstarted\n",
           "its data is intact")
    return seen


def smolvm_commands(lab: Lab):
    seen = Seen()
    microvm(lab, "m-cmd")
    number = lab.approve("smolmachines", "m-cmd", {"change": {"commands": [*TOOL, "echo ran >>/root/ran"]},
                                                   "verify": {"exec": ["/bin/hello"]}})
    job = seen.job("commands", lab.finish(number, "succeeded", timeout_s=200))
    must(lab.passed(job) == RUN, "the states", lab.story(job))
    seen.held(active(lab, "m-cmd") == "m-cmd", "it is the same machine")
    inside(lab, seen, "m-cmd", "hello; cat /root/ran /root/kept", "hello\nran\nkept\n",
           "the commands ran once, and what was there is there")
    return seen


def smolvm_commands_fail(lab: Lab):
    seen = Seen()
    number = lab.approve("smolmachines", "m-cmd",
                         {"change": {"commands": ["echo bad >/root/bad", "rm /root/kept", "sync", "exit 3"]}})
    job = seen.job("commands of which one fails", lab.finish(number, "rolled_back", timeout_s=300))
    must(lab.passed(job)[-2:] == UNDONE, "the states", lab.story(job))
    seen.held(active(lab, "m-cmd") == "m-cmd", "the same machine runs again")
    inside(lab, seen, "m-cmd", "cat /root/kept /root/ran; ls /root/bad 2>/dev/null || echo none", "kept\nran\nnone\n",
           "its disks are as they were: nothing of the commands is left, and nothing is lost")
    return seen


def smolvm_dockerfile(lab: Lab):
    """Images that the dockerd inside builds or has, for a microVM."""
    seen = Seen()
    configure(lab, CONFIG + SMOLMACHINES_CONFIG + 'builder = "docker"\n')
    lab.sh("systemctl restart rebottled", timeout_s=120)
    for what, change, tool in (("dockerfile", {"dockerfile": DOCKERFILE.replace("hello", "built")}, "built"),
                               ("image reference", {"image": "agent:tool"}, "hello")):
        before = active(lab, "m-file")
        number = lab.approve("smolmachines", "m-file", {"change": change, "snapshot": {"paths": ["/home/agent"]},
                                                        "verify": {"exec": [f"/bin/{tool}"]}})
        job = seen.job(what, lab.finish(number, "succeeded", timeout_s=300))
        must(lab.passed(job) == RUN, "the states", lab.story(job))
        name = active(lab, "m-file")
        seen.held(name != before, f"{name} runs")
        inside(lab, seen, name, f"{tool}; head -n 1 /home/agent/notes; pidof agent >/dev/null && echo runs",
               f"{tool}\nstarted\nruns\n", "the image's tool, the agent's notes, the agent")
    return seen


def smolvm_restart(lab: Lab):
    """The service's cgroup: neither `systemctl restart` nor `stop` takes a machine down."""
    seen = Seen()
    name = active(lab, "m-cmd")  # started by the service, so it is in its cgroup
    pid = lab.machines()[name]["pid"]
    seen.held("rebottled.service" in lab.sh(f"cat /proc/{pid}/cgroup").out,
              "a machine that the service started is in its control group")
    lab.sh("systemctl restart rebottled", timeout_s=120)
    seen.held(lab.machines()[name]["pid"] == pid, "`systemctl restart rebottled` leaves it running")
    lab.sh("systemctl stop rebottled", timeout_s=120)
    seen.held(lab.in_machine(name, "echo here") == "here\n", "so does `systemctl stop`")
    lab.sh("systemctl start rebottled", timeout_s=120)
    return seen


def kill_in(lab: Lab, seen, slug, change, states, bystander):
    """kill -9 of the worker in each of the states of one job; the job, which must end well."""
    name = active(lab, bystander)
    pid = lab.machines()[name]["pid"]
    number = lab.approve("smolmachines", slug, change)
    for state in states:
        lab.catch(number, state, "kill")
        lab.until("systemctl is-active -q rebottled", "systemd starts it again")
    job = lab.finish(number, "succeeded", timeout_s=300)
    must(lab.interrupted_in(job) == states, "it was taken over in these states", lab.story(job))
    seen.job(f"worker killed in {' and in '.join(states)}", job)
    row = lab.machines()[name]
    seen.held((row["state"], row["pid"]) == ("running", pid), f"{name}, started by a worker before, ran on through it")


def smolvm_kill(lab: Lab):
    seen = Seen()
    before = active(lab, "m-file")
    kill_in(lab, seen, "m-file", {"change": tool_image(lab)}, ["stop", "restart"], "m-cmd")
    name = active(lab, "m-file")
    seen.held(name != before and lab.machines().get(before, {"state": "gone"})["state"] in ("stopped", "gone"),
              f"{name} runs, {before} does not")
    inside(lab, seen, name, "hello; pidof agent >/dev/null && echo runs", "hello\nruns\n", "the tool, and the agent")
    kill_in(lab, seen, "m-cmd", {"change": {"commands": ["echo again >>/root/again"]}}, ["apply", "restart"], "m-file")
    inside(lab, seen, active(lab, "m-cmd"), "cat /root/again /root/kept", "again\nkept\n", "the commands ran once")
    return seen


def smolvm_call_at_work(lab: Lab):
    """Commands at work when the worker is killed: the next one waits for that very call, and runs nothing again."""
    seen = Seen()
    number = lab.approve("smolmachines", "m-cmd", {"change": {"commands": ["echo once >>/root/once; sleep 30"]}})
    lab.until(f"[[ $(sqlite3 -readonly {DB} \"SELECT count(*) FROM intents WHERE job_id = {number} AND"
              " effect = 'run_commands'\") == 1 ]]", "the commands are about to run")
    lab.in_machine("m-cmd", "until test -e /root/once; do sleep 0.2; done")
    lab.sh("systemctl kill -s KILL --kill-whom=main rebottled")
    lab.until("systemctl is-active -q rebottled", "systemd starts it again")
    job = seen.job("worker killed while the commands run", lab.finish(number, "succeeded", timeout_s=300))
    must(lab.interrupted_in(job) == ["restart"], "it was taken over in restart", lab.story(job))
    inside(lab, seen, active(lab, "m-cmd"), "cat /root/once", "once\n", "they ran to their end, once")
    return seen


def power_switch(lab: Lab):
    """Two changes at once, both past the stop of their bottle, when the power goes."""
    seen = Seen()
    jobs = {"an image file": lab.approve("smolmachines", "m-file", {"change": tool_image(lab)}),
            "commands": lab.approve("smolmachines", "m-cmd",
                                    {"change": {"commands": ["echo lit >>/root/lit; sleep 60"]}})}
    lab.catch(jobs["commands"], "apply", "tell")
    lab.catch(jobs["an image file"], "restart", "tell")
    lab.machine.cut_power()
    took = lab.machine.boot()
    lab.until("systemctl is-active -q rebottled", "the service is up again after the power came back", 120)
    for what, number in jobs.items():
        job = lab.wait(number, timeout_s=300)
        must(lab.interrupted_in(job), "the power was cut in the middle", lab.story(job))
        seen.job(f"power cut in {lab.interrupted_in(job)[0]}, {what}", job)
        must(job["state"] in ("succeeded", "rolled_back"), f"it ended as {job['state']}", lab.story(job))
        must(job["reason_code"] != "bottle_drifted", "what had been prepared is there after the boot", lab.story(job))
        if what == "commands":
            inside(lab, seen, active(lab, "m-cmd"), "cat /root/kept; cat /root/lit 2>/dev/null || echo none",
                   "kept\n" + ("lit\n" if job["state"] == "succeeded" else "none\n"),
                   "what was there before is there; the commands ran once, or left nothing")
        else:
            inside(lab, seen, active(lab, "m-file"), "hello; pidof agent >/dev/null && echo runs", "hello\nruns\n",
                   "the tool, and the agent")
    seen.verified.append(f"QEMU was killed; after the boot ({took:.0f} s) both jobs ended by themselves")
    return seen


ALL = (install, who_may, docker_change, docker_dies, docker_drain, docker_kill, watchdog, smolvm_install,
       smolvm_image_file, smolvm_refused, smolvm_dies, smolvm_commands, smolvm_commands_fail, smolvm_dockerfile,
       smolvm_restart, smolvm_kill, smolvm_call_at_work, power_switch)
# Others stand on these, so they run whatever is asked for.
STAGE = (install, docker_change)
SMOLVM_STAGE = (smolvm_install, smolvm_image_file, smolvm_commands)
