"""What a real engine says of containers that are sick, stopped, paused and killed."""

import os
import time
import uuid
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from tests.real import prometheus as real
from tests.real.rig import docker
from tests.real.undo import BAD, OLD, Asked
from tests.worlds import (
    ASHA,
    Enrolled,
    Files,
    Trials,
    a_release,
    a_roster,
    a_trigger,
)
from watchdog.commands.stage import IMAGE
from watchdog.config.release_file import Releases
from watchdog.config.sections.executors import Engine as EngineSection
from watchdog.config.sections.prometheus import Prometheus as PrometheusSection
from watchdog.config.sections.stack import Stack as Section
from watchdog.config.settings import Settings
from watchdog.facts.container import Containers
from watchdog.facts.event import BreachConfirmed, PairProvedGood, RollbackEnded
from watchdog.facts.trigger import Sick, Sickness
from watchdog.facts.verdict import kind_of
from watchdog.judge.breach import judge
from watchdog.observe.prometheus import Prometheus
from watchdog.observe.running import Stack
from watchdog.outside.engine import Engine
from watchdog.turn.cycle import Cycle
from watchdog.turn.gating import Gating
from watchdog.turn.readiness import Readiness
from watchdog.wiring.looks import tried

pytestmark = pytest.mark.real

SECOND = timedelta(seconds=1)
LONG_AGO = datetime.fromtimestamp(0, UTC)
RULE = a_trigger("DmsSick", kind=Sick(tuple(Sickness)), window=4 * SECOND)
# What each of them is started with, and what comes of it.
BOXES = {
    "loops": (["--restart=always"], "sleep 0.3; exit 3"),
    "exits": ([], "sleep 1; exit 3"),
    "greedy": (
        ["--memory=20m", "--memory-swap=20m"],
        "sleep 1; head -c 100m /dev/zero | tail",
    ),
    # It ends with 1 when it is asked to stop, as many programs do.
    "stopped": ([], "trap 'exit 1' TERM; while :; do sleep 0.1; done"),
    "ill": (
        ["--health-cmd=false", "--health-interval=2s", "--health-retries=2"],
        "sleep 999",
    ),
    "paused": (["--health-cmd=true", "--health-interval=2s"], "sleep 999"),
    "restarted": (
        ["--restart=always"],
        "trap 'exit 1' TERM; while :; do sleep 0.1; done",
    ),
}


@pytest.fixture
def boxes():
    project, ids = f"sick-{uuid.uuid4().hex[:8]}", {}
    for service, (options, script) in BOXES.items():
        labels = {"project": project, "service": service, "oneoff": "False"}
        labels["container-number"] = "1"
        given = [f"--label=com.docker.compose.{k}={v}" for k, v in labels.items()]
        image = [*options, "--entrypoint=sh", f"{IMAGE}:{OLD}", "-c", script]
        ids[service] = docker("run", "-d", *given, *image).strip().splitlines()[-1]
    yield project, ids
    docker("rm", "-f", *ids.values())


@contextmanager
def eyes_on(project, folder):
    """Open the eyes anew, as a watchdog that was just started."""
    engine = Engine(_url(), 30 * SECOND)
    yield Stack(
        engine,
        project=project,
        services=tuple(BOXES),
        folder=folder,
        env_file=".env",
        variable="DMS_VERSION",
        manifests="manifests",
        inside="/manifests/{tenant}.manifest.json",
    )
    engine.close()


def said(eyes):
    """Judge each container alone, as of now."""
    seen = eyes.running(lambda _: ()).seen
    now = datetime.now(UTC)
    return {one.service: judge(RULE, Containers(now, (one,)), LONG_AGO) for one in seen}


@pytest.mark.parametrize(
    "sure",
    [
        # What ended by itself is sure only where the engine still tells of it: of all
        # containers together it keeps 256 events, and other tests probe theirs.
        ("loops", "ill"),
        pytest.param(("loops", "exits", "greedy", "ill"), marks=pytest.mark.campaign),
    ],
    ids=["beside others", "alone"],
)
def test_only_what_is_sick_by_itself_is_a_breach(boxes, tmp_path, sure):
    project, ids = boxes
    with eyes_on(project, tmp_path) as eyes:
        found = _watched(eyes, ids, set(sure))
    # A watchdog that begins only now tells the same of what the engine remembers, which
    # are its last 256 events; of more it is not sure, and blames nobody.
    with eyes_on(project, tmp_path) as eyes:
        for _ in range(3):
            anew = said(eyes)
    for name in {"exits", "greedy", "ill"} & set(sure):
        assert kind_of(anew[name]) in ("breached", "pending"), anew[name]
        # Of a long row of probes the engine tells the number: later is not sooner.
        onset = getattr(anew[name], "onset", found[name].onset)
        assert onset > found[name].onset - 2 * SECOND
    assert kind_of(anew["stopped"]) in ("blind", "pending")
    _check_live(project, tmp_path)


def _watched(eyes, ids, wanted):
    """Stop, pause and restart some by hand, until each that should be is a breach."""
    docker("stop", ids["stopped"])
    docker("pause", ids["paused"])
    deadline, found, ever = time.monotonic() + 90, {}, set()
    while time.monotonic() < deadline and not wanted <= ever:
        docker("restart", "-t1", ids["restarted"])
        time.sleep(0.5)
        found = said(eyes)
        ever |= {name for name, one in found.items() if kind_of(one) == "breached"}

    assert wanted <= ever <= {"loops", "exits", "greedy", "ill"}, found
    assert "signal 15" in found["stopped"].words
    assert "is paused" in found["paused"].words
    docker("unpause", ids["paused"])
    assert kind_of(said(eyes)["paused"]) in ("blind", "clear")
    return found


def _check_live(project, folder):
    """Try the trigger as `check --live` does, with the engine at hand and without."""
    releases = Releases({OLD: a_release(OLD, triggers=(RULE,), manifests={})})
    names = ("for_version", "tenants_of", "naming", "jobs")
    filed = SimpleNamespace(
        versions=[OLD], **{name: getattr(releases, name) for name in names}
    )
    with real.running(folder, []) as url:
        settings = Settings(
            stack=Section(project=project, services=[*BOXES], directory=folder),
            engine=EngineSection(url=_url()),
            prometheus=PrometheusSection(url=url),
        )
        far = settings.model_copy(
            update={"engine": EngineSection(url="tcp://127.0.0.1:9")}
        )
        ((_, here),), ((_, away),) = (tried(one, filed, OLD) for one in (settings, far))

    assert (here.series, here.faults) == (len(BOXES), ())
    assert kind_of(here.verdict) == "breached"
    assert ["no health check" in one.words for one in here.doubts] == [True]
    # From the pipeline's machine: not seen from there is not wrong.
    assert away.is_proven
    assert "the engine was not asked from here" in away.doubts[0].words


@pytest.mark.campaign  # in short: tests/turn/test_by_the_engine
def test_a_release_that_crash_loops_is_rolled_back_with_prometheus_stopped(tmp_path):
    it = Asked(tmp_path)
    try:
        _crash_loops(it)
    finally:
        it.down()


def _crash_loops(it):
    it.has_scripts("dms")
    (it.folder / f"start.{BAD}").write_text("#!/bin/sh\nsleep 0.5\nexit 3\n")
    it.change("dms", restart="unless-stopped")
    it.rules = replace(it.rules, settle=SECOND, poll=5 * SECOND)
    ratio = a_trigger("AwbRoutingFailures")
    releases = Releases(
        {v: a_release(v, triggers=(ratio, RULE), dri=(ASHA,)) for v in (OLD, BAD)}
    )
    files = Files(releases)
    away = Prometheus("http://127.0.0.1:9", SECOND, 15 * SECOND, 5 * SECOND)
    watch = Cycle(
        eyes=it.eyes,
        parts=lambda: it.eyes.parts(it.tenants_of),
        plans=it.plans,
        metrics=away,
        arms=Trials(),
        transaction=it.transaction(),
        readiness=Readiness(
            eyes=it.eyes,
            plans=it.plans,
            hands=it.hands,
            memory=it.memory,
            rules=it.rules,
            roster=Enrolled(a_roster()),
            besides=tuple,
        ),
        gating=Gating(it.memory, files, it.rules),
        memory=it.memory,
        releases=files,
        roster=Enrolled(a_roster()),
        rules=it.rules,
        secret=lambda: uuid.uuid4().hex,
    )

    def turn():
        it.memory.mark(watch.turn(datetime.now(UTC)))

    it.deploy(OLD)
    turn()
    good = it.memory.standing.running.pair.key
    it.memory.add(datetime.now(UTC), PairProvedGood(good, "it ran long enough"))
    it.pin(BAD)
    it.up()
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not it.events(RollbackEnded):
        turn()
        time.sleep(0.5)

    assert [end.how for end in it.events(RollbackEnded)] == ["proved"]
    breach = it.events(BreachConfirmed)[0]
    assert (breach.trigger, breach.elsewhere) == ("DmsSick", "")
    assert "prometheus" in it.memory.standing.lost
    assert it.serves() == OLD


def _url():

    return os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
