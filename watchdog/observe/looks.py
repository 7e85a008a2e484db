"""What is asked for one trigger: its looks, on the poll's grid, and their queries."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from watchdog.facts.trigger import (
    Kind,
    Latency,
    Queue,
    Ratio,
    RatioQuery,
    Trigger,
    Value,
)
from watchdog.observe import promql
from watchdog.observe.samples import EPOCH, Ask, Place

# Prometheus refuses more than 11,000 points a series.
MOST_POINTS = 10_000
# A sample bears the time at which its scrape began, and is there when that ends.
_SCRAPING = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for one trigger: looks, newest first, of *blocks* each."""

    asks: tuple[Ask, ...]
    looks: tuple[Place, ...]
    blocks: int


class Looks:
    """Lays the looks of triggers whose samples are *scrape* apart on a grid of *poll*.

    *native*: the histograms that are known to be kept as native ones.
    """

    def __init__(self, scrape: timedelta, poll: timedelta) -> None:
        self._scrape = scrape
        self._poll = poll
        self.native: set[Latency] = set()

    def plan(self, trigger: Trigger, at: datetime) -> Plan:
        """Lay the trigger's looks on the poll's grid and write their queries."""
        width, scrape = trigger.block, self._scrape
        blocks = max(1, -(-trigger.window // width))
        if isinstance(trigger.kind, Value):
            return self._of_value(trigger, trigger.kind.expr, at)
        ends = self._ends(trigger, at, self._poll)
        if isinstance(trigger.kind, RatioQuery):
            query = promql.finished_counts(trigger.kind, width, scrape)
            return Plan(
                tuple(Ask(query, end, width, blocks) for end in ends),
                tuple(Place(end, answer=n) for n, end in enumerate(ends)),
                blocks,
            )
        selectors, ready = self.counted(trigger.kind)
        if isinstance(trigger.kind, Queue):
            blocks += 1
            ready = {"floor": promql.floor(trigger.kind.depth, width)}
        offsets = [ends[0] - end for end in ends]
        counting = promql.counts(
            selectors, width=width, scrape=scrape, offsets=offsets, ready=ready
        )
        places = tuple(
            Place(end, label=str(number), moved=offset)
            for number, (end, offset) in enumerate(zip(ends, offsets, strict=True))
        )
        return Plan((Ask(counting, ends[0], width, blocks),), places, blocks)

    def lag(self, trigger: Trigger) -> timedelta:
        """Give how much is left out at the end: its samples may be under way.

        A counter's sample that came later comes with the next block; of a rate or an
        expression nobody knows what a missing one would have changed.
        """
        exact = isinstance(trigger.kind, Ratio | Latency)
        return min(self._scrape, _SCRAPING) if exact else self._scrape

    def is_exact(self, kind: Kind) -> bool:
        """Tell whether a block holds what a gap before it did not tell."""
        return isinstance(kind, Ratio) or (
            isinstance(kind, Latency) and kind not in self.native
        )

    def _ends(
        self, trigger: Trigger, at: datetime, grid: timedelta
    ) -> tuple[datetime, ...]:
        """Give the ends of the looks, newest first, each on the grid."""
        newest = floored(at - self.lag(trigger), grid)
        return tuple(newest - n * grid for n in range(max(1, trigger.confirm_polls)))

    def _of_value(self, trigger: Trigger, expr: str, at: datetime) -> Plan:
        """Ask for every point of the poll's grid, once for all looks.

        The grid is absolute, so the points of one poll are those of the next and
        of every restart. A window of more points than Prometheus answers is
        sampled at the smallest multiple of the poll that fits, looks included.
        """
        more = max(1, trigger.confirm_polls) - 1
        fitting = -(-trigger.window // (self._poll * (MOST_POINTS - more - 1)))
        step = self._poll * max(1, fitting)
        points = -(-trigger.window // step) + 1
        ends = self._ends(trigger, at, step)
        highest, scrape = trigger.below is None, self._scrape
        bound = trigger.above if highest else trigger.below
        terms = [promql.worst(expr, highest=highest, scrape=scrape)]
        if bound is not None:
            terms.append(promql.past(expr, bound, highest=highest, scrape=scrape))
        ask = Ask(promql.joined(terms), ends[0], step, points + more)
        return Plan((ask,), tuple(map(Place, ends)), points)

    def counted(
        self, kind: Ratio | Latency | Queue
    ) -> tuple[dict[str, str], dict[str, promql.Part]]:
        """Name what is counted: plain selectors, and parts that write themselves."""
        native = isinstance(kind, Latency) and kind in self.native
        return _parts(kind, native=native)


def _parts(
    kind: Ratio | Latency | Queue, *, native: bool = False
) -> tuple[dict[str, str], dict[str, promql.Part]]:
    """Name what is counted: plain selectors, and parts that write themselves."""
    match kind:
        case Ratio(errors=errors, good=good) as beside if good:
            return {"bad": errors}, {"all": promql.beside(beside)}
        case Ratio(errors=errors, total=total):
            return {"bad": errors, "all": total}, {}
        case Latency():
            slow, every = promql.slow_and_all(kind, native=native)
            return {}, {"bad": slow, "all": every}
        case Queue(enqueued=enqueued, drained=drained):
            return {"in": enqueued, "out": drained}, {}
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)


def floored(at: datetime, grid: timedelta) -> datetime:
    """Give the last point of *grid* before *at*, or *at* itself."""
    return EPOCH + (at - EPOCH) // grid * grid
