"""Which pairs must stay restorable, and which may go."""

from dataclasses import replace

import pytest

from tests.decide.test_standing import PLAN, begun, ended
from tests.worlds import (
    HEALTHY_THEN_NEXT,
    a_pair,
    a_release,
    entries,
    proved_good,
    rules,
    started,
)
from watchdog.decide.fold import stand
from watchdog.decide.policy import choose_target
from watchdog.decide.retention import (
    asked_about,
    beyond,
    goes_by_itself,
    in_words,
    may_release,
    retained,
    staying,
    taken,
)
from watchdog.facts.event import ImageHeld, PairQuarantined, RetentionReleased
from watchdog.facts.problem import Problem

SIX = tuple(f"v1.{n}.0" for n in range(6))
HISTORY = tuple(e for v in SIX for e in (started(v), proved_good(v)))
RELEASE = a_release("v1.5.0")
HELD = tuple(ImageHeld(a_pair(v).key, v, "held", a_pair(v).image, 10**8) for v in SIX)


def released(version):
    return RetentionReleased(a_pair(version).key, version, "asha", "asha let it go")


def known(s, version):
    return s.pairs[a_pair(version).key]


def kept(*events):
    s = stand(entries(*HISTORY, *events))
    return [k.pair.version for k in retained(s, RELEASE, rules())]


def test_what_runs_the_target_and_three_before_are_retained():
    assert kept() == ["v1.5.0", "v1.4.0", "v1.3.0", "v1.2.0"]


def test_what_is_quarantined_or_released_does_not_count_among_the_three():
    bad = PairQuarantined(a_pair("v1.4.0").key, "it breached")

    assert kept(bad) == ["v1.5.0", "v1.3.0", "v1.2.0", "v1.1.0"]
    assert kept(released("v1.2.0")) == ["v1.5.0", "v1.4.0", "v1.3.0", "v1.1.0"]


@pytest.mark.parametrize("why", ["one-way", "result", "between"])
def test_the_target_stays_where_only_a_person_may_go_back_to_it(why):
    """It is older than the last three, and all the same what a rollback goes to."""
    release = a_release("v1.5.0", rollback_to="v1.0.0", rollback_safe=why != "one-way")
    more = {
        "one-way": (),
        "result": (started("v1.5.0", containers="x", by="op"),),
        "between": (replace(started("v1.5.0", containers="x"), between=("v1.1.1",)),),
    }[why]
    s = stand(entries(*HISTORY, *HELD, *more))
    old = known(s, "v1.0.0")

    assert isinstance(choose_target(s, release), str)
    assert old in retained(s, release, rules())
    assert old not in beyond(s, release, rules())
    stays = staying(s, release, rules())(old, None)
    assert stays == "v1.0.0 is what a rollback would go back to"
    with pytest.raises(Problem, match="is what a rollback would go back to"):
        may_release(s, release, rules(), old)


def test_nothing_may_go_before_a_person_released_it():
    s = stand(entries(*HISTORY))
    why_it_stays = staying(s, RELEASE, rules())
    why = {v: why_it_stays(known(s, v), None) for v in SIX}

    assert why["v1.5.0"] == "v1.5.0 runs now"
    assert why["v1.4.0"] == "v1.4.0 is what a rollback would go back to"
    assert why["v1.2.0"] == "v1.2.0 is one of the last 3 releases before this one"
    assert why["v1.0.0"].startswith("nobody released v1.0.0: `watchdog retention")
    s = stand(entries(*HISTORY, released("v1.0.0")))
    assert staying(s, RELEASE, rules())(known(s, "v1.0.0"), None) == ""


@pytest.mark.parametrize(
    ("version", "events", "why"),
    [
        ("v1.5.0", (), "v1.5.0 runs now"),
        ("v1.4.0", (), "v1.4.0 is what a rollback would go back to"),
        ("v1.0.0", (released("v1.0.0"),), "released already"),
        ("v1.2.0", (released("v1.0.0"), released("v1.1.0")), "only 2 previous"),
    ],
)
def test_it_is_refused_to_release_what_must_stay(version, events, why):
    s = stand(entries(*HISTORY, *events))

    with pytest.raises(Problem, match=why):
        may_release(s, RELEASE, rules(), known(s, version))


def test_a_pair_that_is_deployed_again_is_wanted_again():
    s = stand(entries(*HISTORY, released("v1.0.0"), started("v1.0.0")))

    assert s.released == {}


def test_while_three_stay_one_may_be_released():
    s = stand(entries(*HISTORY))

    may_release(s, RELEASE, rules(), known(s, "v1.0.0"))


def test_what_is_held_beyond_the_last_three_is_asked_about_once_and_again_when_more():
    s = stand(entries(*HISTORY, *HELD))
    asked = asked_about(s, RELEASE, rules(), lambda _: None)

    assert [k.pair.version for k in beyond(s, RELEASE, rules())] == ["v1.0.0", "v1.1.0"]
    assert asked.words == (
        "2 images held, at most 200.0 MB, of releases that are quarantined or older "
        "than the last 3: v1.0.0, v1.1.0; may they go?"
    )
    assert "`watchdog retention release" in asked.hint
    s = stand(entries(*HISTORY, *HELD, asked))
    assert asked_about(s, RELEASE, rules(), lambda _: None) is None
    nine = (started("v1.9.0"), proved_good("v1.9.0"))
    s = stand(entries(*HISTORY, *HELD, asked, *nine))
    again = asked_about(s, a_release("v1.9.0"), rules(), lambda _: None)
    assert a_pair("v1.2.0").key in again.keys


def test_what_was_just_rolled_back_is_asked_about_after_the_next_release():
    bad = a_pair("v1.3.0")
    held = ImageHeld(bad.key, "v1.3.0", "held", bad.image, 10**8)
    back = started("v1.2.0", by=PLAN.op)
    history = (
        *HEALTHY_THEN_NEXT,
        held,
        PairQuarantined(bad.key, "it breached"),
        begun(),
        ended(),
        back,
    )
    s = stand(entries(*history))

    assert [k.pair.version for k in beyond(s, a_release("v1.2.0"), rules())] == [
        "v1.3.0"
    ]
    assert asked_about(s, a_release("v1.2.0"), rules(), lambda _: None) is None
    s = stand(entries(*history, started("v1.4.0")))
    assert asked_about(s, a_release("v1.4.0"), rules(), lambda _: None) is not None


def test_after_so_many_newer_releases_one_goes_by_itself_if_its_file_or_ours_says_so():
    s = stand(entries(*HISTORY, *HELD))
    old, younger = known(s, "v1.0.0"), known(s, "v1.1.0")
    four = rules(retention="after 4")
    says = a_release("v1.0.0", retention="after 5")

    assert goes_by_itself(s, rules(), old, None) == ""
    assert goes_by_itself(s, rules(retention="after 6"), old, None) == ""
    assert goes_by_itself(s, four, old, None) == (
        "5 newer releases than v1.0.0 ran here, and the settings' file says "
        "`retention: after 4`"
    )
    assert "release file v1.0.0.yaml" in goes_by_itself(s, rules(), old, says)
    assert goes_by_itself(s, four, younger, a_release(retention="ask")) == ""
    assert asked_about(s, RELEASE, four, lambda _: None) is None
    assert staying(s, RELEASE, rules(retention="after 9"))(old, None) == (
        "v1.0.0 goes by itself after 9 newer releases, as the settings' file says; "
        "5 ran here"
    )


def test_what_runs_the_target_and_the_last_three_are_never_beyond():
    s = stand(entries(*HISTORY, *HELD, started("v1.0.0")))
    back = replace(a_release("v1.0.0"), rollback_to="v1.1.0")

    assert {k.pair.version for k in beyond(s, back, rules(retention="after 3"))} == {
        "v1.2.0"
    }


def test_one_image_of_two_pairs_is_counted_once():
    twice = ImageHeld("other", "v1.0.1", "held", a_pair("v1.0.0").image, 10**8)

    assert taken(stand(entries(*HISTORY, *HELD, twice))) == (6, 6 * 10**8)
    assert in_words(1, 0) == "1 image held"
    assert in_words(2, 3 * 10**9) == "2 images held, at most 3.0 GB"


class Counted(dict):
    """Pairs, and how often all of them were gone through."""

    times = 0

    def values(self):
        self.times += 1
        return super().values()


def test_why_each_of_them_stays_is_not_found_out_anew_for_each():
    s = stand(entries(*HISTORY))
    counted = replace(s, pairs=Counted(s.pairs))
    why_it_stays = staying(counted, RELEASE, rules())
    before = counted.pairs.times

    assert all(why_it_stays(one, None) for one in s.pairs.values())
    assert counted.pairs.times == before
