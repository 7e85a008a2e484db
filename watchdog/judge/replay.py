"""The same judge over a stretch of the past, instant after instant."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from watchdog.facts.past import ELSEWHERE, Band, Stretch, Track
from watchdog.facts.reading import Blind, Block, Look, Measured, Reading
from watchdog.facts.trigger import Latency, Queue, Trigger, Value
from watchdog.facts.verdict import Breached, Clear, Verdict, kind_of
from watchdog.judge.blocks import Parts
from watchdog.judge.breach import judge
from watchdog.judge.quiet import Quiet
from watchdog.judge.scrapes import MOST_EVENTS

# What one look alone can say that is enough to go on with.
_ALONE = ("clear", "blind")


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the points of a trigger lie, and at which of them it is judged.

    Points are *apart* from each other. A look has *blocks* of them, *stride* points
    from one to the next, and the last *window* of them are its window. The first look
    ends at *first*, the next ones *step* later each, *count* in all; each is judged
    *lag* after its end.
    """

    first: datetime
    apart: timedelta
    stride: int
    blocks: int
    window: int
    step: timedelta
    count: int
    lag: timedelta

    @property
    def reach(self) -> int:
        """How many points before the end of a look its oldest block lies."""
        return (self.blocks - 1) * self.stride

    @property
    def begin(self) -> datetime:
        """The first point that the first look needs."""
        return self.first - self.reach * self.apart

    @property
    def points(self) -> int:
        """How many points all looks need together."""
        return self.reach + (self.count - 1) * self.every + 1 if self.count else 0

    @property
    def every(self) -> int:
        """How many points from one look to the next."""
        return self.step // self.apart


class Replay:
    """Judges one trigger while its points come in, oldest first, in any portions.

    *exact* reads as the daemon does at an instant. It is asked wherever the word may
    change, and where one look alone does not settle it; in a quiet time seldom.
    *until* ends the last stretch; the plot has *columns* from *since* on.
    """

    def __init__(
        self,
        trigger: Trigger,
        grid: Grid,
        armed_from: datetime,
        exact: Callable[[datetime], Reading],
        *,
        since: datetime,
        until: datetime,
        columns: int = 480,
    ) -> None:
        self._trigger = trigger
        self._grid = grid
        self._armed_from = armed_from
        self._exact = exact
        self._since = since
        self._until = until
        self._quiet = Quiet(trigger, _share(trigger))
        self._column = max((until - since) / columns, timedelta(seconds=1))
        self._tail: list[Parts | Blind] = []
        self._taken = 0
        phases = range(grid.stride)
        self._sound = [0 for _ in phases]
        self._bad = [0.0 for _ in phases]
        self._every = [0.0 for _ in phases]
        self._judged = 0
        self._said: list[Stretch] = []
        self._bands: dict[int, tuple[float, float]] = {}

    def take(self, points: Sequence[Parts | Blind]) -> None:
        """Take the next points; one that could not be asked for is ``Blind``."""
        grid, quiet = self._grid, self._quiet
        stride, window = grid.stride, grid.window * grid.stride
        all_points = [*self._tail, *points]
        for place in range(len(self._tail), len(all_points)):
            number, phase = self._taken, self._taken % stride
            self._taken += 1
            newest = all_points[place]
            if isinstance(newest, Blind) or not quiet.is_sound(newest):
                self._sound[phase] = 0
            else:
                self._sound[phase] += 1
            old = all_points[place - window] if place >= window else {}
            self._slide(phase, newest, old)
            after = number - grid.reach
            if after < 0 or after % grid.every:
                continue
            looked = after // grid.every
            end = grid.first + looked * grid.step
            at = end + grid.lag
            self._judged += 1
            before = all_points[place - stride] if place >= stride else {}
            is_whole = self._sound[phase] >= grid.window
            is_whole &= end - window * grid.apart >= self._armed_from
            if (
                is_whole
                and not isinstance(newest, Blind)
                and not isinstance(before, Blind)
                and quiet.is_clear(newest, before, self._bad[phase], self._every[phase])
                and self._said
                and self._said[-1].kind == "clear"
            ):
                self._plot(at, newest, phase)
                continue
            start = place - grid.reach
            blocks = all_points[start : place + 1 : stride]
            under = quiet.is_under(self._bad[phase], self._every[phase])
            verdict = self._weigh(end, at, blocks, under=under)
            self._note(at, verdict)
            if not isinstance(verdict, Blind) and not isinstance(newest, Blind):
                self._plot(at, newest, phase)
        self._tail = all_points[-grid.blocks * stride :]

    def track(self, queries: tuple[str, ...] = ()) -> Track:
        """Give what came of it; the last word holds until the period ends."""
        said = self._said
        ends = [one.since for one in said[1:]] + [self._until]
        bands = sorted(self._bands.items())
        return Track(
            self._trigger,
            self._grid.step,
            tuple(replace(one, until=end) for one, end in zip(said, ends, strict=True)),
            tuple(
                Band(self._since + column * self._column, low, high)
                for column, (low, high) in bands
            ),
            self._judged,
            queries,
        )

    def _weigh(
        self,
        end: datetime,
        at: datetime,
        points: Sequence[Parts | Blind],
        *,
        under: bool,
    ) -> Verdict:
        """Judge one look alone if that is enough to go on with the last word.

        What was counted in a gap is not known here. Before the window it says
        nothing, if the window is *under* the bound.
        """
        near = points[-self._grid.window :]
        for point in near:
            if isinstance(point, Blind):
                return point
        known = under or all(points) or not any(points)
        known &= all(near) or not any(near)
        # Alone it can only go on with one of these two.
        known &= bool(self._said) and self._said[-1].kind in _ALONE
        if not isinstance(self._trigger.kind, Value) and known:
            width = self._grid.stride * self._grid.apart
            ends = [end - back * width for back in reversed(range(len(points)))]
            parts = [{} if isinstance(point, Blind) else point for point in points]
            look = Look(end, tuple(map(Block, ends, parts)))
            verdict = judge(self._trigger, Measured((look,)), self._armed_from)
            if isinstance(verdict, Clear | Blind) and self._goes_on(verdict):
                return verdict
        return judge(self._trigger, self._exact(at), self._armed_from)

    def _goes_on(self, verdict: Verdict) -> bool:
        return bool(self._said) and _word(verdict) == self._last_word

    @property
    def _last_word(self) -> tuple[str, str]:
        return self._said[-1].kind, self._said[-1].cause

    def _note(self, at: datetime, verdict: Verdict) -> None:
        kind, cause = _word(verdict)
        last = self._said[-1] if self._said else None
        value = bound = None
        elsewhere = ""
        if isinstance(verdict, Breached):
            value, bound = verdict.value, verdict.bound
            elsewhere = verdict.elsewhere
        if last is None or (last.kind, last.cause) != (kind, cause):
            new = Stretch(kind, at, at, verdict.words, cause, value, bound, elsewhere)
            self._said.append(new)
        elif value is not None and last.value is not None:
            falls = self._trigger.below is not None
            if value < last.value if falls else value > last.value:
                words = verdict.words
                self._said[-1] = replace(last, words=words, value=value, bound=bound)

    def _slide(self, phase: int, new: Parts | Blind, old: Parts | Blind) -> None:
        """Keep the sums of the window: what comes in, less what leaves it."""
        for parts, sign in ((new, 1), (old, -1)):
            if isinstance(parts, Blind) or "all" not in parts:
                continue
            bad, every = parts.get("bad", 0.0), parts["all"]
            if abs(bad) < MOST_EVENTS and abs(every) < MOST_EVENTS:
                self._bad[phase] += sign * bad
                self._every[phase] += sign * every

    def _plot(self, at: datetime, newest: Parts, phase: int) -> None:
        """Note the metric as a person would plot it."""
        match self._trigger.kind:
            case Value():
                value = newest.get("worst", math.nan)
            case Queue():
                value = newest.get("floor", math.nan)
            case _:
                every = self._every[phase]
                value = max(0.0, self._bad[phase]) / every if every >= 1 else math.nan
        if not math.isfinite(value):
            return
        column = int((at - self._since) / self._column)
        low, high = self._bands.get(column, (value, value))
        self._bands[column] = (min(low, value), max(high, value))


def _word(verdict: Verdict) -> tuple[str, str]:
    match verdict:
        case Blind(cause=cause):
            return "blind", str(cause)
        case Breached(elsewhere=elsewhere) if elsewhere:
            return "breached", ELSEWHERE
        case _:
            return kind_of(verdict), ""


def _share(trigger: Trigger) -> float:
    if trigger.above is not None:
        return trigger.above
    if isinstance(trigger.kind, Latency):
        return 1 - trigger.kind.quantile
    return 0.0
