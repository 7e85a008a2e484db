"""The Compose executor, on what replaying must refuse."""

import contextlib
import os
import re
import subprocess
import sys
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.real.rig import IMAGE, Rig, build, docker, write
from tests.worlds import Enrolled, a_roster
from watchdog.config.sections.executors import Compose
from watchdog.facts.event import (
    PairStarted,
    ReadinessChanged,
    RollbackStarted,
    StepDone,
)
from watchdog.facts.plan import Do
from watchdog.facts.problem import Problem
from watchdog.observe.compose import Composed
from watchdog.turn.readiness import Readiness
from watchdog.verify.proof import Answer

pytestmark = pytest.mark.real

OLD, BAD = "v1.2.0", "v1.3.0"
LAYOUTS = pytest.mark.parametrize("layout", ["versioned", "shared-file"])
HARDER = pytest.mark.parametrize(
    "layout",
    [pytest.param("versioned", marks=pytest.mark.campaign), "shared-file"],
)
SAYS = (
    'echo "started ${DMS_VERSION} with $$(cat /inline.txt) and '
    '$$(cat /manifests/meesho.manifest.json)"; trap exit TERM; sleep 9999 & wait'
)


class ByCompose(Rig):
    """A project of two replicas, an inline config and a joined service."""

    def __init__(self, folder, layout, command=("docker", "compose")):
        project = f"by-{uuid.uuid4().hex[:8]}"
        file = "meesho.${DMS_VERSION}.manifest.json"
        if layout == "shared-file":
            file = "meesho.manifest.json"
        whole = {
            "services": {
                "app": {
                    "image": f"{IMAGE}:${{DMS_VERSION:?}}",
                    "scale": 2,
                    "user": "0:0",
                    "entrypoint": ["sh", "-c"],
                    "command": [SAYS],
                    "restart": "always",
                    "stop_grace_period": "1s",
                    "configs": [{"source": "inline", "target": "/inline.txt"}],
                    "volumes": [f"./manifests/{file}:/manifests/meesho.manifest.json"],
                },
                "beside": {
                    "image": f"{IMAGE}:{OLD}",
                    "healthcheck": {"disable": True},
                    "init": True,
                    "stop_grace_period": "1s",
                    "network_mode": "service:app",
                },
            },
            "configs": {"inline": {"content": "a line for ${DMS_VERSION}\n"}},
        }
        files = {f"manifests/meesho.{v}.manifest.json": v for v in (OLD, BAD)}
        write(folder / project, project, whole, files)
        super().__init__(folder / project, project)
        self.layout = layout
        self.by(command)

    def by(self, command):
        """Let *command* be the Compose CLI from now on."""
        self.wired("compose", compose=Compose(command=command))

    def deploy(self, version):
        """Deploy as the runbook says for the layout."""
        if self.layout == "shared-file":
            self.compose("stop", check=False)
            (self.folder / "manifests/meesho.manifest.json").write_text(version)
        return super().deploy(version)

    def ids(self, service):
        """Give the ids of the containers of *service* in any state."""
        return docker(
            "ps",
            "-aq",
            "--no-trunc",
            f"--filter=label=com.docker.compose.project={self.project}",
            f"--filter=label=com.docker.compose.service={service}",
        ).split()

    def said(self):
        """Give what each container of the service said when it started."""
        return sorted(docker("logs", id_).strip() for id_ in self.ids("app"))

    def stands_on(self, version):
        """Tell what is not as Compose makes it at *version*."""
        wrong = []
        meant = [f"started {version} with a line for {version} and {version}"] * 2
        lines = [said.splitlines()[-1:] for said in self.said()]
        if lines != [[one] for one in meant]:
            wrong.append(f"said {lines}")
        if f"DMS_VERSION={version}\n" not in (self.folder / ".env").read_text():
            wrong.append("not pinned")
        if self.restarts() != {"always"}:
            wrong.append(f"restarts {self.restarts()}")
        names = {f"{self.project}-app-{n}" for n in (1, 2)}
        if self.names("app") != names:
            wrong.append(f"names {self.names('app')}")
        joined = docker(
            "inspect", "--format={{.HostConfig.NetworkMode}}", *self.ids("beside")
        ).strip()
        if joined.removeprefix("container:") not in self.ids("app"):
            wrong.append(f"beside is on {joined}")
        again = self.up()
        # Which of the two it joins is chosen anew each time, by Compose.
        if re.search("-app-. +(Recreate|Created|Start)", again):
            wrong.append(f"Compose disagrees: {again}")
        return wrong

    def restarts(self):
        shape = "--format={{.HostConfig.RestartPolicy.Name}}"
        return set(docker("inspect", shape, *self.ids("app")).split())

    def names(self, service):
        shape = "--format={{.Name}}"
        found = docker("inspect", shape, *self.ids(service)).split()
        return {name.lstrip("/") for name in found}

    def mixed(self):
        """Give the starts of a mixed pair, of all that the journal and Docker hold."""
        kept = [e.evidence for e in self.events(StepDone) if "started" in e.evidence]
        starts = re.findall(
            r"started (\S+) with a line for (\S+) and (\S+)",
            "\n".join([*kept, *self.said()]),
        )
        return [one for one in starts if len(set(one)) > 1]


@pytest.fixture(scope="module", autouse=True)
def images():
    build()


@pytest.fixture
def project(tmp_path):
    made = []

    def project(*args, **more):
        made.append(ByCompose(tmp_path, *args, **more))
        return made[-1]

    yield project
    for one in made:
        one.down()


@HARDER
def test_compose_puts_back_what_replaying_must_refuse(project, layout):
    it = project(layout)
    it.deploy(OLD)
    target = it.record()
    it.deploy(BAD)
    refused = super(Composed, it.eyes).obstacles()

    it.roll_back(target)

    assert len(refused) == 2, refused
    assert it.stands_on(OLD) == []
    assert it.mixed() == []
    # Compose removed the containers of v1.3.0; what they said is in the journal.
    (kept,) = [e.evidence for e in it.events(StepDone) if e.step.do is Do.KEEP_LOGS]
    assert kept.count(f"started {BAD} with a line for {BAD} and {BAD}") == 2


class Cut(BaseException):
    """The machine dies here."""


class Dying:
    """Hands that die before or after the k-th thing that they do."""

    def __init__(self, hands, at):
        self.hands, self.left = hands, at
        self.is_done, self.evidence_of = hands.is_done, hands.evidence_of

    def passes(self):
        self.left -= 1
        if self.left == 0:
            raise Cut

    def do(self, plan, target, step):
        self.passes()
        self.hands.do(plan, target, step)
        self.passes()


@HARDER
def test_dying_at_each_instant_in_turn_compose_ends_on_one_whole_pair(project, layout):
    it = project(layout)
    it.deploy(OLD)
    target = it.record()
    it.deploy(BAD)
    it.begin(target)
    lives, before, after = 0, 1, 2
    at = before
    while lives < 100:
        try:
            it.carry_on(Dying(it.hands, at))
        except Cut:
            lives += 1
            at = after if at == before else before
            continue
        break

    assert it.ends() == ["proved"]
    assert it.stands_on(OLD) == []
    assert it.mixed() == []
    assert lives >= (4 if layout == "versioned" else 10)


@pytest.mark.campaign
@LAYOUTS
def test_whatever_instant_it_dies_at_compose_ends_on_one_whole_pair(project, layout):
    it = project(layout)
    it.deploy(OLD)
    target = it.record()
    cuts = 0
    while True:
        it.deploy(BAD)
        it.begin(target)
        try:
            it.carry_on(Dying(it.hands, cuts + 1))
        except Cut:
            cuts += 1
            it.carry_on()
            assert it.ends()[-1] == "proved", cuts
            assert it.stands_on(OLD) == [], cuts
            continue
        break

    assert cuts >= (4 if layout == "versioned" else 10)
    assert it.mixed() == []


@pytest.mark.campaign  # in short: dying at each instant in turn
def test_a_compose_killed_in_the_middle_is_called_again(project):
    it = project("versioned")
    it.deploy(OLD)
    target = it.record()
    for seconds in ("0.2", "0.5", "0.8", "1.2"):
        it.deploy(BAD)
        it.begin(target)
        # What only asks for the version may take its time.
        late = f"exec timeout -s KILL {seconds} docker compose"
        killed = f'case "$1" in version) exec docker compose "$@";; esac; {late} "$@"'
        it.by(["sh", "-c", killed, "compose"])
        hands = Dying(it.hands, 0)
        plan = it.memory.standing.rollback.started.plan
        record = it.memory.record(target)
        up = next(step for step in plan.steps if step.do is Do.UP)
        for step in plan.steps[: plan.steps.index(up)]:
            if not hands.is_done(plan, record, step):
                hands.do(plan, record, step)
        with contextlib.suppress(Problem):  # unless it was faster
            hands.do(plan, record, up)
        it.by(["docker", "compose"])

        it.carry_on()

        assert it.ends()[-1] == "proved", seconds
        assert it.stands_on(OLD) == [], seconds


@HARDER
def test_a_target_that_cannot_come_up_gives_way_to_the_previous_pair(project, layout):
    it = project(layout)
    it.deploy(OLD)
    target = it.record()
    it.deploy(BAD)
    it.begin(target)
    it.ask_stack = lambda version, _: (Answer(version == BAD, f"asked of {version}"),)
    it.rules = replace(it.rules, prove_within=timedelta(seconds=8))

    words = it.carry_on()

    assert "put-back" in words
    assert it.stands_on(BAD) == []
    assert it.mixed() == []
    failed = [e.evidence for e in it.events(StepDone) if e.step.which == "new"]
    assert any(f"started {OLD}" in one for one in failed)


def test_a_pair_without_recorded_containers_can_be_a_target(project):
    it = project("versioned")
    it.deploy(OLD)
    record = it.memory.record(it.record())
    bare = it.memory.keep(replace(record, replicas=()), {})
    it.deploy(BAD)

    it.roll_back(bare)

    assert it.stands_on(OLD) == []


def test_a_folder_that_compose_knows_by_another_path_is_refused(project, tmp_path):
    it = project("versioned")
    it.deploy(OLD)
    target = it.record()
    it.deploy(BAD)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.symlink_to(it.folder)
    there, it.folder = it.folder, elsewhere
    it.by(["docker", "compose"])
    it.folder = there

    (words,) = it.eyes.obstacles()
    assert words == (
        f"Compose was run in {there}, and the watchdog sees that folder as "
        f"{elsewhere}: mount it at {there}, and set stack.directory to it"
    )
    with pytest.raises(Problem, match="Compose could not put this stack up"):
        it.begin(target)
    assert it.events(RollbackStarted) == []


def test_a_compose_that_goes_or_becomes_another_makes_it_red_and_refuses(
    project, tmp_path
):
    it = project("versioned")
    it.deploy(OLD)
    target = it.record()
    it.deploy(BAD)
    front = tmp_path / "compose"
    front.write_text('#!/bin/sh\nexec docker compose "$@"\n')
    front.chmod(0o755)
    it.by([str(front)])
    assert it.eyes.obstacles() == ()

    front.write_text("#!/bin/sh\necho 1.29.2\n")
    (words,) = it.eyes.obstacles()
    assert re.fullmatch(
        r"Compose is 1\.29\.2, and was v?2\.[0-9.]+\S* when the watchdog started: "
        "restart the watchdog if that is meant",
        words,
    )
    with pytest.raises(Problem, match="Compose could not put this stack up"):
        it.begin(target)
    assert ready(it) == (False, [words])

    front.unlink()
    (words,) = it.eyes.obstacles()
    assert words == (
        f"Compose is not here any more: `{front} version --short` cannot be started: "
        "No such file or directory"
    )
    assert ready(it) == (False, [words])
    assert it.events(RollbackStarted) == []


def ready(it):
    """Look whether v1.2.0 could be put back; give the answer and what lacks."""
    pair = it.memory.record(it.record()).pair
    seen = it.eyes.running(lambda _: ("meesho",))
    at = datetime.now(UTC)
    if it.memory.standing.running is None:
        it.memory.add(at, PairStarted(pair, it.record(), seen.containers, seen.since))
    people = Enrolled(a_roster())
    look = Readiness(it.eyes, it.plans, it.hands, it.memory, it.rules, people, tuple)
    look.look(seen, None, None, at)
    said = it.events(ReadinessChanged)[-1]
    return said.ready, [x.words for x in said.lacks if "no target" not in x.words]


def test_without_compose_nothing_is_started_and_it_is_said(project):
    it = project("versioned")

    with pytest.raises(Problem) as refused:
        it.by(["no-such-docker", "compose"])

    assert refused.value.words == (
        "executor is compose, and Compose is not here: `no-such-docker compose "
        "version --short` cannot be started: No such file or directory"
    )


def run_by_hand(it, *words):
    """Run one of the commands that order by hand."""
    env = os.environ | {"WATCHDOG_CONFIG": str(it.config / "watchdog.yaml")}
    command = [sys.executable, "-m", "watchdog", *words]
    return subprocess.run(command, env=env, check=False, capture_output=True, text=True)


def by_hand(it, *words):
    """Order something; give all that was said."""
    done = run_by_hand(it, *words, "--by", "asha")
    return done.stdout + done.stderr


@HARDER
def test_a_pair_from_before_the_watchdog_is_a_target_by_a_persons_word(stage, layout):
    it = stage(layout)
    it.settings(executor="compose", bake_time="1h")
    it.deploy(BAD)
    it.watch()
    it.until("observe.pair_started")
    manifest = it.stack / f"manifests/meesho.{OLD}.manifest.json"
    data = manifest.read_bytes()
    manifest.write_bytes(data + b"\n")
    assert "its bytes were changed" in by_hand(it, "releases", "vouch", OLD)
    manifest.write_bytes(data)

    said = by_hand(it, "releases", "vouch", OLD)

    assert said.startswith(f"asha vouched for {OLD}, which never ran here, as it is")
    it.until("approve.pair_recorded")
    ready = it.until("decide.readiness_changed", ready=True)
    assert ready["target"] == OLD
    told = by_hand(it, "rollback", "--reason", "scans look wrong")
    assert " proved: image sha256:" in told, told
    starts = [(one["image"], one["manifest"]) for one in it.starts()]
    assert starts == [(BAD, BAD), (OLD, OLD)]
    assert "Running" in it.compose("up", "-d", "--no-build", "dms")


def test_a_replay_takes_no_ones_word_for_what_was_never_recorded(stage):
    it = stage("versioned")
    it.settings(bake_time="1h")
    it.deploy(BAD)
    it.watch()
    it.until("observe.pair_started")

    said = by_hand(it, "releases", "vouch", OLD)

    assert said == (
        f"{OLD} never ran here, and `executor: engine` puts back only what "
        f"was recorded when it ran\nhint: deploy {OLD} once, and it is recorded; "
        "`executor: compose` needs no more than its image and its manifests\n"
    )
    assert "approve.pair_recorded" not in [line["event"] for line in it.story()]


@HARDER
@pytest.mark.parametrize(
    "version", [pytest.param(OLD, marks=pytest.mark.campaign), BAD]
)
def test_a_manifest_that_was_changed_is_mended_by_compose(stage, layout, version):
    it = stage(layout)
    it.settings(executor="compose", bake_time="1h")
    it.deploy(OLD)
    it.watch()
    it.until("observe.pair_started")
    it.deploy(BAD)
    it.until("observe.pair_started", count=2)
    name = "meesho" if layout == "shared-file" else f"meesho.{BAD}"
    held = it.stack / f"manifests/{name}.manifest.json"
    held.write_bytes(held.read_bytes() + b"\n")
    it.until("observe.pair_unclear", split=True)
    before = len(it.starts())

    told = run_by_hand(it, "repair")
    assert told.returncode == 1
    assert f"manifests changed under the running {BAD}" in told.stdout
    who = ("--reason", "somebody edited it", "--by", "asha")
    done = run_by_hand(it, "repair", "--to", version, *who)

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    (start,) = it.starts()[before:]
    assert (start["image"], start["manifest"]) == (version, version)
    assert run_by_hand(it, "repair").returncode == 0
    said = it.compose("up", "-d", "--no-build", "dms")
    assert "Running" in said, said


@pytest.mark.parametrize("layout", ["shared-file"])
def test_the_daemon_rolls_back_by_compose_when_a_person_says_so(stage, layout):
    it = stage(layout)
    it.settings(executor="compose", bake_time="1h")
    it.compose("up", "-d", "--no-build", "--wait", "dms")
    it.watch({"DMS_VERSION": "v9.9.9", "COMPOSE_PROJECT_NAME": "another"})
    it.until("observe.pair_started")
    it.deploy(BAD)
    it.until("observe.pair_started", count=2)

    by_hand(it, "releases", "vouch", OLD)
    said = by_hand(it, "rollback", "--reason", "scans look wrong")

    assert " proved: image sha256:" in said, said
    starts = [(one["image"], one["manifest"]) for one in it.starts()]
    assert starts == [(OLD, OLD), (BAD, BAD), (OLD, OLD)]
    audit = it.until("record.rollback_audited", how="proved")
    third = it.until("observe.pair_started", count=3)
    assert (third["by"], audit["target"]) == (audit["op"], OLD)
    assert "Running" in it.compose("up", "-d", "--no-build", "dms")
