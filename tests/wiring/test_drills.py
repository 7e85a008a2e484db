"""What orders drills: the same door as a person's, one try a day."""

from datetime import time, timedelta
from functools import partial

import pytest

from tests.decide.test_drill import CLEAR, GREEN
from tests.worlds import AT, MINUTE, Notebook, a_record, a_release, rules
from watchdog.approve.order import Orders
from watchdog.config.release_file import Releases
from watchdog.facts.event import HoldPlaced, OrderGiven
from watchdog.facts.rules import DrillRule
from watchdog.turn.roles import Turn
from watchdog.wiring.drills import Drills

DAY = timedelta(days=1)
LATER = AT + 31 * DAY


@pytest.fixture
def memory():
    made = Notebook()
    made.add(AT, *GREEN)
    for version in ("v1.2.0", "v1.3.0"):
        made.records[f"record of {version}"] = a_record(version)
    return made


def drills(memory, *, dry=True):
    releases = Releases({"v1.3.0": a_release("v1.3.0")})
    woken = []
    orders = Orders(
        memory,
        releases=releases,
        rules=rules(),
        secret=lambda: "x",
        unseen=lambda *_: None,
    )
    rule = DrillRule(30 * DAY, time(0), time(23, 59), dry=dry)
    it = Drills(
        rule,
        memory,
        orders,
        releases=releases,
        rules=rules(),
        wake=partial(woken.append, 1),
    )
    return it, woken


def ordered(memory):
    return [e.event for e in memory.entries if isinstance(e.event, OrderGiven)]


@pytest.mark.parametrize(("dry", "what"), [(True, "dry-drill"), (False, "drill")])
def test_one_that_is_due_is_ordered_and_the_turn_is_woken(memory, dry, what):
    memory.mark(Turn(LATER, "all is well", {}, LATER))
    it, woken = drills(memory, dry=dry)

    it.turn(LATER)

    (given,) = ordered(memory)
    assert (given.what, given.by) == (what, "the schedule")
    assert woken == [1]


def test_it_is_tried_once_a_day(memory):
    memory.mark(Turn(LATER, "all is well", {}, LATER))
    it, _ = drills(memory)
    it.turn(LATER)
    memory.entries.pop()  # as if it had been refused

    it.turn(LATER + MINUTE)

    assert len(ordered(memory)) == 0


def test_while_something_is_not_green_none_is_ordered(memory):
    memory.mark(Turn(LATER, "all is well", {}, LATER))
    memory.add(LATER, HoldPlaced("asha", "on hold"))
    it, _ = drills(memory)

    it.turn(LATER)

    assert ordered(memory) == []


def test_a_look_that_is_too_old_is_not_green(memory):
    memory.mark(Turn(AT, "all was well", {}, AT))
    memory.add(LATER, *CLEAR)
    it, _ = drills(memory)

    it.turn(LATER)

    assert ordered(memory) == []
