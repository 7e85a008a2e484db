"""A proxy before Prometheus that lets queries through, and nothing else."""

from contextlib import closing
from datetime import timedelta

import pytest

from tests.observe.test_prometheus import AT, STAMP, down, prometheus
from tests.observe.wire import matrix, running
from tests.worlds import MINUTE, SECOND
from watchdog.facts.reading import Blind, Cause, Measured
from watchdog.facts.trigger import Value
from watchdog.observe import asleep, server
from watchdog.observe.arming import try_out

DOWN = down(kind=Value("count(up) or vector(0)"))
UP = [[STAMP - back * 5, "1"] for back in range(25)]
SERIES = matrix(*(({"part": part, "look": "0"}, UP) for part in ("worst", "older")))
COUNTED = {
    "status": "success",
    "data": {"resultType": "vector", "result": [{"metric": {}, "value": [0, "3"]}]},
}


@pytest.fixture
def proxied():
    """Answer queries; *otherwise* answers the rest."""
    with running() as (wire, url):

        def answer(handler):
            if wire.paths[-1].endswith("/query_range"):
                wire.send(handler, SERIES)
            elif wire.paths[-1].endswith("/query"):
                wire.send(handler, COUNTED)
            else:
                wire.otherwise(handler)

        wire.answer = answer
        wire.otherwise = lambda handler: wire.send(handler, b"no", 501)
        with closing(prometheus(url, timeout=1.0)) as far_end:
            yield wire, far_end


def test_who_never_says_when_it_started_is_taken_at_its_word_in_the_end(proxied):
    _, far_end = proxied
    ats = [AT, AT + 179 * SECOND, AT + 3 * MINUTE]

    first, second, third = (far_end.read(DOWN, at) for at in ats)

    assert isinstance(first, Blind)
    assert isinstance(second, Blind)
    assert "501" in second.words
    assert isinstance(third, Measured)


def test_what_hangs_takes_half_of_the_time_and_is_left_alone_for_a_while(proxied):
    wire, far_end = proxied
    wire.otherwise = lambda _: wire.over.wait(20)

    first = far_end.told("/api/v1/targets", state="active")
    again = far_end.told("/api/v1/targets", state="active")

    assert "did not answer /api/v1/targets within 0.5 s" in first.words
    assert "did not answer /api/v1/targets a moment ago" in again.words
    assert {first.cause, again.cause} == {Cause.TIMEOUT}
    assert wire.paths == ["/api/v1/targets"]


def test_who_was_slow_once_is_asked_again_before_it_is_taken_at_its_word():
    # It was too busy to answer, and ended and began anew: its zeros are of that time.
    assert timedelta(seconds=server._LEFT_ALONE) * 2 < asleep._UNHEARD


@pytest.mark.parametrize("cause", [Cause.TIMEOUT, Cause.UNREACHABLE])
def test_a_trigger_whose_count_was_not_answered_is_not_relied_on(proxied, cause):
    _, far_end = proxied
    far_end.read = lambda *_: Blind(cause, "not asked: the turn's time was used up")

    trial = try_out(far_end, DOWN, timedelta(seconds=15), AT)

    assert not trial.is_proven
    assert [one.words for one in trial.faults] == [
        "not asked: the turn's time was used up"
    ]
