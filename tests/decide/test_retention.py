"""Which pairs must stay restorable, and which may go."""

import pytest

from tests.worlds import a_pair, a_release, entries, proved_good, rules, started
from watchdog.decide.retention import may_release, retained, why_it_stays
from watchdog.decide.standing import stand
from watchdog.facts.event import PairQuarantined, RetentionReleased
from watchdog.facts.problem import Problem

SIX = tuple(f"v1.{n}.0" for n in range(6))
HISTORY = tuple(e for v in SIX for e in (started(v), proved_good(v)))
RELEASE = a_release("v1.5.0")


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


def test_nothing_may_go_before_a_person_released_it():
    s = stand(entries(*HISTORY))
    why = {v: why_it_stays(s, RELEASE, rules(), known(s, v)) for v in SIX}

    assert why["v1.5.0"] == "v1.5.0 runs now"
    assert why["v1.4.0"] == "v1.4.0 is what a rollback would go back to"
    assert why["v1.2.0"] == "v1.2.0 is one of the last 3 releases before this one"
    assert why["v1.0.0"].startswith("nobody released v1.0.0: `watchdog retention")
    s = stand(entries(*HISTORY, released("v1.0.0")))
    assert why_it_stays(s, RELEASE, rules(), known(s, "v1.0.0")) == ""


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
