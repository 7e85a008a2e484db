"""What counts is asked in one request, and what is odd is odd alone."""

import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tests.judge.samples import awb, down, http_5xx, outbox
from tests.observe.wire import matrix, running
from watchdog.facts.reading import Blind, Cause, Measured
from watchdog.observe import at_once
from watchdog.observe.prometheus import Prometheus
from watchdog.observe.recent import Laid
from watchdog.observe.samples import Ask, Place, look_at, millis

SECOND = timedelta(seconds=1)
AT = datetime(2026, 3, 11, 3, 0, 16, tzinfo=UTC)
THIRD = replace(awb(name="Third"), kind=replace(awb().kind, errors="odd_ones"))
OTHER = replace(http_5xx(), kind=replace(awb().kind, errors="errors_5xx"))
COUNTING = [OTHER, awb(), THIRD, replace(awb(), name="TheSameAgain")]


class Far:
    """Answers each question with a number of its own: how long its text is.

    Of several at once by the numbers of their looks, as Prometheus would.
    """

    def __init__(self, wire):
        self.wire = wire
        self.odd = ""
        self.told = (b"{}", 422)
        wire.answer = self.answer

    def answer(self, handler):
        asked = self.wire.asked[-1]
        query = asked["query"]
        if self.odd and self.odd in query:
            self.wire.send(handler, *self.told)
            return
        looks = re.findall(
            r'"look", "(\d+)", "", ""\)(?=\nor label_replace\(\n|$)', query
        )
        is_several = query.startswith("label_replace(\n")
        end, step = float(asked["end"]), float(asked["step"].rstrip("s"))
        begin = float(asked["start"])
        moments = [begin + step * n for n in range(int((end - begin) // step) + 1)]
        series = [
            (
                {"part": part, "look": look},
                [[at, str(20 * (int(look) + 1))] for at in moments],
            )
            for look in (looks if is_several else ["0"])
            for part in ("bad", "all")
        ]
        self.wire.send(handler, matrix(*series))

    def questions(self, ask):
        """Have *ask* ask, and give how many questions of which kind that were."""
        del self.wire.asked[:]
        answer = ask()
        several = [one for one in self.wire.asked if '"look", "1"' in one["query"]]
        return answer, len(several), len(self.wire.asked)


@pytest.fixture
def far():
    with (
        running() as (wire, url),
        closing(Prometheus(url, 5 * SECOND, 15 * SECOND, 5 * SECOND)) as far_end,
    ):
        yield Far(wire), far_end


def test_all_that_counts_is_asked_in_one_request_once_the_rest_is_kept(far):
    wire, far_end = far
    far_end.read_all(COUNTING, AT)

    seen, several, all_ = wire.questions(
        lambda: far_end.read_all(COUNTING, AT + 15 * SECOND)
    )

    assert (several, all_) == (1, 1)
    newest = [one.looks[0].blocks[-1].parts["all"] for one in seen.values()]
    assert newest == [20, 40, 60, 40]
    _, several, all_ = wire.questions(
        lambda: far_end.read_all([*COUNTING, outbox(), down()], AT + 30 * SECOND)
    )
    assert (several, all_) == (1, 3)


@pytest.mark.parametrize(
    "told",
    [
        (b"{}", 422),
        (b"{}", 414),
        (matrix(warnings=["half of it"]), 200),
        (matrix(({"part": "bad"}, [[1, "so many"]])), 200),
        (matrix(({"part": "bad", "look": "7"}, [[1, "1"]])), 200),
    ],
)
def test_one_odd_trigger_is_odd_alone_and_the_others_are_asked_one_by_one(far, told):
    wire, far_end = far
    far_end.read_all(COUNTING, AT)
    wire.odd, wire.told = "odd_ones", told

    seen, several, all_ = wire.questions(
        lambda: far_end.read_all(COUNTING, AT + 15 * SECOND)
    )

    assert several == 1
    assert all_ >= 4  # and the same question twice at most
    others = [seen["Http5xxRate"], seen["AwbRoutingFailures"]]
    assert all(isinstance(one, Measured) for one in others)
    assert [one.looks[0].blocks[-1].parts["all"] for one in others] == [20, 20]
    _, several, _ = wire.questions(lambda: far_end.read_all(COUNTING, AT + 30 * SECOND))
    assert several == 0


def test_one_that_is_only_too_slow_leaves_the_others_their_time(far):
    wire, far_end = far
    far_end.read_all(COUNTING, AT)
    answer = wire.answer

    def slow(handler):
        if "odd_ones" in wire.wire.asked[-1]["query"]:
            wire.wire.over.wait(20)
        else:
            answer(handler)

    wire.wire.answer = slow

    seen = far_end.read_all(COUNTING, AT + 15 * SECOND)

    assert isinstance(seen["Http5xxRate"], Measured)
    assert isinstance(seen["AwbRoutingFailures"], Measured)
    third = seen["Third"]
    assert isinstance(third, Blind)
    assert third.cause is Cause.TIMEOUT


def test_what_was_refused_is_tried_together_again_after_a_rest(far, monkeypatch):
    wire, far_end = far
    far_end.read_all(COUNTING, AT)
    wire.odd = "odd_ones"
    monkeypatch.setattr(at_once, "_REST", 0.0)
    far_end.read_all(COUNTING, AT + 15 * SECOND)
    wire.odd = ""

    _, several, all_ = wire.questions(
        lambda: far_end.read_all(COUNTING, AT + 30 * SECOND)
    )

    assert (several, all_) == (1, 1)


def test_a_request_is_no_longer_than_a_proxy_takes(far, monkeypatch):
    wire, far_end = far
    far_end.read_all(COUNTING, AT)
    monkeypatch.setattr(at_once, "_LONGEST", 1)

    seen, _, all_ = wire.questions(lambda: far_end.read_all(COUNTING, AT + 15 * SECOND))

    assert all_ == 3  # the same question is asked once
    assert all(isinstance(one, Measured) for one in seen.values())


# What a turn does again and again, it does once.


@pytest.mark.parametrize("odd", ['a{b="é +&=#%20?/"}', "a\n+ b", "50% of {{ x }}"])
def test_a_question_arrives_as_it_was_written(far, odd):
    wire, far_end = far
    wire.told = (b"{}", 200)
    wire.odd = odd

    far_end.instant(odd, AT)
    far_end.told("/api/v1/metadata", metric=odd)
    far_end.told("/api/v1/targets")

    first, second, third = wire.wire.asked
    assert (first["query"], first["time"]) == (odd, f"{AT.timestamp():.3f}")
    assert second == {"metric": odd}
    assert third == {}


def test_a_request_is_prepared_once_however_often_it_is_asked(far, monkeypatch):
    _, far_end = far
    prepared = []
    real = requests.PreparedRequest.prepare
    monkeypatch.setattr(
        requests.PreparedRequest,
        "prepare",
        lambda self, *args, **more: (prepared.append(1), real(self, *args, **more))[1],
    )

    for n in range(20):
        far_end.instant(f"up + {n}", AT)

    assert len(prepared) == 1


def test_a_cookie_that_balances_loads_is_shown_from_then_on(far):
    wire, far_end = far
    wire.wire.answers(matrix(), 200, Set_Cookie="backend=b2; Path=/")
    far_end.told("/api/v1/targets")
    wire.wire.answers(matrix())
    for _ in range(2):
        far_end.told("/api/v1/targets")

    assert [one.get("Cookie") for one in wire.wire.headers] == [
        None,
        "backend=b2",
        "backend=b2",
    ]


@given(
    answers=st.lists(
        st.tuples(
            st.integers(0, 4),
            st.dictionaries(st.integers(0, 8), st.integers(0, 2)),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_a_look_is_what_was_answered_now_whatever_was_kept(answers):
    laid, moved = Laid(), 0
    for later, given_now in answers:
        moved += later
        end = AT + moved * 5 * SECOND
        ask = Ask("q", end, 15 * SECOND, 6)
        answer = {
            ("0", millis(end - back * 15 * SECOND)): {"all": float(number)}
            for back, number in given_now.items()
        }

        look = laid.look(ask, Place(end), answer, 6)

        assert look == look_at(Place(end), answer, 15 * SECOND, 6)


def test_the_next_look_keeps_the_blocks_of_the_last(far):
    _, far_end = far

    first = far_end.read(awb(), AT)
    later = far_end.read(awb(), AT + 15 * SECOND)

    shared = set(map(id, first.looks[0].blocks)) & set(map(id, later.looks[0].blocks))
    assert len(shared) > len(later.looks[0].blocks) - 4
