"""A replay says at every instant what the judge says there, however it is fed."""

import math
from dataclasses import replace
from datetime import timedelta
from itertools import cycle, islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.judge.samples import (
    AT,
    LONG_AGO,
    MINUTE,
    SECOND,
    awb,
    down,
    http_5xx,
    outbox,
)
from watchdog.facts.past import ELSEWHERE
from watchdog.facts.reading import Blind, Block, Cause, Look, Measured, Outside
from watchdog.facts.verdict import Clear, kind_of
from watchdog.judge.breach import judge
from watchdog.judge.quiet import Quiet
from watchdog.judge.replay import Grid, Replay

LAG = 15 * SECOND
COUNTS = (http_5xx(), awb())
TRIGGERS = (*COUNTS, outbox(), down())

few = st.integers(0, 6)
many = st.integers(0, 400)
odd = st.sampled_from([-9.0, 0.3, math.nan, math.inf])
blinded = st.just(Blind(Cause.TIMEOUT, "it did not answer"))


@st.composite
def counted(draw):
    """Mostly quiet, with everything that can be wrong now and then."""
    kinds = ["fine"] * 9 + ["over"] * 4 + ["thin", "edge"] * 3 + ["none", "gap", "odd"]
    kind = draw(st.sampled_from(kinds))
    every = draw(many)
    match kind:
        case "fine":
            return {"bad": float(draw(few)), "all": float(every + 100)}
        case "over":
            return {"bad": every * 0.2, "all": float(every)}
        case "thin":
            return {"bad": 0.0, "all": float(draw(few))}
        case "edge":
            bad = draw(st.sampled_from([0.4, 0.44, 1.6, 2.0, 2.2, 2.4]))
            return {"bad": bad, "all": 40.0}
        case "none":
            return {"all": float(every)}
        case "gap":
            return draw(st.sampled_from([{}, {"bad": 3.0}]) | blinded)
    return {"bad": draw(odd), "all": draw(odd | st.just(50.0))}


@st.composite
def queued(draw):
    if draw(st.integers(0, 12)) == 0:
        return draw(st.sampled_from([{}, {"floor": 3.0}]) | blinded)
    names = ("floor", "in", "out")
    value = st.integers(0, 60).map(float) if draw(st.integers(0, 30)) else odd
    return {name: draw(value) for name in names}


@st.composite
def pointed(draw):
    if draw(st.integers(0, 20)) == 0:
        return draw(st.just({}) | blinded | odd.map(lambda value: {"worst": value}))
    return {"worst": float(draw(st.sampled_from([1, 1, 1, 1, 0])))}


def point_of(trigger):
    return {
        "OutboxDrainFailure": queued(),
        "DmsDown": pointed(),
    }.get(trigger.name, counted())


def points_of(trigger, count):
    """Give so many in runs of the same: windows are sometimes all of one kind."""
    run = st.tuples(point_of(trigger), st.sampled_from([1, 2, 4, 9, 30]))
    runs = st.lists(run, min_size=1, max_size=12)
    return runs.map(
        lambda runs: list(
            islice(cycle(one for one, times in runs for _ in range(times)), count)
        )
    )


def grid_of(trigger, stride, every, count):
    """Lay so many looks, *every* so many points; blocks are *stride* points wide."""
    width = trigger.block if trigger.name != "DmsDown" else 5 * SECOND
    window = trigger.window // trigger.block
    # Three windows, so that the points stay few.
    near = {"OutboxDrainFailure": 6, "DmsDown": 25}.get(trigger.name, window)
    blocks = 3 * window if trigger.counts else near
    apart = width / stride
    return Grid(AT, apart, stride, blocks, near, every * apart, count, LAG)


def read_at(trigger, grid, points, number):
    """Read as the daemon does: a look from the points."""
    taken = [
        points[place] if place >= 0 else {}
        for place in range(number - grid.reach, number + 1, grid.stride)
    ]
    near = taken[-grid.window :]
    if blind := next((one for one in near if isinstance(one, Blind)), None):
        return blind
    taken = [{} if isinstance(one, Blind) else one for one in taken]
    end = grid.begin + number * grid.apart
    width = grid.stride * grid.apart
    ends = [end - n * width for n in reversed(range(grid.blocks))]
    return Measured((Look(end, tuple(map(Block, ends, taken))),))


def words_at(verdict):
    cause = str(verdict.cause) if isinstance(verdict, Blind) else ""
    return kind_of(verdict), cause


def replayed(trigger, grid, points, armed_from, cuts=()):
    """Feed *points* in portions that end at *cuts*."""

    def exact(at):
        number = (at - grid.lag - grid.begin) // grid.apart
        return read_at(trigger, grid, points, number)

    until = grid.first + grid.count * grid.step + grid.lag
    since = grid.first + grid.lag
    replay = Replay(trigger, grid, armed_from, exact, since=since, until=until)
    edges = [0, *sorted(cuts), grid.points]
    for start, end in pairwise(edges):
        replay.take(points[start:end])
    return replay.track()


@settings(max_examples=150)
@given(data=st.data(), trigger=st.sampled_from(TRIGGERS))
def test_a_replay_says_at_every_instant_what_the_judge_says_there(data, trigger):
    stride = data.draw(st.integers(1, 3), "stride")
    every = data.draw(st.integers(1, 4), "every")
    young = data.draw(st.booleans(), "young")
    grid = grid_of(trigger, stride, every, data.draw(st.integers(1, 30), "count"))
    points = data.draw(points_of(trigger, grid.points), "points")
    armed_from = AT + 2 * MINUTE if young else LONG_AGO
    cuts = data.draw(st.lists(st.integers(0, grid.points), max_size=5), "cuts")

    track = replayed(trigger, grid, points, armed_from, cuts)

    said = []
    for looked in range(grid.count):
        number = grid.reach + looked * every
        reading = read_at(trigger, grid, points, number)
        at = grid.first + looked * grid.step + LAG
        said.append((at, judge(trigger, reading, armed_from)))
    assert track.judged == grid.count
    for at, verdict in said:
        one = next(one for one in track.stretches if one.since <= at < one.until)
        assert (one.kind, one.cause) == words_at(verdict), at
    first = dict(said)
    for one in track.stretches:
        if one.kind != "breached":
            assert one.words == first[one.since].words
        else:
            inside = [v for at, v in said if one.since <= at < one.until]
            worst = min if trigger.below is not None else max
            assert one.value == worst(v.value for v in inside)


@given(data=st.data(), trigger=st.sampled_from(TRIGGERS))
def test_portions_do_not_change_the_result(data, trigger):
    grid = grid_of(trigger, 2, 1, data.draw(st.integers(1, 30)))
    points = data.draw(points_of(trigger, grid.points))
    cuts = data.draw(st.lists(st.integers(0, grid.points), max_size=9))

    whole = replayed(trigger, grid, points, LONG_AGO)

    assert replayed(trigger, grid, points, LONG_AGO, cuts) == whole


@settings(max_examples=200)
@given(data=st.data(), trigger=st.sampled_from(TRIGGERS))
def test_what_is_surely_clear_is_clear_to_the_judge(data, trigger):
    grid = grid_of(trigger, 1, 1, 1)
    points = data.draw(points_of(trigger, grid.points))
    quiet = Quiet(trigger, trigger.above or 0.0, grid.window)
    if not all(map(quiet.is_sound, points)) or not quiet.take(points).clear[-1]:
        return

    reading = read_at(trigger, grid, points, grid.reach)

    assert isinstance(judge(trigger, reading, LONG_AGO), Clear)


@pytest.mark.parametrize("stride", [1, 3])
def test_a_queue_that_rises_is_not_surely_clear(stride):
    flow = {"in": 50.0, "out": 50.0}
    falls = [{"floor": float(90 - n), **flow} for n in range(8 * stride)]
    rises = [{"floor": float(90 + n), **flow} for n in range(8 * stride)]

    quiet = Quiet(outbox(), 0.0, 5, stride)
    before = quiet.take(falls).clear
    after = (
        quiet.take(rises[: stride + 1]).clear + quiet.take(rises[stride + 1 :]).clear
    )

    assert not any(before[: 4 * stride])
    assert all(before[5 * stride :])
    assert not any(after)


def test_the_judge_is_seldom_asked_in_a_quiet_month():
    trigger = http_5xx()
    grid = grid_of(trigger, 1, 1, 43_200)
    points = [{"bad": 3.0, "all": 600.0}] * grid.points
    asked = []

    def exact(at):
        asked.append(at)
        return read_at(trigger, grid, points, grid.reach)

    replay = Replay(
        trigger, grid, LONG_AGO, exact, since=AT, until=AT + timedelta(days=30)
    )
    replay.take(points)

    assert len(replay.track().stretches) == 1
    assert len(asked) == 1


def test_the_plot_shows_the_window_s_share_and_leaves_gaps_out():
    trigger = http_5xx()
    points = [{"bad": 6.0, "all": 600.0}] * 64 + [{}] * 12
    grid = grid_of(trigger, 1, 1, 17)

    track = replayed(trigger, grid, points, LONG_AGO)

    assert {band.high for band in track.bands} == {0.01}
    assert max(band.since for band in track.bands) < AT + LAG + 7 * 15 * SECOND


def test_a_breach_that_is_not_the_release_s_is_a_stretch_of_its_own():
    trigger = http_5xx()
    grid = grid_of(trigger, 1, 1, 2)
    points = [{"bad": 60.0, "all": 600.0}] * grid.points

    def exact(at):
        reading = read_at(trigger, grid, points, grid.reach)
        held = AT if at == grid.first + LAG else None
        return replace(reading, outside=Outside(held))

    trigger = replace(trigger, unless="carrier_up == 0")
    replay = Replay(
        trigger, grid, LONG_AGO, exact, since=AT, until=AT + timedelta(minutes=5)
    )
    replay.take(points)

    kinds = [(one.kind, one.cause) for one in replay.track().stretches]
    assert kinds == [("breached", ELSEWHERE), ("breached", "")]


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda one: one.name)
def test_a_part_of_a_name_nobody_knows_is_left_to_the_judge(trigger):
    assert not Quiet(trigger, 0.05, 1).is_sound({"bad": 0.0, "all": 9.0, "new": 1.0})
    assert not Quiet(trigger, 0.05, 1).is_sound({})
