"""Nobody goes back over a change that goes one way only, known or not known."""

from dataclasses import replace

import pytest

from tests.worlds import (
    ASHA,
    AT,
    MINUTE,
    SECOND,
    a_pair,
    a_release,
    breached,
    entries,
    proved_good,
    rules,
    started,
)
from watchdog.decide.fold import stand
from watchdog.decide.one_way import arrival, in_part, unseen_between
from watchdog.decide.order import target_of
from watchdog.decide.policy import choose_target, decide
from watchdog.decide.standing import KnownPair
from watchdog.facts.decision import Ask, Refuse, RollBack
from watchdog.facts.event import (
    FarEndBack,
    FarEndLost,
    OneWaySeen,
    OrderGiven,
    PairProvedGood,
    PairRecorded,
    ReleaseArmed,
    WatchStarted,
)
from watchdog.facts.pair import Running
from watchdog.facts.problem import Problem

OLD = (started("v1.2.0"), proved_good("v1.2.0"))
ONE_WAY = replace(started("v1.2.1"), one_way=True)
POLL = 5 * SECOND
BETWEEN = (
    "v1.2.1 ran between v1.2.0 and v1.3.0 and said rollback_safe: false (a one-way "
    "change): only a person may go back over it"
)


def chosen(*events, release=None):
    return choose_target(stand(entries(*OLD, *events)), release or a_release())


def decided(*events, **release):
    s = stand(entries(*OLD, *events, breached()))
    return decide(s, a_release(**release), rules(), AT + MINUTE)


def test_a_one_way_release_between_forbids_going_back_over_it():
    """It was replaced before it baked, and its file may be gone by now."""
    assert chosen(ONE_WAY, started("v1.3.0")) == BETWEEN
    assert decided(ONE_WAY, started("v1.3.0")) == Refuse("inc-1", BETWEEN)


def test_without_one_it_is_rolled_back_as_ever():
    assert isinstance(decided(started("v1.2.1"), started("v1.3.0")), RollBack)


def test_the_order_is_that_of_deployment_and_not_of_versions():
    before = (ONE_WAY, started("v1.2.0", containers="again"), started("v1.3.0"))

    assert chosen(*before).pair.version == "v1.2.0"


def test_what_said_so_once_is_remembered_when_its_file_says_otherwise_later():
    again = (ONE_WAY, started("v1.2.1", containers="again"), started("v1.3.0"))

    assert chosen(*again) == BETWEEN


def test_a_running_pair_whose_file_is_gone_is_still_one_way():
    found = chosen(ONE_WAY, release=a_release(""))

    assert "v1.2.1 says rollback_safe: false" in found


def test_one_that_may_have_run_while_nobody_watched_forbids_it_too():
    late = replace(started("v1.3.0"), unseen_from=AT, between=("v1.2.1",))

    assert chosen(late) == (
        "v1.2.1 says rollback_safe: false (a one-way change) and may have run between "
        "v1.2.0 and v1.3.0, while nobody watched (since 2026-03-11 03:00:00 UTC): only "
        "a person may go back over it"
    )


def test_what_is_not_known_is_asked_of_a_person():
    late = replace(started("v1.3.0"), unseen_from=AT)

    found = decided(late)

    assert isinstance(found, Ask)
    assert found.words.endswith(
        "nobody watched before v1.3.0 was seen (since 2026-03-11 03:00:00 UTC), so "
        "that what ran between it and v1.2.0 is not known"
    )
    # Nor is it known to be safe for a later release that goes back as far.
    assert isinstance(decided(late, started("v1.3.1"), version="v1.3.1"), Ask)


def vouched_unseen(*between):
    """Vouch for v1.2.0, which ran before the watchdog came, while v1.3.0 runs."""
    pair = a_pair("v1.2.0")
    recorded = PairRecorded(pair, "record", ASHA, "it ran for a year", between)
    vouched = PairProvedGood(pair.key, "vouched for", vouched_by=ASHA)
    return stand(entries(started("v1.3.0"), recorded, vouched, breached()))


def test_what_ran_before_anybody_watched_is_not_known_and_asked_of_a_person():
    found = decide(vouched_unseen(), a_release(), rules(), AT + MINUTE)

    assert isinstance(found, Ask)
    assert found.words.endswith(
        "v1.2.0 never ran here while anybody watched, so that what ran between it and "
        "v1.3.0 is not known"
    )


def test_a_one_way_release_that_may_have_run_before_anybody_watched_forbids_it():
    found = decide(vouched_unseen("v1.2.1"), a_release(), rules(), AT + MINUTE)

    words = (
        "v1.2.1 says rollback_safe: false (a one-way change) and may have run between "
        "v1.2.0 and v1.3.0, before anybody watched: only a person may go back over it"
    )
    assert found == Refuse("inc-1", words)


def test_what_was_watched_since_is_gone_back_to_as_ever():
    s = vouched_unseen("v1.2.1")
    again = (started("v1.2.0", containers="x"), started("v1.3.0", containers="y"))

    s = stand(entries(*again, breached(incident="inc-2")), s)
    assert isinstance(choose_target(s, a_release()), KnownPair)
    assert not unseen_between(s, choose_target(s, a_release()))


IN_PART = OneWaySeen("v1.2.1", "something of it was started")


def test_one_that_was_deployed_in_part_forbids_it_too():
    """Half a deployment, or its migration alone, may have changed what it changes."""
    says = (
        "v1.2.1 says rollback_safe: false (a one-way change) and was deployed in part "
    )
    end = ": only a person may go back over it"
    older = (started("v1.1.0"), proved_good("v1.1.0"))
    s = stand(entries(*older, *OLD, IN_PART))

    assert choose_target(s, a_release("v1.2.0")) == f"{says}since v1.2.0 was{end}"
    late = replace(started("v1.3.0"), between=("v1.2.1",))
    assert chosen(IN_PART, late) == f"{says}between v1.2.0 and v1.3.0{end}"
    assert isinstance(decided(IN_PART, late), Refuse)
    assert chosen(IN_PART, late, started("v1.3.1", containers="x")).endswith(end)


def test_what_was_deployed_in_part_is_remembered_until_people_deploy_another_pair():
    s = stand(entries(*OLD, IN_PART, started("v1.2.0", containers="x", by="op")))
    assert s.in_part == {"v1.2.1"}

    came = came_from(s, since=AT + 10 * SECOND, looked=AT + 9 * SECOND)
    assert (came.unseen_from, came.between) == (None, ("v1.2.1",))
    assert stand(entries(started("v1.3.0", containers="y")), s).in_part == frozenset()
    itself = a_pair("v1.2.1")
    came = came_from(s, since=AT + 10 * SECOND, looked=AT + 9 * SECOND, pair=itself)
    assert came.between == ()


AGAIN = started("v1.3.0", containers="again")


@pytest.mark.parametrize(
    "more", [(AGAIN,), (started("v1.4.0"), AGAIN), (AGAIN, started("v1.4.0"))]
)
def test_deployed_again_it_forgets_nothing_of_what_was_before_it(more):
    """A container that is made anew from the same pair changes no database back."""
    late = replace(started("v1.3.0"), between=("v1.2.1",))
    unseen = replace(started("v1.3.0"), unseen_from=AT)

    assert "v1.2.1 says rollback_safe: false" in chosen(IN_PART, late, *more)
    assert "nobody watched" in unseen_between(
        stand(entries(*OLD, unseen, *more)), stand(entries(*OLD)).running_pair
    )


def test_what_people_went_back_over_themselves_is_gone_over_no_more():
    late = replace(started("v1.3.0"), between=("v1.2.1",))
    back = started("v1.2.0", containers="back")

    s = stand(entries(*OLD, IN_PART, late, back, AGAIN))
    assert choose_target(s, a_release()).pair.version == "v1.2.0"


def test_what_is_left_of_an_older_release_was_not_begun_after_what_runs():
    s = stand(entries(*OLD))
    versions = ("v1.1.0", "v1.2.0", "v1.2.1", "v1.2.1", "nightly")

    assert list(in_part(s, versions)) == ["v1.2.1", "nightly"]
    assert list(in_part(stand([]), versions)) == []


def test_by_hand_it_takes_a_word_of_its_own():
    s = stand(entries(*OLD, ONE_WAY, started("v1.3.0")))
    order = OrderGiven("ord", "rollback", ASHA, "why", key="", words="")

    with pytest.raises(Problem) as refused:
        target_of(s, order, a_release(), rules(), AT)
    assert refused.value.words == BETWEEN
    assert "--even-though-one-way-between" in refused.value.hint
    despite = replace(order, despite=("one-way-between",))
    assert target_of(s, despite, a_release(), rules(), AT).pair.version == "v1.2.0"


# What may have run before a pair was seen.


def came(*events, **when):
    return came_from(stand(entries(*OLD, *events)), **when)


def came_from(
    s, *, since, looked=AT + MINUTE, sighted=None, at=None, one_way=(), pair=None
):
    seen = Running(pair or a_pair("v1.3.0"), ("new",), since, ("running",))
    at = at or since + SECOND
    last = {"looked": looked, "sighted": sighted}
    return arrival(s, seen, one_way, **last, poll=POLL, at=at)


DOWN = (AT + 10 * MINUTE, WatchStarted("v", "act"))


def test_while_it_was_down_nobody_looked_for_longer_than_a_few_polls():
    assert came(*DOWN, since=AT + MINUTE + 15 * SECOND).unseen_from is None
    late = AT + MINUTE + 16 * SECOND
    assert came(*DOWN, since=late).unseen_from == AT + MINUTE


def test_a_watch_that_is_late_on_a_busy_box_is_not_called_away():
    assert came(since=AT + 2 * MINUTE).unseen_from is None
    assert came(since=AT + 2 * MINUTE + SECOND).unseen_from == AT + MINUTE


def test_a_watchdog_that_came_back_late_knows_when_the_pair_began():
    """It was down for an hour; the deployment came right after the last look."""
    soon = AT + MINUTE + 5 * SECOND

    assert came(*DOWN, since=soon, at=AT + 60 * MINUTE).unseen_from is None


def test_an_engine_that_did_not_answer_was_not_looked_at():
    lost = (AT + 10 * SECOND, FarEndLost("engine", "down"))
    since = AT + 5 * MINUTE
    looked = since - SECOND

    assert came(*lost, since=since, looked=looked).unseen_from == AT + 10 * SECOND
    back = (*lost, since + SECOND, FarEndBack("engine"))
    assert came(*back, since=since, looked=looked).unseen_from == AT + 10 * SECOND
    earlier = (*lost, AT + 2 * MINUTE, FarEndBack("engine"))
    assert came(*earlier, since=since, looked=looked).unseen_from is None


def test_an_engine_that_is_told_back_late_was_looked_at_all_the_same():
    lost = (AT + 10 * SECOND, FarEndLost("engine", "down"))
    since = AT + 5 * MINUTE
    given = {"since": since, "looked": since - SECOND}

    assert came(*lost, **given, sighted=since - 5 * SECOND).unseen_from is None
    # It went away again, which is not told a second time.
    early = since - 20 * SECOND
    assert came(*lost, **given, sighted=early).unseen_from == early
    before = AT + 5 * SECOND
    assert came(*lost, **given, sighted=before).unseen_from == AT + 10 * SECOND


def test_versions_between_are_found_by_their_order():
    found = came(
        since=AT + 60 * MINUTE,
        one_way=("v1.1.0", "v1.2.0", "v1.2.9", "v1.2.10-4f9c2ab", "v1.3.0", "v1.4.0"),
    )

    assert found.between == ("v1.2.10-4f9c2ab", "v1.2.9")


def test_the_first_pair_of_all_has_nothing_before_it():
    seen = Running(a_pair("v1.3.0"), ("new",), AT, ("running",))
    s = stand(entries(ReleaseArmed("v", "w")))

    last = {"looked": AT - 60 * MINUTE, "sighted": None}
    found = arrival(s, seen, (), **last, poll=POLL, at=AT)

    assert found.unseen_from is None
