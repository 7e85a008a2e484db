"""Standby on a real engine: to Compose there is none, and then it serves."""

import time
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread

import pytest

from tests.real import rig
from tests.real.test_fidelity import BAD, OLD, a_project, images
from tests.real.test_warm_swap import SAFE, SERVES, ends, nothing_is_left, served, steps
from tests.real.undo import a_port
from tests.worlds import PowerCut
from watchdog.act.standby import Standby
from watchdog.facts.event import StepDone
from watchdog.facts.plan import Do
from watchdog.facts.standby import PROJECT
from watchdog.facts.swapping import Swapping
from watchdog.observe.standbys import Standbys
from watchdog.wiring.clock import RealClock

__all__ = ["images"]
pytestmark = pytest.mark.real

# It needs a while to boot, as images do that are worth a standby.
BOOTS = SERVES | {
    "command": [
        "sh",
        "-c",
        "sleep 5; touch /tmp/up; exec python -m http.server -d /manifests 7000",
    ],
    "healthcheck": {
        "test": "test -f /tmp/up",
        "interval": "1s",
        "timeout": "30s",
        "retries": 60,
    },
}


@contextmanager
def young(tmp_path):
    """Deploy a bad release over a good one, and have a standby of that beside."""
    port = a_port()
    options = BOOTS | {"ports": [f"127.0.0.1:{port}:7000"]}
    with a_project(tmp_path, {OLD: options, BAD: options}) as it:
        looks = Standbys(it.to_look, it.project, RealClock().now)
        swapping = Swapping({"app": "warm"}, standby={"app": "1h"}, **SAFE)
        it.plans = replace(it.plans, swapping=swapping, beside=looks.healthy)
        it.rules = replace(it.rules, prove_within=it.rules.prove_within * 6)
        it.deploy(OLD)
        it.target, it.port = it.record(), port
        it.deploy(BAD)
        it.keeps = Standby(it.to_act, it.project, it.folder)
        try:
            for swap in it.plan("standby", it.record(), it.target).swaps:
                assert swap.is_warm, swap.cold
                it.keeps.make(swap)
            until(lambda: looks.healthy() and served(port) == BAD)
            yield it
        finally:
            for one in looks.seen():
                it.keeps.take_away(one.id)
            it.keeps.clear()


def until(so):
    last = time.monotonic() + 120
    while not so():
        assert time.monotonic() < last, "not within 120 s"
        time.sleep(0.05)


def beside(it):
    label = f"label={PROJECT}={it.project}"
    networks = rig.docker("network", "ls", "-q", "--filter", label).split()
    return rig.docker("ps", "-aq", "--filter", label).split(), networks


def is_done(it, do):
    return any(event.step.do is do for event in it.events(StepDone))


def test_to_compose_there_is_none_and_a_rollback_only_moves_it(tmp_path):
    with young(tmp_path) as it:
        names = it.compose("ps", "-a", "--format", "{{.Name}}").split()
        assert sorted(names) == [f"{it.project}-app-1", f"{it.project}-beside-1"]
        said = it.up()
        assert "Recreate" not in said
        assert "Removed" not in said
        ((standby,), (network,)) = beside(it)
        shown = rig.docker("network", "inspect", "-f", "{{.Internal}}", network)
        assert shown.strip() == "true"
        before = ends(it)

        it.begin(it.target)
        rolling = Thread(target=it.carry_on)
        rolling.start()
        until(lambda: served(it.port) == OLD)
        # It serves, and what is made as Compose makes it is not even up.
        assert not is_done(it, Do.HAND_OVER)
        rolling.join()

        assert it.memory.standing.last_rollback.how == "proved", it.failed()
        assert "stand-in app (standby)" in steps(it)
        until(lambda: served(it.port) == OLD)
        assert ends(it) == before
        assert "Running" in it.up()
        nothing_is_left(it)
        assert standby not in beside(it)[0]


@pytest.mark.campaign
def test_somebodys_up_while_it_stands_in_still_ends_in_one_whole_pair(tmp_path):
    with young(tmp_path) as it:
        it.begin(it.target)
        rolling = Thread(target=it.carry_on)
        rolling.start()
        until(lambda: is_done(it, Do.STAND_IN))
        said = it.up(check=False)
        rolling.join()
        if it.memory.standing.rollback:
            it.carry_to_its_end()

        ended = it.memory.standing.last_rollback
        assert ended, (said, it.failed())
        # Compose may meet the port that the standby has, and fail half way: then what
        # ran before is put back.
        assert ended.how in ("proved", "overtaken", "put-back"), (ended, said)
        one = BAD if ended.how == "put-back" else OLD
        until(lambda: served(it.port) == one)
        said = it.up()
        assert "Running" in said, (said, ended, it.failed())
        nothing_is_left(it)


class Mortal:
    """The hands of a watchdog that dies at the first thing it does, or right after."""

    def __init__(self, hands, *, after):
        self.hands, self.after = hands, after

    def __getattr__(self, name):
        return getattr(self.hands, name)

    def do(self, plan, record, step):
        if self.after:
            self.hands.do(plan, record, step)
        raise PowerCut(step.words)


@pytest.mark.campaign
def test_killed_before_and_after_each_thing_it_does_it_ends_as_it_would_have(tmp_path):
    with young(tmp_path) as it:
        before = ends(it)
        it.begin(it.target)
        died = []
        while it.memory.standing.rollback:
            assert len(died) < 200, died
            try:
                it.carry_on(Mortal(it.hands, after=len(died) % 2 == 1))
            except PowerCut as cut:
                died.append(str(cut))

        assert it.memory.standing.last_rollback.how == "proved", it.failed()
        until(lambda: served(it.port) == OLD)
        assert {"stand-in app (standby)", "hand-over app (new)"} <= {*died}
        assert ends(it) == before
        nothing_is_left(it)
        assert beside(it)[0] == []
        assert "Running" in it.up()


@pytest.mark.campaign
def test_taken_down_and_put_up_the_stack_neither_meets_it_nor_is_given_a_stale_one(
    tmp_path,
):
    with young(tmp_path) as it:
        was = beside(it)
        it.compose("down")
        assert it.compose("ps", "-aq") == ""
        assert beside(it) == was
        it.up()
        until(lambda: served(it.port) == BAD)
        assert beside(it) == was

        it.roll_back(it.target)

        # It has the volumes of the container that is gone; the next turn makes another.
        assert "stand-in app (standby)" not in steps(it)
        assert "hand-over app (new)" in steps(it)
        until(lambda: served(it.port) == OLD)
        nothing_is_left(it)
        assert "Running" in it.up()
