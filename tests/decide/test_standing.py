"""What the journal adds up to: the same, wherever it was cut and resumed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds import (
    AT,
    AWB,
    HEALTHY_THEN_NEXT,
    HTTP_5XX,
    MINUTE,
    SECOND,
    a_pair,
    asked,
    breached,
    entries,
    proved_good,
    started,
)
from watchdog.decide.fold import stand
from watchdog.decide.standing import KnownPair, Standing
from watchdog.facts.event import (
    Answered,
    FarEndBack,
    FarEndLost,
    IncidentClosed,
    PairQuarantined,
    PairUnclear,
    PromotionPaused,
    PromotionResumed,
    QuestionClosed,
    RecoverySeen,
    RollbackEnded,
    RollbackMended,
    RollbackRefused,
    RollbackReopened,
    RollbackStarted,
    RollbackStuck,
    StepDone,
    StepIntended,
    VerdictChanged,
    WatchStarted,
    WentBack,
)
from watchdog.facts.pair import Running
from watchdog.facts.plan import Do, Plan, Step

STEP = Step(Do.PIN, "variable", to="v1.2.0")
PLAN = Plan("op", "both", "a", "b", (), (), "v1.3.0", "v1.2.0", (STEP,), 0, ())


def begun(*, automatic=True, bad="v1.3.0", incident="inc-1"):
    return RollbackStarted(
        incident, PLAN, a_pair(bad), a_pair("v1.2.0"), "why", "asha", automatic
    )


def ended(how="proved", incident="inc-1", proof="proof"):
    return RollbackEnded(
        "op", incident, how, AT, "v1.3.0", "v1.2.0", "why", "ops", proof
    )


def verdict(kind, trigger=AWB.name, cause=""):
    return VerdictChanged(trigger, kind, "words", cause)


# Any history that could be, and some that could not.
EVENTS = st.sampled_from(
    [
        WatchStarted("1", "act"),
        *(started(v) for v in ("v1.2.0", "v1.3.0", "v1.10.0")),
        started("v1.2.0", by="op"),
        *(proved_good(v) for v in ("v1.2.0", "v1.3.0", "v1.10.0")),
        PairQuarantined(a_pair("v1.3.0").key, "bad"),
        PairUnclear("split", split=True),
        *(verdict(kind) for kind in ("clear", "pending", "breached", "blind")),
        verdict("blind", cause="stale"),
        *(breached(t, i) for t in (AWB, HTTP_5XX) for i in ("v1.3.0", "v1.10.0")),
        breached(HTTP_5XX, incident="inc-2"),
        asked(),
        asked("inc-2", "apr_2"),
        Answered("apr_1", "msg-1", "approve", "asha", "yes", "{}"),
        Answered("apr_1", "msg-2", "deny", "bela", "no", "{}"),
        QuestionClosed("apr_1", "superseded", "words"),
        PromotionPaused("v1.3.0", "bad"),
        PromotionResumed("v1.3.0", "asha"),
        RollbackRefused("inc-1", "no target"),
        begun(),
        begun(automatic=False),
        StepIntended("op", STEP, 1),
        StepDone("op", STEP, "so"),
        WentBack("op", "words"),
        RollbackStuck("op", "words", "hint"),
        *(ended(how) for how in ("proved", "unchanged", "put-back")),
        RecoverySeen("inc-1", "clear"),
        IncidentClosed("inc-1", "done"),
        FarEndLost("engine", "down"),
        FarEndBack("engine"),
    ]
)


@given(st.lists(EVENTS, max_size=30), st.data())
def test_a_journal_cut_anywhere_and_resumed_adds_up_to_the_same(events, data):
    whole = entries(*events)
    cut = data.draw(st.integers(0, len(whole)))

    assert stand(whole[cut:], stand(whole[:cut])) == stand(whole)


@given(st.lists(EVENTS, max_size=30))
def test_a_standing_is_a_value_that_never_changes(events):
    standing = Standing()
    for entry in entries(*events):
        before, copy = standing, replace(standing)
        standing = stand([entry], standing)
        assert before == copy


def test_pairs_are_ordered_by_their_deployment():
    s = stand(entries(*HEALTHY_THEN_NEXT))

    assert s.pairs == {
        a_pair("v1.2.0").key: KnownPair(
            a_pair("v1.2.0"),
            "record of v1.2.0",
            1,
            AT,
            good="v1.2.0 ran long enough",
            good_since=AT + SECOND,
        ),
        a_pair("v1.3.0").key: KnownPair(
            a_pair("v1.3.0"), "record of v1.3.0", 3, AT + 2 * SECOND
        ),
    }
    assert s.running == started("v1.3.0")


def test_a_deployment_by_people_moves_a_pair_to_the_end_and_a_rollback_does_not():
    again = stand(entries(*HEALTHY_THEN_NEXT, started("v1.2.0")))
    back = stand(entries(*HEALTHY_THEN_NEXT, started("v1.2.0", by="op")))

    assert again.running_pair.order == 4
    assert back.running_pair.order == 1


def test_the_same_pair_under_another_name_is_the_same_pair():
    renamed = a_pair("v1.2.0-rc1", image="v1.2.0", manifest="v1.2.0")

    s = stand(entries(started("v1.2.0"), started(pair=renamed)))

    assert list(s.pairs) == [a_pair("v1.2.0").key]


def test_a_breach_makes_a_good_pair_bad_for_good():
    bad = PairQuarantined(a_pair("v1.2.0").key, "bad")
    s = stand(entries(*HEALTHY_THEN_NEXT, bad))

    known = s.pairs[a_pair("v1.2.0").key]
    assert (known.good, known.quarantined) == ("", "bad")


def test_a_start_of_other_containers_forgets_what_was_seen_of_the_last():
    s = stand(entries(started(), verdict("breached"), breached(), started("v1.3.0")))

    assert (s.verdicts, s.breached, s.armed) == ({}, frozenset(), False)
    assert s.incident is not None


def test_what_was_latched_outlives_a_moment_without_sight():
    """A glance that missed the containers must not confirm the breach once more."""
    seen = (*HEALTHY_THEN_NEXT, verdict("breached"), breached())

    s = stand(entries(*seen, PairUnclear("gone", split=False), started("v1.3.0")))

    before = stand(entries(*seen))
    assert (s.verdicts, s.breached) == (before.verdicts, before.breached)
    assert s.incident == before.incident
    assert s.unclear is None


def test_a_blindness_that_changes_its_cause_is_one_blindness():
    s = stand(
        entries(
            started(),
            AT + MINUTE,
            verdict("blind", cause="stale"),
            AT + 2 * MINUTE,
            verdict("blind", cause="timeout"),
        )
    )

    assert s.verdicts[AWB.name].since == AT + MINUTE
    assert s.verdicts[AWB.name].changed.cause == "timeout"


def test_a_trigger_that_was_seen_once_was_measured():
    blind = stand(entries(started(), verdict("blind")))
    lost = stand(entries(started(), verdict("clear"), verdict("blind")))

    assert not blind.verdicts[AWB.name].measured
    assert lost.verdicts[AWB.name].measured


@pytest.mark.parametrize(
    "event", [WatchStarted("1", "act"), verdict("clear"), PairUnclear("x", split=True)]
)
def test_baking_starts_over_with_everything_that_speaks_against_it(event):
    s = stand(entries(started(), AT + MINUTE, event))

    assert s.unproven_since == AT + MINUTE


def test_a_second_breach_joins_the_incident_and_is_weighed_anew():
    s = stand(
        entries(*HEALTHY_THEN_NEXT, breached(HTTP_5XX), RollbackRefused("inc-1", "no"))
    )
    assert s.incident.refused == "no"

    s = stand(entries(breached(AWB)), s)
    assert [b.trigger for b in s.incident.breaches] == [HTTP_5XX.name, AWB.name]
    assert s.incident.refused == ""


@pytest.mark.parametrize("how", ["unchanged", "put-back"])
def test_a_breach_after_a_rollback_that_failed_does_not_begin_another(how):
    s = stand(
        entries(*HEALTHY_THEN_NEXT, breached(AWB), begun(), ended(how, proof="why not"))
    )
    s = stand(entries(breached(HTTP_5XX)), s)

    assert (s.incident.refused, s.incident.tried) == ("why not", True)


def test_the_first_denial_wins_whatever_came_before_or_after():
    def answered(*decisions):
        answers = [
            Answered("apr_1", f"msg-{n}", decision, who, "", "{}")
            for n, (decision, who) in enumerate(decisions)
        ]
        return stand(
            entries(*HEALTHY_THEN_NEXT, breached(), asked(), *answers)
        ).question

    for order in (
        [("approve", "asha"), ("deny", "bela")],
        [("deny", "bela"), ("approve", "asha")],
    ):
        question = answered(*order)
        assert question.denied_by.by == "bela"
        assert not question.is_approved
    assert answered(("approve", "asha")).is_approved


def test_promotion_is_paused_once_per_reason_and_resumed_by_a_person():
    pause = PromotionPaused("v1.3.0", "bad")
    s = stand(entries(pause, pause, PromotionPaused("v1.3.0", "worse")))
    assert s.paused == {"v1.3.0": ("bad", "worse")}

    assert stand(entries(PromotionResumed("v1.3.0", "asha")), s).paused == {}


@pytest.mark.parametrize(
    ("how", "version"), [("proved", "v1.2.0"), ("put-back", "v1.3.0")]
)
def test_what_a_rollback_left_running_is_its_doing_also_without_a_mark(how, version):
    history = [*HEALTHY_THEN_NEXT, breached(), begun(), AT + MINUTE, ended(how)]
    s = stand(entries(*history))

    def seen(version, since):
        return Running(a_pair(version), ("made anew",), since, ("running",))

    others = "v1.3.0" if version == "v1.2.0" else "v1.2.0"
    assert s.put_up_by(seen(version, AT + 50 * SECOND)) == "op"
    assert not s.put_up_by(seen(others, AT + 50 * SECOND))
    assert not s.put_up_by(seen(version, AT + 2 * MINUTE))
    marked = replace(seen(others, AT), rolled_back_by="another")
    assert s.put_up_by(marked) == "another"


@pytest.mark.parametrize("mended", [False, True])
def test_what_was_proved_is_what_runs_before_a_turn_sees_it(mended):
    seen = (*HEALTHY_THEN_NEXT, verdict("breached"), breached(), begun())
    s = stand(entries(*seen, ended("put-back" if mended else "proved")))
    if mended:
        assert s.running.pair == a_pair("v1.3.0")
        reopened = RollbackReopened("op", "forgotten")
        s = stand(entries(reopened, RollbackMended("op", "proved", "so")), s)

    assert (s.running.pair, s.running.by) == (a_pair("v1.2.0"), "op")
    assert s.running.record == PLAN.to_record
    assert (s.verdicts, s.breached, s.unclear) == ({}, frozenset(), None)
    assert not s.armed
    assert s.running_pair.good
    proved, before = s.pair_since, s.before_since

    # Its real start is a little earlier; the pair before it is the bad one.
    since = proved - SECOND
    s = stand(entries(started("v1.2.0", by="op", since=since)), s)
    assert (s.pair_since, s.before_since) == (since, before)
    assert before == AT


@pytest.mark.parametrize("how", ["put-back", "unchanged", "overtaken"])
def test_what_was_not_proved_is_not_said_to_run(how):
    s = stand(entries(*HEALTHY_THEN_NEXT, breached(), begun(), ended(how)))

    assert s.running.pair == a_pair("v1.3.0")


@pytest.mark.parametrize("how", ["unchanged", "overtaken"])
def test_a_rollback_that_put_nothing_up_left_nothing_running(how):
    s = stand(entries(*HEALTHY_THEN_NEXT, breached(), begun(), ended(how)))

    assert s.put_up is None


def test_a_rollback_under_way_is_remembered_step_by_step():
    s = stand(entries(*HEALTHY_THEN_NEXT, breached(), begun()))
    s = stand(entries(StepIntended("op", STEP, 1), StepDone("op", STEP, "so")), s)
    assert (s.rollback.attempts, s.rollback.done) == (
        {"pin variable to v1.2.0": 1},
        {"pin variable to v1.2.0": "so"},
    )

    s = stand(entries(WentBack("op", "no"), RollbackStuck("op", "stuck", "hint")), s)
    assert (s.rollback.back, s.rollback.stuck) == ("no", "stuck")


def test_only_rollbacks_that_nobody_was_asked_about_count_as_automatic():
    asked_for = stand(entries(*HEALTHY_THEN_NEXT, breached(), begun(automatic=False)))
    by_itself = stand(entries(*HEALTHY_THEN_NEXT, breached(), begun()))

    assert (asked_for.automatic, asked_for.by_itself) == ({}, ())
    assert by_itself.automatic == {"v1.3.0": 1}
    assert by_itself.by_itself == (AT + 4 * SECOND,)


def test_what_was_lost_is_known_until_it_is_back():
    s = stand(entries(FarEndLost("engine", "down"), FarEndLost("prometheus", "down")))
    assert s.lost == {"engine": "down", "prometheus": "down"}

    assert stand(entries(FarEndBack("engine")), s).lost == {"prometheus": "down"}
