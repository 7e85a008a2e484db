"""Traffic that fell with a release, and all that looks like it and is not."""

import random
from dataclasses import replace

import pytest

from tests.judge.samples import AT, LONG_AGO, MINUTE, http_5xx, look
from tests.worlds import HOUR
from watchdog.facts.reading import Blind, Cause, Measured, Outside, Pace
from watchdog.facts.trigger import Traffic
from watchdog.facts.verdict import Breached, Clear, Pending
from watchdog.judge.breach import judge

BEFORE = "before the release"
YESTERDAY, LAST_WEEK = "at this hour yesterday", "at this hour a week ago"
# Three hundred in five minutes, all along.
STEADY = Pace((290.0, 310.0, 300.0, 305.0, 295.0, 300.0) * 2)
STARTED = AT - 20 * MINUTE


def rule(**other):
    kind = Traffic('scans_total{job="dms"}', HOUR)
    return replace(http_5xx(kind=kind, above=None, below=0.5), **other)


def blocks(*counts):
    return [{} if count is None else {"all": float(count)} for count in counts]


def verdict(*counts, armed_from=STARTED, paces=None, trigger=None, **more):
    """Judge scrapes of 15 s, of which 20 are the time; 15 a scrape are usual."""
    trigger = trigger or rule()
    own = look(trigger, blocks(*counts))
    known = {BEFORE: STEADY} if paces is None else paces
    return judge(trigger, Measured((own,), paces=known, **more), armed_from)


def test_a_fall_below_the_share_for_the_whole_time_is_a_breach():
    seen = verdict(*[15] * 20, *[3] * 20)

    assert isinstance(seen, Breached)
    assert seen.words == ("60 events in 5m, 300 before the release (20%); bound 50%")
    assert seen.value == pytest.approx(0.2)
    assert (seen.bound, seen.elsewhere) == (0.5, "")
    assert seen.onset == AT - 5 * MINUTE


def test_as_many_as_before_are_clear():
    assert verdict(*[15] * 40) == Clear(
        "300 events in 5m, 100% of the 300 before the release; bound 50%"
    )


@pytest.mark.parametrize("gone", range(1, 20))
def test_a_fall_of_less_than_the_time_is_no_breach(gone):
    seen = verdict(*[15] * (40 - gone), *[0] * gone)

    assert not isinstance(seen, Breached)


def test_what_is_not_scraped_is_blind_and_not_zero():
    assert isinstance(verdict(*[15] * 30, *[None] * 10), Blind)
    assert isinstance(verdict(*[15] * 30, *[None, None, 3] * 3), Blind)
    assert isinstance(verdict(*[None] * 40), Blind)


def test_what_is_scraped_of_some_replicas_only_is_blind():
    """A third of the traffic is gone with a third of the targets."""
    seen = verdict(*[3] * 40, measured_on=(1, 3))

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.PARTIAL


def test_the_newest_scrape_may_be_under_way():
    assert isinstance(verdict(*[15] * 18, *[3] * 21, None), Breached)
    assert isinstance(verdict(*[15] * 39, None), Clear)


def test_a_night_that_begins_is_not_a_fall():
    paces = {BEFORE: STEADY, YESTERDAY: Pace((70.0,) * 12)}

    seen = verdict(*[3] * 40, paces=paces)

    assert isinstance(seen, Clear)
    assert "at this hour yesterday" in seen.words


def test_a_sunday_is_held_against_the_sunday_before():
    paces = {BEFORE: STEADY, YESTERDAY: STEADY, LAST_WEEK: Pace((60.0,) * 12)}

    assert isinstance(verdict(*[3] * 40, paces=paces), Clear)


def test_a_fall_beside_all_that_is_known_is_a_breach():
    paces = {BEFORE: STEADY, YESTERDAY: Pace((200.0,) * 12), LAST_WEEK: STEADY}

    seen = verdict(*[3] * 40, paces=paces)

    assert isinstance(seen, Breached)
    assert "200 at this hour yesterday (30%)" in seen.words


def test_an_old_release_is_not_held_against_another_hour_alone():
    seen = verdict(*[3] * 40, armed_from=AT - 5 * HOUR)

    assert isinstance(seen, Blind)
    assert "this hour yesterday is not known" in seen.words
    known = {BEFORE: STEADY, YESTERDAY: STEADY}
    old = verdict(*[3] * 40, armed_from=AT - 5 * HOUR, paces=known)
    assert isinstance(old, Breached)


def test_what_had_fallen_before_is_not_this_releases_doing():
    paces = {BEFORE: Pace((300.0,) * 10 + (290.0, 140.0))}

    seen = verdict(*[3] * 40, paces=paces)

    assert isinstance(seen, Breached)
    assert seen.elsewhere.startswith("it had fallen before it started: 140")


def test_an_idle_service_has_too_little_to_compare():
    idle = {BEFORE: Pace((0.0, 3.0, 1.0) * 4)}

    seen = verdict(*[0] * 40, paces=idle)

    assert isinstance(seen, Blind)
    assert "too little to compare" in seen.words
    assert isinstance(verdict(*[0] * 40, paces={}), Blind)


def test_as_few_as_ever_came_in_such_a_time_are_no_fall():
    uneven = {BEFORE: Pace((900.0, 10.0, 0.0) * 4)}

    assert isinstance(verdict(*[1] * 40, paces=uneven), Pending)


def test_an_outside_cause_is_not_the_releases():
    seen = verdict(*[3] * 40, trigger=rule(unless="gateway == 0"), outside=Outside(AT))

    assert isinstance(seen, Breached)
    assert seen.elsewhere.startswith("outside cause")


def test_a_question_that_got_lost_charges_nobody():
    lost = {BEFORE: STEADY, YESTERDAY: Blind(Cause.TIMEOUT, "no answer")}

    assert isinstance(verdict(*[3] * 40, paces=lost), Blind)


def test_a_release_that_is_younger_than_the_time_is_not_judged():
    seen = verdict(*[3] * 40, armed_from=AT - 2 * MINUTE)

    assert isinstance(seen, Blind)
    assert seen.cause is Cause.TOO_FEW_SAMPLES


@pytest.mark.parametrize("cluster", [1, 4])
def test_of_healthy_days_hardly_any_is_rolled_back(cluster):
    """Days of a hundred in five minutes, singly and four at once."""
    chance, trigger, fell = random.Random(7), rule(), 0
    for _ in range(2):

        def events(mean):
            return cluster * sum(
                chance.random() < mean / cluster / 40 for _ in range(40)
            )

        hour = Pace(tuple(float(sum(events(5) for _ in range(20))) for _ in range(12)))
        own = [events(5) for _ in range(24 * 240)]
        for end in range(40, len(own), 4):
            some = look(trigger, blocks(*own[end - 40 : end]))
            paces = {BEFORE: hour, YESTERDAY: hour}
            seen = judge(trigger, Measured((some,), paces=paces), LONG_AGO)
            if isinstance(seen, Breached):
                fell += 1
                break

    assert fell == 0
