"""What comes and goes is said when it matters, and not at each poll."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds import (
    ASHA,
    AT,
    AWB,
    HOUR,
    HTTP_5XX,
    MINUTE,
    SECOND,
    Notebook,
    World,
    a_pair,
    a_release,
    rules,
    started,
)
from watchdog.decide.steady import FREE, STILL, is_worse
from watchdog.facts.event import (
    BlindTooLong,
    BreachConfirmed,
    FarEndBack,
    FarEndLost,
    OrderGiven,
    PairProvedGood,
    PairStarted,
    PairUnclear,
    ReadinessChanged,
    RollbackStarted,
    TurnCrashed,
    TurnsLate,
    TurnsOnTime,
    VerdictChanged,
)
from watchdog.facts.lack import Lack
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.verdict import Breached, Clear, Pending, kind_of
from watchdog.turn.judging import Judging
from watchdog.wiring.schedule import Pace

CLEAR, PENDING = Clear("0 of 40"), Pending("2 of 40")
STALE, SLOW = Blind(Cause.STALE, "old"), Blind(Cause.TIMEOUT, "slow")
BREACHED = Breached("9 of 40", 9.0, 1.0, elsewhere="before")
POLL = 5 * SECOND


@dataclass
class Judged:
    """A watch of one release, of which the verdicts are made up."""

    memory: Notebook
    at = AT

    def says(self, verdict, after=POLL):
        self.at += after
        judging = Judging(None, None, self.memory, rules())
        release = replace(a_release(), triggers=(AWB,))
        judging.note(release, {AWB.name: verdict}, self.at)
        return self.said

    @property
    def said(self):
        return self.memory.standing.verdicts[AWB.name].changed.kind

    @property
    def count(self):
        return len(self.memory.all(VerdictChanged))


@pytest.fixture
def judged():
    memory = Notebook()
    memory.add(AT, started("v1.3.0"))
    return Judged(memory)


@pytest.mark.parametrize("worse", [PENDING, STALE, BREACHED], ids=kind_of)
def test_a_verdict_that_flaps_at_each_poll_is_not_said_at_each_poll(judged, worse):
    counts = []
    for _ in range(3):  # half hours
        for _ in range(180):
            judged.says(worse)
            judged.says(CLEAR)
        counts.append(judged.count)

    assert counts[0] <= FREE + 10
    assert counts[2] - counts[1] <= 4
    assert judged.count >= 10  # nor is it silent for good


def test_causes_of_blindness_that_flap_are_not_said_at_each_poll(judged):
    for _ in range(180):
        judged.says(STALE)
        judged.says(SLOW)

    assert judged.count <= FREE + 10
    assert judged.memory.standing.verdicts[AWB.name].since == AT + POLL


VERDICTS = st.sampled_from([CLEAR, PENDING, STALE, SLOW, BREACHED])


@given(
    st.lists(st.tuples(VERDICTS, st.sampled_from([POLL, MINUTE, HOUR])), max_size=60)
)
def test_what_is_said_is_never_better_than_what_is_seen(history):
    memory = Notebook()
    memory.add(AT, started("v1.3.0"))
    judged = Judged(memory)
    before = None
    for verdict, after in history:
        said = judged.says(verdict, after)
        assert not is_worse(kind_of(verdict), said)
        seen = judged.memory.standing.verdicts[AWB.name]
        if kind_of(verdict) != "clear":
            before = judged.at
        elif said == "clear" and before is not None:
            # Clear is said only after what was not, so that a bake starts after it.
            assert memory.standing.unproven_since > before
            assert seen.since > before


def test_the_first_changes_are_said_at_once_and_after_a_calm_hour_again(judged):
    for verdict in (CLEAR, PENDING, CLEAR, STALE, CLEAR, PENDING):
        assert judged.says(verdict) == kind_of(verdict)
    assert judged.says(CLEAR) == "pending"
    assert judged.says(CLEAR, MINUTE) == "clear"

    assert judged.says(PENDING, HOUR) == "pending"
    assert judged.says(CLEAR) == "clear"


def test_another_pair_begins_anew(judged):
    for _ in range(FREE):
        judged.says(PENDING)
        judged.says(CLEAR)
    judged.memory.add(judged.at, started("v1.3.1", since=judged.at))

    assert judged.says(PENDING) == "pending"
    assert judged.says(CLEAR) == "clear"


def test_a_clock_that_was_set_back_does_not_keep_better_from_being_said(judged):
    for _ in range(FREE):
        judged.says(PENDING)
        judged.says(CLEAR)
    judged.says(PENDING)

    assert judged.says(CLEAR, -timedelta(days=1)) == "clear"


def test_what_is_blind_now_and_then_is_told_once_in_words_that_are_so(judged):
    for _ in range(360):
        judged.says(STALE)
        judged.says(CLEAR)

    (told,) = judged.memory.all(BlindTooLong)
    assert f"{AWB.name} is measured only now and then since " in told.words


# The whole turn.


@pytest.fixture
def world(folders):
    made = World(folders())
    made.bake("v1.2.0")
    made.compose_up("v1.3.0")
    made.turn()
    return made


def good(it):
    return [e.key for e in it.memory.all(PairProvedGood)]


def test_a_pair_whose_trigger_flaps_is_not_known_good_by_the_polls_between(folders):
    world = World(folders(), bake_time=10 * MINUTE)
    world.bake("v1.2.0")
    world.compose_up("v1.3.0")
    for _ in range(90):
        world.numbers.values[HTTP_5XX.name] = STALE
        world.turn(30 * SECOND)
        world.numbers.values[HTTP_5XX.name] = 0
        world.turn(30 * SECOND)
    assert len(good(world)) == 1

    for _ in range(45):
        world.turn(MINUTE)
    assert len(good(world)) == 2


def test_a_breach_is_confirmed_in_its_turn_however_it_flapped_before(world):
    for value in (STALE, 0) * 2 * FREE:
        world.numbers.values[AWB.name] = value
        world.turn()
    assert world.memory.standing.verdicts[AWB.name].changed.kind == "blind"

    world.numbers.values[AWB.name] = 9
    world.turn()

    (confirmed,) = world.memory.all(BreachConfirmed)
    assert confirmed.trigger == AWB.name


def test_a_far_end_that_comes_and_goes_is_lost_until_it_stays(world):
    down = Blind(Cause.UNREACHABLE, "refused")
    for _ in range(200):
        world.numbers.down = down
        world.turn()
        world.numbers.down = None
        world.turn()

    ends = world.memory.all(FarEndLost, FarEndBack)
    assert FREE <= len(ends) <= FREE + 10
    for _ in range(31):
        world.turn(MINUTE)
    assert world.memory.standing.lost == {}


def test_a_pair_that_cannot_be_read_now_and_then_is_unclear_until_it_stays(world):
    boxes, begun = world.docker.boxes, len(world.memory.all(PairStarted))
    for _ in range(200):
        world.docker.boxes = {}
        world.turn()
        world.docker.boxes = boxes
        world.turn()

    said = world.memory.all(PairStarted, PairUnclear)
    assert FREE <= len(said) - begun <= 2 * FREE + 20
    assert world.memory.standing.unclear
    # What is seen meanwhile is judged, and acted upon.
    world.numbers.values[AWB.name] = 9
    world.turn()
    assert world.memory.all(RollbackStarted)
    assert world.memory.standing.running.pair.version == "v1.2.0"


def test_a_person_may_roll_back_what_is_not_read_now_and_then(world):
    boxes = world.docker.boxes
    for _ in range(FREE):
        world.docker.boxes = {}
        world.turn()
        world.docker.boxes = boxes
        world.turn()
    assert world.memory.standing.unclear
    key = a_pair("v1.2.0").key
    given = OrderGiven("ord", "rollback", ASHA, "why", key=key, words="")

    world.memory.add(world.clock.now(), given)
    world.docker.boxes = {}
    assert world.turn().startswith("cannot follow the order yet: service dms")
    world.docker.boxes = boxes
    world.turn()

    assert world.memory.standing.running.pair.version == "v1.2.0"


def test_a_pair_that_was_not_read_now_and_then_is_whole_once_it_stays(world):
    boxes = world.docker.boxes
    for _ in range(50):
        world.docker.boxes = {}
        world.turn()
        world.docker.boxes = boxes
        world.turn()
    for _ in range(31):
        world.turn(MINUTE)

    assert world.memory.standing.unclear is None


def test_readiness_that_comes_and_goes_is_no_until_it_stays(world):
    begun = len(world.memory.all(ReadinessChanged))
    for number in range(200):
        world.short = [Lack(f"{number} bytes of room", "")] if number % 2 else []
        world.turn(world.rules.readiness_every)
        if number % 2:
            assert not world.memory.standing.readiness.ready

    assert len(world.memory.all(ReadinessChanged)) - begun <= 200 / 3


def test_turns_that_are_late_now_and_then_are_said_once():
    pace, said, now = Pace(POLL), [], 0.0
    for _ in range(300):
        for apart in (5, 15):
            now += apart
            said += pace.begin(AT + now * SECOND, now)

    assert len(said) <= FREE + 10
    for _ in range(400):
        now += 5
        said += pace.begin(AT + now * SECOND, now)
    assert isinstance(said[-1], TurnsOnTime)
    assert {type(one) for one in said} == {TurnsLate, TurnsOnTime}
    assert pace.late_total == 300


def test_a_crash_that_comes_and_goes_is_not_said_at_each_poll():
    from tests.wiring.test_schedule import Turning, scheduled  # noqa: PLC0415

    clock_turns = 60
    it, memory, _ = scheduled(Turning(*[KeyError("dms"), None] * clock_turns))
    for _ in range(2 * clock_turns):
        it.turn()

    assert len(memory.all(TurnCrashed)) <= FREE


def test_it_waits_longer_the_more_often_it_changed():
    flow, waits = STILL, []
    for number in range(FREE + 8):
        flow = flow.changed(AT + number * MINUTE)
        waits.append(int(flow.wait / MINUTE))

    assert waits[: FREE - 1] == [0] * (FREE - 1)
    assert waits[FREE - 1 :] == [1, 2, 4, 8, 16, 30, 30, 30, 30]
