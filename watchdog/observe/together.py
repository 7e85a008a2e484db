"""All triggers of a turn, a few at once, within the turn's own time."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from watchdog.facts.reading import Blind, Cause, Measured, Reading
from watchdog.facts.trigger import Action, Trigger
from watchdog.observe.server import NOT_ASKED
from watchdog.observe.whole import is_counted

# Once there is something to act on, others get so long to answer, in seconds.
_GRACE = 1.0
# So long it is known on how many containers they are measured, in seconds.
_STANDS = 30.0

# By trigger, on how many containers of how many it was measured.
Replicas: TypeAlias = Mapping[str, tuple[int, int] | None]


class Together:
    """Asks for all triggers by the threads of *pool*, for *budget* seconds at most.

    *shown* names the server. Who is not asked for lack of time is asked early in the
    next turn.
    """

    def __init__(self, pool: ThreadPoolExecutor, budget: float, shown: str) -> None:
        self._pool = pool
        self._budget = budget
        self._shown = shown
        self._missed: dict[str, int] = {}
        self._counted: tuple[float, Replicas] = (-math.inf, {})

    def read(
        self,
        triggers: Sequence[Trigger],
        ask: Callable[[Trigger, float], Reading],
        enough: Callable[[Trigger, Reading], bool],
        count: Callable[[float], Replicas | Blind] | None = None,
    ) -> dict[str, Reading]:
        """Read every trigger, by name.

        *ask* reads one, until an instant of the monotonic clock. Once a reading is
        *enough* to act on, the rest is waited for a second at most. *count*, if
        given, tells on how many containers all of them are measured.
        """
        last = time.monotonic() + self._budget
        waiting: dict[Future[Reading], Trigger] = {
            self._pool.submit(ask, trigger, last): trigger
            for trigger in self._in_turn(triggers)
        }
        # Last, and one question for all: what it tells keeps nobody from acting.
        counting = self._pool.submit(partial(count, last)) if count else None
        found: dict[str, Reading] = {}
        while waiting and (left := last - time.monotonic()) > 0:
            done, _ = wait(waiting, left, FIRST_COMPLETED)
            for future in done:
                trigger = waiting.pop(future)
                found[trigger.name] = reading = future.result()
                if enough(trigger, reading):
                    last = min(last, time.monotonic() + _GRACE)
        for future, trigger in waiting.items():
            words = NOT_ASKED
            if not future.cancel():
                words = f"{self._shown} gave no answer in the turn's time"
            found[trigger.name] = Blind(Cause.TIMEOUT, words)
        for trigger in triggers:
            seen = found[trigger.name]
            was_asked = not isinstance(seen, Blind) or seen.words != NOT_ASKED
            missed = self._missed.get(trigger.name, 0)
            self._missed[trigger.name] = 0 if was_asked else missed + 1
        if counting is not None:
            found |= self._with_replicas(counting, last, triggers, found)
        return {trigger.name: found[trigger.name] for trigger in triggers}

    def _in_turn(self, triggers: Sequence[Trigger]) -> list[Trigger]:
        """Order who is asked: one that waited, who may roll back, then the others.

        Among each, who was missed more often comes first, so that none starves.
        """

        def missed(trigger: Trigger) -> int:
            return -self._missed.get(trigger.name, 0)

        urgent = [one for one in triggers if one.action is Action.ROLLBACK]
        others = sorted((one for one in triggers if one not in urgent), key=missed)
        waited = others[:1] if others and missed(others[0]) else []
        return [*waited, *sorted(urgent, key=missed), *others[len(waited) :]]

    def _with_replicas(
        self,
        counting: Future[Replicas | Blind],
        last: float,
        triggers: Sequence[Trigger],
        found: Mapping[str, Reading],
    ) -> dict[str, Reading]:
        """Say in each reading on how many containers it was measured, if not on all.

        An answer stands for a few turns. Without one it is not known, and said so: else
        what is measured in part would be well as soon as nobody tells.
        """
        done, _ = wait([counting], max(0.0, last - time.monotonic()))
        why = Blind(Cause.TIMEOUT, f"{self._shown} gave no answer in the turn's time")
        if done:
            seen = counting.result()
            if isinstance(seen, Blind):
                why = seen
            else:
                self._counted = time.monotonic(), seen
        else:
            counting.cancel()
        at, known = self._counted
        if time.monotonic() - at > _STANDS:
            known = {}
        counted: dict[str, Reading] = {}
        for trigger in triggers:
            reading = found[trigger.name]
            if not isinstance(reading, Measured) or not is_counted(trigger):
                continue
            counted[trigger.name] = (
                replace(reading, measured_on=known[trigger.name])
                if trigger.name in known
                else replace(reading, uncounted=why)
            )
        return counted
