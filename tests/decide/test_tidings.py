"""What people are told is in words for people."""

import pytest

from tests.worlds import ASHA, AT, MINUTE
from watchdog.decide.tidings import message_of
from watchdog.facts.event import Answered, Entry, QuestionClosed


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
