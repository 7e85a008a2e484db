"""What is asked for one trigger: its look, on a grid, and the query."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import assert_never

from watchdog.facts.reading import Cause
from watchdog.facts.trigger import (
    Kind,
    Latency,
    Queue,
    Ratio,
    RatioQuery,
    Sick,
    Traffic,
    Trigger,
    Value,
)
from watchdog.observe import promql
from watchdog.observe.envelope import NotSeen
from watchdog.observe.grown import fallen
from watchdog.observe.samples import EPOCH, Ask, Place

# Prometheus refuses more than 11,000 points a series.
MOST_POINTS = 10_000
_SECOND = timedelta(seconds=1)
# A sample bears the time at which its scrape began, and is there when that ends.
_SCRAPING = timedelta(seconds=1)
# Each turn asks what the turn before asked; writing it anew costs more than judging.
_MOST_KEPT = 256


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for one trigger: a look of *blocks*."""

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
        """Lay the trigger's look on its grid and write the query.

        What counts events is read scrape by scrape, further back than its window, and
        of plain counters at any whole second; all else on the poll's grid.
        """
        width, scrape = trigger.block, self._scrape
        if isinstance(trigger.kind, Sick):
            raise NotSeen(Cause.NO_SERIES, "Prometheus knows no containers", "")
        if isinstance(trigger.kind, Value):
            return self._of_value(trigger, trigger.kind.expr, at)
        blocks = max(1, -(-trigger.reach // width))
        grid = _SECOND if self.is_exact(trigger.kind) else self._poll
        end = floored(at - self.lag(trigger), grid)
        if isinstance(trigger.kind, RatioQuery):
            query = promql.finished_counts(trigger.kind, width, scrape)
        else:
            blocks += isinstance(trigger.kind, Queue)
            query = self.question(trigger.kind, width, whole=True)
        return Plan((Ask(query, end, width, blocks),), (Place(end),), blocks)

    def lag(self, trigger: Trigger) -> timedelta:
        """Give how much is left out at the end: its samples may be under way.

        A counter's sample that came later comes with the next block; of a rate or an
        expression nobody knows what a missing one would have changed.
        """
        exact = isinstance(trigger.kind, Ratio | Latency | Traffic)
        return min(self._scrape, _SCRAPING) if exact else self._scrape

    def is_exact(self, kind: Kind) -> bool:
        """Tell whether a block holds what a gap before it did not tell."""
        return isinstance(kind, Ratio | Traffic) or (
            isinstance(kind, Latency) and kind not in self.native
        )

    def _of_value(self, trigger: Trigger, expr: str, at: datetime) -> Plan:
        """Ask for every point of the poll's grid.

        The grid is absolute, so the points of one poll are those of the next and
        of every restart. A window of more points than Prometheus answers is
        sampled at the smallest multiple of the poll that fits.
        """
        fitting = -(-trigger.window // (self._poll * (MOST_POINTS - 1)))
        step = self._poll * max(1, fitting)
        points = -(-trigger.window // step) + 1
        end = floored(at - self.lag(trigger), step)
        highest, scrape = trigger.below is None, self._scrape
        bound = trigger.above if highest else trigger.below
        terms = [promql.worst(expr, highest=highest, scrape=scrape)]
        if bound is not None:
            terms.append(promql.past(expr, bound, highest=highest, scrape=scrape))
        ask = Ask(promql.joined(terms), end, step, points)
        return Plan((ask,), (Place(end),), points)

    def question(
        self,
        kind: Ratio | Latency | Queue | Traffic,
        width: timedelta,
        *,
        whole: bool = False,
    ) -> str:
        """Ask what is counted in blocks of *width*.

        The *whole* of what is judged is also what fell there, and a queue's floors.
        """
        native = isinstance(kind, Latency) and kind in self.native
        return _question(kind, width, self._scrape, native=native, whole=whole)

    def counted(
        self, kind: Ratio | Latency | Queue | Traffic
    ) -> tuple[dict[str, str], dict[str, promql.Part]]:
        """Name what is counted: plain selectors, and parts that write themselves."""
        native = isinstance(kind, Latency) and kind in self.native
        return _parts(kind, native=native)


@lru_cache(maxsize=_MOST_KEPT)
def _question(
    kind: Ratio | Latency | Queue | Traffic,
    width: timedelta,
    scrape: timedelta,
    *,
    native: bool,
    whole: bool,
) -> str:
    selectors, ready = _parts(kind, native=native)
    if whole:
        ready |= {"fell": partial(fallen, _counters(kind, native=native))}
    if whole and isinstance(kind, Queue):
        ready |= {"floor": promql.floor(kind.depth, width)}
    return promql.counts(
        selectors, width=width, scrape=scrape, offsets=[timedelta()], ready=ready
    )


def _parts(
    kind: Ratio | Latency | Queue | Traffic, *, native: bool = False
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
        case Traffic(events=events):
            return {"all": events}, {}
        case Queue(enqueued=enqueued, drained=drained):
            return {"in": enqueued, "out": drained}, {}
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)


def _counters(
    kind: Ratio | Latency | Queue | Traffic, *, native: bool
) -> tuple[str, ...]:
    """Name the series that only a process that begins lets fall; the total is last."""
    match kind:
        case Ratio(errors=errors):
            return errors, kind.must_be_there
        case Latency(histogram=histogram):
            return (histogram if native else promql.every_bucket(kind),)
        case Traffic(events=events):
            return (events,)
        case Queue(enqueued=enqueued, drained=drained):
            return enqueued, drained
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)


def floored(at: datetime, grid: timedelta) -> datetime:
    """Give the last point of *grid* before *at*, or *at* itself."""
    return EPOCH + (at - EPOCH) // grid * grid
