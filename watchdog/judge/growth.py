"""Queue: a floor that rises block after block while the drain is failing.

The floor of a block hides every sawtooth shorter than it; the drain's own counts
tell a failing drain from more traffic. Either clause alone fires on healthy ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise, takewhile

from watchdog.facts.reading import Blind, Cause, Look
from watchdog.facts.trigger import Trigger
from watchdog.facts.verdict import Breached, Clear, Pending, Verdict
from watchdog.judge.blocks import (
    Counted,
    Parts,
    blocks_in,
    counted,
    not_numbers,
    too_many,
)
from watchdog.judge.words import age, number, percent

# A drain is failing when it takes out less than this share of what came in.
DRAIN_FAILS_BELOW = 0.95
# As for counts: half an event is none, and rates may miss zero by rounding.
_IDLE_BELOW = 0.5
# Beyond it a float does not tell one more from none.
_MOST = 2.0**53
_PARTS = {"floor": "depth", "in": "enqueued", "out": "drained"}


@dataclass(frozen=True, slots=True)
class Flow:
    """The floors, oldest first, and what came in and went out between them."""

    floors: tuple[float, ...]
    came: float
    went: float

    @property
    def rise(self) -> float:
        """By how much the floor rose."""
        return self.floors[-1] - self.floors[0]

    @property
    def steps_up(self) -> int:
        """How many of the newest steps rose, without a break."""
        steps = [later > earlier for earlier, later in pairwise(self.floors)]
        return len(list(takewhile(bool, reversed(steps))))

    @property
    def is_rising(self) -> bool:
        """True when every step rose."""
        return self.steps_up == len(self.floors) - 1

    @property
    def drain_fails(self) -> bool:
        """True when clearly less goes out than comes in."""
        return self.went < DRAIN_FAILS_BELOW * self.came

    @property
    def words(self) -> str:
        """Say the floors and the drain."""
        path = ", ".join(map(number, self.floors))
        drained = f"{self.went:.0f} of {self.came:.0f} drained"
        if self.came >= _IDLE_BELOW:
            drained += f" ({percent(self.went / self.came)})"
        return f"floor {path}; {drained}"


def judge_growth(trigger: Trigger, look: Look, armed_from: datetime) -> Verdict:
    """Judge a queue by its floors: one block more than the window, each measured.

    A floor needs its neighbour, so here a gap is blindness whatever ``coverage``.
    """
    window = _counted(trigger, look, armed_from)
    if isinstance(window, Blind):
        return window
    blocks = window.blocks
    fault = (
        not_numbers(blocks)
        or too_many(blocks, _MOST)
        or _nonsense(blocks)
        or _gaps(blocks)
    )
    if fault:
        return fault
    flow = _flow(blocks)
    if window.is_young:
        why = f"{flow.words}; {age(trigger, look.at, armed_from)}"
        if flow.steps_up and flow.is_rising and flow.drain_fails:
            return Pending(f"suspected: {why}")
        return Blind(Cause.TOO_FEW_SAMPLES, why)
    return _weigh(trigger, flow)


def flow_of(trigger: Trigger, look: Look, armed_from: datetime) -> Flow | None:
    """Give what is charged to the release in *look*; None if it has holes."""
    window = _counted(trigger, look, armed_from)
    if isinstance(window, Blind) or _gaps(window.blocks):
        return None
    return _flow(window.blocks)


def _counted(trigger: Trigger, look: Look, armed_from: datetime) -> Counted | Blind:
    """Give one block more than the window: the floor from which it rose.

    What waited when the release started is where it rises from; what came in and
    went before is not counted.
    """
    count = blocks_in(trigger, trigger.window) + 1
    return counted(trigger, look, armed_from - trigger.block, count)


def _flow(blocks: Sequence[Parts]) -> Flow:
    return Flow(
        floors=tuple(parts["floor"] for parts in blocks),
        came=sum(parts["in"] for parts in blocks[1:]),
        went=sum(parts["out"] for parts in blocks[1:]),
    )


def _weigh(trigger: Trigger, flow: Flow) -> Verdict:
    steps = len(flow.floors) - 1
    bound = f"bound {number(trigger.min_growth)}"
    if not flow.is_rising:
        if 2 * flow.steps_up >= steps and flow.drain_fails:
            return Pending(
                f"suspected: {flow.words}; only the last {flow.steps_up} of "
                f"{steps} steps rose"
            )
        return Clear(f"no steady rise: {flow.words}")
    rise = f"rose {steps} times in a row by {number(flow.rise)}"
    if flow.came < _IDLE_BELOW:
        return Blind(
            Cause.NONSENSE, f"{rise}, but nothing came into the queue: {flow.words}"
        )
    if not flow.drain_fails:
        return Pending(f"suspected: {rise}, but the drain keeps up: {flow.words}")
    if flow.rise < trigger.min_growth:
        return Pending(f"suspected: {rise}; {bound}; {flow.words}")
    return Breached(
        f"{rise}; {bound}; {flow.words}", value=flow.rise, bound=trigger.min_growth
    )


def _gaps(blocks: Sequence[Parts]) -> Blind | None:
    """Blind when a part of any block is missing; the first block needs no flow."""
    if "floor" not in blocks[-1]:
        return Blind(Cause.STALE, "the newest block of the depth was not measured")
    for part, metric in _PARTS.items():
        asked = blocks if part == "floor" else blocks[1:]
        there = [part in parts for parts in asked]
        if all(there):
            continue
        if not any(there):
            return Blind(Cause.NO_SERIES, f"no series of what is {metric}")
        if not there[-1]:
            return Blind(Cause.STALE, f"the newest block of {metric} was not measured")
        return Blind(
            Cause.TOO_FEW_SAMPLES,
            f"only {sum(there)} of {len(there)} blocks of {metric} measured, "
            "all are needed",
        )
    return None


def _nonsense(blocks: Sequence[Parts]) -> Blind | None:
    for parts in blocks:
        for part, value in parts.items():
            if value < -_IDLE_BELOW:
                return Blind(Cause.NONSENSE, f'"{part}" was {value:g}, below zero')
    return None
