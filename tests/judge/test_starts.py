"""Starts laid over a past say what would have been said of releases that began then."""

import random
from datetime import timedelta

import pytest

from tests.judge.samples import AT, LONG_AGO, MINUTE, SECOND, awb, http_5xx
from watchdog.facts.past import Stretch, Track
from watchdog.facts.reading import Blind, Cause, Measured
from watchdog.facts.trigger import Action
from watchdog.facts.verdict import Breached
from watchdog.judge.breach import judge
from watchdog.judge.laid import Laid, Past
from watchdog.judge.starts import Lay, injected, is_rolled_back, started

HOUR = timedelta(hours=1)
SETTLE = 15 * SECOND
UNSEEN = Blind(Cause.TIMEOUT, "no answer")
ROLLS_BACK = awb(action=Action.ROLLBACK)


def kept(trigger, ill=(), *, hours=8, unseen=range(0), usual=0.002):
    """20 events a scrape; in the scrapes of *ill* half of them fail."""
    chance = random.Random(1)
    past = Past(trigger, LONG_AGO, exact=True)
    for place in range(hours * 240):
        share = 0.5 if place in ill else usual
        bad = sum(chance.random() < share for _ in range(20))
        parts = {"bad": float(bad), "all": 20.0}
        past.take([UNSEEN if place in unseen else parts])
    return past


def laid(past, starts=30, share=0.0, watched=2 * HOUR, seed=1):
    lay = Lay(starts, not share, share, seed, random.Random, SETTLE, watched)
    end = past.end(len(past.every) - 1)
    return lay, lay.moments(past.first, end - watched)


def of_starts(past, **more):
    lay, began = laid(past, **more)
    track = Track(past.trigger, past.trigger.block, (), (), 0)
    return started(lay, began, [track], {past.trigger.name: past}, None)


def test_of_a_quiet_past_no_start_is_rolled_back():
    done = of_starts(kept(ROLLS_BACK))

    assert len(done.began) == 30
    assert done.fired == ()


def test_each_start_whose_watch_meets_the_incident_is_rolled_back_and_once():
    past = kept(ROLLS_BACK, ill=range(900, 940))
    done = of_starts(past)

    begin, end = past.end(899), past.end(939)
    meets = {one for one in done.began if begin - 115 * MINUTE < one < begin - MINUTE}
    fired = [one.started for one in done.fired if is_rolled_back(one)]
    assert meets
    assert meets <= set(fired)
    assert len(set(fired)) == len(fired)
    assert all(begin - 2 * HOUR < one < end for one in fired)
    late = [one.at - begin for one in done.fired if one.started in meets]
    assert max(late) < 2 * MINUTE


def test_a_start_in_an_incident_from_before_is_not_charged_with_it():
    past = kept(ROLLS_BACK, ill=range(600, 1200))
    done = of_starts(past, starts=15)

    inside = [one for one in done.fired if past.end(700) < one.started < past.end(830)]
    assert inside
    assert not any(map(is_rolled_back, inside))
    assert all(one.verdict.elsewhere for one in inside)


@pytest.mark.parametrize("trigger", [ROLLS_BACK, http_5xx(above=0.05)])
def test_what_is_skipped_would_have_said_nothing(trigger):
    past = kept(trigger, ill=range(400, 440), hours=2, usual=0.02, unseen=range(90, 94))
    there = Laid(past, SETTLE)
    for minutes in (15, 97):
        moment = past.first + minutes * MINUTE
        armed = moment + SETTLE
        said = []
        end = moment + 65 * MINUTE
        # And beyond an hour, where all starts see the same.
        places = past.places(armed, end)
        for place in (*places[:60], *places[-16:]):
            look = past.look(past.places(armed, armed).start, place)
            reading = Measured((look,), before=past.before(moment))
            if isinstance(judge(trigger, reading, armed), Breached):
                said.append(past.end(place))

        asked = {past.end(place) for place in (*places[:60], *places[-16:])}
        found = [at for at, _ in there.first(moment, 65 * MINUTE)]
        assert [at for at in found if at in asked] == said


def test_what_is_injected_is_found_the_sooner_the_more_fails():
    past = kept(ROLLS_BACK)
    delays = {}
    for share in (0.1, 1.0):
        lay, began = laid(past, starts=8, share=share)
        delays[share] = injected(lay, began, past).delays

    assert None not in delays[1.0]
    assert max(delays[1.0]) <= 75 * SECOND
    assert sorted(delays[0.1], key=lambda one: one or HOUR)[4] > max(delays[1.0])


def test_nothing_is_found_where_nothing_was_measured_and_the_same_seed_says_the_same():
    blind = kept(ROLLS_BACK, unseen=range(8 * 240))
    lay, began = laid(blind, starts=5, share=1.0)
    assert set(injected(lay, began, blind).delays) == {None}

    past = kept(ROLLS_BACK)
    lay, began = laid(past, starts=10, share=0.1)
    again, _ = laid(past, starts=10, share=0.1)
    assert injected(lay, began, past) == injected(again, began, past)
    assert laid(past, seed=2)[1] != laid(past, seed=1)[1]


def test_one_incident_is_one_firing_with_its_worst():
    def said(kind, since, until, value=None):
        return Stretch(kind, AT + since * MINUTE, AT + until * MINUTE, "", value=value)

    some = (
        said("breached", 0, 2, 0.1),
        said("pending", 2, 3),
        said("breached", 3, 5, 0.4),
        said("clear", 5, 11),
        said("breached", 11, 12, 0.2),
    )
    track = Track(http_5xx(), 15 * SECOND, some, (), 5)

    assert [(one.since - AT, one.until - AT, one.value) for one in track.firings] == [
        (0 * MINUTE, 5 * MINUTE, 0.4),
        (11 * MINUTE, 12 * MINUTE, 0.2),
    ]
