"""What does not change any more is asked once, and kept."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from watchdog.facts.reading import Blind
from watchdog.observe.envelope import NotSeen

# The time before a start does not change. Triggers times starts, and then some.
MOST_KEPT = 256
# A question about the past that failed is asked again after so many timeouts:
# each costs a turn the time of one.
_REST = 5

_Kept = TypeVar("_Kept")


class Once:
    """Keeps answers; *seconds* is the timeout of a question. For several threads."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[object, ...], Any] = OrderedDict()
        self._failed: dict[tuple[object, ...], tuple[float, Blind]] = {}

    def read(
        self, key: tuple[object, ...], ask: Callable[[], _Kept], *, keep: bool
    ) -> _Kept | Blind:
        """Read what does not change any more, and keep it; a failure is not kept.

        It is only not asked again at once: a question that times out would make
        every turn late.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                kept: _Kept = self._kept[key]
                return kept
            failed_at, failure = self._failed.get(key, (0.0, None))
        if failure and time.monotonic() < failed_at + _REST * self._seconds:
            return failure
        try:
            found = ask()
        except NotSeen as refusal:
            blind = refusal.blind
            with self._lock:
                # Only the newest start is asked about, so these are few.
                if len(self._failed) >= MOST_KEPT:
                    self._failed.clear()
                self._failed[key] = (time.monotonic(), blind)
            return blind
        with self._lock:
            self._failed.pop(key, None)
            if keep:
                self._kept[key] = found
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
        return found
