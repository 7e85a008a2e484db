"""A Prometheus whose clock is not ours: nothing of before is charged to a release."""

from datetime import timedelta

import pytest

from tests.worlds import AT, AWB, MINUTE, SECOND, World
from watchdog.facts.event import BreachConfirmed, ClockStepped, RollbackStarted
from watchdog.turn import judging


def running(folders, ahead):
    """Run v1.3.0 since a minute, with the server's clock so far *ahead* of ours."""
    it = World(folders())
    it.bake("v1.2.0")
    it.numbers.now = lambda: it.clock.now() + ahead
    it.compose_up("v1.3.0")
    it.turn()
    it.turn(MINUTE)
    return it


@pytest.mark.parametrize("ahead", [10 * MINUTE, 24 * 60 * MINUTE])
def test_what_was_before_it_by_the_servers_clock_is_not_its_doing(folders, ahead):
    """It was scraped from the old pair a minute ago, and bears a later time."""
    it = running(folders, ahead)
    started = it.memory.standing.running.since
    it.numbers.values[AWB.name] = 9
    read = it.numbers.read_all
    it.numbers.read_all = lambda triggers, at, **_: read(triggers, at - 2 * MINUTE)

    it.turn()
    assert it.memory.all(RollbackStarted) == []

    it.numbers.read_all = read
    it.turn()
    (begun,) = it.memory.all(RollbackStarted)
    (breach,) = it.memory.all(BreachConfirmed)
    assert begun.automatic
    assert started <= breach.onset <= it.clock.now()


@pytest.mark.parametrize("ahead", [timedelta(), 20 * SECOND, -10 * MINUTE])
def test_a_clock_that_differs_by_less_or_is_behind_delays_nothing(folders, ahead):
    it = running(folders, timedelta())
    it.numbers.now = lambda: it.clock.now() + max(ahead, timedelta())
    it.numbers.values[AWB.name] = 9

    it.turn()

    assert len(it.memory.all(RollbackStarted)) == 1
    assert judging._ahead(ahead, 30 * SECOND) == timedelta()


@pytest.mark.parametrize("step", [-3600.0, -86400.0])
def test_our_own_clock_that_was_set_back_is_not_the_servers_ahead(folders, step):
    it = running(folders, timedelta())
    it.memory.add(AT, ClockStepped(step, "words"))
    away = timedelta(seconds=-step)

    standing = it.memory.standing
    assert judging._ahead(away + standing.stepped, 30 * SECOND) == timedelta()
