"""When the watch turns; the only file that knows APScheduler or reads the clock."""

import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from watchdog.cycle import Cycle
from watchdog.facts.event import TurnCrashed
from watchdog.facts.problem import JournalLost, Problem
from watchdog.record.memory import Memory

_JOB = "turn"


class RealClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Give the wall clock's UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class _Steady(IntervalTrigger):  # type: ignore[misc] # APScheduler has no types
    """An interval that skips what it missed instead of counting it out.

    The plain one walks through every missed turn after a clock step, on the
    scheduler's own thread: 25 s for thirty days.
    """

    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        interval: timedelta = self.interval
        late = previous_fire_time and now - previous_fire_time > 2 * interval
        early = previous_fire_time and previous_fire_time > now + interval
        if late or early:
            return now + interval
        fire: datetime | None = IntervalTrigger.get_next_fire_time(
            self, previous_fire_time, now
        )
        return fire


class Schedule:
    """Turns the cycle every *poll*, one turn at a time, from now until stopped."""

    def __init__(
        self,
        cycle: Cycle,
        memory: Memory,
        clock: RealClock,
        poll: timedelta,
        *,
        lost: Callable[[JournalLost], None],
    ) -> None:
        """*lost* is told when the journal fails; nothing may be done after that."""
        self._cycle = cycle
        self._memory = memory
        self._clock = clock
        self._lost = lost
        self._crashed = ""
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(1)}, timezone=UTC
        )
        self._scheduler.add_job(
            self._turn,
            _Steady(seconds=poll.total_seconds(), timezone=UTC),
            id=_JOB,
            next_run_time=clock.now(),
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )

    def start(self) -> None:
        """Begin with a turn now."""
        self._scheduler.start()

    def wake(self) -> None:
        """Turn as soon as the current turn is over, instead of at the next poll."""
        self._scheduler.modify_job(_JOB, next_run_time=self._clock.now())

    def stop(self) -> None:
        """Let the turn in hand finish, and begin no other."""
        self._scheduler.shutdown(wait=True)

    def _turn(self) -> None:
        at = self._clock.now()
        try:
            done = self._cycle.turn(at)
            self._memory.mark(replace(done, at=self._clock.now()))
            self._crashed = ""
        except JournalLost as problem:
            self._lost(problem)
        except Exception as error:  # noqa: BLE001 - what we cannot name crashes the turn, not the watch
            self._crash(error)

    def _crash(self, error: Exception) -> None:
        where = traceback.extract_tb(error.__traceback__)[-1]
        kind = "" if isinstance(error, Problem) else f"{type(error).__name__}: "
        words = f"{kind}{error} (in {where.name}, {where.filename.rpartition('/')[2]})"
        # Once per change: a fault that stays would fill the journal.
        if words != self._crashed:
            self._crashed = words
            try:
                self._memory.add(self._clock.now(), TurnCrashed(words))
            except JournalLost as problem:
                self._lost(problem)
