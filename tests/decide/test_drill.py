"""Drills by themselves: when due, only while all is green, and one that failed."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from tests.decide.test_standing import PLAN, verdict
from tests.worlds import (
    AT,
    AWB,
    HEALTHY_THEN_NEXT,
    HTTP_5XX,
    MINUTE,
    a_pair,
    a_release,
    asked,
    breached,
    entries,
    readiness,
    rules,
)
from watchdog.decide.drill import is_due, lacks, why_not
from watchdog.decide.fold import stand
from watchdog.decide.tidings import message_of
from watchdog.facts.event import (
    FarEndLost,
    HoldPlaced,
    OrderGiven,
    PairUnclear,
    RollbackEnded,
    RollbackStarted,
    StackClaimed,
)
from watchdog.facts.message import Severity
from watchdog.facts.rules import DrillRule

DAY = timedelta(days=1)
RULE = DrillRule(30 * DAY, time(2, 0), time(16, 0), dry=True)
CLEAR = (verdict("clear"), verdict("clear", HTTP_5XX.name))
GREEN = (*HEALTHY_THEN_NEXT, readiness(), *CLEAR)


def drilled(how="rehearsed", what="dry-drill"):
    start = RollbackStarted(
        *("", PLAN, a_pair("v1.3.0"), a_pair("v1.2.0"), "a drill", "the schedule"),
        automatic=False,
        what=what,
    )
    end = RollbackEnded(
        *("op", "", how, AT, "v1.3.0", "v1.2.0", "a drill", "ops", "as it should"),
        what=what,
    )
    return start, end


def standing(*events):
    return stand(entries(*events))


@pytest.mark.parametrize(
    ("after", "due"),
    [(29 * DAY, False), (30 * DAY + MINUTE, True), (31 * DAY, True)],
)
def test_one_is_due_so_long_after_the_last_and_first_after_the_oldest_pair(after, due):
    assert is_due(standing(*GREEN), RULE, AT + after) is due
    assert is_due(standing(*GREEN, AT, *drilled()), RULE, AT + after) is due


def test_before_anything_ran_none_is_due():
    assert not is_due(standing(), RULE, AT + 99 * DAY)


@pytest.mark.parametrize(
    ("hour", "due"), [(1, False), (2, True), (15, True), (16, False)]
)
def test_one_is_due_only_at_its_time_of_day(hour, due):
    at = datetime(2026, 6, 1, hour, 0, tzinfo=UTC)

    assert is_due(standing(*GREEN), RULE, at) is due


def green(*more, at=AT + MINUTE):
    return why_not(standing(*GREEN, *more), a_release(), at, rules(), at)


def test_when_everything_is_green_nothing_is_in_the_way():
    assert green() == ""


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ((breached(),), "inc-1 is open"),
        ((breached(), asked()), "inc-1 is open"),
        ((HoldPlaced("asha", "on hold"),), "on hold"),
        ((OrderGiven("ord", "rollback", "asha", "", "k", "w"),), "under way"),
        ((drilled()[0],), "under way"),
        ((PairUnclear("mixed", split=True),), "not everything can be seen"),
        ((FarEndLost("prometheus", "away"),), "not everything can be seen"),
        ((StackClaimed("b", "another", "hint"),), "not everything can be seen"),
        ((verdict("blind"),), f"not clear: {AWB.name}"),
        ((verdict("pending", HTTP_5XX.name),), f"not clear: {HTTP_5XX.name}"),
    ],
)
def test_whatever_is_not_green_is_in_the_way(more, words):
    assert words in green(*more)


def test_what_was_never_measured_is_not_green():
    s = standing(*HEALTHY_THEN_NEXT, readiness(), CLEAR[0])

    assert HTTP_5XX.name in why_not(s, a_release(), AT, rules(), AT)
    assert "nothing is watched" in why_not(s, None, AT, rules(), AT)


def test_a_rollback_that_could_not_begin_now_is_in_the_way():
    s = standing(*HEALTHY_THEN_NEXT, *CLEAR)

    assert why_not(s, a_release(), None, rules(), AT) != ""


@pytest.mark.parametrize(
    ("how", "failed"),
    [("rehearsed", False), ("proved", False), ("put-back", True), ("unchanged", True)],
)
def test_one_that_failed_is_a_lack_until_one_ends_well(how, failed):
    s = standing(*GREEN, *drilled(how))

    assert bool(lacks(s)) is failed
    assert lacks(standing(*GREEN, *drilled(how), *drilled())) == ()
    assert s.last_drill.how == how


def test_a_real_rollback_is_no_drill():
    start, end = drilled("put-back", "rollback")

    assert standing(*GREEN, start, end).last_drill is None
    assert standing(*GREEN, replace(start, what="drill"), end).last_drill is None


@pytest.mark.parametrize(
    ("how", "severity", "title"),
    [
        ("rehearsed", Severity.INFO, "the drill went as it should"),
        ("put-back", Severity.CRITICAL, "the drill FAILED: put-back"),
    ],
)
def test_it_is_told_as_a_drill_before_and_after(how, severity, title):
    begun, done = (message_of(entry, "dms") for entry in entries(*drilled(how)))

    assert (begun.kind, begun.severity) == ("drill.started", Severity.INFO)
    assert (
        begun.title == "dms: a drill begins: v1.3.0 back to v1.2.0, short of the swap"
    )
    assert (done.kind, done.severity) == ("drill.ended", severity)
    assert done.title == f"dms: {title}"
