"""Evidence by tenant: it says where, and never decides whether."""

import time

from hypothesis import given
from hypothesis import strategies as st

from tests.judge.samples import GAP, LONG_AGO, awb, counts, http_5xx, read
from watchdog.facts.reading import Blind, Cause, Groups
from watchdog.facts.verdict import Breached, Clear, Pending
from watchdog.judge.breach import judge

OVER = counts(*[(9, 30)] * 20)
FINE = counts(*[(0, 30)] * 20)


def verdict(blocks, counted, were=(), **other):
    trigger = awb(by="tenant", **other)
    groups = counted
    if isinstance(counted, dict):
        groups = Groups(counted, frozenset(were))
    return judge(trigger, read(trigger, blocks, groups=groups), LONG_AGO)


def many(over, number=1000):
    groups = {f"t{n}": (0.0, 40.0) for n in range(number)}
    return groups | {f"t{n}": (9.0 + (n == 7), 40.0) for n in range(over)}


def test_a_breach_says_in_how_many_tenants_it_is_over_and_where_most():
    seen = verdict(OVER, many(23))

    assert isinstance(seen, Breached)
    assert seen.words.endswith(
        "4,000 needed; over in 23 of 1,000 tenants; worst: t7 10 of 40"
    )


def test_what_is_suspected_says_so_too():
    seen = verdict(counts(*[(0, 30)] * 19, (9, 30)), many(1))

    assert isinstance(seen, Pending)
    assert seen.words.endswith("; over in 1 of 1,000 tenants; worst: t0 9 of 40")


def test_a_thousand_tenants_together_keep_the_confidence():
    # 5 of 40 is sure at 99.9 %, and not at 99.9999 %.
    assert "over in 1 of 1 tenant;" in verdict(OVER, {"a": (5.0, 40.0)}).words
    crowd = many(0) | {"a": (5.0, 40.0)}
    assert "over in 0 of 1,001 tenants" in verdict(OVER, crowd).words


def test_a_tenant_with_few_events_is_not_said_to_be_over():
    assert (
        "over in 0 of 2 tenants"
        in verdict(OVER, {"a": (10.0, 10.0), "b": (3.0, 20.0)}).words
    )


def test_a_tenant_that_was_there_before_and_is_gone_is_named_as_not_seen():
    seen = verdict(FINE, {"a": (0.0, 40.0)}, were=["a", "b", "c"])

    assert seen == Clear(
        "0 of 600 (0%) were bad; bound 1%; over in 0 of 1 tenant; "
        "2 of 3 tenants not seen"
    )


def test_a_clear_verdict_says_only_what_stands_out():
    assert verdict(FINE, many(0)) == Clear("0 of 600 (0%) were bad; bound 1%")
    assert verdict(FINE, {"": (20.0, 40.0)}).words.endswith("worst: (none) 20 of 40")
    blind = Blind(Cause.TIMEOUT, "no answer")
    assert verdict(FINE, blind) == Clear("0 of 600 (0%) were bad; bound 1%")
    assert verdict(OVER, blind).words.endswith("; not measured by tenant: no answer")
    assert isinstance(verdict(counts(*[GAP] * 10), many(3)), Blind)


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.tuples(st.integers(0, 99), st.integers(0, 99)),
        max_size=9,
    ),
    st.sampled_from([OVER, FINE, counts(*[GAP] * 10)]),
)
def test_groups_never_decide(groups, blocks):
    trigger = http_5xx(by="tenant")
    alone = judge(trigger, read(trigger, blocks), LONG_AGO)

    seen = judge(trigger, read(trigger, blocks, groups=Groups(groups)), LONG_AGO)

    assert type(seen) is type(alone)
    assert seen.words.startswith(alone.words)


def test_ten_thousand_tenants_are_weighed_in_a_blink():
    groups = many(500, 10_000)
    began = time.perf_counter()

    verdict(OVER, groups)

    assert time.perf_counter() - began < 0.5
