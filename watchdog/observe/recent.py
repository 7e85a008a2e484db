"""Keeps what was answered of the last hours: only the newest steps are asked again.

What was scraped does not change. A scrape may still be under way, for an interval at
most: so the two newest steps are not taken for settled.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from watchdog.observe.envelope import NotSeen
from watchdog.observe.samples import EPOCH, Ask, Samples, millis

# Questions of so many triggers, each at three places of the poll's grid.
_MOST_KEPT = 512
_UNSETTLED = 2
# More than that at once may take a large Prometheus longer than it is given.
_PORTION = 60


@dataclass(slots=True)
class _Kept:
    """What was answered for every step from *first* to *last*."""

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

    def samples(self, ask: Ask) -> Samples:
        """Answer *ask*; older portions that are not answered in time are left out.

        Raises:
            NotSeen: the newest steps were not answered.
        """
        key = (ask.query, ask.step, (ask.end - EPOCH) % ask.step)
        begin = ask.end - (ask.points - 1) * ask.step
        with self._lock:
            kept = self._kept.get(key)
        missing = ask.points
        if kept and kept.first <= begin <= kept.last and kept.last <= ask.end:
            settled = kept.last - _UNSETTLED * ask.step
            missing = min(ask.points, (ask.end - settled) // ask.step)
        found: Samples = {}
        first = ask.end + ask.step
        while missing:
            points = min(missing, self._portion)
            portion = replace(ask, end=first - ask.step, points=points)
            try:
                answered = self._ask(portion)
            except NotSeen:
                if first > ask.end:
                    raise
                kept = None
                break
            found |= answered
            missing -= points
            first -= points * ask.step
        if kept and begin < first:
            low, high = millis(begin), millis(first)
            old = kept.samples.items()
            found |= {at: parts for at, parts in old if low <= at[1] < high}
            first = begin
        with self._lock:
            self._kept[key] = _Kept(first, ask.end, found)
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return found
