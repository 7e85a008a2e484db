"""Days are drawn by the thousand, and decided as the judge would at each scrape."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from bench.confidence import awb
from bench.days import WAYS, OneWay, at_most, called, drawn, poissons
from bench.watches import START, Case
from watchdog.facts.reading import Block, Look
from watchdog.facts.verdict import Breached
from watchdog.judge.counts import judge_counts
from watchdog.judge.odds import Bound, Odds


def asked_at_each(trigger, scrapes):
    blocks = [
        Block(START + (n + 1) * trigger.block, {"bad": float(bad), "all": float(every)})
        for n, (bad, every) in enumerate(scrapes)
    ]
    for place, block in enumerate(blocks):
        look = Look(block.end, tuple(blocks[max(0, place - 239) : place + 1]))
        verdict = judge_counts(trigger, look, START - timedelta(days=1))
        if isinstance(verdict, Breached):
            return place
    return None


@pytest.mark.parametrize("batch", [1, 4])
def test_a_drawn_day_is_called_failing_where_the_judge_first_says_so(batch):
    trigger = replace(awb(), above=0.1)
    found = []
    for seed in range(4):
        share = 0.05 if seed == 0 else 0.25
        case = Case(trigger, 20, share, batch=batch, lasts=5400)
        scrapes = drawn(case, random.Random(seed))

        found.append(called(case, scrapes))

        assert found[-1] == asked_at_each(trigger, scrapes)
    assert any(one is not None for one in found)
    assert any(one is None for one in found)


@pytest.mark.parametrize(
    ("count", "of_all", "share"), [(0, 100, 0.0295), (11, 3000, 0.0061), (5, 5, 1.0)]
)
def test_what_a_share_is_not_above_is_clopper_and_pearsons(count, of_all, share):
    assert at_most(count, of_all) == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize("coming", WAYS)
def test_the_odds_of_all_ways_are_never_more_than_those_of_one(coming):
    chance = random.Random(coming)
    limit = Bound(0.01, timedelta(seconds=15))
    every, one = Odds(limit), OneWay(limit, coming)

    for _ in range(300):
        bad = chance.choice([0, 0, 0, 1, 4, 9])
        every.take(bad, 60)
        one.take(bad, 60)

        assert every.value <= one.value


def test_numbers_are_drawn_as_poisson_has_them():
    chance = random.Random(7)
    for mean in (0.01, 3.0, 400.0):
        found = poissons(chance, mean, 20_000)
        average = sum(found) / len(found)
        spread = sum((one - average) ** 2 for one in found) / len(found)

        assert average == pytest.approx(mean, rel=0.3 if mean < 1 else 0.03)
        assert spread == pytest.approx(mean, rel=0.3 if mean < 1 else 0.05)
