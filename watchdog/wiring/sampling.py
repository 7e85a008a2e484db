"""A breach's samples: Prometheus' own, or what was kept of them with the incident."""

from contextlib import suppress
from datetime import datetime

from watchdog.config.settings import Settings
from watchdog.facts.event import BreachConfirmed
from watchdog.facts.past import Sampled
from watchdog.record import samples
from watchdog.show.drawings import Draws
from watchdog.wiring.chosen import files_as_found
from watchdog.wiring.measuring import drawing_of


class Sampling:
    """Asks Prometheus where it *asks*, and *keeps* what it said with the incident."""

    def __init__(
        self,
        settings: Settings,
        draws: Draws | None = None,
        *,
        asks: bool = True,
        keeps: bool = False,
    ) -> None:
        self._settings = settings
        self._asks = asks
        self._keeps = keeps
        self._draws = draws or drawing_of(settings)

    def of(
        self, breach: BreachConfirmed, since: datetime, until: datetime
    ) -> Sampled | str:
        """Give *breach*'s metric over the period, or why there is none.

        What is kept stays where it reaches further back: a Prometheus that forgets
        must not take it along.
        """
        state = self._settings.state
        old = samples.kept(state, breach.incident).get(breach.trigger)
        if not self._asks:
            return old or "none of its samples were kept; `--html` asks Prometheus"
        new = self._asked(breach, since, until)
        if isinstance(new, str):
            return old or new
        if old and _reaches_further(old, new):
            return old
        if self._keeps:
            # What cannot be kept is still Prometheus' own for a while.
            with suppress(OSError, ValueError):
                samples.keep(state, breach.incident, breach.trigger, new)
        return new

    def _asked(
        self, breach: BreachConfirmed, since: datetime, until: datetime
    ) -> Sampled | str:
        files = files_as_found(self._settings)
        release = files.for_version(breach.release)
        if release is None and files.refused:
            return files.refused[0].words
        triggers = release.triggers if release else ()
        trigger = next((t for t in triggers if t.name == breach.trigger), None)
        if trigger is None:
            return f"no release file has {breach.trigger} any more"
        track = self._draws(trigger, since, until)
        return track if isinstance(track, str) else Sampled(since, until, track)


def _reaches_further(old: Sampled, new: Sampled) -> bool:
    """Tell whether *old* begins earlier, by more than two looks tell apart."""
    if not old.track.bands or not new.track.bands:
        return bool(old.track.bands)
    gap = 2 * max(old.track.step, new.track.step)
    return old.track.bands[0].since + gap < new.track.bands[0].since
