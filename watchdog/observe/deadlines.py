"""What must be over in time is cut: by one thread for all questions."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count


class Deadlines:
    """Watches what is under way; its thread ends when there is nothing to wait for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._numbers = count()
        self._under_way: dict[int, tuple[float, Callable[[], None]]] = {}
        # When the thread looks next; there is none while this is infinite.
        self._looks_at = math.inf

    @contextmanager
    def at(self, last: float, cut: Callable[[], None]) -> Iterator[None]:
        """Call *cut* at *last*, by the monotonic clock, unless it is over by then.

        It is never called once the block is left. It must not wait for anything.
        """
        number = next(self._numbers)
        try:
            with self._changed:
                self._under_way[number] = last, cut
                if math.isinf(self._looks_at):
                    watch = threading.Thread(target=self._watch, name="deadlines")
                    watch.daemon = True
                    watch.start()
                    self._looks_at = last
                elif last < self._looks_at:
                    self._changed.notify()
            yield
        finally:
            with self._changed:
                self._under_way.pop(number, None)

    def _watch(self) -> None:
        with self._changed:
            try:
                while self._under_way:
                    now = time.monotonic()
                    late = [
                        number
                        for number, (last, _) in self._under_way.items()
                        if last <= now
                    ]
                    for number in late:
                        _, cut = self._under_way.pop(number)
                        cut()
                    self._looks_at = min(
                        (last for last, _ in self._under_way.values()),
                        default=math.inf,
                    )
                    if self._under_way:
                        self._changed.wait(self._looks_at - now)
            finally:
                self._looks_at = math.inf
