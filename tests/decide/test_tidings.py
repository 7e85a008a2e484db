"""What people are told is in words for people."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.record.strategies import of_kind
from tests.worlds import ASHA, AT, MINUTE
from watchdog.decide.tidings import message_of
from watchdog.decide.what_next import NOTHING
from watchdog.facts.event import (
    EVERY_EVENT,
    Answered,
    Entry,
    PromotionChanged,
    QuestionClosed,
)
from watchdog.facts.message import Severity


def title(event):
    return message_of(Entry(1, AT, event), "dms").title


@pytest.mark.parametrize(
    ("decision", "eta", "words"),
    [
        ("approve", None, f"dms: {ASHA} approved"),
        ("deny", None, f"dms: {ASHA} denied it"),
        (
            "forward_fix",
            AT + 40 * MINUTE,
            f"dms: {ASHA} promised a fix until 03:40 UTC",
        ),
    ],
)
def test_an_answer_is_told_in_words_for_people(decision, eta, words):
    said = Answered("apr_1", "m1", decision, ASHA, "why", "{}", eta=eta)

    assert title(said) == words


def test_nothing_is_told_to_be_carried_out_before_it_is_proved():
    closed = title(QuestionClosed("apr_1", "carried out", "why"))

    assert closed == "dms: the question is approved, and what it asked is begun"


@pytest.mark.parametrize("kind", EVERY_EVENT, ids=lambda kind: kind.__name__)
@settings(max_examples=20)
@given(st.data())
def test_whatever_is_told_says_what_follows_from_it(kind, data):
    event = data.draw(of_kind(kind))
    message = message_of(Entry(1, AT, event), "dms")

    assert message is None or message.next
    if message is not None and message.severity is not Severity.INFO:
        assert message.next != NOTHING, message


@pytest.mark.parametrize(
    ("event", "follows"),
    [
        (
            PromotionChanged("v1", "paused", ("too young",), expected=True),
            "it opens by itself once each trigger was clear over its window",
        ),
        (
            PromotionChanged("v1", "paused", ("breached",), over="quarantined"),
            "waiting will not open it; deploy another version",
        ),
        (
            Answered("apr_1", "m1", "forward_fix", ASHA, "", "{}", eta=AT),
            "it is asked again if the breach still stands at 03:00 UTC",
        ),
    ],
)
def test_what_follows_is_said_of_the_very_case(event, follows):
    assert message_of(Entry(1, AT, event), "dms").next == follows


def test_a_deployment_as_it_should_be_alarms_nobody():
    young = PromotionChanged("v1", "paused", ("too young",), expected=True)
    opened = PromotionChanged("v1", "open", ())
    told = [message_of(Entry(1, AT, one), "dms") for one in (young, opened)]

    assert {message.severity for message in told} == {Severity.INFO}
