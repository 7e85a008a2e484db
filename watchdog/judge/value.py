"""Value: an expression that stays past its bound, point after point.

A Prometheus alerting rule's ``for``, with one difference: there, time without an
evaluation counts as still true; here a missing point ends the run. As there, it is
one and the same series that must hold: three replicas that restart one after
another are not down for long.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from watchdog.facts.reading import Blind, Block, Cause, Look
from watchdog.facts.trigger import Trigger
from watchdog.facts.verdict import Breached, Clear, Pending, Verdict
from watchdog.judge.blocks import nothing_measured
from watchdog.judge.words import age, exact_percent, number, spell


def judge_value(trigger: Trigger, look: Look, armed_from: datetime) -> Verdict:
    """Judge the points of a look, each an instant: its *end*.

    The look's points lie evenly, the newest at ``look.at``, and together they
    span the window at least; a point that was not measured has no ``worst``. A
    point that names no series past the bound has one, its worst, if that is past.
    """
    points = [block for block in look.blocks if armed_from <= block.end <= look.at]
    young = look.at - trigger.window < armed_from
    worst = {
        point.end: point.parts["worst"] for point in points if "worst" in point.parts
    }
    if points and "late" in points[-1].parts:
        return Blind(
            Cause.STALE,
            "the newest samples are older than two scrapes: it is not scraped any "
            f"more, or more rarely; by older ones {number(points[-1].parts['late'])}",
        )
    if not worst:
        return nothing_measured(trigger, look.at, armed_from, young=young)
    if look.at not in worst:
        return Blind(Cause.STALE, "the newest point was not measured")
    newest = worst[look.at]
    if not math.isfinite(newest):
        return Blind(Cause.NOT_A_NUMBER, f"the newest value was {newest}")
    bound, word = _bound(trigger)
    limit = f"{word} {number(bound)}"
    since = f"; {age(trigger, look.at, armed_from)}" if young else ""
    held = _held(trigger, points, _step(look.blocks))
    if held is not None:
        needed = trigger.window if trigger.sustained else timedelta(0)
        said = f"{number(held.value)}, {limit} for {spell(held.time)}"
        if held.time >= needed:
            return Breached(
                f"{said} without a gap{held.which}", value=held.value, bound=bound
            )
        return Pending(
            f"suspected: {said} of {spell(needed)} without a gap{held.which}{since}"
        )
    finite = sum(map(math.isfinite, worst.values()))
    asked = _points_in(trigger, look)
    if finite < trigger.coverage * asked:
        is_nan = finite < len(worst)
        return Blind(
            Cause.NOT_A_NUMBER if is_nan else Cause.TOO_FEW_SAMPLES,
            f"{number(newest)} now, but only {finite} of {asked} points measured, "
            f"{exact_percent(trigger.coverage)} needed{since}",
        )
    return Clear(f"{number(newest)}, not {limit}")


@dataclass(frozen=True, slots=True)
class _Held:
    """How long which series have been past the bound; the worst of them now."""

    time: timedelta
    series: tuple[str, ...]
    value: float

    @property
    def which(self) -> str:
        first = self.series[0]
        more = f" and {len(self.series) - 1} more" if len(self.series) > 1 else ""
        return f": {first}{more}" if first else ""


def _held(trigger: Trigger, points: Sequence[Block], step: timedelta) -> _Held | None:
    """Find the series past the bound up to now for longest; None if none is now."""
    newest = points[-1]
    if not (held := _past(trigger, newest)):
        return None
    series, first = set(held), newest.end
    for point in reversed(points[:-1]):
        still = series & _past(trigger, point).keys()
        if first - point.end > step or not still:
            break
        series, first = still, point.end
    pick = max if _bound(trigger)[1] == "above" else min
    worst = pick(series, key=lambda name: (held[name], name))
    rest = sorted(series - {worst})
    return _Held(newest.end - first, (worst, *rest), held[worst])


def _step(blocks: Sequence[Block]) -> timedelta:
    """Give the spacing of the points: any wider one is a gap."""
    return min((b.end - a.end for a, b in pairwise(blocks)), default=timedelta(0))


def _points_in(trigger: Trigger, look: Look) -> int:
    """Give how many points the window should have had."""
    step = _step(look.blocks)
    if not step:
        return 2 if trigger.window else 1
    return -(-trigger.window // step) + 1


def _past(trigger: Trigger, point: Block) -> Mapping[str, float]:
    """Give the series past the bound at a point, with their values."""
    worst = point.parts.get("worst", math.nan)
    if not is_past(trigger, worst):
        return {}
    return point.over or {"": worst}


def is_past(trigger: Trigger, value: float) -> bool:
    """Tell whether a value is past the trigger's bound; no number never is."""
    if not math.isfinite(value):
        return False
    bound, word = _bound(trigger)
    return value > bound if word == "above" else value < bound


def _bound(trigger: Trigger) -> tuple[float, str]:
    if trigger.above is not None:
        return trigger.above, "above"
    if trigger.below is not None:
        return trigger.below, "below"
    raise ValueError(f"{trigger.name} holds a value against no bound")
