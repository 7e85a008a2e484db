"""One replica of several past its bound is a breach of its own, and told as such."""

import pytest

from tests.judge.samples import (
    AT,
    LONG_AGO,
    MINUTE,
    awb,
    before,
    counts,
    http_5xx,
    look,
)
from watchdog.facts.reading import Blind, Cause, Groups, Measured
from watchdog.facts.verdict import Breached, Clear, Pending
from watchdog.judge.breach import judge

# Thirty scrapes of 100 scans each, together 0.9% bad, a bound of 1%.
GOOD = [(0, 100)] * 30
BAD = [(0, 100)] * 2 + [(3, 100), (2, 100)] * 14
WHOLE = [(b, 3 * n) for b, n in BAD]
OTHERS = {"dms-1": GOOD, "dms-3": GOOD}


def reading(trigger, whole=WHOLE, were=None, **each):
    """Read the *whole*, and each instance; *were* is what they counted before."""
    seen = OTHERS | {name.replace("_", "-"): one for name, one in each.items()}
    looks = {name: look(trigger, counts(*one)) for name, one in seen.items()}
    window = trigger.window // trigger.block
    sums = {
        name: tuple(map(sum, zip(*one[-window:], strict=True)))
        for name, one in seen.items()
    }
    groups = Groups(sums, looks=looks, were=were or {})
    own = look(trigger, counts(*whole))
    return Measured((own,), before=before(), groups=groups)


def verdict(trigger, *, armed_from=LONG_AGO, **more):
    return judge(trigger, reading(trigger, **more), armed_from)


def test_one_of_three_past_the_bound_is_a_breach_though_the_whole_is_not():
    alone = verdict(awb(by="instance"), dms_2=BAD)
    seen = verdict(awb(by="instance", any=True), dms_2=BAD)

    assert not isinstance(alone, Breached)
    assert isinstance(seen, Breached)
    assert seen.words.startswith("1 of 3 instances: dms-2 50 of 2000 (2.5%) were bad")
    assert "24,000 needed" in seen.words  # twice for three replicas
    assert seen.elsewhere == ""
    assert seen.value == pytest.approx(0.025)


def test_with_for_one_must_be_over_for_the_whole_time():
    many = [(30, 100)] * 24
    trigger = http_5xx(by="instance", any=True)
    short = [(0, 100)] * 12 + [(30, 100)] * 12

    seen = verdict(trigger, whole=[(30, 900)] * 24, dms_2=many)

    assert isinstance(seen, Breached)
    assert "dms-2" in seen.words
    late = verdict(trigger, whole=[(10, 900)] * 24, dms_2=short)
    assert not isinstance(late, Breached)


def test_each_must_be_surer_than_one_alone_would_be():
    """What would do for one is not enough among three, and a little more is."""
    trigger = awb(by="instance", any=True)

    def first(says):
        tries = ([(0, 100)] * (30 - n) + [(4, 100)] * n for n in range(2, 20))
        return next(n for n, tried in enumerate(tries) if says(tried))

    alone = first(
        lambda tried: isinstance(
            judge(awb(), Measured((look(awb(), counts(*tried)),)), LONG_AGO), Breached
        )
    )
    among = first(
        lambda tried: isinstance(
            verdict(trigger, whole=[(0, 900)] * 30, dms_2=tried), Breached
        )
    )

    assert among > alone


def test_it_is_compared_with_the_service_before_it():
    seen = judge(
        awb(by="instance", any=True),
        Measured(
            (look(awb(), counts(*WHOLE)),),
            before=before(bad=1500, every=60_000),
            groups=reading(awb(by="instance", any=True), dms_2=BAD).groups,
        ),
        LONG_AGO,
    )

    assert isinstance(seen, Breached)
    assert seen.elsewhere


def test_a_replica_that_was_bad_before_is_not_this_releases_doing():
    """By whatever name: the box below may be the bad one."""
    trigger = awb(by="instance", any=True)

    seen = verdict(trigger, were={"old-2": (500.0, 20_000.0)}, dms_2=BAD)

    assert isinstance(seen, Breached)
    assert seen.elsewhere == (
        "one alone was over before it started: instance old-2, 500 of 20000"
    )


def test_one_that_appears_with_the_deployment_counts_from_then():
    armed = AT - 6 * MINUTE
    born = [None] * 6 + [(5, 100)] * 24
    trigger = awb(by="instance", any=True)
    looks = {
        "old-1": look(trigger, counts(*[(50, 100)] * 4) + [{}] * 26),
        "dms-2": look(trigger, [{}] * 6 + counts(*born[6:])),
    }
    seen = reading(trigger)
    groups = Groups(seen.groups.counts, looks=looks)

    found = judge(
        trigger,
        Measured(seen.looks, before=seen.before, groups=groups),
        armed,
    )

    assert isinstance(found, Breached)
    assert found.words.startswith("1 of 1 instances: dms-2")


def test_one_that_is_suspected_is_said():
    trigger = awb(by="instance", any=True)
    burst = [(0, 100)] * 29 + [(100, 100)]

    seen = verdict(trigger, whole=[(0, 900)] * 30, dms_2=burst)

    assert isinstance(seen, Pending)
    assert seen.words.startswith("suspected: 1 of 3 instances: dms-2")


def test_replicas_that_are_not_seen_are_not_called_well():
    trigger = awb(by="instance", any=True)
    lost = Blind(Cause.TIMEOUT, "no answer")
    fine = look(trigger, counts(*GOOD))

    seen = judge(trigger, Measured((fine,), groups=lost), LONG_AGO)

    assert seen == Blind(Cause.TIMEOUT, "not measured by instance: no answer")
    assert isinstance(verdict(trigger, whole=GOOD, dms_2=GOOD), Clear)


def test_two_batches_that_are_neighbours_do_not_convict_one_of_several():
    """A replica has but a part of the traffic: a batch may be all of its scrape."""
    quiet, batch = [(0, 5)], [(5, 5)]
    trigger = awb(by="instance", any=True)
    two = quiet * 27 + batch * 3

    seen = verdict(trigger, whole=[(0, 900)] * 30, dms_2=two)

    assert not isinstance(seen, Breached)
    four = verdict(trigger, whole=[(0, 900)] * 30, dms_2=quiet * 26 + batch * 4)
    assert isinstance(four, Breached)
