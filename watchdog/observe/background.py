"""What is read beside the looks: the time before, the outside cause, the groups."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from watchdog.facts.reading import Before, Blind, Cause, Groups, Look, Outside, Pace
from watchdog.facts.trigger import (
    Latency,
    Queue,
    Ratio,
    RatioQuery,
    Sick,
    Traffic,
    Trigger,
    Value,
)
from watchdog.judge.traffic import BEFORE
from watchdog.observe import promql
from watchdog.observe.envelope import NotSeen
from watchdog.observe.fresh import selectors
from watchdog.observe.looks import MOST_POINTS, Looks, floored
from watchdog.observe.numbers import duration
from watchdog.observe.once import Once
from watchdog.observe.samples import (
    EPOCH,
    LAST,
    Ask,
    Place,
    Samples,
    look_at,
    number_of,
    summed,
    time_of,
)

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
# A start, and the deploy that led to it, takes two scrapes on either side: neither
# belongs to what ran before.
_SCRAPES_OF_A_START = 2
# Fewer blocks than this are made shorter than a minute.
_FEW_BLOCKS = 10
# So many events tell a share; with fewer, what is earlier is read too.
_ENOUGH = 1000
_A_DAY = timedelta(days=1)
# This hour of other days: so much on either side, on a grid, so many times at least.
_AGO = {
    "at this hour yesterday": timedelta(days=1),
    "at this hour a week ago": timedelta(weeks=1),
}
_AROUND, _GRID = timedelta(minutes=30), timedelta(minutes=5)
_TIMES_AROUND = 6
# Each has a look of its own: replicas, not tenants.
_MOST_GROUPS = 50
# The look of series without the label.
_UNNAMED = "0"

_Taken = TypeVar("_Taken")


class Asked(Protocol):
    """Who is asked: one Prometheus server."""

    def instant(
        self, query: str, at: datetime
    ) -> list[tuple[dict[str, str], float]] | Blind:
        """Ask for one instant."""
        ...

    def samples(self, ask: Ask) -> Samples:
        """Ask for a stretch of samples; NotSeen where it fails."""
        ...

    def recent(self, ask: Ask) -> Samples:
        """Ask for a stretch of which most is kept; NotSeen where it fails."""
        ...

    def stretch(self, ask: Ask, take: Callable[[Any], _Taken]) -> _Taken:
        """Ask for a stretch, and take it apart; NotSeen where it fails."""
        ...


class Background:
    """Reads it of *server*, for triggers whose samples are *scrape* apart."""

    def __init__(
        self,
        server: Asked,
        looks: Looks,
        once: Once,
        scrape: timedelta,
        poll: timedelta,
    ) -> None:
        self._server = server
        self._looks = looks
        self._once = once
        self._scrape = scrape
        self._poll = poll

    def time_before(
        self,
        trigger: Trigger,
        since: datetime | None,
        before_from: datetime | None,
    ) -> tuple[datetime, datetime] | None:
        """Give from when until when the baseline is; the same for every turn."""
        if since is None:
            return None
        start = _SCRAPES_OF_A_START * self._scrape
        until = floored(since - start, _SECOND)
        begin = until - trigger.baseline.window
        if before_from is not None:
            begin = max(begin, floored(before_from + start, _SECOND))
        return min(begin, until), until

    def before(
        self,
        trigger: Trigger,
        at: datetime,
        begin: datetime,
        until: datetime,
        before_from: datetime | None = None,
    ) -> Before | Blind:
        """Read the time before the running pair, once.

        Further back than *begin*, a day at most, where little happened since then;
        of a queue always, for the most that it ever drained in a window. But not
        from before *before_from*.
        """
        found = self._time(trigger, at, begin, until)
        if isinstance(found, Blind) or isinstance(trigger.kind, Value | Sick):
            return found
        enough = found.whole.get("all", 0.0) >= _ENOUGH
        earliest = until - _A_DAY
        if before_from is not None:
            start = _SCRAPES_OF_A_START * self._scrape
            earliest = max(earliest, floored(before_from + start, _SECOND))
        is_queue = isinstance(trigger.kind, Queue)
        width = max(trigger.window, 2 * self._scrape) if is_queue else LAST
        found = replace(found, most=0.0)
        known = not is_queue and earliest >= begin
        if enough or known or until - earliest < 2 * width:
            return found
        day = self._time(trigger, at, earliest, until, width)
        if isinstance(day, Blind):
            return day
        if is_queue:
            return replace(found, since=day.since, most=day.most)
        return replace(found, since=day.since, whole=day.whole)

    def _time(
        self,
        trigger: Trigger,
        at: datetime,
        begin: datetime,
        until: datetime,
        block: timedelta | None = None,
    ) -> Before | Blind:
        kind, scrape = trigger.kind, self._scrape
        if isinstance(kind, Sick | Traffic):
            return Before(until, until)
        least = max(_SECOND, -(-scrape // _SECOND) * _SECOND)
        span = until - begin
        if isinstance(kind, Value):
            width, span = least, min(span, LAST)
            highest = trigger.below is None
            query = promql.worst(kind.expr, highest=highest, scrape=scrape)
        else:
            width = block or max(_MINUTE, 2 * least)
            if block is None and span < _FEW_BLOCKS * width:
                shorter = span // _FEW_BLOCKS // _SECOND * _SECOND
                width = max(2 * least, shorter)
            if isinstance(kind, RatioQuery):
                query = promql.finished_counts(kind, width, scrape)
            else:
                query = self._looks.question(kind, width)
        points = min(span // width, MOST_POINTS)
        if points < 1:
            return Before(until, until)
        ask = Ask(query, until, width, points)
        return self._once.read(
            (query, begin, until, width),
            lambda: summed(trigger, ask, self._server.samples(ask)),
            keep=until <= at - scrape,
        )

    def paces(
        self,
        trigger: Trigger,
        kind: Traffic,
        at: datetime,
        began: datetime | None,
        before_from: datetime | None,
    ) -> dict[str, Pace | Blind]:
        """Read how much came before the release *began*, and at this hour before.

        Half an hour on either side of it, a day and a week ago; not from before
        *before_from*. Each is read once, those of this hour every five minutes.
        """
        start = _SCRAPES_OF_A_START * self._scrape
        found: dict[str, Pace | Blind] = {}
        if began is not None:
            until = floored(began - start, _SECOND)
            begin = until - kind.of
            if before_from is not None:
                begin = max(begin, floored(before_from + start, _SECOND))
            found[BEFORE] = self._pace(trigger, kind, begin, until, at)
        for when, ago in _AGO.items():
            until = floored(at - ago + _AROUND, _GRID)
            begin = until - max(2 * _AROUND, _TIMES_AROUND * trigger.window)
            found[when] = self._pace(trigger, kind, begin, until, at)
        return found

    def _pace(
        self,
        trigger: Trigger,
        kind: Traffic,
        begin: datetime,
        until: datetime,
        at: datetime,
    ) -> Pace | Blind:
        width = trigger.window
        points = min((until - begin) // width, MOST_POINTS)
        if points < 1:
            return Pace(())
        query = self._looks.question(kind, width)
        ask = Ask(query, until, width, points)

        def read() -> Pace:
            samples = self._server.samples(ask)
            look = look_at(Place(until), samples, width, points)
            counts = [b.parts["all"] for b in look.blocks if "all" in b.parts]
            return Pace(tuple(counts))

        keep = until <= at - self._scrape
        return self._once.read((query, begin, until, width), read, keep=keep)

    def outside(
        self, trigger: Trigger, at: datetime, since: datetime | None
    ) -> Outside | Blind:
        """Ask whether the outside cause held at any moment of the window.

        Also earlier than now: what it did is in the window for as long. It holds
        where a comparison lets a sample through, or any other value is not 0. Of
        what went away *since* the release started nobody knows.
        """
        is_filter = promql.is_filter(trigger.unless)
        step = max(self._poll, -(-self._scrape // _SECOND) * _SECOND)
        step *= max(1, -(-trigger.window // (step * (MOST_POINTS - 2))))
        points = -(-trigger.window // step) + 2
        ask = Ask(f"\n{trigger.unless}\n", floored(at, self._poll), step, points)
        try:
            held = self._server.stretch(
                ask,
                lambda series: [
                    time_of(moment)
                    for one in series
                    for moment, text in one["values"]
                    # What is no number is not known to be harmless.
                    if is_filter or number_of(text) != 0
                ],
            )
        except NotSeen as refusal:
            return refusal.blind
        if held:
            return Outside(EPOCH + max(held) * _SECOND)
        return self._went_away(trigger, at, since) or Outside(None)

    def _went_away(
        self, trigger: Trigger, at: datetime, since: datetime | None
    ) -> Blind | None:
        """Say which of its series were there on this release, and are not now.

        What was not there before either is a doubt when the release is armed.
        """
        run = min(at - since, _A_DAY) if since else timedelta()
        if run < _SECOND:
            return None
        for selector in selectors(trigger.unless):
            # As the expression itself looks: marked stale, it is gone at once.
            now = self._server.instant(f"count({selector})", at)
            if isinstance(now, Blind):
                return now
            if now:
                continue
            lately = f"count(last_over_time({selector}[{duration(run)}]))"
            was = self._server.instant(lately, at)
            if isinstance(was, Blind):
                return was
            if was:
                words = f"`{selector}` went away since the release started"
                return Blind(Cause.NO_SERIES, words, "bring its exporter back")
        return None

    def groups(
        self,
        trigger: Trigger,
        end: datetime,
        at: datetime,
        since: datetime | None,
        before: tuple[datetime, datetime] | None,
    ) -> Groups | Blind | None:
        """Count by the trigger's label, in one request for all of its values."""
        kind, scrape, label = trigger.kind, self._scrape, trigger.by
        if not isinstance(kind, Ratio | Latency):
            return None
        width = trigger.window
        if since is not None:
            width = min(width, end - since - _SCRAPES_OF_A_START * scrape)
        if width < trigger.block:
            return None
        native = kind in self._looks.native
        query = promql.grouped(kind, label, width=width, scrape=scrape, native=native)
        try:
            counts = self._counted(query, label, end)
            looks = self._each(trigger, kind, end) if trigger.any else {}
        except NotSeen as refusal:
            return refusal.blind
        if before is None or before[0] >= before[1]:
            return Groups(counts, looks=looks)
        begin, until = before
        naming = promql.groups_of(kind, label, until - begin)

        def read() -> frozenset[str]:
            named = self._server.instant(naming, until)
            if isinstance(named, Blind):
                raise NotSeen(named.cause, named.words, named.hint)
            return frozenset(labels.get(label, "") for labels, _ in named)

        keep = until <= at - scrape
        names = self._once.read((naming, until), read, keep=keep)
        named = frozenset() if isinstance(names, Blind) else names
        if not trigger.any:
            return Groups(counts, named)
        query = promql.grouped(
            kind, label, width=until - begin, scrape=scrape, native=native
        )
        were = self._once.read(
            (query, until), lambda: self._counted(query, label, until), keep=keep
        )
        return were if isinstance(were, Blind) else Groups(counts, named, looks, were)

    def _counted(
        self, query: str, label: str, at: datetime
    ) -> dict[str, tuple[float, float]]:
        answer = self._server.instant(query, at)
        if isinstance(answer, Blind):
            raise NotSeen(answer.cause, answer.words, answer.hint)
        counted: dict[str, dict[str, float]] = {"bad": {}, "all": {}}
        for labels, value in answer:
            if math.isfinite(value):
                counted[labels["part"]][labels.get(label, "")] = value
        bad = counted["bad"]
        return {name: (bad.get(name, 0.0), n) for name, n in counted["all"].items()}

    def _each(
        self, trigger: Trigger, kind: Ratio | Latency, end: datetime
    ) -> dict[str, Look]:
        """Read a look of its own for each value of the trigger's label."""
        width, native = trigger.block, kind in self._looks.native
        query = promql.each(
            kind, trigger.by, width=width, scrape=self._scrape, native=native
        )
        blocks = max(1, -(-trigger.reach // width))
        samples = self._server.recent(Ask(query, end, width, blocks))
        names = sorted({name for name, _ in samples})
        if len(names) > _MOST_GROUPS:
            words = f"{len(names)} values of {trigger.by}, and one of {_MOST_GROUPS}"
            hint = "`any: true` is for the replicas of a service; leave it out"
            raise NotSeen(Cause.NONSENSE, f"{words} at most may be over alone", hint)
        return {
            "" if name == _UNNAMED else name: look_at(
                Place(end, label=name), samples, width, blocks
            )
            for name in names
        }
