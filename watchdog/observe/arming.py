"""Tries every trigger against the live server: a typo is found now, not at 3 a.m."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

from watchdog.facts.problem import Fault
from watchdog.facts.reading import Blind, Cause, Measured, Reading, unforeseen
from watchdog.facts.trial import Trial, cure
from watchdog.facts.trigger import (
    UNITS_OF_TIME,
    Latency,
    Queue,
    Ratio,
    Trigger,
    Value,
)
from watchdog.facts.verdict import Breached
from watchdog.judge.breach import judge
from watchdog.observe import promql
from watchdog.observe.promql import duration, is_selector, slow_bucket

_LONG_AGO = timedelta(days=3650)
_MOST_SERIES = 1e9
_MOST_LISTED = 20
_A_BOUND = re.compile(r"[0-9.]+(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)
# Blind in a way that waiting or traffic does not mend.
_NEVER_MENDS = (Cause.REJECTED, Cause.NONSENSE, Cause.NOT_A_NUMBER, Cause.PARTIAL)


class Asks(Protocol):
    """The part of Prometheus that a trial needs."""

    def instant(
        self, query: str, at: datetime
    ) -> list[tuple[dict[str, str], float]] | Blind:
        """Ask for one instant."""
        ...

    def read(self, trigger: Trigger, at: datetime) -> Reading:
        """Read what the trigger counts."""
        ...

    def within_a_turn(self) -> AbstractContextManager[None]:
        """Let all that is asked meanwhile take no longer than a turn may."""
        ...


@dataclass(frozen=True, slots=True)
class Arming:
    """Tries triggers on one server. *scrape* is what the settings say of it."""

    prometheus: Asks
    scrape: timedelta

    def try_out(
        self, trigger: Trigger, at: datetime, since: datetime | None = None
    ) -> Trial:
        """Try *trigger* as of *at*, by the server's time.

        Of a release that started at *since*, also whether it was over before.
        """
        try:
            with self.prometheus.within_a_turn():
                trial = try_out(self.prometheus, trigger, self.scrape, at)
                if since is None or not trial.is_proven:
                    return trial
                over = tuple(_over_before(self.prometheus, trigger, since))
        except Exception as error:  # noqa: BLE001 - the others must be tried
            blind = unforeseen(error)
            fault = Fault("trigger", blind.words, cure(blind.cause))
            return Trial(trigger.name, 0, blind, faults=(fault,))
        return replace(trial, doubts=(*trial.doubts, *over))


def try_out(
    prometheus: Asks, trigger: Trigger, scrape: timedelta, at: datetime
) -> Trial:
    """Try *trigger* as of *at*: its series exist, in the shape that it needs.

    *scrape* is what the settings say of the samples' distance; what is measured
    counts.
    """
    faults: list[Fault] = []
    doubts: list[Fault] = []
    series = 0
    for role, selector, must in _selectors(trigger):
        # No further back than two scrapes: what ended must not look alive.
        seen = _count(prometheus, promql.count(selector, scrape), at)
        if isinstance(seen, Blind):
            faults.append(Fault(role, seen.words, cure(seen.cause)))
            continue
        series = max(series, seen)
        if seen:
            continue
        rare = _spacing(prometheus, trigger, selector, scrape, at)
        if must and rare:
            faults += rare
            continue
        if isinstance(trigger.kind, Latency):
            faults.append(_no_bucket(prometheus, trigger.kind, scrape, at))
            continue
        (faults if must else doubts).append(_missing(prometheus, role, selector, at))
    main = [selector for role, selector, must in _selectors(trigger) if must]
    if not faults and main and is_selector(main[0]):
        faults += _spacing(prometheus, trigger, main[0], scrape, at)
    reading = prometheus.read(trigger, at)
    verdict = judge(trigger, reading, at - _LONG_AGO)
    never: tuple[Cause, ...] = _NEVER_MENDS
    if isinstance(trigger.kind, Value):
        never = (*never, Cause.STALE)
    if not faults and isinstance(verdict, Blind) and verdict.cause in never:
        faults.append(Fault("trigger", verdict.words, cure(verdict.cause)))
    queries = reading.queries if isinstance(reading, Measured) else ()
    return Trial(trigger.name, series, verdict, queries, tuple(faults), tuple(doubts))


def _over_before(
    prometheus: Asks, trigger: Trigger, since: datetime
) -> Iterator[Fault]:
    """Say that the trigger was over its bound just before the release started."""
    reading = prometheus.read(trigger, since)
    verdict = judge(trigger, reading, since - _LONG_AGO)
    if isinstance(verdict, Breached):
        yield Fault(
            "baseline",
            f"it was over its bound before the release: {verdict.words}",
            "a breach will not be charged to this release; is the bound right?",
        )


def _selectors(trigger: Trigger) -> Iterator[tuple[str, str, bool]]:
    """Name what the trigger reads: its role, the selector, whether it must be there.

    Bad events need not be there: an exporter that has none yet may not name them.
    """
    match trigger.kind:
        case Ratio(errors=errors, total=total, good=good):
            yield ("ratio.good", good, True) if good else ("ratio.total", total, True)
            yield "ratio.errors", errors, False
        case Latency() as latency:
            yield "latency.histogram", slow_bucket(latency), True
        case Queue(depth=depth, enqueued=enqueued, drained=drained):
            yield "queue.depth", depth, True
            yield "queue.enqueued", enqueued, True
            yield "queue.drained", drained, True
        case Value(expr=expr):
            yield "value", expr, True
        case _:
            return


def _count(prometheus: Asks, query: str, at: datetime) -> int | Blind:
    answer = prometheus.instant(query, at)
    if isinstance(answer, Blind):
        return answer
    if not answer:
        return 0
    counted = answer[0][1]
    if not 0 <= counted < _MOST_SERIES:
        return Blind(Cause.NONSENSE, f"`{query}` is {counted:g}, no count")
    return int(counted)


def _missing(prometheus: Asks, role: str, selector: str, at: datetime) -> Fault:
    """Tell a typo from a series that was there today."""
    lately: int | Blind = 0
    if is_selector(selector):
        lately = _count(prometheus, f"count(last_over_time({selector}[1d]))", at)
    if isinstance(lately, int) and lately:
        return Fault(
            role,
            f"`{selector}` has no series now; {lately} in the last day",
            "is the target up?",
        )
    if role == "ratio.errors":
        return Fault(
            role,
            f"`{selector}` has no series yet",
            "start its counters at 0: one born with its first errors hides them",
        )
    return Fault(role, f"`{selector}` has no series", cure(Cause.NO_SERIES))


def _no_bucket(
    prometheus: Asks, kind: Latency, scrape: timedelta, at: datetime
) -> Fault:
    """Say which bounds there are, and whether the unit is another."""
    role, selector = "latency.histogram", slow_bucket(kind)
    answer = prometheus.instant(promql.bounds(kind, scrape), at)
    if isinstance(answer, Blind) or not answer:
        return _missing(prometheus, role, selector, at)
    bounds = sorted(
        {
            Decimal(labels["le"])
            for labels, _ in answer
            if _A_BOUND.fullmatch(labels.get("le", ""))
        }
    )
    listed = ", ".join(map(promql.plain, bounds[:_MOST_LISTED])) or "+Inf only"
    counted = f" ({kind.over_words}, in {kind.unit})" if kind.unit else ""
    words = (
        f'`{promql.every_bucket(kind)}` has no bucket le="{promql.plain(kind.bound)}"'
    )
    hint = f"`over` must be the bound of a bucket; there are: {listed}"
    if isinstance(kind.over, timedelta):
        for unit in UNITS_OF_TIME:
            if replace(kind, unit=unit).bound in bounds:
                hint = (
                    f"write `unit: {unit}` if it counts in {unit}; there are: {listed}"
                )
    return Fault(role, words + counted, hint)


def _spacing(
    prometheus: Asks, trigger: Trigger, selector: str, scrape: timedelta, at: datetime
) -> list[Fault]:
    """Measure how far apart the samples are; a block needs two of them."""
    if not is_selector(selector):
        return []
    span = max(20 * scrape, 4 * trigger.block)
    one, two = duration(span), duration(2 * span)
    older = _count(prometheus, f"count({selector} offset {two})", at)
    if isinstance(older, Blind) or not older:
        return []  # too young to tell
    # The older half only: a sample on the edge of a range would count twice.
    query = (
        f"max(count_over_time({selector}[{two}])) - "
        f"max(count_over_time({selector}[{one}]))"
    )
    counted = prometheus.instant(query, at)
    if isinstance(counted, Blind) or not counted or counted[0][1] < 1:
        return []
    if not counted[0][1] < _MOST_SERIES:
        return []
    apart = span / counted[0][1]
    if trigger.block < 1.8 * apart and not isinstance(trigger.kind, Value):
        return [
            Fault(
                "block",
                f"samples are {apart.total_seconds():.0f}s apart, a block is "
                f"{duration(trigger.block)}",
                f"write `block: {duration(4 * _whole(apart))}`, or scrape more often",
            )
        ]
    if not scrape / 1.5 <= apart <= scrape * 1.5:
        return [
            Fault(
                "prometheus.scrape_interval",
                f"is {duration(scrape)}, but samples are "
                f"{apart.total_seconds():.0f}s apart",
                f"write `scrape_interval: {duration(_whole(apart))}` in the settings",
            )
        ]
    return []


def _whole(time: timedelta) -> timedelta:
    return timedelta(seconds=max(1, round(time.total_seconds())))
