"""What people answered, weighed: who counts, until when, and what silence means."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds import (
    ASHA,
    AT,
    BELA,
    HEALTHY_THEN_NEXT,
    HOUR,
    HTTP_5XX,
    MINUTE,
    SECOND,
    a_pair,
    a_release,
    a_roster,
    asked,
    breached,
    entries,
    rules,
)
from watchdog.decide.approval import (
    LEAST_TIME,
    deadline_of,
    reminders,
    why_it_does_not_count,
)
from watchdog.decide.fold import stand
from watchdog.decide.policy import decide
from watchdog.facts.decision import Ask, Hold, Refuse, RollBack
from watchdog.facts.event import (
    Answered,
    AnswerVoided,
    ClockStepped,
    QuestionClosed,
    Reminded,
    WatchStarted,
)
from watchdog.facts.roster import Approver, Key, Scheme
from watchdog.facts.verdict import Clear, Pending

LATER = AT + 10 * MINUTE
ETA = AT + 40 * MINUTE
CARL = "carl@flexli.example"


def standing(*events, needed=1):
    question = replace(asked(), needed=needed)
    return stand(entries(*HEALTHY_THEN_NEXT, breached(HTTP_5XX), question, *events))


def answered(decision, by=ASHA, number=1, **other):
    message = f"msg-{by}-{number}"
    return Answered("apr_1", message, decision, by, "because", "{}", **other)


def decided(*events, at=LATER, needed=1, release=None, verdicts=None, **chosen):
    s = standing(*events, needed=needed)
    release = release or a_release()
    return decide(s, release, rules(**chosen), at, verdicts or {})


def words(decision):
    return decision.words


# Two people.


def test_where_two_must_agree_one_is_waited_for():
    decision = decided(answered("approve"), needed=2)

    assert words(decision) == (
        f"waiting for {ASHA}, {BELA} until 04:00:00 UTC (1 of 2 agreed)"
    )


def test_two_different_people_who_agree_roll_back_together():
    decision = decided(answered("approve"), answered("approve", BELA), needed=2)

    assert isinstance(decision, RollBack)
    assert decision.approved_by == f"{ASHA} and {BELA}"
    assert not decision.automatic


def test_c_040_one_person_with_two_keys_is_one_person():
    twice = [
        answered("approve", number=1, key="asha-a"),
        answered("approve", number=2, key="asha-b"),
    ]

    assert isinstance(decided(*twice, needed=2), Hold)


def test_one_denial_outweighs_two_approvals():
    decision = decided(
        answered("approve"),
        answered("approve", BELA),
        answered("deny", number=2),
        needed=2,
    )

    assert decision == Refuse("inc-1", f"{ASHA} denied the rollback: because")


def test_a_broken_glass_is_enough_by_itself():
    broken = answered("approve", CARL, break_glass=True)

    assert decided(broken, needed=2).approved_by == CARL


# Who counts.


def voided(*events, release=None, roster=None, at=LATER):
    question = standing(*events).question
    found = why_it_does_not_count(
        question, release or a_release(), roster or a_roster(), at
    )
    return [one.words for one in found]


def test_an_answer_counts_as_long_as_its_person_and_key_do():
    assert voided(answered("approve", key=f"{ASHA}#1")) == []
    assert voided(answered("approve")) == []  # from before keys had names


def test_an_answer_of_a_dri_who_left_the_file_counts_no_more():
    (why,) = voided(answered("approve"), release=a_release(dri=(BELA,)))

    assert why == (
        f"the approve of {ASHA} counts no more: {ASHA} is not a DRI of this release "
        "any more"
    )


def test_who_may_answer_second_counts_too():
    release = a_release(dri=(BELA,), secondary=(ASHA,))

    assert voided(answered("approve"), release=release) == []


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"revoked": True}, "is revoked"),
        ({"not_after": LATER}, "ended 2026-03-11 03:10 UTC"),
        ({"not_before": LATER + SECOND}, "counts from 2026-03-11 03:10 UTC"),
    ],
)
def test_an_answer_whose_key_does_not_count_any_more_is_void(change, why):
    key = Key("asha-2026a", Scheme.ED25519, bytes(32), **change)
    roster = a_roster(BELA, **{ASHA: Approver(ASHA, (key,))})

    (said,) = voided(answered("approve", key="asha-2026a"), roster=roster)

    assert why in said


def test_a_person_or_a_key_that_left_the_roster_counts_no_more():
    (gone,) = voided(answered("approve"), roster=a_roster(BELA))
    (other,) = voided(answered("approve", key="asha-2025"))

    assert "is not in the roster any more" in gone
    assert "the key asha-2025" in other


def test_a_void_answer_is_as_if_it_had_not_been_given():
    void = AnswerVoided("apr_1", f"msg-{ASHA}-1", "revoked")

    assert isinstance(decided(answered("approve"), void), Hold)
    assert isinstance(decided(answered("deny"), void), Hold)
    assert isinstance(
        decided(answered("deny"), void, answered("approve", BELA)), RollBack
    )


# A fix forward.


def fixing(**other):
    return answered("forward_fix", eta=ETA, **other)


def test_a_promised_fix_is_waited_for_until_its_time():
    assert words(decided(fixing())) == (
        f"{ASHA} fixes forward until 03:40:00 UTC; promotion stays paused"
    )


def test_at_its_time_it_is_asked_again_while_the_breach_stands():
    for verdicts in ({}, {HTTP_5XX.name: Pending("suspected")}):
        decision = decided(fixing(), at=ETA, verdicts=verdicts)

        assert decision == Ask(
            "inc-1",
            a_pair("v1.2.0"),
            f"the fix that {ASHA} promised for 03:40:00 UTC is not there; "
            f"{HTTP_5XX.name}: 9 of 40 failed",
            again="apr_1",
        )


def test_at_its_time_a_breach_that_is_over_is_not_rolled_back():
    decision = decided(fixing(), at=ETA, verdicts={HTTP_5XX.name: Clear("0")})

    assert decision == Refuse(
        "inc-1",
        f"{HTTP_5XX.name} clear at the time that {ASHA} promised; not rolling back",
    )


def test_who_promised_a_fix_may_still_approve_or_deny():
    assert isinstance(decided(fixing(), answered("approve", number=2)), RollBack)
    assert isinstance(decided(fixing(), answered("deny", BELA)), Refuse)


def test_a_later_promise_takes_the_place_of_an_earlier_one():
    later = answered("forward_fix", BELA, eta=ETA + 10 * MINUTE)

    assert words(decided(fixing(), later)).startswith(f"{BELA} fixes forward until")


# The clock.


def test_the_clock_of_the_mttr_began_with_the_breach():
    release = a_release(mttr=HOUR)

    assert deadline_of(AT - 20 * MINUTE, release, AT) == AT + 40 * MINUTE
    assert deadline_of(None, release, AT) == AT + HOUR


def test_what_is_asked_late_is_open_for_ten_minutes_all_the_same():
    assert deadline_of(AT - 3 * HOUR, a_release(), AT) == AT + LEAST_TIME


@pytest.mark.parametrize(
    ("after", "due"),
    [(30 * MINUTE, []), (31 * MINUTE, ["50%"]), (46 * MINUTE, ["50%", "75%"])],
)
def test_reminders_come_at_half_and_at_three_quarters(after, due):
    question = standing().question

    found = list(reminders(question, a_release(), "ops", AT + after))

    assert [one.share for one in found] == due


def test_the_second_reminder_goes_to_more_people_than_the_first():
    release = a_release(secondary=(CARL,))

    one, two = reminders(standing().question, release, "ops", AT + 46 * MINUTE)

    assert one.to == (ASHA, BELA)
    assert two.to == (ASHA, BELA, CARL, "ops")
    assert two.words == "no answer yet, 14 min left: roll back?"


def test_a_reminder_is_given_once():
    told = Reminded("apr_1", "50%", (ASHA,), "words")

    assert not list(
        reminders(standing(told).question, a_release(), "ops", AT + 31 * MINUTE)
    )


@pytest.mark.parametrize(
    "event",
    [
        answered("approve"),
        answered("deny"),
        answered("forward_fix", eta=ETA),
        QuestionClosed("apr_1", "superseded", "words"),
    ],
)
def test_nobody_is_reminded_of_what_was_answered(event):
    question = standing(event).question

    assert not list(reminders(question, a_release(), "ops", AT + 50 * MINUTE))


def test_after_the_deadline_nobody_is_reminded():
    assert not list(reminders(standing().question, a_release(), "ops", AT + HOUR))


def test_silence_is_not_a_yes():
    assert words(decided(at=AT + HOUR)) == (
        f"nobody of {ASHA}, {BELA} answered until 04:00:00 UTC; silence is not a yes"
    )


def test_what_one_of_two_agreed_to_is_not_called_silence_and_is_no_yes():
    one = answered("approve")
    (said,) = reminders(
        standing(one, needed=2).question, a_release(), "ops", AT + 31 * MINUTE
    )

    assert said.words.startswith("1 of 2 agreed, 29 min left: ")
    assert words(decided(one, needed=2, at=AT + HOUR)) == (
        f"only 1 of 2 agreed until 04:00:00 UTC ({ASHA}); silence is not a yes"
    )


def test_silence_rolls_back_only_where_the_release_file_said_so():
    release = a_release(on_no_answer="roll-back")

    decision = decided(at=AT + HOUR, release=release)

    assert isinstance(decision, RollBack)
    assert decision.automatic
    assert decision.approved_by.startswith(f"{ASHA} before it shipped (on_no_answer)")
    assert isinstance(decided(at=AT + HOUR - SECOND, release=release), Hold)


def test_silence_never_rolls_back_what_may_not_roll_back_by_itself():
    release = a_release(on_no_answer="roll-back")

    reached = decided(at=AT + HOUR, release=release, daily_limit=0)
    unsafe = decided(at=AT + HOUR, release=replace(release, rollback_safe=False))

    assert "reach daily_limit" in words(reached)
    assert isinstance(reached, Refuse)
    assert isinstance(unsafe, Refuse)


def test_a_promised_fix_outlives_no_deadline_by_silence():
    release = a_release(on_no_answer="roll-back")

    assert isinstance(decided(fixing(), at=ETA - SECOND, release=release), Hold)


# A wall clock that moves by itself.


def test_b_034_a_clock_that_is_set_back_gains_nobody_time():
    back = ClockStepped(-3600.0, "words")

    assert isinstance(decided(back, at=AT - SECOND), Hold)
    assert isinstance(decided(back, at=AT), Refuse)
    assert isinstance(decided(fixing(), back, at=ETA - HOUR), Ask)


def test_b_034_a_clock_that_is_set_on_brings_the_end_sooner_and_never_a_yes():
    on = ClockStepped(3600.0, "words")

    assert isinstance(decided(on, at=AT + HOUR + MINUTE), Refuse)


def test_a_clock_that_was_set_back_while_nobody_watched_ends_the_question():
    far = [*HEALTHY_THEN_NEXT, breached(HTTP_5XX), asked()]
    (*_, last) = entries(*far)
    before = stand(entries(*far))
    back = replace(last, at=AT - MINUTE, event=WatchStarted("26.11", "act"))

    s = stand([back], before)

    assert s.question.deadline == AT - MINUTE
    assert isinstance(decide(s, a_release(), rules(), AT), Refuse)


def test_a_restart_with_a_steady_clock_changes_no_deadline():
    assert standing(WatchStarted("26.11", "act")).question.deadline == AT + HOUR


# Whatever comes.

_ANSWERS = st.one_of(
    st.builds(
        answered,
        st.sampled_from(["approve", "deny"]),
        st.sampled_from([ASHA, BELA]),
        st.integers(1, 3),
    ),
    st.builds(
        answered,
        st.just("forward_fix"),
        st.sampled_from([ASHA, BELA]),
        st.integers(4, 6),
        eta=st.just(ETA),
    ),
    st.builds(
        AnswerVoided,
        st.just("apr_1"),
        st.sampled_from([f"msg-{ASHA}-1", f"msg-{BELA}-2"]),
        st.just("words"),
    ),
    st.builds(ClockStepped, st.floats(-7200, 7200), st.just("words")),
)


@given(st.lists(_ANSWERS, max_size=8), st.integers(1, 2), st.integers(0, 7200))
def test_nothing_is_rolled_back_without_the_yes_of_enough_people_that_counts(
    events, needed, seconds
):
    release = a_release(on_no_answer="hold")

    s = standing(*events, needed=needed)
    decision = decide(s, release, rules(), AT + seconds * SECOND, {})

    if isinstance(decision, RollBack):
        void = {e.message for e in events if isinstance(e, AnswerVoided)}
        left = [e for e in events if isinstance(e, Answered) and e.message not in void]
        said = {e.by for e in left if e.decision == "approve"}
        assert len(said) >= needed
        assert not [e for e in left if e.decision == "deny"]


def test_how_long_people_took_is_known_by_the_answers_that_counted():
    both = standing(answered("approve"), answered("approve", BELA), needed=2)

    assert both.question.waited == 2.0  # the entries are a second apart
    assert standing().question.waited == 0.0
