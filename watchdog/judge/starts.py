"""Many releases that never were, started at random moments of a past that was."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from watchdog.facts.past import Fired, Injected, Starts, Track
from watchdog.facts.reading import Reading
from watchdog.facts.trigger import Action, Trigger
from watchdog.facts.verdict import Breached, Verdict
from watchdog.judge.breach import judge
from watchdog.judge.laid import Chance, Laid, Past, found_after

_SECOND = timedelta(seconds=1)
# What is not found in so much more than the window is not found.
_LIMIT = timedelta(minutes=15)

Reads = Callable[[Trigger, datetime, datetime], Reading]


@dataclass(frozen=True, slots=True)
class Lay:
    """What to lay over a past: so many *starts*, *healthy* or with a *share* failing.

    A *watched* release is charged from *settle* on. *chance* of a text draws the same
    each time, so the same *seed* draws the same moments.
    """

    starts: int
    healthy: bool
    share: float
    seed: int
    chance: Callable[[str], Chance]
    settle: timedelta
    watched: timedelta

    def moments(self, since: datetime, until: datetime) -> tuple[datetime, ...]:
        """Draw as many moments of the period, oldest first, each a whole second."""
        chance = self.chance(f"{self.seed} moments")
        seconds = int((until - since) / _SECOND)
        drawn = sorted(int(chance.random() * seconds) for _ in range(self.starts))
        return tuple(since + one * _SECOND for one in drawn)


def started(
    lay: Lay,
    began: Sequence[datetime],
    tracks: Sequence[Track],
    kept: Mapping[str, Past],
    read: Reads,
) -> Starts:
    """Say what would have been confirmed of releases that *began* then.

    *kept* is what each counting trigger counted. Others fire where their *tracks* do;
    whose doing that is, is told by what *read* reads as of then.
    """
    laid = {name: Laid(past, lay.settle) for name, past in kept.items()}
    fired = []
    for moment in began:
        found: list[Fired] = []
        for track in tracks:
            trigger = track.trigger
            if trigger.name in laid:
                first = laid[trigger.name].first(moment, lay.watched)
                if trigger.unless:
                    first = _read(lay, moment, trigger, first, read)
            else:
                first = _of_track(lay, moment, track, read)
            found += _worst(moment, trigger, first)
        if found:
            fired.append(min(found, key=lambda one: (_rank(one), one.at)))
    return Starts(tuple(began), lay.watched, tuple(fired))


def _worst(
    moment: datetime, trigger: Trigger, verdicts: Iterator[tuple[datetime, Breached]]
) -> list[Fired]:
    """Give the first that is charged, else the first of all."""
    first: list[Fired] = []
    for at, verdict in verdicts:
        one = Fired(moment, at, trigger, verdict)
        if not verdict.elsewhere:
            return [one]
        first = first or [one]
    return first


def _read(
    lay: Lay,
    moment: datetime,
    trigger: Trigger,
    verdicts: Iterator[tuple[datetime, Breached]],
    read: Reads,
) -> Iterator[tuple[datetime, Breached]]:
    """Read again what is charged: what is outside is not kept."""
    for at, kept in verdicts:
        verdict: Verdict = kept
        if not kept.elsewhere:
            verdict = judge(trigger, read(trigger, at, moment), moment + lay.settle)
        if isinstance(verdict, Breached):
            yield at, verdict


def _of_track(
    lay: Lay, moment: datetime, track: Track, read: Reads
) -> Iterator[tuple[datetime, Breached]]:
    trigger, armed = track.trigger, moment + lay.settle
    for one in track.of("breached"):
        at = max(one.since, armed + trigger.window)
        if one.until <= at or at > moment + lay.watched:
            continue
        verdict = judge(trigger, read(trigger, at, moment), armed)
        if isinstance(verdict, Breached):
            yield at, verdict


def is_rolled_back(one: Fired) -> bool:
    """Tell whether it would have been rolled back by itself."""
    by_itself = one.trigger.action is Action.ROLLBACK and not one.trigger.observe_only
    return by_itself and not one.verdict.elsewhere


def _rank(one: Fired) -> int:
    if is_rolled_back(one):
        return 0
    return 2 if one.verdict.elsewhere else 1


def limit_of(trigger: Trigger) -> timedelta:
    """Give how long is waited until what fails is found."""
    return _LIMIT + (trigger.window if trigger.sustained else timedelta())


def injected(lay: Lay, began: Sequence[datetime], past: Past) -> Injected:
    """Say how soon it would have been found that the share fails from a start on."""
    trigger, limit = past.trigger, limit_of(past.trigger)
    delays = []
    for number, moment in enumerate(began):
        chance = lay.chance(f"{lay.seed} {trigger.name} {number}")
        within = lay.settle, limit
        delays.append(found_after(past, moment, lay.share, within, chance))
    return Injected(trigger, lay.share, limit, tuple(delays))
