"""How turns come, by two clocks: what is late, stepped or forgotten is said."""

from datetime import UTC, datetime, timedelta

from watchdog.facts.event import ClockStepped, TurnsLate, TurnsOnTime
from watchdog.wiring.schedule import Pace, Steady

POLL = timedelta(seconds=5)
NOON = datetime(2026, 3, 11, 12, tzinfo=UTC)


def paced(*turns):
    """Begin and end a turn at each (wall seconds, monotonic seconds)."""
    pace, said = Pace(POLL), []
    for wall, monotonic in turns:
        said.append(pace.begin(NOON + timedelta(seconds=wall), monotonic))
        pace.end(monotonic + 1)
    return pace, said


def test_turns_on_time_are_not_worth_a_word():
    pace, said = paced((0, 0), (5, 5), (10, 10))

    assert said == [[], [], []]
    assert (pace.turns, pace.late_total, pace.took) == (3, 0, 1)


def test_a_late_turn_is_said_once_and_its_end_too():
    pace, said = paced((0, 0), (17, 17), (29, 29), (34, 34))

    assert said == [
        [],
        [TurnsLate("17.0 s between two turns, meant 5 s")],
        [],
        [TurnsOnTime("turns come every 5 s again")],
    ]
    assert pace.late_total == 2


def test_a_step_of_the_wall_clock_is_said_with_its_size_and_is_not_late():
    _, said = paced((0, 0), (3605, 5), (10, 10))

    assert said == [
        [],
        [ClockStepped(3600.0, "the wall clock moved +3600.0 s by itself")],
        [ClockStepped(-3600.0, "the wall clock moved -3600.0 s by itself")],
    ]


def test_what_a_time_server_corrects_is_no_step():
    _, said = paced((0, 0), (6.5, 5))

    assert said == [[], []]


def test_a_turn_is_fresh_for_three_polls_whatever_the_wall_clock_says():
    pace, _ = paced((0, 0))

    assert pace.is_fresh(16)
    assert not pace.is_fresh(16.1)
    assert not Pace(POLL).is_fresh(0)


def test_a_turn_that_the_scheduler_forgot_is_due():
    pace, _ = paced((0, 0))

    assert not pace.is_due(10)
    assert pace.is_due(10.1)
    assert not Pace(POLL).is_due(100)


def test_after_a_rollback_the_next_turn_may_come_late():
    pace, _ = paced((0, 0))
    pace.forgive()

    assert pace.begin(NOON + timedelta(minutes=2), 120) == []


def test_a_clock_that_jumps_ten_years_ahead_costs_one_interval():
    steady = Steady(seconds=5, timezone=UTC)
    later = NOON + timedelta(days=3650)

    assert steady.get_next_fire_time(NOON, later) == later + POLL


def test_a_clock_set_back_an_hour_does_not_silence_the_next_turn():
    steady = Steady(seconds=5, timezone=UTC)
    earlier = NOON - timedelta(hours=1)

    assert steady.get_next_fire_time(NOON, earlier) == earlier + POLL
