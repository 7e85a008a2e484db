"""The promotion gate: it is told when it opens and when it closes, once."""

from tests.worlds import (
    AT,
    AWB,
    HEALTHY_THEN_NEXT,
    HTTP_5XX,
    MINUTE,
    a_release,
    breached,
    entries,
    rules,
    started,
)
from watchdog.decide.gate import changed, digest_of, lasting
from watchdog.decide.standing import stand
from watchdog.facts.event import PromotionChanged, PromotionPaused, VerdictChanged

LATER = AT + 10 * MINUTE
CLEAR = [VerdictChanged(t.name, "clear", "0") for t in (AWB, HTTP_5XX)]
PAUSE = PromotionPaused("v1.3.0", "9 of 40 failed")


def told(*events, release=None):
    s = stand(entries(*HEALTHY_THEN_NEXT, *events))
    return changed(s, release or a_release(), rules(), LATER)


def test_a_gate_that_opens_is_told_once():
    opened = PromotionChanged("v1.3.0", "open", ())

    assert told(*CLEAR) == opened
    assert told(*CLEAR, opened) is None


def test_a_gate_that_closes_is_told_once_with_its_reasons():
    opened = PromotionChanged("v1.3.0", "open", ())
    closed = PromotionChanged("v1.3.0", "paused", ("9 of 40 failed",))

    assert told(*CLEAR, opened, PAUSE) == closed
    assert told(*CLEAR, opened, PAUSE, closed) is None
    assert told(*CLEAR, opened, PAUSE, closed, breached()) is None


def test_the_gate_of_another_release_is_another_gate():
    opened = PromotionChanged("v1.3.0", "open", ())

    found = told(*CLEAR, opened, started("v1.3.1"), release=a_release("v1.3.1"))

    assert (found.release, found.state) == ("v1.3.1", "paused")


def test_nothing_is_told_before_anything_runs():
    assert changed(stand([]), a_release(), rules(), LATER) is None


def test_a_release_shares_the_pauses_of_its_builds_and_a_digest_names_them():
    s = stand(
        entries(*HEALTHY_THEN_NEXT, PAUSE, PromotionPaused("v1.3.0-4f9c2ab", "x"))
    )

    both = lasting(s, "v1.3.0", a_release())
    assert set(both) == {"v1.3.0", "v1.3.0-4f9c2ab"}
    assert digest_of(both) == digest_of(dict(reversed(both.items())))
    assert digest_of(both) != digest_of({"v1.3.0": ("9 of 40 failed",)})
    assert lasting(s, "v1.2.0", a_release("v1.2.0")) == {}
