"""What Prometheus answered, put in its places: looks, blocks, and what is missing."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from watchdog.facts.reading import Before, Block, Look
from watchdog.facts.trigger import Queue, Trigger, Value

EPOCH = datetime.fromtimestamp(0, UTC)
_MILLISECOND = timedelta(milliseconds=1)
LAST = timedelta(minutes=10)
_OVER = "over"
# What alone tells nothing that was counted.
_BESIDE = {"fell"}

# (look, milliseconds) to the parts that were answered there; under the look "over",
# to the series of a value that are past its bound.
Samples: TypeAlias = dict[tuple[str, int], dict[str, float]]

# Go's 'f' and 'e' forms. Python would also read `1_000`, ` 7 ` and other scripts'
# digits, which Prometheus never writes.
_NUMBER = re.compile(
    r"[+-]? (?: [0-9]+ (?:[.][0-9]+)? (?:e[+-]?[0-9]{1,4})? | Inf ) | NaN", re.VERBOSE
)
# The end of the year 9999.
_LAST_SECOND = 253_402_300_799
_SHOWN = 40


class NoNumber(ValueError):
    """A value or a time that Prometheus does not write so."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One range query: *points* of them, *step* apart, the last at *end*."""

    query: str
    end: datetime
    step: timedelta
    points: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where the samples of one look stand: in which answer, under which label.

    An ``offset`` brings older samples to the times of the newest look; *moved* is
    by how much.
    """

    end: datetime
    answer: int = 0
    label: str = "0"
    moved: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing blocks of one look, from *first* to *last*, and those beside them."""

    look: int
    first: int
    last: int
    beside: tuple[Block, Block]

    @property
    def blocks(self) -> int:
        """How many blocks are missing, and one on either side."""
        return self.last - self.first + 3

    @property
    def both(self) -> Mapping[str, float]:
        """Add up the two blocks beside it."""
        return {
            part: sum(block.parts.get(part, 0.0) for block in self.beside)
            for part in ("bad", "all")
        }

    @property
    def until(self) -> datetime:
        """The end of the measured block after the gap."""
        return self.beside[1].end


def look_at(place: Place, answer: Samples, step: timedelta, blocks: int) -> Look:
    """Give the look at *place* of *answer*; what was not answered is missing there."""
    ends = [place.end - back * step for back in reversed(range(blocks))]
    moments = [millis(end + place.moved) for end in ends]
    return Look(
        place.end,
        tuple(
            Block(end, answer.get((place.label, at), {}), answer.get((_OVER, at), {}))
            for end, at in zip(ends, moments, strict=True)
        ),
    )


def in_places(series: Any) -> Samples:
    """Sort the series of an answer.

    A series that is past its bound stands under a look of its own. A value that
    samples of the last two scrapes and older ones do not agree on is ``late``.

    Raises:
        NoNumber: a value or a time is not written as Prometheus writes it.
        LookupError, TypeError, ValueError: it is another shape.
    """
    points: Samples = {}
    sums: set[tuple[str, int]] = set()
    for one in series:
        labels = labels_of(one["metric"])
        part, look = labels["part"], labels.get("look", "0")
        if part == "past":
            look, part = _OVER, _name(labels)
        for moment, text in one["values"]:
            place, value = (look, round(1000 * time_of(moment))), number_of(text)
            if look == _OVER and not math.isfinite(value):
                continue
            if part == "sum":
                # A sum is not a number as soon as one of its series is not;
                # max and min would pass that series over.
                if value != value:  # noqa: PLR0124 - the one that is not itself
                    sums.add(place)
                continue
            parts = points.setdefault(place, {})
            if part in parts:
                raise ValueError(f'"{part}" came twice for one moment')
            parts[part] = value
    for place in [place for place, parts in points.items() if "older" in parts]:
        older = points[place].pop("older")
        worst = points[place].get("worst", older)
        if "worst" not in points[place] or not _agree(worst, older):
            points[place] = {"late": older}
            points.pop((_OVER, place[1]), None)
    for place in sums:
        points[place] = {"worst": float("nan")}
    return {place: parts for place, parts in points.items() if parts.keys() != _BESIDE}


def _agree(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def number_of(text: object) -> float:
    """Read a value as Prometheus writes it, and no other way.

    Raises:
        NoNumber: it is not written so, or no float holds it.
        TypeError, ValueError: it is no number in anybody's writing.
    """
    value = float(text)  # type: ignore[arg-type]
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise NoNumber(f"{_shown(text)} is no number of Prometheus'")
    if math.isinf(value) and not text.endswith("Inf"):
        raise NoNumber(f"{_shown(text)} is more than a number can be")
    return value


def time_of(moment: object) -> float:
    """Read a time as Prometheus writes it: seconds since 1970, a plain number.

    Raises:
        NoNumber: it is not one, or beyond all calendars.
    """
    is_number = isinstance(moment, int | float) and not isinstance(moment, bool)
    if not is_number or not 0 <= moment <= _LAST_SECOND:  # type: ignore[operator]
        raise NoNumber(f"{_shown(moment)} is no time of Prometheus'")
    return float(moment)  # type: ignore[arg-type]


def labels_of(metric: object) -> Mapping[str, str]:
    """Read the labels of a series: text, each of them.

    Raises:
        TypeError: they are something else.
    """
    if not isinstance(metric, dict):
        raise TypeError(f"{_shown(metric)} are no labels")
    for value in metric.values():
        if not isinstance(value, str):
            raise TypeError(f"{_shown(value)} is no label")
    return metric


def _shown(seen: object) -> str:
    text = repr(seen) if not isinstance(seen, list | dict) else type(seen).__name__
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _name(labels: Mapping[str, str]) -> str:
    """Write a series as a query would select it: ``up{job="dms"}``."""
    own = sorted(labels.keys() - {"__name__", "part", "look"})
    inner = ",".join(f"{key}={json.dumps(labels[key])}" for key in own)
    return labels.get("__name__", "") + (f"{{{inner}}}" if inner else "")


def gaps_of(number: int, look: Look) -> Iterator[Gap]:
    """Find the gaps of a look that have a measured block on either side."""
    before: int | None = None
    for place, block in enumerate(look.blocks):
        if not block.parts:
            continue
        if before is not None and place - before > 1:
            beside = (look.blocks[before], block)
            yield Gap(number, before + 1, place - 1, beside)
        before = place


def summed(trigger: Trigger, ask: Ask, samples: Samples) -> Before:
    """Add up the blocks of the time before; one that lacks a part is left out."""
    ends = [ask.end - back * ask.step for back in reversed(range(ask.points))]
    found = [(end, samples.get(("0", millis(end)), {})) for end in ends]
    begin = ask.end - ask.points * ask.step
    lately = [parts for end, parts in found if end > ask.end - LAST]
    if isinstance(trigger.kind, Value):
        pick = max if trigger.below is None else min
        values = [parts["worst"] for parts in lately if "worst" in parts]
        finite = [value for value in values if math.isfinite(value)]
        worst = {"worst": pick(finite)} if finite else {}
        return Before(begin, ask.end, worst, worst)
    needed = {"in", "out"} if isinstance(trigger.kind, Queue) else {"all"}
    sound = [parts for _, parts in found if needed <= parts.keys()]
    recent = [parts for parts in lately if needed <= parts.keys()]
    whole, last = _total(sound, ask.step), _total(recent, ask.step)
    most = max((parts.get("out", 0.0) for parts in sound), default=0.0)
    return Before(begin, ask.end, whole, last, most)


def _total(blocks: Sequence[Mapping[str, float]], step: timedelta) -> dict[str, float]:
    if not blocks:
        return {}
    total = {"seconds": len(blocks) * step.total_seconds()}
    for parts in blocks:
        for name, value in parts.items():
            total[name] = total.get(name, 0.0) + value
    return total


def millis(at: datetime) -> int:
    """Write *at* as the key of a sample."""
    return round((at - EPOCH) / _MILLISECOND)
