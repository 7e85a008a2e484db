"""When the watch turns; the only file that knows APScheduler."""

import logging
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from watchdog.decide.steady import STILL, Flow
from watchdog.facts.event import (
    ClockStepped,
    Event,
    TurnCrashed,
    TurnsLate,
    TurnsOnTime,
)
from watchdog.facts.problem import JournalLost, Problem
from watchdog.turn.roles import Clock, Remembers, Turn

_JOB = "turn"
# It warns of a turn that is still under way, in no format of ours; Pace says so.
logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
_SECOND = timedelta(seconds=1)
# A smaller difference of the two clocks is what a time server corrects all day.
_STEP = timedelta(seconds=2)
# Turns that may be missing before it is a fault: readiness uses the same number.
MISSED = 3


class Turns(Protocol):
    """What is turned."""

    def turn(self, at: datetime) -> Turn:
        """Do one turn as of *at*."""
        ...


class Keeps(Remembers, Protocol):
    """A memory that also notes complete turns, and takes in what others added."""

    def catch_up(self) -> bool:
        """Take in what others added; tell whether there was any."""
        ...

    def mark(self, turn: Turn) -> None:
        """Note that a turn is complete."""
        ...


@dataclass(slots=True)
class Pace:
    """How the turns come, by both clocks; *began* and *ended* are monotonic.

    Pure book-keeping: whoever turns tells it, and it answers what is worth saying.
    """

    poll: timedelta
    began: float | None = None
    ended: float | None = None
    wall: datetime | None = None
    is_late: bool = False
    flow: Flow = STILL
    late_total: int = 0
    turns: int = 0
    took: float = 0.0

    def begin(self, wall: datetime, monotonic: float) -> list[Event]:
        """Note that a turn begins; say what is wrong, or right again, with its time."""
        events: list[Event] = []
        if self.began is not None and self.wall is not None:
            apart = timedelta(seconds=monotonic - self.began)
            step = (wall - self.wall) - apart
            if abs(step) > _STEP:
                words = f"the wall clock moved {step / _SECOND:+.1f} s by itself"
                events.append(ClockStepped(step / _SECOND, words))
            late = apart > 2 * self.poll
            self.late_total += late
            if late and not self.is_late:
                self.is_late, self.flow = True, self.flow.changed(wall)
                events.append(
                    TurnsLate(
                        f"{apart / _SECOND:.1f} s between two turns, meant "
                        f"{self.poll / _SECOND:g} s"
                    )
                )
            elif self.is_late and not late and self.flow.may_be_better(wall):
                self.is_late, self.flow = False, self.flow.changed(wall)
                poll = f"{self.poll / _SECOND:g} s"
                events.append(TurnsOnTime(f"turns come every {poll} again"))
        self.began, self.wall = monotonic, wall
        return events

    def end(self, monotonic: float) -> None:
        """Note that a turn is complete."""
        if self.began is not None:
            self.took = monotonic - self.began
        self.ended = monotonic
        self.turns += 1

    def forgive(self) -> None:
        """Let the next turn come late: a rollback takes the time that it takes."""
        self.began = None

    def is_fresh(self, monotonic: float) -> bool:
        """Tell whether a full turn ended in the last three polls."""
        if self.ended is None:
            return False
        return timedelta(seconds=monotonic - self.ended) <= MISSED * self.poll

    def is_due(self, monotonic: float) -> bool:
        """Tell whether the scheduler forgot a turn, which a clock step makes it do."""
        if self.began is None:
            return False
        return timedelta(seconds=monotonic - self.began) > 2 * self.poll


class Steady(IntervalTrigger):  # type: ignore[misc] # APScheduler has no types
    """An interval that skips what it missed instead of counting it out.

    The plain one walks through every missed turn after a clock step, on the
    scheduler's own thread: 25 s for thirty days.
    """

    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        """Give the next turn: one interval on, or from now if that is far off."""
        interval: timedelta = self.interval
        late = previous_fire_time and now - previous_fire_time > 2 * interval
        early = previous_fire_time and previous_fire_time > now + interval
        if late or early:
            return now + interval
        fire: datetime | None = super().get_next_fire_time(previous_fire_time, now)
        return fire


Beside = tuple[Callable[[datetime], None], timedelta]
"""What is done beside the turns, and every how long."""


class Schedule:
    """Turns the cycle every *poll*, one turn at a time, from now until stopped."""

    def __init__(
        self,
        cycle: Turns,
        memory: Keeps,
        clock: Clock,
        poll: timedelta,
        *,
        lost: Callable[[JournalLost], None],
        turned: Callable[[], None] = lambda: None,
    ) -> None:
        """*lost* is told when the journal fails; nothing may be done after that.

        *turned* is told at the end of each turn that was not crashed.
        """
        self._cycle = cycle
        self._memory = memory
        self._clock = clock
        self._poll = poll
        self._lost = lost
        self._turned = turned
        self._crashed = ""
        self._crashes = STILL
        self.pace = Pace(poll)
        self._stopped = threading.Event()
        self._busy = threading.Lock()
        self._scheduler = BackgroundScheduler(
            executors={
                "default": ThreadPoolExecutor(1),
            },
            timezone=UTC,
        )
        self._beside = 0
        self._scheduler.add_job(
            self.turn,
            Steady(seconds=poll.total_seconds(), timezone=UTC),
            id=_JOB,
            next_run_time=clock.now(),
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
        # The scheduler goes by the wall clock: set back an hour, it would sleep one.
        self._guard = threading.Thread(target=self._watch, name="guard", daemon=True)

    def start(self) -> None:
        """Begin with a turn now."""
        self._scheduler.start()
        self._guard.start()

    def beside(self, what: Callable[[datetime], None], every: timedelta) -> None:
        """Do *what* every so often on a thread of its own, and so delay no turn."""

        def do() -> None:
            try:
                what(self._clock.now())
            except JournalLost as problem:
                self._lost(problem)
            except Exception as error:  # noqa: BLE001 - as in a turn
                self._crash(error)

        # One waits for none of the others: a pull may take minutes.
        self._beside += 1
        name = f"beside-{self._beside}"
        self._scheduler.add_executor(ThreadPoolExecutor(1), name)
        self._scheduler.add_job(
            do,
            Steady(seconds=every.total_seconds(), timezone=UTC),
            id=name,
            executor=name,
            next_run_time=self._clock.now() + min(every, self._poll),
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )

    def wake(self) -> None:
        """Turn as soon as the current turn is over, instead of at the next poll."""
        self._scheduler.modify_job(_JOB, next_run_time=self._clock.now())

    def stop(self) -> None:
        """Let the turn in hand finish, and begin no other."""
        self._stopped.set()
        self._scheduler.shutdown(wait=True)

    def is_fresh(self) -> bool:
        """Tell whether a full turn ended in the last three polls."""
        return self.pace.is_fresh(self._clock.monotonic())

    def turn(self) -> None:
        """Do one turn now; what crashes it is journaled, and the next one goes on."""
        with self._busy:
            at = self._clock.now()
            try:
                self._memory.catch_up()
                paced = self.pace.begin(at, self._clock.monotonic())
                if paced:
                    self._memory.add(at, *paced)
                rolled = self._memory.standing.last_rollback
                done = self._cycle.turn(at)
                self._memory.mark(replace(done, at=self._clock.now()))
                self.pace.end(self._clock.monotonic())
                standing = self._memory.standing
                if standing.rollback or standing.last_rollback is not rolled:
                    self.pace.forgive()
                if self._crashes.may_be_better(at):
                    self._crashed = ""
                self._turned()
            except JournalLost as problem:
                self._lost(problem)
            except Exception as error:  # noqa: BLE001 - what we cannot name crashes the turn, not the watch
                self._crash(error)

    def _crash(self, error: Exception) -> None:
        where = traceback.extract_tb(error.__traceback__)[-1]
        kind = "" if isinstance(error, Problem) else f"{type(error).__name__}: "
        words = f"{kind}{error} (in {where.name}, {where.filename.rpartition('/')[2]})"
        # Once per change: a fault that stays would fill the journal.
        at = self._clock.now()
        if words != self._crashed and (
            not self._crashed or self._crashes.may_be_better(at)
        ):
            self._crashed, self._crashes = words, self._crashes.changed(at)
            try:
                self._memory.add(at, TurnCrashed(words))
            except JournalLost as problem:
                self._lost(problem)

    def _watch(self) -> None:
        while not self._stopped.wait(self._poll.total_seconds()):
            # A turn in hand is not a forgotten one, however long a rollback takes.
            if self.pace.is_due(self._clock.monotonic()) and self._busy.acquire(
                blocking=False
            ):
                self._busy.release()
                self.wake()
