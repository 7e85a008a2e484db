"""Several questions of a turn as one request; each gets its own part of the answer.

Where the one is refused, answered in part or late, each is asked for itself again: one
odd trigger is odd alone.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from watchdog.observe import promql
from watchdog.observe.recent import Recent
from watchdog.observe.samples import Ask, Samples

# What failed is tried again after so many seconds: until then each asks for itself.
_REST = 300.0
# Longer ones are divided: a proxy takes no address of any length.
_LONGEST = 24_000


class AtOnce:
    """Asks with *ask*, ahead of *recent*, for the questions of one turn after another.

    *asks* writes the questions of a turn. For several threads: who comes first asks,
    the others wait.
    """

    def __init__(self, ask: Callable[[Ask], Samples], recent: Recent) -> None:
        self._ask = ask
        self._recent = recent
        self._lock = threading.Lock()
        self._rests_until = 0.0

    def turn(self, asks: Callable[[], Sequence[Ask]]) -> Callable[[], None]:
        """Give what has them asked, once, whoever calls it and however often."""
        pending = [asks]

        def once() -> None:
            with self._lock:
                if not pending or time.monotonic() < self._rests_until:
                    return
                try:
                    self._recent.ahead(pending.pop()(), self._together)
                except Exception:  # noqa: BLE001 - each is asked for itself, and says it
                    self._rests_until = time.monotonic() + _REST

        return once

    def _together(self, asks: list[Ask]) -> list[Samples]:
        found: list[Samples] = []
        for some in _divided(asks):
            query = promql.at_once([one.query for one in some])
            answer = self._ask(replace(some[0], query=query))
            parts: list[Samples] = [{} for _ in some]
            for (look, at), values in answer.items():
                parts[int(look)]["0", at] = values
            found += parts
        return found


def _divided(asks: Sequence[Ask]) -> list[list[Ask]]:
    """Divide them, in order, where one request would be too long."""
    divided: list[list[Ask]] = [[]]
    length = 0
    for one in asks:
        length += len(one.query)
        if divided[-1] and length > _LONGEST:
            divided.append([])
            length = len(one.query)
        divided[-1].append(one)
    return divided
