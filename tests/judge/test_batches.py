"""Bad events that come in batches prove as much as one of each batch."""

import pytest

from tests.judge.samples import LONG_AGO, awb, before, counts, read
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.trigger import Dispersion
from watchdog.facts.verdict import Breached, Pending
from watchdog.judge.batches import batch_of, in_batches
from watchdog.judge.breach import judge

# Batches of ten, in every sixth minute.
BATCHES = (10.0, 0.0, 0.0, 0.0, 0.0, 0.0) * 10


def test_the_size_of_a_batch_is_the_variance_over_the_mean():
    every_fifth = (10.0, 0.0, 0.0, 0.0, 0.0) * 12

    assert batch_of(awb(), before(bad_each=every_fifth)) == pytest.approx(80 / 9)
    assert 5 < batch_of(awb(), before(bad_each=BATCHES)) < 11


def test_an_incident_before_it_is_not_taken_for_a_batch():
    began = (3.0, 1.0, 2.0) * 17 + (120.0,) * 9
    passed = (3.0, 1.0, 2.0) * 10 + (120.0,) * 6 + (3.0, 1.0, 2.0) * 8

    assert batch_of(awb(), before(bad_each=began)) == 1.0
    assert batch_of(awb(), before(bad_each=passed)) == 1.0


def test_what_chance_alone_could_do_is_no_batch():
    assert batch_of(awb(), before(bad_each=(2.0, 0.0, 1.0) * 20)) == 1.0
    assert batch_of(awb(), before(bad_each=(1.0,) + (0.0,) * 59)) == 1.0


@pytest.mark.parametrize(
    "time_before",
    [
        None,
        Blind(Cause.TIMEOUT, "…"),
        before(),
        before(bad_each=(0.0,) * 60),
        before(bad_each=BATCHES[:29]),
        before(bad_each=(float("nan"),) * 60),
    ],
)
def test_without_a_measured_past_events_are_single(time_before):
    assert batch_of(awb(), time_before) == 1.0


def test_a_release_file_may_say_that_events_are_single():
    trigger = awb(dispersion=Dispersion.NONE)

    assert batch_of(trigger, before(bad_each=BATCHES)) == 1.0


def test_batches_are_counted_in_favour_of_the_release():
    assert in_batches(9, 40, 1.0) == (9, 40)
    assert in_batches(9, 40, 4.0) == (2, 10)
    assert in_batches(11, 41, 4.0) == (2, 11)
    assert in_batches(3, 3, 4.0) == (0, 1)


def test_a_breach_of_batches_says_how_they_weigh():
    trigger = awb()
    time_before = before(60, 60_000, bad_each=BATCHES)

    seen = judge(
        trigger, read(trigger, counts(*[(60, 600)] * 10), before=time_before), LONG_AGO
    )

    assert seen == Breached(
        "600 of 6000 (10%) were bad in batches of about 8.9, so they weigh as 67 of "
        "675; with 99.9% confidence at least 6.7%; bound 1%",
        value=0.1,
        bound=0.01,
    )


def test_a_few_batches_are_only_suspected():
    trigger = awb()
    blocks = counts(*[(0, 60)] * 7, *[(10, 60)] * 3)
    time_before = before(60, 60_000, bad_each=BATCHES)

    seen = judge(trigger, read(trigger, blocks, before=time_before), LONG_AGO)

    assert seen == Pending(
        "suspected: 30 of 600 (5%) were bad in batches of about 8.9, so they weigh as "
        "3 of 68; bound 1%; too few to be sure with 99.9% confidence"
    )
