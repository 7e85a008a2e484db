"""How often a trigger is wrong, and how soon it is right: python -m bench.confidence.

Whole releases are played, each with its watch of 24 h, with the judge of the product:
polls of 5 s, settling, what is scraped when, and what `rate` makes of it. Beside it
stands the rule of the first build, on the same releases. Nothing is measured in time,
so a busy machine changes nothing; the same seed gives the same table.

  rolled back  of all healthy releases, so many would have been, in their whole watch
  median, p95  seconds from the onset to the turn that acts
  missed       not found in 15 min, with `for` in an hour

`--quick` takes minutes, without it hours. `--markdown` prints the tables of
docs/explanation/how-often-it-is-wrong.md. `--only TEXT` plays the lines that have it.
"""

import argparse
import math
import multiprocessing
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple

from bench.earlier import Earlier
from bench.watches import DAY, POLL, SEEN_AFTER, START, Case, Watch
from watchdog.facts.trigger import Action, Ratio, Trigger
from watchdog.facts.verdict import Breached
from watchdog.judge.breach import judge
from watchdog.judge.odds import Bound, Odds

SECOND = timedelta(seconds=1)
# The judge is asked only where what came could make it say so; with replicas and
# missing scrapes it sees other sums, so it is asked much earlier.
_SURELY, _PERHAPS = 1.0, 0.02
# With `for` so much of the odds is enough.
SUSTAINED = 0.4


def awb(scrape: int = 15) -> Trigger:
    """> 1 % of scans: immediate rollback."""
    return Trigger(
        name="AwbRoutingFailures",
        kind=Ratio("failures", "scans"),
        action=Action.ROLLBACK,
        window=300 * SECOND,
        sustained=False,
        block=scrape * SECOND,
        above=0.01,
    )


def http(scrape: int = 15) -> Trigger:
    """> 5 % for five minutes."""
    return replace(
        awb(scrape),
        name="Http5xxRate",
        kind=Ratio("errors", "requests"),
        sustained=True,
        above=0.05,
    )


class Outcome(NamedTuple):
    """When each rule would have acted, in seconds from the release's start."""

    now: float | None
    earlier: float | None


def turns(watch: Watch, begin: float, end: float) -> Iterator[float]:
    """Give the turns from *begin* until before *end*."""
    turn = watch.turns_at + max(0, math.ceil((begin - watch.turns_at) / POLL)) * POLL
    while turn < end:
        yield turn
        turn += POLL


def now(watch: Watch, after: float) -> float | None:
    """Say in which turn the product would act."""
    case = watch.case
    trigger = case.trigger
    bound = trigger.above or 0.0
    exact = case.replicas == 1 and not case.missing
    asked = (_SURELY if exact else _PERHAPS) * (SUSTAINED if trigger.sustained else 1)
    measure = Bound(bound, trigger.block)
    odds = Odds(measure)
    armed_from = START + case.scrape * SECOND
    span = int(trigger.window.total_seconds()) // case.scrape + 1
    for place, (at, bad, every) in enumerate(watch.steps):
        odds.take(bad, every)
        if not bad or at < after:
            continue
        recent = watch.steps[max(0, place - span) : place + 1]
        few = sum(b for _, b, _ in recent)
        if few < trigger.min_events or few * 1.1 <= bound * sum(n for *_, n in recent):
            continue
        if odds.value < asked * measure.needed * 0.999:
            continue
        more = case.scrape * (1 if exact else 2)
        for turn in turns(watch, at + SEEN_AFTER, at + SEEN_AFTER + more + 1):
            verdict = judge(trigger, watch.reading(turn), armed_from)
            if isinstance(verdict, Breached) and not verdict.elsewhere:
                return turn
    return None


def earlier(watch: Watch, after: float) -> float | None:
    """Say in which turn the first build would have acted."""
    case = watch.case
    bound, window = case.trigger.above or 0.0, case.trigger.window.total_seconds()
    rule = Earlier(watch)
    span = int(window) // case.scrape + 3
    for place, (at, _, _) in enumerate(watch.steps):
        if at < after:
            continue
        recent = watch.steps[max(0, place - span) : place + 1]
        few = sum(b for _, b, _ in recent)
        if few < 5 or few * 1.3 <= bound * sum(n for *_, n in recent):
            continue
        for turn in turns(watch, at + case.scrape, at + 2 * case.scrape):
            if rule.rolled_back(turn):
                return turn
    return None


class Job(NamedTuple):
    """So many runs of one case."""

    case: Case
    runs: int
    seed: int
    both: bool


def play(job: Job) -> list[Outcome]:
    """Play them; what is found before the onset is no finding."""
    found = []
    for number in range(job.runs):
        watch = Watch(job.case, random.Random(job.seed + number))
        after = 0.0 if math.isinf(job.case.onset) else job.case.onset
        found.append(
            Outcome(now(watch, after), earlier(watch, after) if job.both else None)
        )
    return found


@dataclass(frozen=True)
class Table:
    """Cases with one thought; *rate* if what counts is how many are rolled back."""

    title: str
    cases: Sequence[Case]
    rate: bool
    quick: int


HALF = 0.005
_COMINGS = ((1, False), (2, False), (4, False), (8, False), (4, True), (8, True))


def tables() -> list[Table]:
    """List all that is played."""
    one, five = awb(), http()
    healthy = [
        Case(one, per_minute, HALF, batch=batch, mixed=mixed)
        for per_minute in (6, 20, 60, 600, 6000)
        for batch, mixed in _COMINGS
    ]
    rhythms = [
        Case(awb(scrape), per_minute, HALF, batch=batch, scrape=scrape)
        for scrape in (5, 30, 60)
        for per_minute, batch in ((12, 1), (120, 4))
    ] + [
        Case(one, 60, HALF, batch=4, replicas=3),
        Case(one, 60, HALF, batch=4, replicas=3, missing=0.05),
        Case(replace(one, above=0.1), 6, 0.05, batch=4),
    ]
    fifth = [Case(one, n, 0.002, batch=4) for n in (20, 60)]
    sustained = [
        Case(five, per_minute, 0.025, batch=batch, mixed=mixed)
        for per_minute in (6, 12, 30, 60, 120)
        for batch, mixed in ((1, False), (4, False), (8, True))
    ]
    burst = [
        Case(one, n, 0.002, 1.0, onset=1800, ends=1800 + length, lasts=2700)
        for length in (5, 10)
        for n in (60, 600, 6000)
    ]
    ill = (
        [
            Case(awb(scrape), n, 0.002, share, onset=3600, lasts=4560, scrape=scrape)
            for scrape in (15, 5, 30, 60)
            for n, share in (
                (20, 1.0),
                (60, 1.0),
                (600, 1.0),
                (6000, 1.0),
                (20, 0.05),
                (60, 0.1),
            )
        ]
        + [
            Case(
                one, n, 0.002, 1.0, onset=3600, lasts=4560, replicas=3, missing=missing
            )
            for n in (20, 60, 600)
            for missing in (0.0, 0.05)
        ]
        + [
            Case(one, n, 0.002, share, onset=3600, lasts=4560, batch=4)
            for n, share in ((60, 0.05), (600, 0.05))
        ]
    )
    start = [
        Case(awb(scrape), n, 0.002, 1.0, onset=0, lasts=960, scrape=scrape, births=born)
        for scrape in (15, 5)
        for born in (False, True)
        for n in (20, 60, 600)
    ]
    long = [
        Case(five, n, 0.005, share, onset=3600, lasts=7200)
        for n in (12, 30, 120, 600)
        for share in (0.2, 1.0)
    ] + [
        Case(http(s), 120, 0.005, 0.2, onset=3600, lasts=7200, scrape=s)
        for s in (5, 30, 60)
    ]
    outage = [
        Case(five, n, 0.005, 1.0, onset=3600, ends=3600 + length, lasts=4500)
        for n in (12, 30, 120, 600)
        for length in (200, 240, 270, 285, 300)
    ]
    return [
        Table("Healthy: half the bound, `window: 5m`", healthy, rate=True, quick=12),
        Table("Healthy: how it is scraped", rhythms, rate=True, quick=12),
        Table("Healthy: a fifth of the bound", fifth, rate=True, quick=25),
        Table("Healthy: half the bound, `for: 5m`", sustained, rate=True, quick=12),
        Table("A burst of total failure", burst, rate=True, quick=60),
        Table("Ill in the middle of a watch, `window: 5m`", ill, rate=False, quick=60),
        Table("Ill from the start, `window: 5m`", start, rate=False, quick=60),
        Table("Ill in the middle of a watch, `for: 5m`", long, rate=False, quick=40),
        Table("An outage shorter than `for: 5m`", outage, rate=True, quick=40),
    ]


def what(case: Case) -> str:
    """Say what fails."""
    if math.isinf(case.onset):
        return f"{case.usual:.1%}"
    length = "" if math.isinf(case.ends) else f" for {case.ends - case.onset:.0f} s"
    born = ", births" if case.births else ""
    return f"{case.usual:.1%} -> {case.ill:.0%}{length}{born}"


def rolled(found: Sequence[float | None]) -> str:
    """Say how many were rolled back."""
    count = sum(one is not None for one in found)
    return f"{count} of {len(found)} ({count / len(found):.1%})"


def delays(case: Case, found: Sequence[float | None]) -> list[str]:
    """Give median, p95 and what was missed."""
    limit = 3600 if case.trigger.sustained else 900
    late = sorted(
        math.inf if one is None or one - case.onset > limit else one - case.onset
        for one in found
    )

    def at(share: float) -> str:
        seconds = late[min(len(late) - 1, math.ceil(share * len(late)) - 1)]
        return "-" if math.isinf(seconds) else f"{seconds:.0f} s"

    missed = sum(map(math.isinf, late)) / len(late)
    return [at(0.5), at(0.95), f"{missed:.1%}"]


def lines(
    table: Table, played: Sequence[list[Outcome]], *, both: bool, markdown: bool
) -> Iterator[str]:
    """Write one line per case."""
    head = ["per minute", "fails", "comes", "scraped"]
    measures = ["rolled back"] if table.rate else ["median", "p95", "missed"]
    head += measures
    if both:
        head += [f"{name}, first build" for name in measures]
    rows = [head]
    for case, outcomes in zip(table.cases, played, strict=True):
        row = [f"{case.per_minute:g}", what(case), case.coming, case.scraped]
        for number in range(2 if both else 1):
            found = [one[number] for one in outcomes]
            row += [rolled(found)] if table.rate else delays(case, found)
        rows.append(row)
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for number, row in enumerate(rows):
        parts = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        yield f"| {' | '.join(parts)} |" if markdown else "  ".join(parts).rstrip()
        if markdown and number == 0:
            yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"


def main() -> int:
    """Play every table; fail when a release at a fifth of its bound was rolled back."""
    usage = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    usage.add_argument("--quick", action="store_true", help="a minute or two")
    usage.add_argument("--runs", type=int, help="so many of each line")
    usage.add_argument("--seed", type=int, default=20261123)
    usage.add_argument("--jobs", type=int, default=1, help="processes; 1")
    usage.add_argument("--only", default="", help="only tables whose title has this")
    usage.add_argument(
        "--now-only", action="store_true", help="without the first build"
    )
    usage.add_argument("--markdown", action="store_true")
    given = usage.parse_args()
    both = not given.now_only
    print(f"seed {given.seed}, poll {POLL} s, watches of {DAY / 3600:.0f} h")
    wrong = 0
    with multiprocessing.Pool(given.jobs) as pool:
        for table in tables():
            if given.only.casefold() not in table.title.casefold():
                continue
            runs = given.runs or (table.quick if given.quick else 400)
            jobs = [Job(case, runs, given.seed, both) for case in table.cases]
            played = []
            for done, outcomes in enumerate(pool.imap(play, jobs), start=1):
                played.append(outcomes)
                print(f"\r{done} of {len(jobs)} lines", end="", file=sys.stderr)
            print("\r", end="", file=sys.stderr)
            print(f"\n{'## ' if given.markdown else ''}{table.title}\n")
            print(f"{runs} a line.\n")
            for line in lines(table, played, both=both, markdown=given.markdown):
                print(line, flush=True)
            if "fifth" in table.title:
                wrong += sum(one.now is not None for many in played for one in many)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
