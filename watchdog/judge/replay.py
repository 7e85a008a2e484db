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
from watchdog.judge.quiet import Quiet, counts_of, share_of

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
        self._quiet = Quiet(trigger, _share(trigger), grid.window, grid.stride)
        self._column = max((until - since) / columns, timedelta(seconds=1))
        self._tail: list[Parts | Blind] = []
        self._taken = 0
        # From this point on no window has what is not charged to the release.
        within = grid.window * grid.stride * grid.apart
        self._armed_at = -((grid.begin - armed_from - within) // grid.apart)
        self._judged = 0
        self._said: list[Stretch] = []
        self._bands: dict[int, tuple[float, float]] = {}

    def take(self, points: Sequence[Parts | Blind]) -> None:
        """Take the next points; one that could not be asked for is ``Blind``."""
        grid, said = self._grid, self._said
        run = self._quiet.take(points)
        all_points = [*self._tail, *points]
        begin, first = len(self._tail), self._taken
        self._taken += len(points)
        # Places in the run: those of looks, and of them those not surely clear.
        place = max(0, grid.reach - first)
        place += (grid.reach - first - place) % grid.every
        looks = range(place, len(points), grid.every)
        armed = self._armed_at - first
        doubtful = [one for one in looks if one < armed or not run.clear[one]]
        doubtful.append(len(points))
        doubts = iter(doubtful)
        doubt = next(doubts)
        while place < len(points):
            while doubt < place:
                doubt = next(doubts)
            if doubt > place and said and said[-1].kind == "clear":
                self._plot(first, range(place, doubt, grid.every), run.value)
                place = doubt
                continue
            newest = begin + place
            blocks = all_points[newest - grid.reach : newest + 1 : grid.stride]
            self._look(first + place, blocks, run.value[place])
            place += grid.every
        self._judged += len(looks)
        self._tail = all_points[-grid.blocks * grid.stride :]

    def _look(self, number: int, blocks: Sequence[Parts | Blind], value: float) -> None:
        """Judge the look that ends at a point; *value* is that point's."""
        near = blocks[-self._grid.window :]
        at = self._at(number)
        under = self._quiet.is_under(near)
        verdict = self._weigh(at - self._grid.lag, at, blocks, under=under)
        self._note(at, verdict)
        if isinstance(verdict, Blind) or isinstance(near[-1], Blind):
            return
        if not isinstance(self._trigger.kind, Value | Queue):
            value = share_of(*counts_of(near))
        column = max(0, (at - self._since) // self._column)
        self._note_band(column, value, value)

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

    def _plot(self, first: int, places: range, values: Sequence[float]) -> None:
        """Note the metric as a person would plot it, column by column."""
        step = self._grid.step
        while places:
            at = self._at(first + places.start)
            column = max(0, (at - self._since) // self._column)
            next_at = self._since + (column + 1) * self._column
            many = min(len(places), -(-(next_at - at) // step))
            some = values[places.start : places[many - 1] + 1 : places.step]
            self._note_band(column, min(some), max(some))
            places = places[many:]

    def _note_band(self, column: int, low: float, high: float) -> None:
        if math.isfinite(low) and math.isfinite(high):
            lowest, highest = self._bands.get(column, (low, high))
            self._bands[column] = (min(lowest, low), max(highest, high))

    def _at(self, number: int) -> datetime:
        """Say when the look that ends at a point was judged."""
        return self._grid.begin + number * self._grid.apart + self._grid.lag


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
