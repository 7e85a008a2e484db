"""A warm swap on a real engine: as Compose makes it, in the place that it had."""

from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from threading import Event, Thread

import pytest

from tests.real import rig
from tests.real.test_fidelity import (
    BAD,
    EVERYTHING,
    OLD,
    a_project,
    assert_faithful,
    images,
)
from tests.real.undo import a_port
from watchdog.facts.event import RollbackStarted, StepDone
from watchdog.facts.swapping import Swapping
from watchdog.verify.proof import Answer

__all__ = ["images"]
pytestmark = pytest.mark.real

SERVES = {
    "command": ["python", "-m", "http.server", "-d", "/manifests", "7000"],
    "entrypoint": [],
    "user": "0:0",
    "stop_signal": "SIGKILL",
    "networks": {"front": {"aliases": ["api"]}, "back": {}},
    "healthcheck": {
        "test": "python -c 'import urllib.request as u; u.urlopen(\"http://localhost:7000\")'",
        "interval": "500ms",
        "timeout": "5s",
    },
}
SAFE = {"overlap": {"app": "safe"}, "staging": {"app": "alone"}}


def warm(it, **more):
    """Have the service of *it* swapped warm."""
    it.plans = replace(it.plans, swapping=Swapping({"app": "warm"}, **more))
    return it


def steps(it):
    return [event.step.words for event in it.events(StepDone)]


def cold(it):
    """Say why it was not swapped warm."""
    swaps = [s for event in it.events(RollbackStarted) for s in event.plan.swaps]
    return "; ".join(swap.cold for swap in swaps)


def ends(it):
    """Give the addresses that the service has, by network.

    Which MAC address that is, newer engines make up anew, and tell all neighbours.
    """
    networks = it.inspect("app")["NetworkSettings"]["Networks"]
    return {name: end["IPAddress"] for name, end in networks.items()}


def nothing_is_left(it):
    label = f"label=com.docker.compose.project={it.project}"
    names = rig.docker("ps", "-a", "--format", "{{.Names}}", "--filter", label)
    networks = rig.docker("network", "ls", "--format", "{{.Name}}")
    assert ".rb-" not in names
    plans = [event.plan for event in it.events(RollbackStarted)]
    assert not [p.op for p in plans if f"rb-staging-{p.op}" in networks]


@pytest.mark.campaign
def test_a_service_that_uses_everything_is_given_its_place_as_compose_makes_it(
    tmp_path,
):
    said = rig.docker("version", "-f", "{{.Server.APIVersion}}").strip()
    moves_macs = not (1, 44) <= tuple(map(int, said.split("."))) < (1, 54)
    options = {k: v for k, v in EVERYTHING.items() if moves_macs or k != "mac_address"}
    with a_project(tmp_path, {OLD: options, BAD: options}) as it:
        warm(it, **SAFE)
        networks = assert_faithful(it)["NetworkSettings"]["Networks"]

        assert "hand-over app (new)" in steps(it), cold(it)
        nothing_is_left(it)
        front, back = (networks[f"{it.project}_{name}"] for name in ("front", "back"))
        if moves_macs:
            assert front["MacAddress"] == EVERYTHING["mac_address"]
        given = [network["IPAddress"].rpartition(".")[2] for network in (front, back)]
        assert given == ["77", "177"]


@pytest.mark.parametrize(
    "proved",
    [pytest.param(True, id="forward"), pytest.param(False, id="and back")],
)
def test_whoever_resolved_its_name_once_finds_it_where_it_was(tmp_path, proved):
    port = a_port()
    options = SERVES | {"ports": [f"127.0.0.1:{port}:7000"]}
    with a_project(tmp_path, {OLD: options, BAD: options}) as it:
        warm(it, **SAFE)
        it.deploy(OLD)
        target = it.record()
        it.deploy(BAD)
        before = ends(it)
        running = it.inspect("app")["Id"]
        since = it.inspect("app")["State"]["StartedAt"]
        if not proved:
            it.ask_stack = lambda meant, _: dies(it) if meant == OLD else ()
        with Courier(port) as courier:
            it.begin(target)
            said = it.carry_on()

        assert ("proved" if proved else "put-back") in said, (said, it.failed())
        assert "hand-over app (new)" in steps(it), cold(it)
        assert served(port) == (OLD if proved else BAD)
        assert ends(it) == before
        nothing_is_left(it)
        assert courier.answers >= 1
        if not proved:
            assert it.inspect("app")["Id"] == running
            assert it.inspect("app")["State"]["StartedAt"] == since
        assert "Running" in it.up()


def test_what_the_engine_asks_after_its_interval_only_is_proved_before(tmp_path):
    """Without waiting: the engine asks for the first time after an hour."""
    options = SERVES | {"healthcheck": SERVES["healthcheck"] | {"interval": "1h"}}
    with a_project(tmp_path, {OLD: options, BAD: options}) as it:
        it.wired(
            "engine",
            stack={"swap": {"app": "warm"}} | SAFE,
            engine={"ask_health": True},
        )
        it.rules = replace(it.rules, asks_health=True)
        it.deploy(OLD)
        target = it.record()
        it.deploy(BAD)
        it.roll_back(target)

        assert "hand-over app (new)" in steps(it), cold(it)
        assert it.inspect("app")["State"]["Health"]["Status"] == "starting"


def dies(it):
    """Let what serves the old version die as soon as it is asked."""
    names = rig.docker(
        "ps", "--format", "{{.Names}}", "--filter", f"name={it.project}-app"
    )
    rig.docker("kill", *(name for name in names.split() if ".rb-" not in name))
    return (Answer(fine=False, words="it died"),)


def served(port):
    """Give the version of the manifest that is served; empty without an answer."""
    try:
        with closing(HTTPConnection("127.0.0.1", port, timeout=3)) as asking:
            asking.request("GET", "/meesho.manifest.json")
            return asking.getresponse().read().decode()
    except (OSError, HTTPException):
        return ""


class Courier:
    """Asks all the time, from outside."""

    def __init__(self, port):
        self.port, self.answers, self.over = port, 0, Event()
        self.asking = Thread(target=self.ask)

    def ask(self):
        while not self.over.wait(0.02):
            self.answers += bool(served(self.port))

    def __enter__(self):
        self.asking.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.asking.join()
