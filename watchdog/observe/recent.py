"""Keeps what was answered of the last hours: only the newest steps are asked again.

What was scraped does not change. A scrape may still be under way, for an interval at
most: so the two newest steps are not taken for settled.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from types import MappingProxyType

from watchdog.facts.reading import Block, Look
from watchdog.observe.envelope import NotSeen
from watchdog.observe.samples import EPOCH, Ask, Place, Samples, millis

# Questions of so many triggers, each at three places of the poll's grid.
_MOST_KEPT = 512
_UNSETTLED = 2
# More than that at once may take a large Prometheus longer than it is given.
_PORTION = 60
# So few can be asked of several questions at once.
_A_FEW = 6
_MILLISECOND = timedelta(milliseconds=1)
_NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(slots=True)
class _Kept:
    """What was answered for every step from *first* to *last*, in order of time."""

    first: datetime
    last: datetime
    samples: Samples


class Recent:
    """Answers from what is kept, and has *ask* answer for the rest; for any thread.

    No more than *portion* steps are asked at once.
    """

    def __init__(self, ask: Callable[[Ask], Samples], portion: int = _PORTION) -> None:
        self._ask = ask
        self._portion = portion
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[object, ...], _Kept] = OrderedDict()
        # What was asked ahead, together with others.
        self._ahead: dict[tuple[str, datetime, timedelta], tuple[int, Samples]] = {}

    def ahead(
        self, asks: Sequence[Ask], together: Callable[[list[Ask]], list[Samples]]
    ) -> None:
        """Have *together* answer what *asks* will need of the newest steps, at once.

        Only of those of which the others are kept. It holds until the next time.

        Raises:
            NotSeen: it was not answered; each will be asked for itself.
        """
        portions = [replace(ask, points=self._missing(ask)) for ask in asks]
        few = [one for one in portions if one.points <= _A_FEW]
        alike: dict[tuple[datetime, timedelta], dict[str, Ask]] = {}
        for one in few:
            alike.setdefault((one.end, one.step), {})[one.query] = one
        found: dict[tuple[str, datetime, timedelta], tuple[int, Samples]] = {}
        with self._lock:
            self._ahead = {}
        for (end, step), ones in alike.items():
            points = max(one.points for one in ones.values())
            asked = [replace(one, points=points) for one in ones.values()]
            if len(asked) > 1:
                for one, samples in zip(asked, together(asked), strict=True):
                    found[one.query, end, step] = points, samples
        with self._lock:
            self._ahead = found

    def _missing(self, ask: Ask) -> int:
        """Count the steps of *ask* that are not kept, or not settled."""
        with self._lock:
            kept = self._kept.get(_key(ask))
        return _missing(ask, kept)

    def samples(self, ask: Ask) -> Samples:
        """Answer *ask*; older portions that are not answered in time are left out.

        Raises:
            NotSeen: the newest steps were not answered.
        """
        key = _key(ask)
        begin = ask.end - (ask.points - 1) * ask.step
        with self._lock:
            kept = self._kept.get(key)
        missing = _missing(ask, kept)
        found: Samples = {}
        first = ask.end + ask.step
        while missing:
            points = min(missing, self._portion)
            portion = replace(ask, end=first - ask.step, points=points)
            with self._lock:
                where = (portion.query, portion.end, portion.step)
                many, ready = self._ahead.get(where, (0, {}))
            try:
                answered = ready if many >= points else self._ask(portion)
            except NotSeen:
                if first > ask.end:
                    raise
                kept = None
                break
            found |= answered
            missing -= points
            first -= points * ask.step
        found = dict(sorted(found.items(), key=_when))
        if kept and begin < first:
            found = _between(kept.samples, begin, first) | found
            first = begin
        with self._lock:
            self._kept[key] = _Kept(first, ask.end, found)
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return found


class Laid:
    """Lays looks of what counts, and keeps their blocks; for any thread.

    All but a few of those of one look are in the next look of the same place on the
    grid. What is kept is only ever used where it says what was answered now.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # The time of the oldest, and all of them, a step apart.
        self._kept: OrderedDict[tuple[object, ...], tuple[int, tuple[Block, ...]]]
        self._kept = OrderedDict()

    def look(self, ask: Ask, place: Place, answer: Samples, blocks: int) -> Look:
        """Give the look at *place* of the *answer* to *ask*, as ``look_at`` does."""
        key = (*_key(ask), place.label, place.moved)
        newest, step = millis(place.end + place.moved), ask.step // _MILLISECOND
        oldest = newest - (blocks - 1) * step
        with self._lock:
            first, known = self._kept.get(key, (oldest, ()))
        label, given = place.label, answer.get
        ats = range(oldest, newest + 1, step)
        parts = [given((label, at), _NOTHING) for at in ats]
        later = (oldest - first) // step
        same = known[later:] if later >= 0 else ()
        found = [
            block if block.parts is one else Block(block.end, one)
            for block, one in zip(same, parts, strict=False)
        ]
        found += [
            Block(place.end - (blocks - 1 - number) * ask.step, parts[number])
            for number in range(len(found), blocks)
        ]
        looked = tuple(found)
        with self._lock:
            self._kept[key] = oldest, looked
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return Look(place.end, looked)


def _when(sample: tuple[tuple[str, int], Mapping[str, float]]) -> int:
    return sample[0][1]


def _between(samples: Samples, begin: datetime, end: datetime) -> Samples:
    """Give those of *samples*, in order of time, from *begin* on and before *end*."""
    low, high = millis(begin), millis(end)
    found = dict(samples)
    for early in takewhile(lambda place: place[1] < low, samples):
        del found[early]
    for late in takewhile(lambda place: place[1] >= high, reversed(samples)):
        found.pop(late, None)
    return found


def _key(ask: Ask) -> tuple[object, ...]:
    return (ask.query, ask.step, (ask.end - EPOCH) % ask.step)


def _missing(ask: Ask, kept: _Kept | None) -> int:
    begin = ask.end - (ask.points - 1) * ask.step
    if not kept or not (kept.first <= begin <= kept.last <= ask.end):
        return ask.points
    settled = kept.last - _UNSETTLED * ask.step
    return min(ask.points, (ask.end - settled) // ask.step)
