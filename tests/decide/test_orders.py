"""What a person may order by hand, and what even they must say twice."""

import pytest

from tests.decide.test_policy import HELD
from tests.decide.test_standing import begun, ended
from tests.worlds import (
    ASHA,
    AT,
    HEALTHY_THEN_NEXT,
    MINUTE,
    a_pair,
    a_release,
    breached,
    entries,
    proved_good,
    rules,
    started,
)
from watchdog.decide.fold import stand
from watchdog.decide.order import target_of
from watchdog.facts.event import (
    IncidentClosed,
    OrderGiven,
    PairQuarantined,
    PairUnclear,
    RollbackStuck,
)
from watchdog.facts.problem import Problem

LATER = AT + 10 * MINUTE
OLD, NOW = a_pair("v1.2.0"), a_pair("v1.3.0")
BACK = (*HEALTHY_THEN_NEXT, started("v1.2.0", by="op"))


def an_order(what="rollback", key="", despite=(), order="ord_1"):
    return OrderGiven(order, what, ASHA, "because", key, "asha ordered it", despite)


def weighed(*events, order=None, release=None, journal=HEALTHY_THEN_NEXT, **chosen):
    s = stand(entries(*journal, *events))
    release = release or a_release()
    return target_of(s, order or an_order(), release, rules(**chosen), LATER).pair


def refused(*events, **more):
    with pytest.raises(Problem) as caught:
        weighed(*events, **more)
    return caught.value.words, caught.value.hint


# By hand.


def test_by_hand_it_is_the_target_or_any_pair_that_is_known_to_be_good():
    newer = (proved_good("v1.3.0"), started("v1.2.0"))

    assert weighed() == OLD
    assert weighed(order=an_order(key=OLD.key)) == OLD
    assert weighed(*newer, order=an_order(key=NOW.key)) == NOW


def test_what_runs_is_no_target():
    words, _ = refused(order=an_order(key=NOW.key))

    assert words == f"v1.3.0 is what runs: {NOW.words}"


def test_a_candidate_is_refused_with_the_command_that_vouches():
    journal = (started("v1.2.0"), started("v1.3.0"))

    words, hint = refused(journal=journal, order=an_order(key=OLD.key))

    assert words == "v1.2.0 is a candidate: neither baked nor vouched for"
    assert "`watchdog releases vouch v1.2.0 --by …`" in hint


def test_a_quarantined_pair_is_refused_with_the_command_that_vouches():
    bad = PairQuarantined(OLD.key, "it failed")

    words, hint = refused(bad, order=an_order(key=OLD.key))

    assert words == "v1.2.0 is quarantined: it failed"
    assert "--even-though-quarantined" in hint


def test_without_a_target_the_ledgers_reason_is_given():
    words, hint = refused(journal=(started("v1.3.0"),))

    assert words.startswith("no target: a known-good pair never ran here before v1.3.0")
    assert hint.startswith("name one with --to")


@pytest.mark.parametrize(
    ("flag", "journal", "release", "key"),
    [
        ("result-of-a-rollback", BACK, a_release("v1.2.0"), NOW.key),
        ("not-rollback-safe", HEALTHY_THEN_NEXT, a_release(rollback_safe=False), ""),
    ],
)
def test_what_the_watchdog_never_does_a_person_does_by_its_name(
    flag, journal, release, key
):
    journal = (*journal, proved_good("v1.3.0"))
    where = {"journal": journal, "release": release}

    words, hint = refused(order=an_order(key=key), **where)
    assert words.startswith(("v1.2.0 is itself the result", "v1.3.0 says rollback_saf"))
    assert hint == f"if you know better, add --even-though-{flag}"
    refused(order=an_order(key=key, despite=("another-flag",)), **where)

    told = weighed(order=an_order(key=key, despite=(flag,)), **where)
    assert told == (NOW if key else OLD)


# What is in the way of any order.


@pytest.mark.parametrize("what", ["rollback", "drill", "dry-drill"])
@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([breached(), begun()], "a rollback to v1.2.0 is under way"),
        (
            [breached(), begun(), RollbackStuck("op", "no way", "hint")],
            "a rollback is stuck: no way",
        ),
        ([an_order(order="ord_0")], "another order is open: asha ordered it"),
        (
            [PairUnclear("split: two images", split=True)],
            "what runs is not one whole pair: split: two images",
        ),
    ],
)
def test_what_is_in_the_way_of_every_order(what, events, words):
    assert refused(*events, order=an_order(what))[0] == words


@pytest.mark.parametrize("what", ["rollback", "drill"])
def test_a_hold_and_mode_observe_are_in_the_way_of_what_touches(what):
    assert refused(HELD, order=an_order(what)) == (
        HELD.words,
        "lift it with `watchdog resume`",
    )
    words, _ = refused(order=an_order(what), observe_only=True)
    assert words == "mode is observe: nothing is done"


def test_nothing_is_in_the_way_of_a_dry_drill_that_touches_nothing():
    assert weighed(HELD, order=an_order("dry-drill"), observe_only=True) == OLD


def test_before_anything_was_seen_nothing_is_ordered():
    assert refused(journal=())[0] == "what runs is not known"


# Drills.


@pytest.mark.parametrize("what", ["drill", "dry-drill"])
def test_a_drill_goes_where_a_real_breach_would(what):
    assert weighed(order=an_order(what)) == OLD


def test_a_drill_is_refused_where_a_real_breach_would_be():
    assert refused(order=an_order("drill"), journal=BACK)[0].startswith(
        "v1.2.0 is itself the result of a rollback"
    )


def test_a_drill_never_gets_in_the_way_of_an_incident():
    words, _ = refused(breached(), order=an_order("drill"))

    assert words == "the incident inc-1 is open"


def test_a_drill_does_not_go_by_the_limits_of_real_rollbacks():
    real = (breached(), begun(), ended(), IncidentClosed("inc-1", "over"))
    whole = (*real, started("v1.3.0", containers="again"))

    assert weighed(*whole, order=an_order("drill"), daily_limit=1) == OLD


def test_a_target_that_changed_since_the_order_is_not_taken_instead():
    words, hint = refused(order=an_order("drill", key=NOW.key))

    assert words == f"the target is {OLD.words} meanwhile"
    assert hint == "order anew"
