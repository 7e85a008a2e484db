"""The history: each story once, with who, why, and how it ended."""

from tests.decide.test_standing import PLAN, begun, ended
from tests.worlds import AT, a_pair, asked, breached, entries, proved_good, started
from watchdog.facts.event import (
    Answered,
    HoldLifted,
    HoldPlaced,
    IncidentClosed,
    OrderGiven,
    OrderRefused,
    PairProvedGood,
    PairQuarantined,
    PromotionResumed,
    QuestionClosed,
    RecoverySeen,
    RollbackMended,
    RollbackReopened,
    RollbackStarted,
    RollbackStuck,
    WatchStarted,
    WayChosen,
)
from watchdog.show.history import history, picture, words

GOOD, BAD = a_pair("v1.2.0"), a_pair("v1.3.0")


def told(*events):
    return {one.what: one for one in history(entries(*events))}


def test_nothing_that_happened_is_said_so():
    assert words([]) == "nothing has happened here yet"


def test_a_release_is_told_with_what_it_came_to():
    found = told(
        started("v1.2.0"), proved_good("v1.2.0"), PairQuarantined(GOOD.key, "bad")
    )

    assert list(found) == ["release"]
    assert found["release"].release == "v1.2.0"
    assert [line.partition(":")[0] for line in found["release"].also] == [
        "known good",
        "quarantined",
    ]


def test_what_a_rollback_puts_up_is_no_release():
    assert told(started("v1.2.0", by="op")) == {}


def test_a_rollback_by_itself_says_why_and_how_it_ended():
    found = told(
        started("v1.3.0"),
        breached(),
        begun(),
        ended("proved"),
        RecoverySeen("inc-1", "clear again"),
        IncidentClosed("inc-1", "over"),
    )

    it = found["rollback"]
    assert (it.release, it.who) == ("v1.3.0 -> v1.2.0", "by itself")
    assert it.how == "proved: proof"
    assert found["incident"].also == ["recovered: clear again"]
    assert found["incident"].how == "over"


def test_an_approved_one_says_who_was_asked_and_who_approved():
    answer = Answered("apr_1", "m", "approve", "asha", "go", "{}")
    found = told(
        breached(),
        asked(),
        answer,
        QuestionClosed("apr_1", "carried-out", "done"),
        begun(automatic=False),
        ended(),
    )

    assert found["rollback"].who == "approved by asha"
    assert found["question"].release == "v1.3.0"
    assert found["question"].also == ["asha approved: go"]
    assert found["question"].how == "carried-out: done"


def test_one_by_hand_is_told_once_from_its_order_to_its_end():
    order = OrderGiven("ord-1", "rollback", "ravi", "stock is wrong", GOOD.key, "w")
    start = RollbackStarted(
        "", PLAN, BAD, GOOD, "ravi says so", "ravi", automatic=False, order="ord-1"
    )
    found = history(entries(order, start, ended(incident="")))

    (one,) = found
    assert (one.who, one.why, one.id) == ("ravi", "stock is wrong", "op")
    assert one.how == "proved: proof"


def test_an_order_that_was_refused_says_why():
    order = OrderGiven("ord-1", "dry-drill", "ravi", "", GOOD.key, "w")
    found = told(started("v1.2.0"), order, OrderRefused("ord-1", "no target"))

    assert found["drill"].how == "refused: no target"


def test_what_happened_on_the_way_is_told_in_order():
    found = told(
        begun(),
        RollbackStuck("op", "no room", "make some"),
        WayChosen("op", "back", "ravi", "w"),
        ended("put-back"),
        RollbackReopened("op", "the engine forgot"),
        RollbackMended("op", "put-back", "whole"),
    )

    assert found["rollback"].also == [
        "STUCK: no room",
        "ravi let it go back",
        "again: the engine forgot",
    ]
    assert found["rollback"].how == "put-back, again: whole"


def test_holds_and_words_of_people_are_told():
    found = told(
        started("v1.2.0"),
        HoldPlaced("asha", "month end"),
        HoldLifted("ravi", "over"),
        PairProvedGood(GOOD.key, "runs since May", vouched_by="asha"),
        PromotionResumed("v1.2.0", "asha", "looked"),
    )

    assert found["hold"].how == "lifted by ravi: over"
    assert (found["vouch"].release, found["vouch"].who) == ("v1.2.0", "asha")
    assert found["promotion"].why == "looked"


def test_the_newest_is_first_and_what_goes_on_has_no_end():
    newest, oldest = history(
        entries(started("v1.2.0"), WatchStarted("1", "act"), begun())
    )

    assert (newest.what, newest.ended, oldest.what) == ("rollback", None, "release")
    (first, *_) = picture([newest])
    assert (first["ended"], first["how"]) == ("", "")


def test_the_words_have_who_why_and_the_time_it_took():
    said = words(history(entries(begun(), ended(), at=AT)))

    assert said.splitlines() == [
        "2026-03-11T03:00:00Z  rollback  v1.3.0 -> v1.2.0 · by itself · why",
        "                              after 1.0 s: proved: proof",
    ]


def test_nothing_that_was_written_steers_the_terminal():
    said = words(history(entries(HoldPlaced("asha", "x\x1b[2J\ny"))))

    assert said.splitlines()[0].endswith("hold  asha · x\ufffd[2J\ufffdy")
