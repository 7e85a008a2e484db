"""One trigger of a release file: what it asks for, or what is wrong with it."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

from watchdog.config.filling import Filled, fill
from watchdog.config.notation import Place, in_words, seen, written
from watchdog.config.release_form import CareForm, LatencyForm, RatioForm, RuleForm
from watchdog.config.trigger_block import block_of, fault_of_block
from watchdog.facts import selector
from watchdog.facts.problem import Fault
from watchdog.facts.trigger import (
    UNITS_OF_TIME,
    Action,
    Baseline,
    Kind,
    Latency,
    Queue,
    Ratio,
    RatioQuery,
    Sick,
    Traffic,
    Trigger,
    Value,
)

# The units that metrics' names end in, and how they are written here.
_UNIT_NAMED = {
    "seconds": "s",
    "milliseconds": "ms",
    "millis": "ms",
    "ms": "ms",
    "microseconds": "us",
    "us": "us",
    "nanoseconds": "ns",
    "ns": "ns",
    "bytes": "bytes",
}
# What may stand beside a kind: which times, which bounds.
TIMES = {
    "ratio": ("for", "window"),
    "latency": ("for", "window"),
    "queue": ("growing_for",),
    "value": ("for",),
    "traffic": ("for",),
    "container": ("for",),
}
BOUNDS: dict[str, tuple[str, ...]] = {
    "ratio": ("above",),
    "latency": (),
    "queue": (),
    "value": ("above", "below"),
    "traffic": ("below",),
    "container": (),
}
_NO_BOUND = {
    "latency": "leave it out; `quantile: 0.95` means 5% may be slower",
    "queue": "leave it out; a queue is judged by its growth",
    "ratio": "write `above`",
    "traffic": "write `below`",
    "container": "leave it out; `for` says how long it may be so",
}


# What a kind does not ask for; in ``defaults`` it may stand for the others.
_COUNTS_ONLY = ("min_samples", "min_events", "by", "any")
_MEANS_NOTHING: dict[str, tuple[str, ...]] = {
    "ratio": ("min_growth",),
    "latency": ("min_growth",),
    "queue": (*_COUNTS_ONLY, "coverage"),
    "value": (*_COUNTS_ONLY, "min_growth", "block"),
    "traffic": ("min_events", "by", "any", "min_growth", "block"),
    "container": (*_COUNTS_ONLY, "min_growth", "block", "coverage", "unless"),
}
_ODDS = "what is counted must be some thousand times likelier from a failing release"
_BY_SCRAPES = "two scrapes 15s apart or more must agree"
# Of an earlier judge: what decides now in their place.
RETIRED: Mapping[str, str] = {
    "confidence": f"decides nothing any more: {_ODDS} than from one at its bound",
    "min_blocks_hit": f"decides nothing any more: {_BY_SCRAPES}",
    "confirm_polls": (
        "decides nothing any more: two polls read the same scrape; for what is "
        f"counted, {_BY_SCRAPES}"
    ),
    "dispersion": (
        "decides nothing any more: failures may come singly, in batches of up to "
        "eight, or mixed, and the least of what each would say counts"
    ),
}
_RETIRED_BLOCK = (
    "decides nothing any more: what counts events is read scrape by scrape",
    "leave it out",
)
# Only counts are compared by how much worse they are.
_COMPARED = ("worse_by", "confidence")
_NOT_COMPARED = {
    "queue": _COMPARED,
    "value": _COMPARED,
    "traffic": (*_COMPARED, "window", "missing"),
    "container": (*_COMPARED, "window"),
}
# What traffic is compared with, if nothing is said, and how often it holds `for`.
_AN_HOUR = timedelta(hours=1)
_LEAST_TIMES = 4
# Labels that the queries use themselves.
_OWN_LABELS = ("le", "look", "part")


def trigger_in(
    raw: Any,
    at: Place,
    defaults: CareForm,
    scrape_interval: timedelta,
    faults: list[Fault],
) -> Trigger | None:
    """Read one trigger; its faults are added to *faults*, and then it is None."""
    if not isinstance(raw, dict):
        faults.append(Fault(in_words(at), f"{seen(raw)} is not a mapping"))
        return None
    found = [*faults_of_retired(raw, at)]
    raw = without_retired(raw)
    filled = fill(RuleForm, raw, at)
    given = {key for key, value in raw.items() if value is not None}
    found += [*filled.faults, *_faults_of_rule(filled, given, at)]
    rule = filled.value
    window = rule.for_ or rule.window or rule.growing_for
    kinds = [kind for kind in TIMES if kind in given]
    trigger: Trigger | None = None
    if window and len(kinds) == 1:
        own = rule.model_dump(include=set(CareForm.model_fields), exclude_none=True)
        care = defaults.model_dump(exclude_none=True)
        baseline = Baseline(**(care.pop("baseline", {}) | own.pop("baseline", {})))
        care |= own
        time = next((key for key in TIMES[kinds[0]] if key in given), "for")
        block = block_of(kinds[0], window, rule.block, scrape_interval)
        is_written = rule.block is not None and kinds[0] == "queue"
        wrong = fault_of_block(
            kinds[0], (time, window), block, scrape_interval, is_written=is_written
        )
        if wrong and filled.is_right("block"):
            found.append(
                Fault(in_words((*at, "block" if is_written else time)), *wrong)
            )
        kind = _kind(rule)
        # Traffic falls for many reasons: unless it says so, people are asked.
        action = rule.action or Action.PAUSE_AND_ALERT
        if kind and rule.alert and not found:
            trigger = Trigger(
                name=rule.alert,
                kind=kind,
                action=action,
                window=window,
                sustained=rule.window is None,
                block=block,
                above=_above(rule),
                below=rule.below,
                baseline=baseline,
                unless=rule.unless or "",
                by=rule.by or "",
                any=bool(rule.any_),
                observe_only=rule.mode == "observe",
                labels=dict(rule.labels or {}),
                annotations=dict(rule.annotations or {}),
                **care,
            )
    faults += found
    return trigger


def faults_of_retired(raw: Mapping[str, Any], at: Place) -> Iterator[Fault]:
    """Say of each key that an earlier judge had what decides now."""
    for key, words in RETIRED.items():
        if key in raw:
            yield Fault(in_words((*at, key)), words, "leave it out")


def without_retired(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what an earlier judge had: it is said, and not again as unknown."""
    return {key: value for key, value in raw.items() if key not in RETIRED}


def _above(rule: RuleForm) -> float | None:
    # 12 digits: 1 - 0.95 is 0.05, not 0.050000000000000044.
    return round(1 - rule.latency.quantile, 12) if rule.latency else rule.above


def _kind(rule: RuleForm) -> Kind | None:
    if rule.ratio and rule.ratio.errors and rule.ratio.total:
        return Ratio(rule.ratio.errors, rule.ratio.total)
    if rule.ratio and rule.ratio.errors and rule.ratio.good:
        return Ratio(rule.ratio.errors, "", rule.ratio.good)
    if rule.ratio and rule.ratio.errors_query and rule.ratio.total_query:
        return RatioQuery(rule.ratio.errors_query, rule.ratio.total_query)
    if rule.latency:
        got = rule.latency
        return Latency(got.histogram, got.over, got.quantile, _unit(got))
    if rule.queue:
        return Queue(rule.queue.depth, rule.queue.enqueued, rule.queue.drained)
    if rule.traffic:
        return Traffic(rule.traffic, rule.of or _AN_HOUR)
    if rule.container:
        return Sick(rule.container)
    return Value(rule.value) if rule.value else None


def _unit(latency: LatencyForm) -> str:
    """Say what a histogram counts in: as the file says, or as its name ends.

    A time of a name that says nothing is of seconds, as Prometheus asks for.
    """
    if latency.unit:
        return latency.unit
    named = _unit_of_name(latency.histogram)
    return named or ("s" if isinstance(latency.over, timedelta) else "")


def _unit_of_name(histogram: str) -> str:
    found = selector.read(histogram)
    words = re.split("[_.]", found.name if found else "")
    return _UNIT_NAMED.get(words[-1], "") if len(words) > 1 else ""


def _faults_of_latency(latency: LatencyForm | None, at: Place) -> Iterator[Fault]:
    if latency is None:
        return
    over, unit = latency.over, _unit(latency)
    is_time = isinstance(over, timedelta)
    if is_time and latency.unit and unit not in UNITS_OF_TIME:
        words = f"{seen(unit)} is no unit of time, and `over` is one"
        known = ", ".join(UNITS_OF_TIME)
        yield Fault(
            in_words((*at, "unit")), words, f"write {known}, or `over` as a number"
        )
    elif is_time and unit not in UNITS_OF_TIME:
        yield Fault(
            in_words((*at, "over")),
            f"is a time, and the histogram is one of {unit}",
            "write a plain number",
        )
    elif not is_time and unit in UNITS_OF_TIME and not latency.unit:
        yield Fault(
            in_words((*at, "over")),
            f"{over:f} has no unit",
            f"write `{over:f}{unit}`" if unit in ("s", "ms") else f"add `unit: {unit}`",
        )


def _faults_of_rule(
    filled: Filled[RuleForm], given: Collection[str], at: Place
) -> Iterator[Fault]:
    def fault(key: str, words: str, hint: str = "") -> Fault:
        return Fault(in_words((*at, key)), words, hint)

    for key in ("alert", "action"):
        if key not in given and (key == "alert" or "traffic" not in given):
            yield fault(key, "is missing")
    kinds = [kind for kind in TIMES if kind in given]
    if len(kinds) != 1:
        has = f"is {' and '.join(kinds)} at once" if kinds else "has no kind"
        yield Fault(in_words(at), has, f"write one of: {', '.join(TIMES)}")
        return
    kind = kinds[0]
    if kind == "ratio" and filled.is_right("ratio"):
        yield from _faults_of_ratio(filled.value.ratio, (*at, "ratio"))
    if kind == "latency" and filled.is_right("latency"):
        yield from _faults_of_latency(filled.value.latency, (*at, "latency"))
    for key in _MEANS_NOTHING[kind]:
        if key in given:
            yield fault(key, f"means nothing to a {kind}", "leave it out")
    if "block" in given and kind in ("ratio", "latency"):
        yield fault("block", *_RETIRED_BLOCK)
    if kind in _NOT_COMPARED and filled.is_right("baseline"):
        for key in _NOT_COMPARED[kind]:
            if getattr(filled.value.baseline, key, None) is not None:
                yield fault(
                    f"baseline.{key}", f"means nothing to a {kind}", "leave it out"
                )
    yield from _faults_of_by(filled.value, at)
    yield from _faults_of_traffic(kind, filled.value, at)
    for key in ("for", "window", "growing_for"):
        if key in given and key not in TIMES[kind]:
            hint = " or ".join(f"`{time}`" for time in TIMES[kind])
            yield fault(key, f"means nothing to a {kind}", f"write {hint}")
    yield from _one_of_these(kind, given, TIMES[kind], at)
    for key in ("above", "below"):
        if key in given and key not in BOUNDS[kind]:
            yield fault(key, f"means nothing to a {kind}", _NO_BOUND[kind])
    yield from _one_of_these(kind, given, BOUNDS[kind], at)
    above = filled.value.above
    if kind == "ratio" and above is not None and not 0 <= above < 1:
        is_percent = above == int(above) and 1 <= above < 100
        hint = f"write `{above:g}%`" if is_percent else "write `0%` to `99%`"
        yield fault("above", f"{above:g} is no share of all events", hint)


def _faults_of_traffic(kind: str, rule: RuleForm, at: Place) -> Iterator[Fault]:
    place = in_words((*at, "of"))
    if kind != "traffic":
        if rule.of is not None:
            yield Fault(place, f"means nothing to a {kind}", "leave it out")
        return
    of, window = rule.of or _AN_HOUR, rule.for_
    if window and of < _LEAST_TIMES * window:
        words = f"{written(of)} holds less than {_LEAST_TIMES} times {written(window)}"
        yield Fault(place, words, f"write `of: {written(_LEAST_TIMES * window)}`")
    if rule.below is not None and not 0 < rule.below < 1:
        is_percent = rule.below == int(rule.below) and 1 <= rule.below < 100
        hint = f"write `{rule.below:g}%`" if is_percent else "write `1%` to `99%`"
        words = f"{rule.below:g} is no share of what came before"
        yield Fault(in_words((*at, "below")), words, hint)


def _faults_of_by(rule: RuleForm, at: Place) -> Iterator[Fault]:
    place = in_words((*at, "by"))
    if rule.any_ and not rule.by:
        hint = "write `by: instance`, or leave it out"
        yield Fault(in_words((*at, "any")), "any of what?", hint)
    if rule.by in _OWN_LABELS:
        yield Fault(place, f"cannot count by the label {seen(rule.by)}")
    elif (
        rule.by
        and rule.ratio
        and any((rule.ratio.errors_query, rule.ratio.total_query))
    ):
        hint = "write errors and total, or leave `by` out"
        yield Fault(place, "needs plain selectors", hint)


def _faults_of_ratio(ratio: RatioForm | None, at: Place) -> Iterator[Fault]:
    if ratio is None:
        return
    plain = (ratio.errors, ratio.total or ratio.good)
    queries = (ratio.errors_query, ratio.total_query)
    if any(plain) and any(queries):
        yield Fault(in_words(at), "has selectors and queries at once", "keep one pair")
    elif ratio.total and ratio.good:
        hint = "keep total if it counts the errors too, else good"
        yield Fault(in_words((*at, "good")), "total or good, not both", hint)
    elif not all(plain) and not all(queries):
        hint = "write errors with total or good, or errors_query and total_query"
        yield Fault(in_words(at), "is half a ratio", hint)


def _one_of_these(
    kind: str, given: Collection[str], keys: tuple[str, ...], at: Place
) -> Iterator[Fault]:
    here = [key for key in keys if key in given]
    choices = " or ".join(f"`{key}`" for key in keys)
    if keys and not here:
        place = (*at, keys[0])
        yield Fault(in_words(place), "is missing", f"a {kind} needs {choices}")
    if len(here) > 1:
        yield Fault(in_words((*at, here[1])), f"{choices}, not both", "keep one")
