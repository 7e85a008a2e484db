"""Where we stand does not grow with history, and what decides is kept."""

import json
from dataclasses import replace
from datetime import timedelta

from tests.decide.test_standing import PLAN, begun, ended
from tests.worlds import (
    AT,
    AWB,
    HOUR,
    MINUTE,
    SECOND,
    a_pair,
    asked,
    breached,
    entries,
    proved_good,
    rules,
    started,
)
from watchdog.decide.fold import stand
from watchdog.decide.onward import promotion
from watchdog.decide.policy import choose_target
from watchdog.facts.event import (
    ImageHeld,
    ImageLetGo,
    IncidentClosed,
    PairQuarantined,
    PromotionChanged,
    PromotionPaused,
    QuestionClosed,
    RetentionReleased,
    VerdictChanged,
)
from watchdog.facts.trigger import Release
from watchdog.record.kept import Kept, _text
from watchdog.show.status import picture

DAY = timedelta(days=1)


def a_life(count):
    """Deploy *count* releases, one a day, with all that one of them leaves."""
    for number in range(count):
        version = f"v2.{number}.0"
        pair = a_pair(version)
        yield AT + number * DAY
        yield started(version, since=AT + number * DAY)
        yield PromotionChanged(version, "paused", ("not measured",))
        for kind in ("clear", "pending", "clear"):
            yield VerdictChanged(AWB.name, kind, f"{number} of 40", "", False)
        yield PromotionPaused(version, f"paused {number}")
        yield breached(version=version, incident=f"inc-{number}")
        yield asked(f"inc-{number}", f"apr-{number}")
        yield QuestionClosed(f"apr-{number}", "denied", "no")
        yield IncidentClosed(f"inc-{number}", "no", latched=True)
        yield proved_good(version)
        yield ImageHeld(pair.key, version, "held")
        yield RetentionReleased(pair.key, version, "asha", "old")
        yield ImageLetGo(pair.key, version, "let go")


def later(s, *events):
    """Fold *events* on top, with numbers of their own."""
    return stand((replace(e, seq=e.seq + 10**6) for e in entries(*events)), s)


def size(s):
    return len(_text(Kept(0, "", s)))


def shown(s):
    poll = 5 * SECOND
    return len(json.dumps(picture(s, None, rules(), None, poll=poll, at=s.latest)))


def test_a_thousand_releases_take_no_more_than_three_hundred():
    whole = entries(*a_life(1000))
    s = stand(whole[: 14 * 300])
    before, on_paper = size(s), shown(s)

    s = stand(whole[14 * 300 :], s)

    assert size(s) < 1.05 * before
    assert shown(s) < 1.05 * on_paper


def test_status_lists_the_newest_pairs_and_says_how_many_there_are():
    s = stand(entries(*a_life(50)))

    whole = picture(s, None, rules(), None, poll=5 * SECOND, at=s.latest)

    assert len(whole["pairs"]) == 20
    assert whole["pairs"][-1]["version"] == "v2.49.0"
    assert whole["pairs_in_all"] == 50


def test_what_decides_is_kept_however_old_it_is():
    bad, vouched, held = (a_pair(f"v1.{n}.0") for n in (1, 2, 3))
    s = stand(
        entries(
            *(started(pair.version) for pair in (bad, vouched, held)),
            PairQuarantined(bad.key, "it breached"),
            PromotionPaused("v1.1.0", "it breached"),
            replace(proved_good("v1.2.0"), vouched_by="asha"),
            ImageHeld(held.key, "v1.3.0", "held"),
        )
    )

    s = later(s, *a_life(1000))

    assert s.pairs[bad.key].quarantined == "it breached"
    assert s.paused["v1.1.0"] == ("it breached",)
    assert s.pairs[vouched.key].vouched_by == "asha"
    assert held.key in s.pairs
    assert len(s.pairs) <= 203


def test_the_newest_good_pair_is_kept_behind_many_that_never_were():
    s = stand(entries(started("v1.2.0"), proved_good("v1.2.0")))

    s = later(s, *(started(f"v3.{n}.0") for n in range(500)))

    assert choose_target(s, None).pair == a_pair("v1.2.0")


def test_the_pairs_of_a_rollback_are_kept():
    s = stand(entries(started("v1.2.0"), started("v1.3.0"), begun(), ended()))

    s = later(s, *(started(f"v3.{n}.0") for n in range(500)))

    assert PLAN.op == s.put_up.op
    assert {a_pair("v1.2.0").key, a_pair("v1.3.0").key} <= s.pairs.keys()


def test_a_pair_that_was_let_go_may_not_go_onward():
    """Its pauses are forgotten with it: then it never ran here, as far as we know."""
    paused = PromotionPaused("v1.2.0", "a reason")
    s = stand(entries(started("v1.2.0"), proved_good("v1.2.0"), paused))
    s = later(s, *a_life(1000))
    release = Release("v1.2.0", "", {}, (), ())

    assert "v1.2.0" not in s.paused
    assert promotion(s, "v1.2.0", release, rules(), s.latest)


def test_of_all_that_ever_breached_the_newest_are_known():
    s = stand(
        entries(
            *(
                event
                for number in range(1500)
                for version in [f"v2.{number}.0"]
                for event in (
                    started(version),
                    PairQuarantined(a_pair(version).key, "it breached"),
                )
            )
        )
    )

    assert s.pairs[a_pair("v2.1100.0").key].quarantined
    assert a_pair("v2.900.0").key not in s.pairs
    assert len(s.pairs) <= 720


def test_an_open_question_is_kept_and_the_oldest_closed_ones_are_not():
    s = stand(entries(started("v1.3.0"), breached(), asked()))
    for number in range(200):
        other = asked(question=f"apr-{number}", expires=AT + HOUR)
        closed = QuestionClosed(f"apr-{number}", "superseded", "again")
        s = stand(entries(other, closed, at=AT + number * MINUTE), s)

    assert not s.questions["apr_1"].closed
    assert "apr-199" in s.questions
    assert "apr-0" not in s.questions
    assert len(s.questions) <= 52


def test_a_release_that_is_paused_again_and_again_keeps_the_first_and_last_reasons():
    pauses = [PromotionPaused("v1.3.0", f"reason {n}") for n in range(500)]

    (why,) = stand(entries(*pauses)).paused.values()

    assert (why[0], why[-1], len(why)) == ("reason 0", "reason 499", 20)


def test_rollbacks_by_themselves_are_counted_for_a_day_and_not_for_ever():
    s = stand(entries(*(begun(bad=f"v1.{n}.0") for n in range(2000))))

    assert len(s.by_itself) == 1000
