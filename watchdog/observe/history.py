"""Asks Prometheus for weeks at a time, and reads any instant of them as live.

Source: Prometheus HTTP API, ``GET /api/v1/query_range``: at most 11,000 points a
series, and ``--query.max-samples`` in one query.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from watchdog.config.notation import Said, duration, seen, written
from watchdog.facts.past import Backtest, Track
from watchdog.facts.problem import Problem
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.trigger import Release, Sick, Traffic, Trigger, Value
from watchdog.judge.blocks import Parts
from watchdog.judge.laid import Past as Kept
from watchdog.judge.replay import Grid, Replay
from watchdog.judge.starts import Lay, injected, limit_of
from watchdog.judge.starts import started as laid_over
from watchdog.observe.access import OPEN, Access
from watchdog.observe.envelope import NotSeen
from watchdog.observe.prometheus import Prometheus
from watchdog.observe.samples import Ask, Samples

_EPOCH = datetime.fromtimestamp(0, UTC)
_MILLISECOND = timedelta(milliseconds=1)
# A week of minutes: it takes a small server a second, a large one longer.
PATIENCE = timedelta(seconds=60)
_MOST_POINTS = 10_000
# Below this a smaller question is no easier.
_FEWEST_POINTS = 100
# Around an instant that breached, its neighbours will be asked for next.
_SEGMENT = 240
_SEGMENTS_KEPT = 256
_AHEAD = 3
# What Prometheus says when a smaller question would do.
_TOO_LARGE = ("too many samples", "maximum resolution", "answered more than")

Progress = Callable[[Trigger, int, int], None]


@dataclass(frozen=True, slots=True)
class _Held:
    """Points of a *query* that were answered, from *first* on, *apart* milliseconds."""

    query: str
    label: str
    first: int
    apart: int
    points: list[Parts | Blind]

    def answer(self, ask: Ask) -> Samples | None:
        """Answer *ask* if all that it asks for is here."""
        step, last = ask.step // _MILLISECOND, _millis(ask.end)
        low, wrong = divmod(last - (ask.points - 1) * step - self.first, self.apart)
        stride, uneven = divmod(step, self.apart)
        high = low + (ask.points - 1) * stride
        is_here = low >= 0 and high < len(self.points) and not (wrong or uneven)
        if ask.query != self.query or not is_here:
            return None
        found: Samples = {}
        for back, parts in enumerate(reversed(self.points[low : high + 1 : stride])):
            if isinstance(parts, Blind):
                return None
            if parts:
                found[self.label, last - back * step] = dict(parts)
        return dict(reversed(found.items()))


class Past(Prometheus):
    """A Prometheus that is asked about long ago: few large asks, each kept.

    *most_points* bounds one ask. ``read`` answers as the live one does, but from
    what is kept.
    """

    def __init__(
        self,
        url: str,
        scrape_interval: timedelta,
        poll: timedelta,
        *,
        timeout: timedelta = PATIENCE,
        most_points: int = _MOST_POINTS,
        access: Access = OPEN,
    ) -> None:
        super().__init__(url, timeout, scrape_interval, poll, access)
        self._most_points = min(_MOST_POINTS, max(1, most_points))
        self._held: _Held | None = None
        self._segments: OrderedDict[tuple[str, int, int, int], Samples] = OrderedDict()

    def grid(
        self, trigger: Trigger, since: datetime, until: datetime, step: timedelta
    ) -> Grid:
        """Lay the looks that are judged from *since* to *until*, *step* apart.

        A step of less than a poll, or between two, is the next whole one: nothing
        is ever judged in between.
        """
        ask = self._newest(trigger, since)[0]
        least = self._poll
        if isinstance(trigger.kind, Value):
            least = ask.step  # a long window is sampled wider than the poll
        step = max(least, -(-step // least) * least)
        lag = self._looks.lag(trigger)
        first = _EPOCH - (_EPOCH - (since - lag)) // step * step
        count = max(0, (until - lag - first) // step + 1)
        apart = _gcd(step, ask.step)
        near = -(-trigger.window // ask.step) if trigger.counts else ask.points
        stride = ask.step // apart
        return Grid(first, apart, stride, ask.points, max(1, near), step, count, lag)

    def points(self, trigger: Trigger, grid: Grid) -> Iterator[list[Parts | Blind]]:
        """Give every point that the grid's looks need, oldest first, in portions.

        What the server would not answer, however small the question, is ``Blind``.
        """
        ask, label = self._newest(trigger, grid.first + grid.lag)
        portions: deque[Future[list[Parts | Blind]]] = deque()
        asked = 0
        while asked < grid.points or portions:
            while asked < grid.points and len(portions) <= _AHEAD:
                count = min(self._most_points, grid.points - asked)
                end = grid.begin + (asked + count - 1) * grid.apart
                portion = Ask(ask.query, end, grid.apart, count)
                portions.append(self._pool.submit(self._portion, portion, label))
                asked += count
            yield portions.popleft().result()

    def track(
        self,
        trigger: Trigger,
        since: datetime,
        until: datetime,
        *,
        step: timedelta,
        armed_from: datetime,
        started: datetime | None = None,
        kept: dict[str, Kept] | None = None,
        progress: Progress = lambda _trigger, _done, _of: None,
    ) -> Track:
        """Judge *trigger* all along the period, by the whole of what it counts.

        *kept* gets what that was, block by block.
        """
        trigger = replace(trigger, any=False)
        grid = self.grid(trigger, since, until, step)
        exact = self._looks.is_exact(trigger.kind)
        keep = Kept(trigger, grid.begin, exact, grid.lag) if trigger.counts else None
        if kept is not None and keep is not None:
            kept[trigger.name] = keep
        replay = Replay(
            trigger,
            grid,
            armed_from,
            lambda at: self.read(trigger, at, started),
            since=since,
            until=until,
        )
        done = 0
        progress(trigger, done, grid.points)
        for portion in self.points(trigger, grid):
            self._hold(trigger, grid, done, portion)
            replay.take(portion)
            if kept is not None and keep is not None:
                keep.take(portion[-done % grid.stride :: grid.stride])
            done += len(portion)
            progress(trigger, done, grid.points)
        self._held = None
        return replay.track((self._newest(trigger, since)[0].query,))

    def _hold(
        self, trigger: Trigger, grid: Grid, done: int, portion: list[Parts | Blind]
    ) -> None:
        """Keep what was answered, as far back as a look goes: it is not asked again.

        Not of a value: its series are not among its points.
        """
        if isinstance(trigger.kind, Value):
            return
        ask, label = self._newest(trigger, grid.first + grid.lag)
        older = self._held.points[-(grid.reach + 1) :] if self._held and done else []
        first = _millis(grid.begin + (done - len(older)) * grid.apart)
        apart = grid.apart // _MILLISECOND
        self._held = _Held(ask.query, label, first, apart, [*older, *portion])

    def backtest(
        self,
        release: Release,
        since: datetime,
        until: datetime,
        *,
        step: timedelta | None = None,
        started: datetime | None = None,
        settle: timedelta = timedelta(),
        lay: Lay | None = None,
        progress: Progress = lambda _trigger, _done, _of: None,
    ) -> Backtest:
        """Judge every trigger of *release*, *step* or a block apart.

        A release that *started* is judged from then on, until its watch is over,
        and charged after *settle*; without it, as if it had run for ever. *lay*: what
        is laid over it.

        Raises:
            Problem: the period is empty, or no watch of *lay* fits into it.
        """
        if since >= until:
            raise Problem(
                f"the period ends at {until:%Y-%m-%d %H:%M:%S} UTC and begins at "
                f"{since:%Y-%m-%d %H:%M:%S} UTC",
                "begin before the end: `--since 30d --until 1d`",
            )
        armed_from = _EPOCH
        if started is not None:
            armed_from = started + settle
            since = max(since, started)
            until = max(since, min(until, started + release.watch_for))
        began = _moments(lay, release, since, until) if lay else ()
        kept: dict[str, Kept] | None = {} if lay else None
        tracks = [
            self.track(
                trigger,
                since,
                until,
                step=step or trigger.block,
                armed_from=armed_from,
                started=started,
                kept=kept,
                progress=progress,
            )
            for trigger in release.triggers
            if not isinstance(trigger.kind, Sick | Traffic)
        ]
        done = Backtest(release, since, until, tracks, started)
        if lay is None or kept is None:
            return done
        if lay.share:
            some = [injected(lay, began, one) for one in kept.values()]
            done = replace(done, injected=some)
        if not lay.healthy:
            return done
        return replace(done, starts=laid_over(lay, began, tracks, kept, self.read))

    def _newest(self, trigger: Trigger, at: datetime) -> tuple[Ask, str]:
        """Give the ask and the label of the newest look alone."""
        plan = self._looks.plan(trigger, at)
        place = plan.looks[0]
        return plan.asks[place.answer], place.label

    def _portion(self, ask: Ask, label: str) -> list[Parts | Blind]:
        """Ask; what is too much for the server is asked for in halves."""
        try:
            samples = super().samples(ask)
        except NotSeen as refusal:
            if ask.points > _FEWEST_POINTS and _is_too_much(refusal):
                half = ask.points // 2
                early = replace(
                    ask, end=ask.end - (ask.points - half) * ask.step, points=half
                )
                late = replace(ask, points=ask.points - half)
                return self._portion(early, label) + self._portion(late, label)
            return [refusal.blind] * ask.points
        step, last = ask.step // _MILLISECOND, _millis(ask.end)
        nothing: Parts = {}
        return [
            samples.get((label, last - back * step), nothing)
            for back in reversed(range(ask.points))
        ]

    def samples(self, ask: Ask) -> Samples:
        """Answer from segments of the ask's own grid; ask for those not kept."""
        if ask.points == 1:
            return super().samples(ask)  # about one gap, and seldom twice
        held = self._held.answer(ask) if self._held else None
        if held is not None:
            return held
        step, last = ask.step // _MILLISECOND, _millis(ask.end)
        phase, size = last % step, max(_SEGMENT, min(ask.points, _MOST_POINTS))
        newest = (last - phase) // step
        found: Samples = {}
        first = newest - ask.points + 1
        low, high = last - (ask.points - 1) * step, last
        for number in range(first // size, newest // size + 1):
            segment = self._segment(ask, phase, size, number)
            found |= {
                place: parts
                for place, parts in segment.items()
                if low <= place[1] <= high
            }
        return found

    def recent(self, ask: Ask) -> Samples:
        """Answer from the segments: a backtest looks at any time."""
        return self.samples(ask)

    def _segment(self, ask: Ask, phase: int, size: int, number: int) -> Samples:
        key = (ask.query, ask.step // _MILLISECOND, phase, number * size)
        if key in self._segments:
            self._segments.move_to_end(key)
            return self._segments[key]
        last = phase + ((number + 1) * size - 1) * (ask.step // _MILLISECOND)
        end = _EPOCH + last * _MILLISECOND
        samples = super().samples(replace(ask, end=end, points=size))
        self._segments[key] = samples
        while len(self._segments) > _SEGMENTS_KEPT:
            self._segments.popitem(last=False)
        return samples


def _moments(
    lay: Lay, release: Release, since: datetime, until: datetime
) -> tuple[datetime, ...]:
    """Draw the starts: each has its whole watch, or its time to be found."""
    needed = max(map(limit_of, release.triggers))
    if lay.healthy:
        needed = max(needed, lay.watched)
    if until - needed <= since:
        raise Problem(
            f"the period is {written(until - since)}, and each start is watched for "
            f"{written(needed)}",
            "begin earlier: `--since 30d`",
        )
    return lay.moments(since, until - needed)


def moment(text: str, now: datetime, key: str) -> datetime:
    """Read ``30d`` as so long before *now*, or a time; one without a zone is UTC.

    Raises:
        Problem: it is neither; *key* names it.
    """
    if text == "now":
        return now
    with suppress(Said):
        return now - duration(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(
            f"{key}: {seen(text)} is neither a duration nor a time",
            "write it like `30d`, `6h` or `2026-03-11T03:00:00Z`",
        ) from None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _is_too_much(refusal: NotSeen) -> bool:
    if refusal.cause in (Cause.TIMEOUT, Cause.PARTIAL):
        return True
    return any(words in refusal.words for words in _TOO_LARGE)


def _gcd(one: timedelta, other: timedelta) -> timedelta:
    return math.gcd(one // _MILLISECOND, other // _MILLISECOND) * _MILLISECOND


def _millis(at: datetime) -> int:
    return round((at - _EPOCH) / _MILLISECOND)
