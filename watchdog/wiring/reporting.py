"""Reports of incidents: drawn on demand, and written when one is over."""

from collections import deque
from contextlib import suppress
from datetime import datetime

from watchdog.config.settings import Settings
from watchdog.decide.standing import Standing
from watchdog.facts.event import (
    BreachConfirmed,
    Entry,
    IncidentClosed,
    QuestionAsked,
    RecoveryMissed,
    RecoverySeen,
    RollbackEnded,
)
from watchdog.record.journal import Journal
from watchdog.record.reports import keep
from watchdog.show import plot
from watchdog.show.backtest import rule_words
from watchdog.show.chronicle import Chronicle
from watchdog.show.paper import Drawing, Paper, markdown, page
from watchdog.show.report import BEFORE, Draws, report
from watchdog.show.threads import Threads
from watchdog.turn.roles import Clock
from watchdog.wiring.sampling import Sampling

_FAR = 50_000  # events; an incident that was open for longer is written on demand
# What a page reads of the journal: whoever loads it again and again slows no turn.
_SO_FAR, _TOLD = 20_000, 5_000


# Of how many incidents the breaches are remembered, and of one how many.
_MOST_OPEN, _MOST_BREACHES = 8, 16


def written(
    journal: Journal, sampling: Sampling, which: str, *, name: str, after: int = 0
) -> Paper:
    """Write the report of *which* out of *journal*'s events after *after*.

    *name* is the watchdog's, *sampling* gives what is drawn.

    Raises:
        Problem: there is none of that name.
    """
    threads = Threads()
    for entry in journal.stream(after):
        threads.hear(entry)
    first, last = threads.span(which)
    entries = journal.entries(first - 1, last - first + 1)
    return report(entries, threads, which, name=name, draws=_draws_of(sampling))


class Reporting:
    """Writes what was over since it last looked; on a thread of its own, no turn's."""

    def __init__(
        self, settings: Settings, journal: Journal, sampling: Sampling
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._sampling = sampling
        self._over: deque[str] = deque(maxlen=20)
        self._open: dict[str, list[tuple[BreachConfirmed, datetime]]] = {}
        self._due: deque[str] = deque(maxlen=_MOST_OPEN)

    def go_on(self, standing: Standing) -> None:
        """Take up the incident that is open: whoever saw it begin may be gone."""
        incident = standing.incident
        if incident and incident.id not in self._open:
            at = incident.opened_at
            found = [(breach, at) for breach in incident.breaches]
            self._open[incident.id] = found[:_MOST_BREACHES]
            self._due.append(incident.id)

    def happened(self, entry: Entry) -> None:
        """Note what is to be drawn, and what is over."""
        match entry.event:
            case BreachConfirmed(incident=name) as breach:
                if name not in self._open and len(self._open) >= _MOST_OPEN:
                    self._open.pop(next(iter(self._open)), None)
                breaches = self._open.setdefault(name, [])
                if len(breaches) < _MOST_BREACHES:
                    breaches.append((breach, entry.at))
                self._due.append(name)
            case (
                QuestionAsked(incident=name)
                | RecoverySeen(incident=name)
                | RecoveryMissed(incident=name)
            ):
                self._due.append(name)
            case RollbackEnded(incident="", op=name) | IncidentClosed(incident=name):
                self._over.append(name)
            case RollbackEnded(incident=name):
                self._due.append(name)
            case _:
                pass

    def turn(self, at: datetime) -> None:
        """Keep the samples that are due, and write what is over."""
        for name in dict.fromkeys(self._due.popleft() for _ in range(len(self._due))):
            self._keep(name, at)
        while self._over:
            which = self._over.popleft()
            self._open.pop(which, None)
            after = max(0, self._journal.head - _FAR)
            settings = self._settings
            paper = written(
                *(self._journal, self._sampling, which),
                name=settings.name,
                after=after,
            )
            # What cannot be kept is lost to nobody: the journal has all of it.
            with suppress(OSError, ValueError):
                keep(
                    settings.state, which, {"md": markdown(paper), "html": page(paper)}
                )

    def _keep(self, incident: str, at: datetime) -> None:
        """Keep the samples of *incident* as they are now; try again what is away."""
        for breach, confirmed in self._open.get(incident, ()):
            since = (breach.onset or confirmed) - BEFORE
            if isinstance(self._sampling.of(breach, since, at), str):
                self._due.append(incident)


def chronicle_of(settings: Settings, journal: Journal, clock: Clock) -> Chronicle:
    """Make the pages of what happened, out of the newest events."""
    sampling = Sampling(settings)

    def reported(which: str) -> Paper:
        after = max(0, journal.head - _SO_FAR)
        return written(journal, sampling, which, name=settings.name, after=after)

    return Chronicle(
        recent=lambda: journal.stream(max(0, journal.head - _TOLD)),
        reported=reported,
        now=clock.now,
    )


def _draws_of(sampling: Sampling) -> Draws:
    def draw(
        breach: BreachConfirmed, since: datetime, until: datetime
    ) -> Drawing | str:
        found = sampling.of(breach, since, until)
        if isinstance(found, str):
            return found
        track = found.track
        mark = (breach.onset, "onset") if breach.onset else None
        figure = plot.figure(track, found.since, found.until, breach.words, mark=mark)
        words = f"{track.trigger.name}: {rule_words(track.trigger)}"
        if track.bands:
            most = max(track.bands, key=lambda band: band.high)
            level = plot.value_words(track.trigger, most.high)
            words += f"; highest {level} at {plot.clock(most.since)} UTC"
        unseen = "; hatched: not measured" if track.of("blind") else ""
        return Drawing(figure, words + unseen, track.queries)

    return draw
