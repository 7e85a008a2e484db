"""Tries every trigger against the live server: a typo is found now, not at 3 a.m."""

import math
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from watchdog.facts.problem import Fault
from watchdog.facts.reading import Blind, Cause, Measured, Reading, unforeseen
from watchdog.facts.selector import read
from watchdog.facts.trial import Trial, cure
from watchdog.facts.trigger import (
    UNITS_OF_TIME,
    Kind,
    Latency,
    Queue,
    Ratio,
    Traffic,
    Trigger,
    Value,
)
from watchdog.facts.verdict import Breached
from watchdog.judge.breach import judge
from watchdog.judge.thin import thin
from watchdog.observe import counted, promql
from watchdog.observe.numbers import plain
from watchdog.observe.promql import is_selector, slow_bucket
from watchdog.observe.rhythm import rhythm
from watchdog.observe.unnoticed import beside, without

_LONG_AGO = timedelta(days=3650)
_MOST_SERIES = 1e9
_MOST_LISTED = 20
_BLOCKS_OUTNUMBERED = 2
_RENAMED = "was it renamed, by an upgrade of Prometheus or of the application?"
_NOT_STORED = (
    "it is exported, and nothing of it is stored: look at the scrape job "
    "(`convert_classic_histograms_to_nhcb` needs the feature native-histograms)"
)
_A_COUNTER = "write a counter, which only grows; `value` is the kind for a gauge"
_EACH = "of processes that answer in turn, let each be a target"
_A_BOUND = re.compile(r"[0-9.]+(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)
# Blind in a way that waiting or traffic does not mend, or not asked at all.
_NOT_PROVEN = (
    Cause.UNREACHABLE,
    Cause.TIMEOUT,
    Cause.REJECTED,
    Cause.NONSENSE,
    Cause.NOT_A_NUMBER,
    Cause.PARTIAL,
    Cause.STALE,
)


class Asks(Protocol):
    """The part of Prometheus that a trial needs."""

    def instant(
        self, query: str, at: datetime
    ) -> list[tuple[dict[str, str], float]] | Blind:
        """Ask for one instant."""
        ...

    def told(self, path: str, **parameters: str) -> Any | Blind:
        """Ask what the server knows of itself."""
        ...

    def read(self, trigger: Trigger, at: datetime) -> Reading:
        """Read what the trigger counts."""
        ...

    def ends(self, selector: str, at: datetime) -> frozenset[float] | Blind:
        """Ask where the buckets of a native histogram end."""
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
            fault = Fault("trigger", blind.words, cure(blind))
            return Trial(trigger.name, 0, blind, faults=(fault,))
        return replace(trial, doubts=(*trial.doubts, *over))


def try_out(
    prometheus: Asks, trigger: Trigger, scrape: timedelta, at: datetime
) -> Trial:
    """Try *trigger* as of *at*: its series exist, in the shape that it needs.

    *scrape* is what the settings say of the samples' distance; what is measured
    counts.
    """
    faults, doubts = list[Fault](), list[Fault]()
    series = 0
    for role, selector, must in _selectors(trigger):
        # No further back than two scrapes: what ended must not look alive.
        seen = _count(prometheus, promql.count(selector, scrape), at)
        if isinstance(seen, Blind):
            faults.append(Fault(role, seen.words, _too_new(selector, seen)))
            continue
        series = max(series, seen)
        if seen:
            continue
        if must:
            rare = rhythm(prometheus, trigger, [selector], scrape, at).faults
            if rare:
                faults += rare
                continue
        if isinstance(trigger.kind, Latency):
            kept = _count(prometheus, promql.native(trigger.kind, scrape), at)
            if isinstance(kept, int) and kept:
                series = kept
                doubts += _interpolated(prometheus, trigger.kind, at)
                continue
            faults.append(_no_bucket(prometheus, trigger.kind, scrape, at))
            continue
        (faults if must else doubts).append(_missing(prometheus, role, selector, at))
    main = [selector for role, selector, must in _selectors(trigger) if must]
    if not faults and main:
        found = rhythm(prometheus, trigger, main, scrape, at)
        faults += found.faults
        doubts += found.doubts
    reading = prometheus.read(trigger, at)
    verdict = judge(trigger, reading, at - _LONG_AGO)
    if not faults:
        faults += _no_counters(prometheus, trigger, at)
    if not faults and isinstance(trigger.kind, Ratio):
        faults += _only_good(prometheus, trigger, trigger.kind, scrape, at)
    if not faults and isinstance(verdict, Blind) and verdict.cause in _NOT_PROVEN:
        hint = cure(verdict)
        if verdict.cause is Cause.STALE and main:
            hint = _down(prometheus, main[0]) or hint
        faults.append(Fault("trigger", verdict.words, hint))
    if not faults:
        doubts += _copies(prometheus, trigger, at)
        doubts += _too_thin(trigger, reading)
        for role, selector in beside(trigger):
            if _count(prometheus, promql.count(selector, scrape), at) == 0:
                doubts.append(without(_missing(prometheus, role, selector, at)))
    queries = reading.queries if isinstance(reading, Measured) else ()
    return Trial(trigger.name, series, verdict, queries, tuple(faults), tuple(doubts))


def _too_thin(trigger: Trigger, reading: Reading) -> Iterator[Fault]:
    """Say that so little comes that a healthy release may be called failing."""
    if isinstance(reading, Measured) and (words := thin(trigger, reading)):
        yield Fault("above", words, "write `for`, or an action that asks a person")


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
        case Traffic(events=events):
            yield "traffic", events, True
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


def _too_new(selector: str, refused: Blind) -> str:
    """Give the cure of a refusal; a Prometheus 2 takes no quoted name for one."""
    found = read(selector)
    if refused.cause is not Cause.REJECTED or found is None or not found.is_quoted:
        return cure(refused)
    kept = re.sub(r"[^a-zA-Z0-9_:]", "_", found.name)
    return (
        f"Prometheus 2 has no names with dots: it keeps `{found.name}` as `{kept}`; "
        "write that, or ask a Prometheus 3"
    )


def _missing(prometheus: Asks, role: str, selector: str, at: datetime) -> Fault:
    """Tell a typo from a series that was there today."""
    lately: int | Blind = 0
    if is_selector(selector):
        lately = _count(prometheus, f"count(last_over_time({selector}[1d]))", at)
    if isinstance(lately, int) and lately:
        words = f"`{selector}` has no series now; {lately} in the last day"
        if here := _alike(prometheus, selector, at):
            last = prometheus.instant(counted.ended(selector), at)
            if not isinstance(last, Blind) and last and last[0][1] > 0:
                words = f"`{selector}` {counted.ended_words(at, last[0][1])}"
            return Fault(role, f"{words}, and {here} is there", _RENAMED)
        return Fault(role, words, _down(prometheus, selector) or "is the target up?")
    if role == "ratio.errors":
        return Fault(
            role,
            f"`{selector}` has no series yet",
            "right if nothing failed yet: its first errors count, as its target is "
            "scraped; is the name right?",
        )
    words = f"`{selector}` has no series"
    if is_selector(selector) and (here := _alike(prometheus, selector, at)):
        return Fault(role, f"{words}, and {here} is there", _RENAMED)
    hint = _down(prometheus, selector) or cure(Cause.NO_SERIES)
    if role == "latency.histogram":
        base = counted.name_of(selector).removesuffix("_bucket")
        if counted.is_of(prometheus.told("/api/v1/metadata", metric=base), base):
            hint = _NOT_STORED
    return Fault(role, words, hint)


def _alike(prometheus: Asks, selector: str, at: datetime) -> str:
    """Name a metric that is the same but for its dots, if there is one now."""
    if "_" not in counted.name_of(selector):
        return ""
    answer = prometheus.instant(counted.alike(selector), at)
    if isinstance(answer, Blind) or not answer:
        return ""
    return " and ".join(f"`{labels.get('__name__', '')}`" for labels, _ in answer[:3])


def _down(prometheus: Asks, selector: str) -> str:
    """Quote why a target of *selector* is not scraped; empty if all are."""
    if not is_selector(selector):
        return ""
    told = prometheus.told("/api/v1/targets", state="active")
    return "" if isinstance(told, Blind) else counted.down(told, selector)


def _counters(kind: Kind) -> Iterator[tuple[str, str]]:
    """Name what must be a counter: events are counted by how much it grew."""
    match kind:
        case Ratio(errors=errors, total=total, good=good):
            yield ("ratio.good", good) if good else ("ratio.total", total)
            yield "ratio.errors", errors
        case Queue(enqueued=enqueued, drained=drained):
            yield "queue.enqueued", enqueued
            yield "queue.drained", drained
        case Traffic(events=events):
            yield "traffic", events
        case _:
            return


def _no_counters(prometheus: Asks, trigger: Trigger, at: datetime) -> Iterator[Fault]:
    """Say what is a gauge, or a recorded rate: nothing can be counted by it."""
    for role, selector in _counters(trigger.kind):
        if counted.is_recorded(selector):
            words = f"`{selector}` is recorded by a rule: a rate has no events to count"
            yield Fault(role, words, "write the counter that the rule is made of")
            continue
        name = counted.name_of(selector)
        told = prometheus.told("/api/v1/metadata", metric=name) if name else None
        if not isinstance(told, Blind) and counted.is_gauge(told, selector):
            yield Fault(role, f"`{selector}` is a gauge, by who exports it", _A_COUNTER)
            continue
        fell = prometheus.instant(counted.falls(selector), at)
        if not isinstance(fell, Blind) and fell:
            words = f"`{selector}` fell {fell[0][1]:.0f} times in the last hour"
            yield Fault(role, words, f"{_A_COUNTER}; {_EACH}")


def _only_good(
    prometheus: Asks, trigger: Trigger, kind: Ratio, scrape: timedelta, at: datetime
) -> Iterator[Fault]:
    """Say that errors are not among the total, which then counts the good ones only."""
    if not kind.total:
        return
    words = ""
    width = max(trigger.block, 4 * scrape)
    answer = prometheus.instant(counted.outnumbered(kind, width), at)
    if counted.is_named_good(kind):
        words = f"`{kind.total}` is named after good events"
    if not isinstance(answer, Blind) and answer and answer[0][1] >= _BLOCKS_OUTNUMBERED:
        words = (
            f"there were more errors than `{kind.total}` in {answer[0][1]:.0f} blocks "
            "of the last hour: they are not among it"
        )
    if words:
        hint = f"write `good: {kind.total}` in place of `total`, or count all events"
        yield Fault("ratio.total", words, hint)


def _copies(prometheus: Asks, trigger: Trigger, at: datetime) -> Iterator[Fault]:
    """Say that the same events are scraped more than once."""
    roles = [*_counters(trigger.kind)]
    if isinstance(trigger.kind, Latency):
        roles = [("latency.histogram", promql.every_bucket(trigger.kind))]
    for role, selector in roles:
        for how, label, question in counted.copies(selector):
            answer = prometheus.instant(question, at)
            if isinstance(answer, Blind) or not answer:
                continue
            words = f"`{selector}` has series {how}: each event counts twice or more"
            hint = f'name one: `{{{label}="…"}}`, or scrape the target once'
            yield Fault(role, words, hint)
            break


def _interpolated(prometheus: Asks, kind: Latency, at: datetime) -> Iterator[Fault]:
    """Say that a native histogram has no bucket that ends at the bound."""
    selector = kind.histogram.strip()
    ends = prometheus.ends(selector, at)
    bound = float(kind.bound)
    if isinstance(ends, Blind) or any(math.isclose(bound, end) for end in ends):
        return
    below = max((end for end in ends if end < bound), default=0.0)
    above = min((end for end in ends if end > bound), default=math.inf)
    words = (
        f"`{selector}` is kept as a native histogram, and no used bucket of it ends at "
        f"{bound:g}: what is {kind.words} is interpolated between {below:g} and "
        f"{above:g}"
    )
    yield Fault("latency.histogram", words, "let `over` be the end of a bucket")


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
    listed = ", ".join(map(plain, bounds[:_MOST_LISTED])) or "+Inf only"
    counted = f" ({kind.over_words}, in {kind.unit})" if kind.unit else ""
    words = f'`{promql.every_bucket(kind)}` has no bucket le="{plain(kind.bound)}"'
    hint = f"`over` must be the bound of a bucket; there are: {listed}"
    if isinstance(kind.over, timedelta):
        for unit in UNITS_OF_TIME:
            if replace(kind, unit=unit).bound in bounds:
                hint = (
                    f"write `unit: {unit}` if it counts in {unit}; there are: {listed}"
                )
    return Fault(role, words + counted, hint)
