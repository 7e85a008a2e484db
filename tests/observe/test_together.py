"""On how many containers a turn's triggers are measured, and what if nobody tells."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.judge.samples import down, http_5xx
from watchdog.facts.reading import Blind, Cause, Measured
from watchdog.observe import together
from watchdog.observe.together import Together

SLOW = Blind(Cause.TIMEOUT, "prometheus gave no answer in the turn's time")
REFUSED = Blind(Cause.REJECTED, "prometheus refused it")
COUNTS, VALUE = http_5xx(), down()


@pytest.fixture
def asked():
    with ThreadPoolExecutor(2) as pool:
        made = Together(pool, 0.5, "prometheus")

        def asked(count, *triggers):
            return made.read(
                triggers or (COUNTS,),
                lambda *_: Measured(()),
                lambda *_: False,
                count,
            )

        yield asked


def answers(found):
    return lambda _last: found


def hangs(_last):
    time.sleep(1)
    return {}


@pytest.mark.parametrize(("count", "why"), [(answers(REFUSED), REFUSED), (hangs, SLOW)])
def test_without_an_answer_it_is_not_known_on_how_many_it_is_measured(
    asked, count, why
):
    found = asked(count, COUNTS, VALUE)

    assert found[COUNTS.name] == Measured((), uncounted=why)
    assert found[VALUE.name] == Measured(())


def test_an_answer_stands_for_a_few_turns_and_no_longer(asked, monkeypatch):
    some = Measured((), measured_on=(2, 3))
    assert asked(answers({COUNTS.name: (2, 3)}))[COUNTS.name] == some

    assert asked(answers(REFUSED))[COUNTS.name] == some
    new = http_5xx(name="New")
    assert asked(answers(REFUSED), new)["New"] == Measured((), uncounted=REFUSED)
    monkeypatch.setattr(together, "_STANDS", -1.0)
    gone = Measured((), uncounted=REFUSED)
    assert asked(answers(REFUSED))[COUNTS.name] == gone


def test_one_container_of_each_service_is_counted_by_nobody(asked):
    assert asked(None)[COUNTS.name] == Measured(())
