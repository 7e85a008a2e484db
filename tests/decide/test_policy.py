"""The table of PRODUCT section 5, row by row."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decide.test_standing import EVENTS, begun, ended, verdict
from tests.worlds import (
    ASHA,
    AT,
    AWB,
    BELA,
    HEALTHY_THEN_NEXT,
    HOUR,
    HTTP_5XX,
    MINUTE,
    SECOND,
    a_pair,
    a_release,
    a_trigger,
    asked,
    breached,
    entries,
    proved_good,
    rules,
    started,
)
from watchdog.decide.fold import stand
from watchdog.decide.onward import promotion
from watchdog.decide.policy import baked, choose_target, decide, recovered
from watchdog.facts.decision import Ask, Hold, Refuse, RollBack
from watchdog.facts.event import (
    Answered,
    BreachConfirmed,
    FarEndBack,
    FarEndLost,
    HoldLifted,
    HoldPlaced,
    IncidentClosed,
    PairQuarantined,
    PairUnclear,
    PromotionPaused,
    QuestionClosed,
    RollbackRefused,
)
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.verdict import Clear, Pending

LATER = AT + 10 * MINUTE
RECORD = "record of v1.2.0"
GOOD = Clear("0, not above 1")


def decided(*events, release=None, at=LATER, **chosen):
    s = stand(entries(*HEALTHY_THEN_NEXT, *events))
    return decide(s, release or a_release(), rules(**chosen), at)


def answered(decision, by=ASHA, question="apr_1"):
    return Answered(question, f"msg-{by}", decision, by, "because", "{}")


def rolling_back(**other):
    values = {
        "incident": "inc-1",
        "to": a_pair("v1.2.0"),
        "record": RECORD,
        "cause": f"{AWB.name}: 9 of 40 failed",
        "approved_by": ASHA,
        "automatic": True,
    }
    return RollBack(**(values | other))


# A breach.


def test_without_a_confirmed_breach_there_is_nothing_to_do():
    assert decided(verdict("breached")) == Hold("watching: nothing is confirmed")


def test_an_immediate_breach_rolls_back_at_once_as_the_release_file_approved():
    assert decided(breached(AWB)) == rolling_back()


def test_another_breach_asks_with_the_evidence():
    assert decided(breached(HTTP_5XX)) == Ask(
        "inc-1", a_pair("v1.2.0"), f"{HTTP_5XX.name}: 9 of 40 failed"
    )


def test_a_latched_breach_is_not_erased_by_good_samples():
    assert decided(breached(AWB), verdict("clear")) == rolling_back()


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [answered("approve")],
        [answered("deny"), RollbackRefused("inc-1", "denied")],
        [answered("deny")],
        [RollbackRefused("inc-1", "nobody answered")],
        [QuestionClosed("apr_1", "superseded", "words")],
    ],
    ids=["pending", "approved", "denied", "just denied", "expired", "closed"],
)
def test_an_immediate_breach_preempts_a_question_in_every_state(answers):
    assert decided(breached(HTTP_5XX), asked(), *answers, breached(AWB)) == (
        rolling_back(question="apr_1")
    )


# Answers.


def test_an_open_question_is_waited_for_until_its_deadline():
    assert decided(breached(HTTP_5XX), asked()) == Hold(
        f"waiting for {ASHA}, {BELA} until 04:00:00 UTC"
    )


def test_an_approval_starts_the_rollback():
    assert decided(breached(HTTP_5XX), asked(), answered("approve", BELA)) == (
        rolling_back(
            cause=f"{HTTP_5XX.name}: 9 of 40 failed",
            approved_by=BELA,
            automatic=False,
            question="apr_1",
        )
    )


@pytest.mark.parametrize("order", [("approve", "deny"), ("deny", "approve")])
def test_a_denial_wins_over_an_approval(order):
    answers = [answered(d, by) for d, by in zip(order, (ASHA, BELA), strict=True)]
    who = (ASHA, BELA)[order.index("deny")]

    assert decided(breached(HTTP_5XX), asked(), *answers) == Refuse(
        "inc-1", f"{who} denied the rollback: because"
    )


@pytest.mark.parametrize("late", [timedelta(), SECOND, 365 * 24 * HOUR])
def test_silence_is_never_a_yes(late):
    assert decided(breached(HTTP_5XX), asked(), at=AT + HOUR + late) == Refuse(
        "inc-1",
        f"nobody of {ASHA}, {BELA} answered until 04:00:00 UTC; silence is not a yes",
    )


def test_what_was_refused_stays_refused_until_another_breach():
    assert decided(breached(HTTP_5XX), RollbackRefused("inc-1", "no target")) == Hold(
        "no target"
    )


# Obstacles.


def test_a_second_automatic_rollback_of_a_release_needs_a_person():
    history = [
        *(breached(AWB), begun(), ended(), started("v1.2.0", by="op")),
        IncidentClosed("inc-1", "clear again"),
        *(started("v1.3.0"), breached(AWB, incident="inc-2")),
    ]

    assert decided(*history) == Ask(
        "inc-2",
        a_pair("v1.2.0"),
        "9 of 40 failed; v1.3.0 was rolled back automatically once already",
    )


@pytest.mark.parametrize("by", [ASHA, "carl@flexli.example"])
def test_what_somebody_agreed_to_who_is_not_listed_is_asked_about(by):
    agreed = a_release(approved_by=by, unlisted=("carl@flexli.example",))

    decision = decided(breached(AWB), release=agreed)

    words = f"9 of 40 failed; {by}, who agreed to it, is not in the roster"
    asked_for = Ask("inc-1", a_pair("v1.2.0"), words)
    assert decision == (rolling_back() if by == ASHA else asked_for)


def test_a_build_of_a_release_counts_as_that_release():
    history = [
        *(started("v1.3.0-4f9c2ab"), breached(AWB, "v1.3.0-4f9c2ab")),
        *(begun(bad="v1.3.0-4f9c2ab"), ended(), started("v1.2.0", by="op")),
        IncidentClosed("inc-1", "clear again"),
        started("v1.3.0-1234567"),
        breached(AWB, "v1.3.0-1234567", incident="inc-2"),
    ]

    assert isinstance(decided(*history), Ask)


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_beyond_the_daily_limit_a_person_is_asked(limit):
    s = stand(entries(*HEALTHY_THEN_NEXT, breached(AWB)))
    before = tuple(AT - n * HOUR for n in range(limit))
    yesterday = (AT - timedelta(days=2),)
    s = type(s)(**_fields(s) | {"by_itself": yesterday + before})

    at_limit = decide(s, a_release(), rules(daily_limit=limit), LATER)
    under = decide(s, a_release(), rules(daily_limit=limit + 1), LATER)

    assert at_limit == Ask(
        "inc-1",
        a_pair("v1.2.0"),
        f"9 of 40 failed; {limit} rollbacks by themselves in 24 h reach daily_limit",
    )
    assert under == rolling_back()


def _fields(s):
    return {name: getattr(s, name) for name in s.__slots__}


def test_the_default_file_never_rolls_back_by_itself():
    default = a_release("", approved_by="")

    assert decided(breached(AWB), release=default) == Ask(
        "inc-1",
        a_pair("v1.2.0"),
        "9 of 40 failed; this version has no release file, "
        "so nobody approved it before",
    )


def test_without_any_release_file_a_person_is_asked():
    s = stand(entries(*HEALTHY_THEN_NEXT, breached(AWB)))

    assert isinstance(decide(s, None, rules(), LATER), Ask)


def test_a_release_that_is_not_safe_to_roll_back_is_refused():
    unsafe = a_release(rollback_safe=False)

    for trigger in (AWB, HTTP_5XX):
        assert decided(breached(trigger), release=unsafe) == Refuse(
            "inc-1",
            "v1.3.0 says rollback_safe: false (a one-way change): only a person may "
            "roll it back",
        )


def test_a_rollback_is_never_rolled_back():
    history = [
        *(breached(AWB), begun(), ended(), started("v1.2.0", by="op")),
        IncidentClosed("inc-1", "clear again"),
        breached(AWB, "v1.2.0", incident="inc-2"),
    ]

    assert decided(*history, release=a_release("v1.2.0")) == Refuse(
        "inc-2",
        "v1.2.0 is itself the result of a rollback: never rolling back a rollback",
    )


def test_in_observe_mode_even_an_approval_changes_nothing():
    held = Hold("mode is observe: nothing is asked, and nothing is done")

    assert decided(breached(AWB), observe_only=True) == held
    assert decided(breached(HTTP_5XX), observe_only=True) == held
    approved = (breached(HTTP_5XX), asked(), answered("approve"))
    assert decided(*approved, observe_only=True) == held


def test_after_a_rollback_nothing_is_done_but_to_wait_for_the_trigger():
    waiting = decided(breached(AWB), begun(), ended(), started("v1.2.0", by="op"))

    assert waiting == Hold("rolled back; waiting for the trigger to clear")


# The target.


def chosen(*events, release=None):
    got = choose_target(stand(entries(*events)), release or a_release("v1.10.0"))
    return got if isinstance(got, str) else got.pair.version


def test_the_target_is_the_newest_by_deployment_and_never_by_version_string():
    # As strings v1.9.0 is greater than v1.10.0, as versions v1.9.0 is newer than both.
    deployed = [("v1.9.0", "v1.2.0"), ("v1.2.0", "v1.9.0")]
    for first, second in deployed:
        history = [started(first), proved_good(first), started(second)]
        history += [proved_good(second), started("v1.10.0")]
        assert chosen(*history) == second


def test_a_pair_that_was_deployed_again_is_as_new_as_its_last_deployment():
    history = [
        *(started("v1.1.0"), proved_good("v1.1.0")),
        *(started("v1.2.0"), proved_good("v1.2.0")),
        *(started("v1.1.0"), started("v1.10.0")),
    ]

    assert chosen(*history) == "v1.1.0"


def test_a_pair_that_was_deployed_after_the_running_one_is_no_target():
    history = [started("v1.2.0"), started("v1.3.0"), proved_good("v1.3.0")]

    assert chosen(*history, started("v1.2.0", by="op")) == (
        "v1.2.0 is itself the result of a rollback: never rolling back a rollback"
    )


def test_a_candidate_and_a_quarantined_pair_are_no_targets():
    older = [started("v1.1.0"), proved_good("v1.1.0")]
    bad = PairQuarantined(a_pair("v1.2.0").key, "AwbRoutingFailures: 9 of 40")

    assert chosen(*older, started("v1.2.0"), started("v1.10.0")) == "v1.1.0"
    assert chosen(*older, started("v1.2.0"), bad, started("v1.10.0")) == "v1.1.0"
    assert chosen(started("v1.2.0"), started("v1.10.0")) == (
        "no target: v1.2.0 is not known to be good (it is a candidate: neither baked "
        "nor vouched for)"
    )
    assert chosen(started("v1.2.0"), bad, started("v1.10.0")) == (
        "no target: v1.2.0 is not known to be good (AwbRoutingFailures: 9 of 40)"
    )


TAKEN_DOWN = (
    *(started("v1.2.0"), proved_good("v1.2.0")),
    *(started("v1.3.0"), proved_good("v1.3.0")),
    *(begun(automatic=False, incident=""), ended(incident="")),
    started("v1.2.0", by="op"),
)
NEXT = started("v1.10.0")


def test_what_a_person_rolled_back_by_hand_is_no_target_though_it_was_good():
    """No trigger saw what was wrong with it, so that nothing quarantined it."""
    assert chosen(*TAKEN_DOWN, NEXT) == "v1.2.0"
    assert chosen(*TAKEN_DOWN, NEXT, release=a_release(rollback_to="v1.3.0")) == (
        "no target: v1.3.0 is not known to be good (rolled back here: why (to v1.2.0, "
        "2026-03-11 03:00:05 UTC))"
    )


def test_what_was_rolled_back_is_a_target_again_once_people_want_it_again():
    vouched = replace(proved_good("v1.3.0"), vouched_by="asha")
    again = (started("v1.3.0", containers="again"), NEXT)

    assert chosen(*TAKEN_DOWN, vouched, NEXT) == "v1.3.0"
    assert chosen(*TAKEN_DOWN, *again) == "v1.3.0"


def test_what_a_person_put_up_by_hand_is_wanted_again():
    plan = replace(begun().plan, op="op2")
    by_hand = begun(automatic=False, bad="v1.2.0", incident="")
    back = replace(by_hand, plan=plan, to_pair=a_pair("v1.3.0"))
    done = replace(ended(incident=""), op="op2", previous="v1.2.0", target="v1.3.0")
    history = (*TAKEN_DOWN, back, done, started("v1.3.0", by="op2"), NEXT)

    assert chosen(*history) == "v1.3.0"


def test_without_an_older_pair_there_is_no_target():
    assert chosen() == "what runs is not known"
    assert chosen(started("v1.10.0")) == (
        "no target: a known-good pair never ran here before v1.10.0"
    )


def test_rollback_to_narrows_the_choice():
    history = [
        *(started("v1.1.0"), proved_good("v1.1.0")),
        *(started("v1.2.0"), proved_good("v1.2.0"), started("v1.10.0")),
    ]

    assert chosen(*history, release=a_release(rollback_to="v1.1.0")) == "v1.1.0"
    assert chosen(*history, release=a_release(rollback_to="v1.0.0")) == (
        "no target: rollback_to v1.0.0 never ran here before v1.10.0"
    )


def test_another_manifest_of_the_same_image_is_a_target():
    config = a_pair("v1.2.0", manifest="changed")
    history = [started("v1.2.0"), proved_good("v1.2.0"), started(pair=config)]

    got = choose_target(stand(entries(*history)), a_release())

    assert got.pair == a_pair("v1.2.0")


def test_the_running_pair_read_with_fewer_tenants_is_no_target():
    """A tenant was added to the release file: still the same containers."""
    before = a_pair("v1.2.0", tenants=())
    good = type(proved_good())(before.key, "baked")
    history = [started(pair=before), good, started("v1.2.0")]

    assert chosen(*history) == (
        "no target: a known-good pair never ran here before v1.2.0"
    )


# Recovery.


def back(verdicts, *, after=MINUTE, breaches=(AWB,), release=None, **rule):
    rolled = [*map(breached, breaches), begun(), LATER, ended()]
    s = stand(entries(*HEALTHY_THEN_NEXT, *rolled, started("v1.2.0", by="op")))
    return recovered(
        s, release or a_release("v1.2.0"), rules(**rule), verdicts, LATER + after
    )


def test_a_trigger_that_clears_in_time_is_a_recovery():
    assert back({AWB.name: GOOD}) == (True, f"{AWB.name} clear again on v1.2.0")


@pytest.mark.parametrize(
    ("verdicts", "why"),
    [
        ({AWB.name: Pending("suspected")}, "suspected"),
        ({AWB.name: Blind(Cause.STALE, "old")}, "cannot be seen (stale)"),
        ({}, "is not judged on the running release"),
    ],
    ids=["pending", "blind", "not judged"],
)
def test_what_is_not_clear_is_waited_for_and_then_said(verdicts, why):
    window = a_release("v1.2.0", triggers=(a_trigger(window=2 * MINUTE),))

    assert back(verdicts, after=7 * MINUTE - SECOND, release=window) is None
    fine, words = back(verdicts, after=7 * MINUTE, release=window)
    assert not fine
    assert words.startswith("the rollback did not help: it is not this release")
    assert why in words


def test_the_patience_is_what_the_settings_say():
    blind = {AWB.name: Blind(Cause.STALE, "old")}

    assert back(blind, after=2 * MINUTE, recover_within=3 * MINUTE) is None
    assert back(blind, after=3 * MINUTE, recover_within=3 * MINUTE)[0] is False


def test_all_triggers_that_fired_must_clear():
    both = {"breaches": (AWB, HTTP_5XX)}

    assert back({AWB.name: GOOD}, **both) is None
    assert back({AWB.name: GOOD, HTTP_5XX.name: GOOD}, **both) == (
        True,
        f"{AWB.name}, {HTTP_5XX.name} clear again on v1.2.0",
    )


def test_without_a_proved_rollback_nothing_recovers():
    s = stand(entries(*HEALTHY_THEN_NEXT, breached(AWB), begun(), ended("put-back")))

    assert recovered(s, a_release(), rules(), {AWB.name: GOOD}, LATER) is None


# Known good.

CLEAR = {AWB.name: GOOD, HTTP_5XX.name: GOOD}


def bakes(*events, verdicts=CLEAR, at=AT + 31 * MINUTE, release=None):
    s = stand(entries(started("v1.2.0"), *events))
    return baked(s, release or a_release("v1.2.0"), rules(), verdicts, at)


def test_a_pair_that_ran_its_time_measured_and_clear_is_known_to_be_good():
    assert bakes() == "v1.2.0 ran 1860 s with all 2 triggers measured and clear"
    assert bakes(at=AT + 30 * MINUTE) != ""
    assert bakes(at=AT + 30 * MINUTE - SECOND) == ""


@pytest.mark.parametrize(
    "verdicts",
    [
        {},
        {AWB.name: GOOD},
        CLEAR | {AWB.name: Pending("suspected")},
        CLEAR | {AWB.name: Blind(Cause.NO_TRAFFIC, "idle")},
    ],
    ids=["none", "one", "pending", "blind"],
)
def test_what_was_not_measured_clear_does_not_bake(verdicts):
    assert bakes(verdicts=verdicts) == ""


@pytest.mark.parametrize(
    "event",
    [
        verdict("clear"),
        PairUnclear("gone", split=False),
        PairQuarantined(a_pair("v1.2.0").key, "bad"),
        proved_good("v1.2.0"),
        breached(AWB, "v1.2.0"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_whatever_speaks_against_a_pair_keeps_it_from_baking(event):
    assert bakes(AT + 5 * MINUTE, event) == ""


def test_a_release_that_only_observes_measures_nothing_to_bake_on():
    quiet = a_release("v1.2.0", triggers=(a_trigger(observe_only=True),))

    assert bakes(release=quiet) == ""


# Promotion.


def paused(*events, version="v1.3.0", release=None, at=LATER):
    s = stand(entries(*HEALTHY_THEN_NEXT, *events))
    return promotion(s, version, release or a_release(), rules(), at)


MEASURED = (verdict("clear"), verdict("clear", HTTP_5XX.name))
UNMEASURED = tuple(
    f"{t.name} has not been measured on this release yet" for t in (AWB, HTTP_5XX)
)


def test_promotion_is_open_once_all_was_measured():
    assert paused() == UNMEASURED
    assert paused(*MEASURED) == ()


def test_a_pause_lasts_whatever_is_measured_later():
    pause = PromotionPaused("v1.3.0", "bad")

    assert paused(pause, *MEASURED) == ("bad",)


def test_blindness_pauses_what_is_known_good_once_it_lasts():
    good = (*MEASURED, proved_good("v1.3.0"))
    lost = (*good, AT + MINUTE, verdict("blind", cause="stale"))

    assert paused(*lost, at=AT + 6 * MINUTE - SECOND) == ()
    assert paused(*lost, at=AT + 6 * MINUTE) == (
        f"{AWB.name} is blind since 03:01:00 UTC: words",
    )


def test_a_blindness_of_many_causes_pauses_like_one():
    lost = [verdict("blind", cause=cause) for cause in ("stale", "timeout") * 3]

    assert len(paused(*MEASURED, AT + MINUTE, *lost, at=AT + 6 * MINUTE)) == 1


def test_what_cannot_be_seen_is_not_open():
    assert paused(*MEASURED, FarEndLost("engine", "down")) == (
        "what runs cannot be seen: down",
    )
    often = (FarEndLost("engine", "down"), FarEndBack("engine")) * 3
    assert paused(*MEASURED, *often, FarEndLost("engine", "down")) == (
        "what runs cannot be seen at all times: down",
    )
    assert paused(*MEASURED, PairUnclear("split!", split=True)) == ("split!",)


def test_a_release_that_never_ran_here_is_not_open():
    assert paused(version="v1.4.0", release=a_release("v1.4.0")) == (
        "v1.4.0 does not run here, and was never proved good",
    )


def test_a_release_that_was_proved_good_here_stays_open():
    assert paused(version="v1.2.0", release=a_release("v1.2.0")) == ()


def test_a_version_without_a_file_is_paused():
    """``default.yaml`` watches it, and no version is its own."""
    words = "v1.4.0 runs without a release file of its own"
    unfiled = (started("v1.4.0"), PromotionPaused("v1.4.0", words), *MEASURED)

    assert paused(*unfiled, version="v1.4.0", release=a_release("")) == (words,)
    assert promotion(stand([]), "v1.4.0", None, rules(), LATER) == (
        "v1.4.0 has no release file that can be read",
    )


def test_a_build_of_a_release_is_paused_with_it():
    build = (started("v1.3.0-4f9c2ab"), PromotionPaused("v1.3.0-4f9c2ab", "bad"))

    for version in ("v1.3.0", "v1.3.0-4f9c2ab"):
        assert paused(*build, *MEASURED, version=version) == ("bad",)
    assert paused(started("v1.3.0-4f9c2ab")) == UNMEASURED


def test_a_trigger_that_only_observes_does_not_hold_promotion_up():
    quiet = a_trigger("New", observe_only=True)

    assert paused(*MEASURED, release=a_release(triggers=(AWB, quiet))) == ()


# Whatever happened.


def obeyed(events):
    """Let the standing follow *events*, and every decision be carried out at once."""
    history = list(HEALTHY_THEN_NEXT)
    done = []
    number = 0
    for event in events:
        if isinstance(event, BreachConfirmed):
            # As it is journaled: it joins the open incident, or opens a new one.
            now = stand(entries(*history)).incident
            name = now.id if now else f"inc-{len(history)}"
            event = replace(event, incident=name)  # noqa: PLW2901 # the same breach
        history.append(event)
        s = stand(entries(*history))
        version = s.running.pair.version if s.running else "v1.3.0"
        release = a_release(version)
        if s.rollback is not None:
            continue
        decision = decide(s, release, rules(), AT + len(history) * SECOND)
        if isinstance(decision, RollBack):
            number += 1
            done.append((decision, s))
            history += [
                begun(
                    automatic=decision.automatic,
                    bad=version,
                    incident=decision.incident,
                ),
                ended(incident=decision.incident),
                started(decision.to.version, by=f"op{number}"),
            ]
    return done


# What the cycle itself journals is left to it; the world and people do the rest.
WORLD = EVENTS.filter(
    lambda e: not isinstance(e, type(begun()) | type(ended()) | IncidentClosed)
)


@given(st.lists(WORLD, max_size=40))
def test_no_history_leads_to_two_rollbacks_of_one_incident(events):
    incidents = [decision.incident for decision, _ in obeyed(events)]

    assert len(incidents) == len(set(incidents))


@given(st.lists(WORLD, max_size=40))
def test_no_history_leads_to_a_rollback_of_a_rollback_or_to_a_bad_pair(events):
    for decision, s in obeyed(events):
        target = s.pairs[decision.to.key]
        assert not s.running.by
        assert target.good
        assert not target.quarantined
        assert target.order < s.running_pair.order
        assert target.pair.key != s.running.pair.key


@given(st.lists(EVENTS, max_size=30), st.integers(0, 10_000))
def test_without_a_breach_nothing_is_ever_done(events, seconds):
    calm = [e for e in events if type(e) is not type(breached())]
    s = stand(entries(*calm))

    decision = decide(s, a_release(), rules(), AT + seconds * SECOND)
    assert decision == Hold("watching: nothing is confirmed")


# An operator's hold.

HELD = HoldPlaced(ASHA, "operator hold by asha: a migration")
LIFTED = HoldLifted(ASHA, "asha lifted it")
BY_HOLD = RollbackRefused("inc-1", HELD.words)


def test_under_a_hold_a_breach_is_refused_with_the_holds_own_words():
    assert decided(HELD, breached()) == Refuse("inc-1", HELD.words)
    assert decided(HELD, breached(HTTP_5XX)) == Refuse("inc-1", HELD.words)


def test_under_a_hold_an_approved_rollback_waits():
    approved = (breached(HTTP_5XX), asked(), answered("approve"))

    assert decided(*approved, HELD) == Hold(HELD.words)
    assert isinstance(decided(*approved, HELD, LIFTED), RollBack)


def test_after_a_hold_what_it_kept_from_starting_is_asked_and_never_done_by_itself():
    got = decided(HELD, breached(), BY_HOLD, LIFTED)

    assert isinstance(got, Ask)
    assert got.words.endswith(
        "; a hold kept it from starting when it was confirmed; it may be over"
    )


def test_a_hold_that_was_lifted_before_the_breach_changes_nothing():
    assert decided(HELD, LIFTED, breached()) == rolling_back()


def test_lifting_a_hold_opens_nothing_that_was_refused_for_another_reason():
    denied = RollbackRefused("inc-1", "asha denied it")

    got = decided(breached(HTTP_5XX), denied, HELD, LIFTED)

    assert got == Hold("asha denied it")


def test_a_hold_pauses_every_promotion_for_as_long_as_it_lasts():
    for version in ("v1.2.0", "v1.3.0"):
        events = (*HEALTHY_THEN_NEXT, verdict("clear"), verdict("clear", HTTP_5XX.name))
        held = stand(entries(*events, HELD))
        free = stand(entries(*events, HELD, LIFTED))

        release = a_release(version)
        assert promotion(held, version, release, rules(), LATER) == (HELD.words,)
        assert promotion(free, version, release, rules(), LATER) == ()


def test_a_target_that_equals_what_runs_is_no_target():
    same = a_pair("v1.2.1", image="v1.3.0", manifest="v1.3.0")
    events = (started(pair=same, containers="c"), started("v1.3.0"))
    s = stand(entries(*events))

    got = choose_target(s, a_release(rollback_to="v1.2.1"))

    assert got == (
        "no target: v1.2.1 has the image and the manifests of what runs, "
        f"{s.running_pair.pair.words}"
    )
