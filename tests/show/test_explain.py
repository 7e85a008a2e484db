"""Why it is not rolling back, in words."""

from dataclasses import replace

import pytest

from tests.decide.test_standing import begun, ended, verdict
from tests.worlds import (
    ARMED,
    ASHA,
    AT,
    AWB,
    BELA,
    HEALTHY_THEN_NEXT,
    HOUR,
    HTTP_5XX,
    MINUTE,
    SECOND,
    a_release,
    asked,
    breached,
    entries,
    rules,
    started,
)
from watchdog.decide.fold import stand
from watchdog.facts.event import (
    Answered,
    HoldPlaced,
    PairUnclear,
    RollbackRefused,
    RollbackStuck,
)
from watchdog.show.explain import explain, words
from watchdog.turn.roles import Turn

DONE = AT + 10 * SECOND  # after every event of a test
TURN = Turn(DONE, "watching v1.3.0", {AWB.name: "0 of 40 failed"}, looked=DONE)
CLEAR = (ARMED, verdict("clear"), verdict("clear", HTTP_5XX.name))
QUESTION = (*HEALTHY_THEN_NEXT, breached(HTTP_5XX), asked())
BOTH = f"{ASHA}, {BELA}"
STUCK = RollbackStuck("op", "no", "hint")


def whole(*events, turn=TURN, at=DONE, release=None, **chosen):
    s = stand(entries(*events))
    release = release or a_release()
    return explain(s, release, rules(**chosen), turn, poll=5 * SECOND, at=at)


def lines(*events, **how):
    return words(whole(*events, **how)).splitlines()


def first(*events, **how):
    return lines(*events, **how)[0].removeprefix("dms-test: ")


def test_a_quiet_release_says_what_would_follow_from_each_trigger():
    assert lines(*HEALTHY_THEN_NEXT, *CLEAR) == [
        "dms-test: not rolling v1.3.0 back: watching: nothing is confirmed",
        f"clear          {AWB.name}: 0 of 40 failed",
        "               if confirmed: it would be rolled back to v1.2.0 by itself",
        f"clear          {HTTP_5XX.name}: words",
        f"               if confirmed: {BOTH} would be asked to roll back to v1.2.0",
        "promotion      paused",
        (
            "               - could roll back to v1.2.0 now: not known "
            "(nobody has looked yet)"
        ),
        "needed         a trigger must be confirmed on the running release",
    ]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"turn": None}, "nobody is watching"),
        (
            {"turn": replace(TURN, at=DONE + 25 * HOUR), "at": DONE + 25 * HOUR},
            (
                "no longer watched since 2026-03-12 03:00:00 UTC: "
                "watch_for of its release is over"
            ),
        ),
    ],
)
def test_what_is_not_watched_is_not_called_watched_nor_clear(how, why):
    said = lines(*HEALTHY_THEN_NEXT, *CLEAR, **how)

    assert said[0] == f"dms-test: not rolling v1.3.0 back: {why}"
    assert not [line for line in said if line.startswith("clear")]
    assert f"not judged yet {AWB.name}: {why}" in said


def test_who_carries_a_rollback_out_watches():
    stale = replace(TURN, at=AT - MINUTE)
    acting = (*HEALTHY_THEN_NEXT, breached(), begun())

    assert whole(*acting, turn=stale)["watching"]
    assert not [x for x in lines(*acting, turn=stale) if "somebody must watch" in x]


def test_what_is_suspected_or_not_seen_comes_before_what_is_clear():
    said = lines(
        *HEALTHY_THEN_NEXT, verdict("clear"), verdict("blind", HTTP_5XX.name, "stale")
    )

    assert said[1] == f"blind          {HTTP_5XX.name} (stale): words"
    assert said[3].startswith(f"clear          {AWB.name}")


def test_what_would_be_refused_is_said_before_it_is_needed():
    said = whole(started("v1.3.0"), *CLEAR)

    (awb, _) = said["triggers"]
    assert awb["if_confirmed"] == (
        "refused: no target: a known-good pair never ran here before v1.3.0"
    )


def test_an_open_question_says_who_and_until_when():
    said = whole(*QUESTION)

    assert said["decision"] == "hold"
    assert said["words"].startswith("dms-test: not rolling v1.3.0 back: waiting for")
    assert said["waits_for"] == f"an answer of {ASHA}, {BELA} (0 of 1 agreed)"
    assert said["until"] == "2026-03-11T04:00:00Z"
    assert said["needed"] == [
        f"1 more of {ASHA}, {BELA} must approve: `watchdog approve apr_1`"
    ]
    assert said["confirmed"][0]["words"] == "9 of 40 failed"


def test_a_promised_fix_is_waited_for_until_its_time():
    eta = AT + 40 * MINUTE
    promise = Answered("apr_1", "msg", "forward_fix", ASHA, "soon", "{}", eta=eta)
    said = whole(*QUESTION, promise)

    assert said["waits_for"] == f"the fix that {ASHA} promised"
    assert said["until"] == "2026-03-11T03:40:00Z"
    assert said["needed"][-1].startswith("or the breach must still stand")
    late = whole(*QUESTION, promise, verdict("clear", HTTP_5XX.name), at=eta)
    assert late["decision"] == "refuse"
    assert whole(*QUESTION, promise, at=eta)["decision"] == "ask"


@pytest.mark.parametrize(
    ("events", "how", "start"),
    [
        ((), {}, "not rolling back: nothing has been seen running yet"),
        (
            (*HEALTHY_THEN_NEXT, PairUnclear("split: two images", split=True)),
            {},
            "not rolling back: split: two images",
        ),
        (
            (*HEALTHY_THEN_NEXT, breached()),
            {"observe_only": True},
            "not rolling v1.3.0 back: mode is observe",
        ),
        (
            (*HEALTHY_THEN_NEXT, breached(), RollbackRefused("inc-1", "no target")),
            {},
            "not rolling v1.3.0 back: no target",
        ),
        (
            (*HEALTHY_THEN_NEXT, breached()),
            {},
            f"rolling v1.3.0 back with the next turn: to v1.2.0, approved by {ASHA}",
        ),
        (
            (*HEALTHY_THEN_NEXT, breached(HTTP_5XX)),
            {},
            "not rolling v1.3.0 back yet, a person is asked next: roll back to v1.2.0?",
        ),
        (
            (*HEALTHY_THEN_NEXT, breached(), begun()),
            {},
            "rolling v1.3.0 back now: to v1.2.0, 0 of 1 steps done",
        ),
        (
            (
                *HEALTHY_THEN_NEXT,
                breached(),
                begun(),
                RollbackStuck("op", "no", "hint"),
            ),
            {},
            "not rolling v1.3.0 back: STUCK on the way to v1.2.0: no",
        ),
        (
            (*QUESTION, HoldPlaced("ops", "ops holds: a sale")),
            {},
            "not rolling v1.3.0 back: ops holds: a sale",
        ),
    ],
)
def test_the_first_line_answers(events, how, start):
    assert first(*events, **how).startswith(start)


def test_what_is_missing_is_said_first():
    needed = whole(
        *QUESTION,
        HoldPlaced("ops", "ops holds: a sale"),
        turn=None,
        observe_only=True,
    )["needed"]

    assert [one.partition(" ")[0] for one in needed] == [
        "somebody",
        "`mode:",
        "the",
        "1",
    ]


def test_after_a_rollback_it_waits_for_the_trigger_to_clear():
    said = whole(
        *HEALTHY_THEN_NEXT, breached(), begun(), ended(), started("v1.2.0", by="op")
    )

    assert said["waits_for"] == f"{AWB.name} to clear"
    assert said["until"] == "2026-03-11T03:05:05Z"
    assert "a rollback is never rolled back" in said["needed"][0]


def test_to_explain_weighs_and_changes_nothing():
    s = stand(entries(*QUESTION))
    before = repr(s)
    explain(s, a_release(), rules(), TURN, poll=5 * SECOND, at=AT + HOUR)

    assert repr(s) == before
