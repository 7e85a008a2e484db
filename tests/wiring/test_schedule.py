"""When it turns: one turn at a time, whatever the clocks do."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from tests.worlds import AT, SECOND, Notebook, StillClock
from watchdog.facts.event import ClockStepped, TurnCrashed, TurnsLate, TurnsOnTime
from watchdog.facts.problem import EngineRefused, JournalLost
from watchdog.turn.roles import Turn
from watchdog.wiring.clock import RealClock
from watchdog.wiring.schedule import Pace, Schedule, Steady

POLL = 5 * SECOND
HOUR = timedelta(hours=1)


class Turning:
    """A cycle that counts its turns, and can be held or broken."""

    def __init__(self, *troubles):
        self.troubles = list(troubles)
        self.turns = 0
        self.inside = 0
        self.most = 0
        self.go_on = threading.Event()
        self.go_on.set()
        self.turned = threading.Semaphore(0)

    def turn(self, at):
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.turned.release()
        self.go_on.wait(5)
        self.inside -= 1
        self.turns += 1
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble:
            raise trouble
        return Turn(at, f"turn {self.turns}")


def scheduled(cycle, memory=None, clock=None, poll=POLL):
    lost = []
    memory = memory or Notebook()
    it = Schedule(cycle, memory, clock or StillClock(), poll, lost=lost.append)
    return it, memory, lost


# Pure: when is the next turn?


def next_after(previous, now):
    steady = Steady(seconds=5, timezone=UTC, start_date=AT)
    return steady.get_next_fire_time(previous, now)


def test_turns_come_every_poll():
    assert next_after(AT, AT) == AT + POLL
    assert next_after(AT, AT + SECOND) == AT + POLL


@pytest.mark.parametrize("step", [HOUR, timedelta(days=3650), 11 * SECOND])
def test_a_clock_that_jumps_forward_skips_what_was_missed(step):
    assert next_after(AT, AT + step) == AT + step + POLL


@pytest.mark.parametrize("step", [HOUR, timedelta(days=3650), 6 * SECOND])
def test_a_clock_that_jumps_back_does_not_silence_the_watch(step):
    assert next_after(AT, AT - step) == AT - step + POLL


# Book-keeping.


def test_turns_that_come_late_are_said_once_and_so_is_their_return():
    pace = Pace(POLL)
    said = []
    for seconds in (0, 5, 40, 80, 85, 90):
        said += pace.begin(AT + seconds * SECOND, float(seconds))

    assert said == [
        TurnsLate("35.0 s between two turns, meant 5 s"),
        TurnsOnTime("turns come every 5 s again"),
    ]
    assert pace.late_total == 2


@pytest.mark.parametrize("step", [HOUR, -HOUR, timedelta(days=3650)])
def test_a_clock_step_is_said_with_its_size(step):
    pace = Pace(POLL)
    pace.begin(AT, 0.0)

    (stepped,) = pace.begin(AT + POLL + step, 5.0)

    assert stepped == ClockStepped(
        step / SECOND, f"the wall clock moved {step / SECOND:+.1f} s by itself"
    )
    assert pace.begin(AT + 2 * POLL + step, 10.0) == []


def test_freshness_goes_by_the_clock_that_never_steps():
    pace = Pace(POLL)
    assert not pace.is_fresh(0.0)
    pace.begin(AT, 0.0)
    pace.end(1.0)

    assert pace.is_fresh(16.0)
    assert not pace.is_fresh(16.1)


def test_a_rollback_takes_the_time_that_it_takes():
    pace = Pace(POLL)
    pace.begin(AT, 0.0)
    pace.forgive()

    assert pace.begin(AT + HOUR, 3600.0) == []


# Turning.


def test_a_complete_turn_is_marked_with_its_end():
    clock = StillClock()
    cycle = Turning()
    it, memory, _ = scheduled(cycle, clock=clock)

    it.turn()

    assert memory.last_turn() == Turn(AT, "turn 1")
    assert it.is_fresh()


def test_a_crash_is_journaled_once_and_the_next_turn_goes_on():
    cycle = Turning(KeyError("dms"), KeyError("dms"), EngineRefused("no", "hint"))
    it, memory, lost = scheduled(cycle)

    for _ in range(5):
        it.turn()

    said = [event.words for event in memory.all(TurnCrashed)]
    assert said == [
        "KeyError: 'dms' (in turn, test_schedule.py)",
        "no\nhint: hint (in turn, test_schedule.py)",
    ]
    assert (cycle.turns, lost) == (5, [])
    assert memory.last_turn() == Turn(AT, "turn 5")


def test_a_crash_that_comes_again_after_a_good_turn_is_said_again():
    it, memory, _ = scheduled(Turning(KeyError("a"), None, KeyError("a")))

    for _ in range(3):
        it.turn()

    assert len(memory.all(TurnCrashed)) == 2


def test_a_crashed_turn_is_not_marked_as_complete():
    it, memory, _ = scheduled(Turning(KeyError("dms")))

    it.turn()

    assert memory.last_turn() is None
    assert not it.is_fresh()


def test_a_lost_journal_leaves():
    problem = JournalLost("the disk is full")
    it, memory, lost = scheduled(Turning(problem))

    it.turn()

    assert lost == [problem]
    assert memory.all(TurnCrashed) == []


def test_a_journal_that_is_lost_while_a_crash_is_told_leaves_too():
    memory = Notebook()
    memory.broken = problem = JournalLost("the disk is full")
    it, _, lost = scheduled(Turning(KeyError("dms")), memory)

    it.turn()

    assert lost == [problem]


# With the real scheduler.


def test_turns_do_not_overlap_and_a_wake_comes_after_the_turn_in_hand():
    cycle = Turning()
    cycle.go_on.clear()
    it, _, _ = scheduled(cycle, clock=RealClock(), poll=50 * SECOND / 1000)
    it.start()
    assert cycle.turned.acquire(timeout=5)
    threads = [threading.Thread(target=it.turn) for _ in range(3)]
    for thread in threads:
        thread.start()
    it.wake()
    cycle.go_on.set()
    for thread in threads:
        thread.join()
    for _ in range(5):
        assert cycle.turned.acquire(timeout=5)
    it.stop()

    assert cycle.most == 1
    assert cycle.turns >= 6


def test_a_wake_turns_before_the_poll_is_over():
    cycle = Turning()
    it, _, _ = scheduled(cycle, clock=RealClock(), poll=HOUR)
    it.start()
    for _ in range(3):
        assert cycle.turned.acquire(timeout=5)
        it.wake()
    it.stop()

    assert cycle.turns >= 3


class SetBack(RealClock):
    """A wall clock that was an hour ahead when the schedule was made."""

    def __init__(self):
        self.first = True

    def now(self) -> datetime:
        ahead = HOUR if self.first else timedelta()
        self.first = False
        return super().now() + ahead


def test_a_clock_set_back_an_hour_does_not_stop_the_turns():
    cycle = Turning()
    it, _, _ = scheduled(cycle, clock=SetBack(), poll=50 * SECOND / 1000)
    it.turn()  # as if it had turned before the step
    it.start()
    for _ in range(4):
        assert cycle.turned.acquire(timeout=5)
    it.stop()

    assert cycle.turns >= 4


def test_stopping_waits_for_the_turn_in_hand():
    cycle = Turning()
    it, memory, _ = scheduled(cycle, clock=RealClock(), poll=HOUR)
    it.start()
    assert cycle.turned.acquire(timeout=5)
    it.stop()

    assert cycle.turns == 1
    assert memory.last_turn().words == "turn 1"
