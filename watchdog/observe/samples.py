"""What Prometheus answered, put in its places: looks, blocks, and what is missing."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from watchdog.facts.reading import Before, Block, Look
from watchdog.facts.trigger import Queue, Trigger, Value

EPOCH = datetime.fromtimestamp(0, UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MINUTE = timedelta(minutes=1)
LAST = timedelta(minutes=10)
_OVER = "over"

# (look, milliseconds) to the parts that were answered there; under the look "over",
# to the series of a value that are past its bound.
Samples: TypeAlias = dict[tuple[str, int], dict[str, float]]


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
    def until(self) -> datetime:
        """The end of the measured block after the gap."""
        return self.beside[1].end


def look_at(place: Place, answer: Samples, step: timedelta, blocks: int) -> Look:
    """Give the look at *place* of *answer*; what was not answered is missing there."""
    ends = [place.end - back * step for back in reversed(range(blocks))]
    return Look(
        place.end,
        tuple(
            Block(
                end,
                answer.get((place.label, millis(end + place.moved)), {}),
                answer.get((_OVER, millis(end + place.moved)), {}),
            )
            for end in ends
        ),
    )


def in_places(series: Any) -> Samples:
    """Sort the series of an answer; LookupError, TypeError or ValueError if it can't.

    A series that is past its bound stands under a look of its own.
    """
    points: Samples = {}
    sums: set[tuple[str, int]] = set()
    for one in series:
        labels: Mapping[str, str] = one["metric"]
        part, look = labels["part"], labels.get("look", "0")
        if part == "past":
            look, part = _OVER, _name(labels)
        for moment, text in one["values"]:
            place, value = (look, round(float(moment) * 1000)), float(text)
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
    for place in sums:
        points[place] = {"worst": float("nan")}
    return points


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
    minutes: tuple[float, ...] = ()
    if ask.step >= _MINUTE and "all" in needed:
        minutes = tuple(parts.get("bad", 0.0) for parts in sound)
    whole, last = _total(sound, ask.step), _total(recent, ask.step)
    return Before(begin, ask.end, whole, last, minutes)


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
