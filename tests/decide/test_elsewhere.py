"""A breach that is not this release's doing pauses and pages, and no more."""

from dataclasses import replace

from tests.worlds import (
    AT,
    AWB,
    HEALTHY_THEN_NEXT,
    HOUR,
    HTTP_5XX,
    MINUTE,
    a_pair,
    a_release,
    asked,
    breached,
    entries,
    rules,
    started,
)
from watchdog.decide.fold import stand
from watchdog.decide.policy import decide, recovered
from watchdog.facts.decision import Ask, Refuse, RollBack
from watchdog.facts.event import RollbackEnded, RollbackRefused
from watchdog.facts.verdict import Clear, Pending

LATER = AT + 10 * MINUTE
BEFORE = "over before it started: 120 of 1000 (12%)"


def elsewhere(trigger=AWB):
    return replace(breached(trigger), elsewhere=BEFORE)


def decided(*events):
    s = stand(entries(*HEALTHY_THEN_NEXT, *events))
    return decide(s, a_release(), rules(), LATER)


def test_what_is_not_this_release_is_refused_in_words_and_asked_of_nobody():
    words = f"not this release: {BEFORE}; {AWB.name}: 9 of 40 failed"

    assert decided(elsewhere()) == Refuse("inc-1", words)
    assert decided(elsewhere(), elsewhere(HTTP_5XX)) == Refuse("inc-1", words)


def test_a_later_breach_that_is_its_doing_acts_as_if_alone():
    refused = RollbackRefused("inc-1", "not this release")

    assert isinstance(decided(elsewhere(HTTP_5XX), refused, breached()), RollBack)
    seen = decided(elsewhere(), refused, breached(HTTP_5XX))
    assert isinstance(seen, Ask)
    assert seen.words.startswith(HTTP_5XX.name)
    # The same trigger, once its outside cause is over.
    assert isinstance(decided(elsewhere(), refused, breached()), RollBack)


def test_an_urgent_breach_that_is_not_its_doing_hurries_nobody():
    seen = decided(breached(HTTP_5XX), elsewhere())

    assert isinstance(seen, Ask)
    question = decided(breached(HTTP_5XX), asked(), elsewhere())
    assert not isinstance(question, RollBack | Ask)


def test_recovery_waits_only_for_what_was_charged():
    proved = RollbackEnded(
        "op", "inc-1", "proved", AT, "v1.3.0", "v1.2.0", "why", "ops", "proof"
    )
    s = stand(entries(*HEALTHY_THEN_NEXT, breached(), elsewhere(HTTP_5XX), proved))
    verdicts = {AWB.name: Clear("fine"), HTTP_5XX.name: Pending("still over")}

    outcome = recovered(s, a_release(), rules(), verdicts, LATER)

    assert outcome is not None
    assert outcome[0]


def test_a_run_is_all_starts_of_one_pair_in_a_row():
    first = started("v1.2.0", since=AT - 3 * HOUR)
    second = started("v1.3.0", since=AT - 2 * HOUR)
    again = started("v1.3.0", since=AT - HOUR, containers=("c9",))
    back = started("v1.2.0", since=AT, by="op")

    def since(*events):
        s = stand(entries(*events))
        return s.pair_since, s.before_since

    assert since() == (None, None)
    assert since(first) == (AT - 3 * HOUR, None)
    assert since(first, second) == (AT - 2 * HOUR, AT - 3 * HOUR)
    assert since(first, second, again) == (AT - 2 * HOUR, AT - 3 * HOUR)
    assert since(first, second, again, back) == (AT, AT - 2 * HOUR)


def test_the_same_containers_read_with_another_tenant_are_the_same_run():
    one = started("v1.2.0", since=AT - HOUR)
    two = started("v1.2.0", pair=a_pair(tenants=("meesho", "other")), since=AT - HOUR)
    s = stand(entries(one, replace(two, containers=one.containers)))

    assert (s.pair_since, s.before_since) == (AT - HOUR, None)
