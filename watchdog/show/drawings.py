"""Drawings that are kept for a while: many may look, Prometheus is asked once."""

import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from watchdog.facts.past import Track
from watchdog.facts.trigger import Trigger
from watchdog.show import page, plot
from watchdog.show.backtest import rule_words

Draws = Callable[[Trigger, datetime, datetime], Track | str]

_FRESH = timedelta(seconds=15)
_KEPT = 16  # drawings
# Of the page of everything: nobody waits for these, and a minute is soon enough.
_HOURS = timedelta(hours=3)
_A_MINUTE = timedelta(minutes=1)
_JUST_NOW = timedelta(seconds=10)
Mark = tuple[datetime, str]


class Drawings:
    """Makes one at a time, and shows each again for as long as it is *fresh*."""

    def __init__(self, now: Callable[[], datetime], fresh: timedelta = _FRESH) -> None:
        self._now = now
        self._fresh = fresh
        self._drawing = threading.Lock()
        self._drawn: dict[str, tuple[datetime, str]] = {}

    def of(self, name: str, draw: Callable[[], str], *, busy: str = "") -> str:
        """Give what is called *name*, made anew when it is too old.

        While another is made, the old one is given, or *busy*; without either it is
        waited for.
        """
        kept = self._drawn.get(name)
        if kept and self._is_fresh(kept[0]):
            return kept[1]
        if not self._drawing.acquire(blocking=not (busy or kept)):
            return kept[1] if kept else busy
        try:
            kept = self._drawn.get(name)  # whoever was waited for may have made it
            if kept and self._is_fresh(kept[0]):
                return kept[1]
            text = draw()
            while len(self._drawn) >= _KEPT:
                self._drawn.pop(next(iter(self._drawn)))
            self._drawn[name] = (self._now(), text)
        finally:
            self._drawing.release()
        return text

    def _is_fresh(self, drawn: datetime) -> bool:
        return abs(self._now() - drawn) < self._fresh


class Behind:
    """Draws each trigger over the last hours in a thread of its own.

    Nobody waits for it: what is not drawn yet is said, and what is old is shown while
    it is drawn again. *draws* asks Prometheus within its deadline, or says why not;
    *rang* is told once all are drawn.
    """

    def __init__(
        self,
        draws: Draws,
        now: Callable[[], datetime],
        rang: Callable[[], None] = lambda: None,
    ) -> None:
        self._draws = draws
        self._rang = rang
        self._now = now
        self._busy = threading.Lock()
        self._drawn: dict[str, str] = {}
        self._at: datetime | None = None
        self._for = ""
        self._done: datetime | None = None

    def of(
        self, whose: str, triggers: Iterable[Trigger], marks: tuple[Mark, ...]
    ) -> dict[str, str]:
        """Give the figure of each trigger by its name; *whose* release they are of."""
        wanted = tuple(triggers)
        if self._for != whose:
            self._drawn, self._at, self._for = {}, None, whose
        at = self._now()
        is_old = self._at is None or abs(at - self._at) >= _A_MINUTE
        if wanted and is_old and self._busy.acquire(blocking=False):
            self._at = at
            args = (self._drawn, wanted, marks, at)
            threading.Thread(target=self._draw, args=args, daemon=True).start()
        being = page.dim("The metric is being drawn.")
        return {one.name: self._drawn.get(one.name, being) for one in wanted}

    def is_news(self) -> bool:
        """Tell whether something was drawn just now, or is being drawn."""
        done = self._done
        return self._busy.locked() or (
            done is not None and abs(self._now() - done) < _JUST_NOW
        )

    def wait(self) -> None:
        """Wait until nothing is being drawn."""
        with self._busy:
            pass

    def _draw(
        self,
        drawn: dict[str, str],
        triggers: tuple[Trigger, ...],
        marks: tuple[Mark, ...],
        at: datetime,
    ) -> None:
        try:
            for one in triggers:
                drawn[one.name] = self._one(one, marks, at)
        finally:
            self._done = self._now()
            self._busy.release()
            self._rang()

    def _one(self, trigger: Trigger, marks: tuple[Mark, ...], at: datetime) -> str:
        since = at - _HOURS
        try:
            track = self._draws(trigger, since, at)
        except Exception as error:  # noqa: BLE001 - a picture stops nothing
            track = f"{type(error).__name__}: {error}"
        if isinstance(track, str):
            return page.dim(f"It cannot be drawn: {track}")
        words = rule_words(trigger)
        return drawn_as(track, (since, at), words, marks)


def drawn_as(
    track: Track,
    span: tuple[datetime, datetime],
    words: str,
    marks: tuple[Mark, ...],
    asked_at: datetime | None = None,
    *,
    is_now: bool = True,
) -> str:
    """Draw *track* with its legend and its values, when asked and at the end.

    *is_now*: the end of the *span* is now, and not long ago.
    """
    trigger, (since, until) = track.trigger, span
    figure = plot.figure(track, since, until, words, marks=marks)
    now = plot.value_words(trigger, plot.value_at(track, until)) or "not measured"
    values = f"now {now}" if is_now else f"at {page.clock(until)} {now}"
    if asked_at is not None and asked_at < until:
        then = plot.value_words(trigger, plot.value_at(track, asked_at))
        values = f"when asked {then or 'not measured'}, {values}"
    rule = page.dim(f"{trigger.name}: {values}; the rule is {rule_words(trigger)}.")
    return f"{figure}\n{plot.legend(track)}\n{rule}"
