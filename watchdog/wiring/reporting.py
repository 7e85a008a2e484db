"""Reports of incidents: drawn on demand, and written when one is over."""

from collections import deque
from contextlib import suppress
from datetime import datetime

from watchdog.config.settings import Settings
from watchdog.facts.event import (
    BreachConfirmed,
    Entry,
    IncidentClosed,
    RollbackEnded,
)
from watchdog.record.journal import Journal
from watchdog.record.reports import keep
from watchdog.show import plot
from watchdog.show.backtest import rule_words
from watchdog.show.chronicle import Chronicle
from watchdog.show.paper import Drawing, Paper, markdown, page
from watchdog.show.report import Draws, report
from watchdog.show.threads import Threads
from watchdog.wiring.chosen import releases_of
from watchdog.wiring.clock import RealClock
from watchdog.wiring.measuring import drawing_of

_FAR = 50_000  # events; an incident that was open for longer is written on demand
# What a page reads of the journal: whoever loads it again and again slows no turn.
_SO_FAR, _TOLD = 20_000, 5_000


def written(
    journal: Journal, settings: Settings, which: str, *, plots: bool, after: int = 0
) -> Paper:
    """Write the report of *which* out of *journal*'s events after *after*.

    Raises:
        Problem: there is none of that name.
    """
    threads = Threads()
    for entry in journal.stream(after):
        threads.hear(entry)
    first, last = threads.span(which)
    entries = journal.entries(first - 1, last - first + 1)
    draws = _draws_of(settings) if plots else None
    return report(entries, threads, which, name=settings.name, draws=draws)


class Reporting:
    """Writes what was over since it last looked; on a thread of its own, no turn's."""

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._over: deque[str] = deque(maxlen=20)

    def happened(self, entry: Entry) -> None:
        """Note that an incident, or what was ordered without one, is over."""
        match entry.event:
            case IncidentClosed(incident=name) | RollbackEnded(incident="", op=name):
                self._over.append(name)
            case _:
                pass

    def turn(self, at: datetime) -> None:  # noqa: ARG002 - as all that is done beside
        """Write what is due."""
        while self._over:
            which = self._over.popleft()
            after = max(0, self._journal.head - _FAR)
            settings = self._settings
            paper = written(self._journal, settings, which, plots=True, after=after)
            # What cannot be kept is lost to nobody: the journal has all of it.
            with suppress(OSError, ValueError):
                keep(
                    settings.state, which, {"md": markdown(paper), "html": page(paper)}
                )


def chronicle_of(settings: Settings, journal: Journal, clock: RealClock) -> Chronicle:
    """Make the pages of what happened, out of the newest events."""

    def reported(which: str) -> Paper:
        after = max(0, journal.head - _SO_FAR)
        return written(journal, settings, which, plots=True, after=after)

    return Chronicle(
        recent=lambda: journal.stream(max(0, journal.head - _TOLD)),
        reported=reported,
        now=clock.now,
    )


def _draws_of(settings: Settings) -> Draws:
    asks, releases = drawing_of(settings), releases_of(settings)

    def draw(
        breach: BreachConfirmed, since: datetime, until: datetime
    ) -> Drawing | str:
        release = releases.for_version(breach.release)
        triggers = release.triggers if release else ()
        trigger = next((t for t in triggers if t.name == breach.trigger), None)
        if trigger is None:
            return f"no release file has {breach.trigger} any more"
        track = asks(trigger, since, until)
        if isinstance(track, str):
            return track
        mark = (breach.onset, "onset") if breach.onset else None
        figure = plot.figure(track, since, until, breach.words, mark=mark)
        unseen = "; hatched: not measured" if track.of("blind") else ""
        return Drawing(figure, f"{trigger.name}: {rule_words(trigger)}{unseen}")

    return draw
