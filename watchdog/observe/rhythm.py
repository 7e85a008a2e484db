"""How often a trigger's series are scraped, held against what the settings say.

Source: Prometheus HTTP API, ``GET /api/v1/targets``, where there is one; else how far
apart the samples are.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from watchdog.config.notation import Said, duration, written
from watchdog.facts.problem import Fault
from watchdog.facts.reading import Blind
from watchdog.facts.trigger import Queue, Trigger
from watchdog.observe.numbers import duration as in_promql
from watchdog.observe.promql import is_selector

_SETTING = "prometheus.scrape_interval"
_MOST_SAMPLES = 1e9
# Up to here, two scrapes of the settings still hold a sample of what is scraped.
_STILL_SEEN = 1.5
# Over so many spans samples are counted: a Prometheus that was away leaves a hole.
_LOOKED_AT = 4


class Asks(Protocol):
    """The part of Prometheus that tells how often it scrapes."""

    def instant(
        self, query: str, at: datetime
    ) -> list[tuple[dict[str, str], float]] | Blind:
        """Ask for one instant."""
        ...

    def told(self, path: str, **parameters: str) -> Any | Blind:
        """Ask what the server knows of itself."""
        ...


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What is wrong between the scrapes and the settings, or with a block."""

    faults: tuple[Fault, ...] = ()
    doubts: tuple[Fault, ...] = ()


def rhythm(
    prometheus: Asks,
    trigger: Trigger,
    selectors: Sequence[str],
    scrape: timedelta,
    at: datetime,
) -> Rhythm:
    """Hold *scrape*, the settings', against how often *selectors* are scraped."""
    plain = [selector for selector in selectors if is_selector(selector)]
    doubts: list[Fault] = []
    for selector in plain:
        jobs = _jobs(prometheus, selector, at)
        slowest = _slowest(prometheus, jobs)
        if slowest is None:
            continue
        every, job = slowest
        if every != scrape:
            found = _differs(
                scrape, every, f"the targets of job {job} are scraped every"
            )
            if found.faults:
                return found
            doubts += found.doubts
    if not plain or doubts:
        return Rhythm(doubts=tuple(dict.fromkeys(doubts)))
    return _by_samples(prometheus, trigger, plain[0], scrape, at)


def _jobs(prometheus: Asks, selector: str, at: datetime) -> set[tuple[str, str]]:
    """Name the (job, instance) of each target that has the series now."""
    answer = prometheus.instant(f"group by (job, instance) ({selector})", at)
    if isinstance(answer, Blind):
        return set()
    return {
        (labels["job"], labels.get("instance", ""))
        for labels, _ in answer
        if labels.get("job")
    }


def _slowest(
    prometheus: Asks, whose: Collection[tuple[str, str]]
) -> tuple[timedelta, str] | None:
    """Give the longest interval of these targets and its job; None: not known."""
    jobs = {job for job, _ in whose}
    for narrow in (len(jobs) == 1, False):
        # A pool is called like its job, unless a rule changed the label; without
        # it, the answer can be larger than what is read.
        more = {"scrapePool": next(iter(jobs))} if narrow else {}
        told = prometheus.told("/api/v1/targets", state="active", **more)
        found = None if isinstance(told, Blind) else slowest(told, whose)
        if found or not jobs:
            return found
    return None


def slowest(
    targets: Any, whose: Collection[tuple[str, str]]
) -> tuple[timedelta, str] | None:
    """Give the longest interval that Prometheus tells of the targets *whose*."""
    listed = targets.get("activeTargets") if isinstance(targets, dict) else None
    found: list[tuple[timedelta, str]] = []
    for one in listed if isinstance(listed, list) else ():
        labels = one.get("labels") if isinstance(one, dict) else None
        if not isinstance(labels, dict):
            continue
        job = str(labels.get("job", ""))
        if (job, str(labels.get("instance", ""))) not in whose:
            continue
        try:
            every = duration(one.get("scrapeInterval"))
        except Said:
            continue
        if every:
            found.append((every, job))
    return max(found, default=None)


def _differs(scrape: timedelta, every: timedelta, seen: str) -> Rhythm:
    words = f"is {written(scrape)}, {seen} {written(every)}"
    write = f"write `scrape_interval: {written(every)}` in the settings"
    if every > scrape * _STILL_SEEN:
        return Rhythm(faults=(Fault(_SETTING, words, write),))
    if every < scrape:
        write += f", unless others are scraped every {written(scrape)}"
    return Rhythm(doubts=(Fault(_SETTING, words, write),))


def _by_samples(
    prometheus: Asks, trigger: Trigger, selector: str, scrape: timedelta, at: datetime
) -> Rhythm:
    """Measure how far apart the samples are; a block needs two of them."""
    span = max(20 * scrape, 4 * trigger.block)
    apart = _apart(prometheus, selector, span, scrape, at)
    if apart is None:
        # Younger than that, as after a release: what its target says of each scrape
        # is as old as the target.
        for job in sorted({job for job, _ in _jobs(prometheus, selector, at)}):
            text = job.replace("\\", "\\\\").replace('"', '\\"')
            target = f'scrape_samples_scraped{{job="{text}"}}'
            apart = apart or _apart(prometheus, target, span, scrape, at)
    if apart is None:
        return Rhythm()
    if trigger.block < 1.8 * apart and isinstance(trigger.kind, Queue):
        fault = Fault(
            "block",
            f"samples are {apart.total_seconds():.0f}s apart, a block is "
            f"{in_promql(trigger.block)}",
            f"write `block: {in_promql(4 * _whole(apart))}`, or scrape more often",
        )
        return Rhythm(faults=(fault,))
    if not scrape / _STILL_SEEN <= apart <= scrape * _STILL_SEEN:
        return _differs(scrape, _whole(apart), "but samples are apart by")
    return Rhythm()


def _apart(
    prometheus: Asks, selector: str, span: timedelta, scrape: timedelta, at: datetime
) -> timedelta | None:
    """Measure the distance of the samples; None where they are too young to tell."""
    one, two = in_promql(span), in_promql(2 * span)
    older = prometheus.instant(f"count({selector} offset {two})", at)
    if isinstance(older, Blind) or not older or not older[0][1]:
        return None
    # The older half only: a sample on the edge of a range would count twice.
    half = (
        f"max(count_over_time({selector}[{two}])) - "
        f"max(count_over_time({selector}[{one}]))"
    )
    # Few there may be scrapes that are missing, and no slower rhythm: then the fullest
    # of some such halves tells.
    fullest = f"max_over_time(({half})[{in_promql(_LOOKED_AT * span)}:{one}])"
    number = 0.0
    for query in (half, fullest):
        counted = prometheus.instant(query, at)
        if isinstance(counted, Blind) or not counted:
            return None
        number = max(number, counted[0][1])
        if number * scrape * _STILL_SEEN >= span:
            break
    return span / number if 1 <= number < _MOST_SAMPLES else None


def _whole(time: timedelta) -> timedelta:
    return timedelta(seconds=max(1, round(time.total_seconds())))
