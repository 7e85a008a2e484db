"""The promotion gate: what it says, and that each change of it is told once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.decide.test_standing import begun, ended
from tests.worlds import (
    ARMED,
    ASHA,
    AT,
    AWB,
    HEALTHY_THEN_NEXT,
    HOUR,
    HTTP_5XX,
    MINUTE,
    SECOND,
    a_pair,
    a_record,
    a_release,
    a_trigger,
    breached,
    entries,
    proved_good,
    readiness,
    rules,
    started,
)
from watchdog.decide.fold import stand
from watchdog.decide.gate import (
    changed,
    digest_of,
    gate,
    images,
    lasting,
    open_unproved,
)
from watchdog.decide.policy import baked
from watchdog.facts.event import (
    ClockStepped,
    PairQuarantined,
    PromotionChanged,
    PromotionPaused,
    PromotionResumed,
    RollbackStarted,
    TriggerUnproven,
    VerdictChanged,
    WatchStarted,
)
from watchdog.facts.verdict import Clear

LATER = AT + 10 * MINUTE
CLEAR = [VerdictChanged(t.name, "clear", "0") for t in (AWB, HTTP_5XX)]
PAUSE = PromotionPaused("v1.3.0", "9 of 40 failed")
READY = readiness()
WINDOW = 2 * MINUTE
RATIO = a_trigger(window=WINDOW, block=10 * SECOND)
ONE = a_release(triggers=(RATIO,))
NEW = (*HEALTHY_THEN_NEXT, ARMED, READY)


def said(*events, version="v1.3.0", release=None, at=LATER, before=NEW, **chosen):
    s = stand(entries(*before, *events))
    return gate(s, version, release or ONE, rules(**chosen), looked=at, at=at)


def seen(kind, words="words", trigger=RATIO.name, cause=""):
    return VerdictChanged(trigger, kind, words, cause)


# What it says of a candidate.


def test_the_gate_of_a_candidate_opens_once_all_was_clear_over_whole_windows():
    found = said(seen("clear"))

    assert (found.state, found.reasons) == ("open", ())
    assert found.words == "every trigger was clear over its whole window"


@pytest.mark.parametrize(
    ("kind", "words", "reason"),
    [
        (
            "pending",
            "suspected: 2 of 31 (6.45%) were bad; bound 2%",
            "AwbRoutingFailures: suspected: 2 of 31 (6.45%) were bad; bound 2%",
        ),
        (
            "blind",
            "only 2 of 5 blocks measured",
            (
                "AwbRoutingFailures has not been measured on this release yet: "
                "only 2 of 5 blocks measured"
            ),
        ),
        ("breached", "139 of 1054", "AwbRoutingFailures: 139 of 1054"),
    ],
)
def test_what_is_suspected_or_not_measured_keeps_it_closed(kind, words, reason):
    assert said(seen(kind, words)).reasons == (reason,)


def test_a_suspected_breach_never_opens_it_whatever_came_before_and_after():
    """As it was seen: suspected, then blind, then breached; never open."""
    story = [seen("pending", "suspected: 2 of 31"), seen("blind", "2 of 5 blocks")]

    for upto in range(3):
        assert said(*story[:upto]).state == "paused"


def test_one_clear_does_not_leave_it_open_for_good():
    assert said(seen("clear"), seen("pending", "suspected: 9 of 40")).reasons == (
        "AwbRoutingFailures: suspected: 9 of 40",
    )
    assert said(seen("clear"), seen("blind", "stale", cause="stale")).reasons == (
        "AwbRoutingFailures is blind since 03:00:06 UTC: stale",
    )


def test_a_clear_that_rests_on_less_than_the_window_does_not_open_it():
    whole = AT + 30 * SECOND + WINDOW + 10 * SECOND

    assert said(seen("clear"), at=whole - SECOND).reasons == (
        (
            "AwbRoutingFailures: clear, but its window of 120 s is measured whole on "
            "this release only at 03:02:40 UTC"
        ),
    )
    assert said(seen("clear"), at=whole).state == "open"


def test_what_was_not_tried_live_yet_opens_nothing():
    """Until it is told which trigger cannot be relied on, or that all can."""
    new, soon = (*HEALTHY_THEN_NEXT, READY), AT + 4 * MINUTE

    assert said(seen("clear"), at=soon, before=new).reasons == (
        "its triggers have not all been tried live yet",
    )
    assert said(seen("clear"), at=soon).state == "open"
    assert said(seen("clear"), at=LATER, before=new).state == "open"


def test_nothing_is_clear_over_a_window_in_which_it_was_suspected():
    story = (seen("pending"), AT + 5 * MINUTE, seen("clear", "recovered"))

    assert said(*story, at=AT + 7 * MINUTE - SECOND).state == "paused"
    assert said(*story, at=AT + 7 * MINUTE).state == "open"


def test_a_restart_of_the_watchdog_opens_nothing():
    again = (seen("pending"), WatchStarted("v", "act"))

    assert said(*again).state == "paused"
    assert said(WatchStarted("v", "act")).reasons == (
        "AwbRoutingFailures has not been measured on this release yet",
    )


def test_a_trigger_that_cannot_be_relied_on_keeps_it_closed():
    unproven = TriggerUnproven("v1.3.0", AWB.name, "no such series")

    assert said(seen("clear"), unproven).reasons == (f"{AWB.name}: no such series",)


def test_no_pair_becomes_known_good_on_less_than_whole_windows():
    s = stand(entries(started("v1.3.0"), seen("clear")))
    clear = {RATIO.name: Clear("0 of 40")}
    soon = rules(bake_time=SECOND)

    early, whole = AT + 2 * MINUTE, AT + 3 * MINUTE
    assert baked(s, ONE, soon, clear, early) == ""
    assert baked(s, ONE, soon, clear, whole) != ""


@pytest.mark.parametrize("step", [HOUR, 24 * HOUR, -HOUR, -24 * HOUR])
def test_in_the_instant_of_a_clock_step_nothing_ran_for_longer(step):
    """After NTP or a suspended machine no pair bakes, no gate opens, no watch ends."""
    moved = ClockStepped(step.total_seconds(), "words")
    clear = {RATIO.name: Clear("0 of 40")}
    s = stand(entries(*NEW, seen("clear"), moved))
    short = rules(bake_time=4 * MINUTE)

    def is_open(after):
        at = AT + step + after
        return not gate(s, "v1.3.0", ONE, short, looked=at, at=at).reasons

    def is_good(after):
        return baked(s, ONE, short, clear, AT + step + after) != ""

    assert [is_open(after) for after in (MINUTE, 3 * MINUTE)] == [False, True]
    assert [is_good(after) for after in (3 * MINUTE, 5 * MINUTE)] == [False, True]
    day = ONE.watch_for
    assert [is_open(after) for after in (day - MINUTE, day + MINUTE)] == [True, False]


def test_a_clock_step_makes_nobody_forget_what_was_suspected():
    moved = ClockStepped(3600.0, "words")
    s = stand(entries(*NEW, seen("pending")))
    s = stand(entries(seen("clear"), moved, at=AT + 5 * MINUTE), s)

    def words_at(after):
        at = AT + HOUR + after
        return gate(s, "v1.3.0", ONE, rules(), looked=at, at=at).words

    assert "it was suspected until 04:05:00 UTC" in words_at(6 * MINUTE)
    assert "suspected" not in words_at(8 * MINUTE)


def test_a_clock_that_is_set_right_again_leaves_all_as_it_was():
    wrong = (ClockStepped(3600.0, "words"), ClockStepped(-3600.0, "words"))

    assert stand(entries(*NEW, seen("clear"), *wrong)).stepped == timedelta()
    assert said(seen("clear"), *wrong).state == "open"


@pytest.mark.parametrize("seconds", [1e12, -1e12, 1e300])
def test_a_step_that_no_clock_can_make_is_none(seconds):
    before = stand(entries(*NEW, seen("clear")))

    assert stand(entries(ClockStepped(seconds, "words")), before) == before


# What it says of a known-good pair, and after a person's word.


def test_a_pair_that_is_known_good_stays_open_while_something_is_suspected():
    good = (seen("clear"), proved_good("v1.3.0"))

    assert said(*good, seen("pending")).state == "open"
    assert said(*good, seen("pending")).words == "known good: v1.3.0 ran long enough"


def test_a_known_good_pair_that_is_blind_too_long_is_closed_though_never_measured():
    lost = (proved_good("v1.3.0"), AT + MINUTE, seen("blind", "idle", cause="stale"))

    assert said(*lost, at=AT + 6 * MINUTE - SECOND).state == "open"
    assert said(*lost, at=AT + 6 * MINUTE).reasons == (
        "AwbRoutingFailures is blind since 03:01:00 UTC: idle",
    )


def test_a_known_good_pair_that_is_too_young_for_its_window_is_not_blind():
    slow = a_release(triggers=(a_trigger(window=15 * MINUTE, block=MINUTE),))
    young = seen("blind", "3 of 15 blocks", cause="too-few-samples")
    good = (proved_good("v1.3.0"), young)

    assert said(*good, release=slow).state == "open"
    assert said(*good, release=slow, at=AT + 19 * MINUTE).state == "paused"


def test_a_person_who_resumes_it_opens_it_until_it_is_paused_again():
    resumed = (PAUSE, PromotionResumed("v1.3.0", ASHA, "known noise"))

    found = said(*resumed, seen("pending"))
    assert found.state == "open"
    assert found.words.startswith(f"{ASHA} let it go onward at ")
    assert said(*resumed, seen("pending"), PAUSE).state == "paused"
    anew = (*resumed, started("v1.3.0", containers="anew"), seen("pending"))
    assert said(*anew).state == "paused"


# Nothing is green that was not asked.


@pytest.mark.parametrize(
    ("release", "why"),
    [
        (
            a_release(triggers=()),
            "its release file lists no trigger: nothing is asked of it",
        ),
        (
            a_release(triggers=(a_trigger(observe_only=True),)),
            "every trigger of its release only observes: nothing is asked of it",
        ),
        (
            replace(ONE, watch_for=5 * MINUTE),
            (
                "no longer watched since 2026-03-11 03:05:00 UTC: watch_for of its "
                "release is over"
            ),
        ),
    ],
)
def test_nothing_is_clear_because_nothing_was_asked(release, why):
    assert said(seen("clear"), release=release).reasons == (why,)
    good = said(seen("clear"), proved_good("v1.3.0"), release=release)
    assert good.state == "open"
    assert good.words == f"known good: v1.3.0 ran long enough; {why}"


def test_nothing_was_ever_seen_is_not_open():
    s = stand([])

    found = gate(s, "", None, rules(), looked=None, at=LATER)

    assert (found.state, found.reasons) == (
        "paused",
        ("nothing has been seen running yet",),
    )


# Observing is not being blind to it.


def test_a_breach_that_is_only_observed_keeps_it_closed():
    watched = replace(RATIO, name="New", observe_only=True)
    release = a_release(triggers=(RATIO, watched))
    breach = (seen("clear"), seen("breached", "9 of 40 failed", "New"))
    why = "observed only: v1.3.0 would be paused by New: 9 of 40 failed"

    assert said(*breach, release=release).reasons == (why,)
    assert said(*breach, proved_good("v1.3.0"), release=release).reasons == (why,)


def test_a_watchdog_that_only_observes_does_not_say_open_in_a_breach():
    found = said(seen("breached", "9 of 40 failed"), observe_only=True)

    assert found.reasons[0] == (
        "observed only: v1.3.0 would be paused by AwbRoutingFailures: 9 of 40 failed"
    )


def test_an_observed_breach_is_over_once_a_whole_window_was_not_bad():
    over = (proved_good("v1.3.0"), seen("breached"), AT + 5 * MINUTE, seen("clear"))

    early = said(*over, observe_only=True, at=AT + 6 * MINUTE)
    assert early.reasons == (
        (
            "observed only: v1.3.0 would be paused by AwbRoutingFailures, which was "
            "breached until 03:05:00 UTC"
        ),
    )
    assert said(*over, observe_only=True, at=AT + 7 * MINUTE).state == "open"


# Of which build it speaks.

BUILT, ANOTHER = "v1.3.0-4f9c2ab", "v1.3.0-aaaaaaa"
BUILD = (
    started("v1.2.0"),
    proved_good("v1.2.0"),
    started(BUILT),
    readiness(BUILT),
)
OTHERS = (
    f"{ANOTHER} does not run here (what runs is {BUILT}, another build), and was never "
    "proved good"
)


@pytest.mark.parametrize("more", [(), (proved_good(BUILT),)])
def test_a_build_that_never_ran_is_not_open_because_another_of_its_release_is(more):
    here = (seen("clear"), *more)

    assert said(*here, version=BUILT, before=BUILD).state == "open"
    assert said(*here, version=ANOTHER, before=BUILD).reasons == (OTHERS,)
    named = (started("v1.3.0", containers="x"), readiness(), seen("clear"))
    assert said(*here, *named, version=ANOTHER, before=BUILD).state == "paused"


def test_who_names_the_release_means_whichever_build_of_it_runs():
    assert said(seen("clear"), before=BUILD).state == "open"
    assert said(before=BUILD).reasons[0].startswith("AwbRoutingFailures has not been")
    # As of that build itself: without a look, whether it could go back is not known.
    assert said(seen("clear"), before=BUILD[:3]).reasons == (
        "could roll back to v1.2.0 now: not known (nobody has looked yet)",
    )


def test_a_build_that_a_person_let_go_onward_opens_no_other_build():
    resumed = PromotionResumed(BUILT, ASHA, "known")
    anew = (resumed, started(ANOTHER), readiness(ANOTHER))

    assert said(resumed, version=BUILT, before=BUILD).state == "open"
    for version in (ANOTHER, "v1.3.0"):
        found = said(*anew, version=version, before=BUILD)
        assert found.reasons == (
            "AwbRoutingFailures has not been measured on this release yet",
        )


def test_an_open_gate_rests_on_no_word_about_another_build():
    resumed = PromotionResumed(BUILT, ASHA, "known")
    anew = (resumed, started(ANOTHER), readiness(ANOTHER), seen("clear"))

    found = said(*anew, before=BUILD)
    assert found.words == "every trigger was clear over its whole window"


def test_a_build_is_not_over_because_another_of_its_release_was_rolled_back():
    done = (*by_hand(previous=BUILT), started("v1.2.0", by="op"))

    assert said(*done, version=BUILT, before=BUILD).over == "rolled-back"
    assert said(*done, before=BUILD).over == "rolled-back"
    assert said(*done, version=ANOTHER, before=BUILD).over == ""


def test_a_candidate_that_was_replaced_says_by_what_and_that_waiting_will_not_do():
    found = said(seen("clear"), started("v1.3.1", containers="x"))

    assert found.reasons == (
        (
            "v1.3.0 was replaced by v1.3.1 before it was proved good: unless it is "
            "deployed again, waiting will not open it"
        ),
    )
    assert found.over == "superseded"


def test_what_was_replaced_stays_so_whatever_became_of_the_next_one():
    gone = (*by_hand(previous="v1.3.1"), started("v1.2.0", by="op"))

    found = said(seen("clear"), started("v1.3.1", containers="x"), *gone)
    assert found.over == "superseded"
    assert "v1.3.0 was replaced by v1.3.1" in found.reasons[0]


def test_what_is_deployed_again_or_was_proved_good_is_not_superseded():
    other = started("v1.3.1", containers="x")
    again = (other, started("v1.3.0", containers="y"))
    # People pause what they found out later; it may be lifted again.
    paused = (proved_good("v1.3.0"), other, PromotionPaused("v1.3.0", "wait"))

    assert said(seen("clear"), *again).over == ""
    assert said(seen("clear"), *paused).over == ""


# What was rolled back.


def by_hand(*, previous="v1.3.0", what="rollback"):
    """Give what a rollback by hand of *previous* leaves in the journal."""
    start = begun()
    cause = f"rollback by hand, {ASHA}: scans look wrong"
    start = replace(start, cause=cause, from_pair=a_pair(previous), what=what)
    return start, replace(ended(), previous=previous, what=what)


def test_a_release_that_was_rolled_back_is_over_whoever_did_it():
    good = (seen("clear"), proved_good("v1.3.0"))
    done = (*good, *by_hand(), started("v1.2.0", by="op"))

    found = said(*done)

    assert found.over == "rolled-back"
    assert found.reasons == (
        (
            f"v1.3.0 was rolled back here: rollback by hand, {ASHA}: scans look wrong "
            "(to v1.2.0, 2026-03-11 03:00:08 UTC)"
        ),
    )
    again = started("v1.3.0", containers="anew")
    anew = (*done, again, ARMED, READY, seen("clear"))
    assert (said(*anew).state, said(*anew).over) == ("open", "")


def test_a_drill_takes_nothing_down_for_good():
    good = (seen("clear"), proved_good("v1.3.0"))

    assert said(*good, *by_hand(what="drill"), started("v1.2.0", by="op")).over == ""


def test_a_quarantined_release_is_over_while_it_still_runs():
    bad = PairQuarantined(a_pair("v1.3.0").key, "9 of 40")

    assert said(PAUSE, bad).over == "quarantined"


def test_both_pairs_are_closed_while_one_is_put_in_place_of_the_other():
    start, _ = by_hand()

    for version in ("v1.2.0", "v1.3.0"):
        found = said(start, version=version, release=a_release(version))
        assert found.reasons[0] == f"a rollback to v1.2.0 is under way: {start.cause}"
    assert isinstance(start, RollbackStarted)


# What is told.


def told(*events, release=None, version="v1.3.0"):
    s = stand(entries(*NEW, *events))
    release = release or a_release()
    return changed(s, version, release, rules(), looked=LATER, at=LATER)


def test_a_gate_that_opens_is_told_once():
    words = "every trigger was clear over its whole window"
    opened = PromotionChanged("v1.3.0", "open", (), words=words)

    assert told(*CLEAR) == opened
    assert told(*CLEAR, opened) is None


def test_a_gate_that_closes_is_told_once_with_its_reasons():
    opened = PromotionChanged("v1.3.0", "open", ())
    why = ("9 of 40 failed",)
    closed = PromotionChanged("v1.3.0", "paused", why, words=why[0])

    assert told(*CLEAR, opened, PAUSE) == closed
    assert told(*CLEAR, opened, PAUSE, closed) is None
    assert told(*CLEAR, opened, PAUSE, closed, breached()) is None


def test_that_a_new_release_is_not_measured_yet_is_what_is_expected():
    assert told().expected
    assert not told(PAUSE).expected
    assert not told(PromotionChanged("v1.3.0", "open", ())).expected


def test_the_gate_of_another_release_is_another_gate():
    opened = PromotionChanged("v1.3.0", "open", ())
    s = stand(entries(*NEW, *CLEAR, opened, started("v1.3.1")))

    found = changed(s, "v1.3.1", a_release("v1.3.1"), rules(), looked=LATER, at=LATER)

    assert (found.release, found.state) == ("v1.3.1", "paused")


def test_that_an_open_release_was_rolled_back_by_hand_is_told():
    opened = PromotionChanged("v1.3.0", "open", ())
    done = (opened, *by_hand(), started("v1.2.0", by="op"))

    found = told(*CLEAR, *done)

    assert (found.state, found.over) == ("paused", "rolled-back")
    assert told(*CLEAR, *done, found) is None


def test_that_an_open_candidate_was_replaced_is_told():
    opened = PromotionChanged("v1.3.0", "open", ())
    done = (*CLEAR, opened, started("v1.3.1", containers="x"))

    assert open_unproved(stand(entries(*NEW, *done))) == ("v1.3.0",)
    found = told(*done)
    assert (found.state, found.over) == ("paused", "superseded")
    assert told(*done, found) is None
    assert open_unproved(stand(entries(*NEW, *CLEAR, opened))) == ("v1.3.0",)
    good = (*CLEAR, opened, proved_good("v1.3.0"))
    assert not open_unproved(stand(entries(*NEW, *good)))


def test_nothing_is_told_before_anything_runs():
    s = stand([])

    assert changed(s, "", None, rules(), looked=LATER, at=LATER) is None


def test_what_was_measured_is_named_by_id_and_by_digest():
    record = a_record("v1.3.0", services=("dms", "relay"))
    image = record.pair.image

    assert images(record) == {"dms": (image,), "relay": (image,)}
    assert images(None) == {}
    pushed = replace(record, repo_digests=("ghcr.io/flexli/dms@sha256:aa",))
    assert images(pushed)["dms"] == (image, "sha256:aa")


def test_a_release_shares_the_pauses_of_its_builds_and_a_digest_names_them():
    s = stand(
        entries(*HEALTHY_THEN_NEXT, PAUSE, PromotionPaused("v1.3.0-4f9c2ab", "x"))
    )

    both = lasting(s, "v1.3.0", a_release())
    assert set(both) == {"v1.3.0", "v1.3.0-4f9c2ab"}
    assert digest_of(both) == digest_of(dict(reversed(both.items())))
    assert digest_of(both) != digest_of({"v1.3.0": ("9 of 40 failed",)})
    assert lasting(s, "v1.2.0", a_release("v1.2.0")) == {}
