"""Asks Prometheus for the counts of a trigger; a failed ask is a blind reading.

Source: Prometheus HTTP API, ``GET /api/v1/query_range`` and ``GET /api/v1/query``.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeVar

from watchdog.facts.reading import (
    Blind,
    Cause,
    Groups,
    Look,
    Measured,
    Reading,
    unforeseen,
)
from watchdog.facts.trigger import (
    Latency,
    Traffic,
    Trigger,
)
from watchdog.observe import promql, renamed, whole
from watchdog.observe.access import OPEN, Access
from watchdog.observe.asleep import Asleep
from watchdog.observe.at_once import AtOnce
from watchdog.observe.background import Background
from watchdog.observe.envelope import NotSeen
from watchdog.observe.faster import Faster
from watchdog.observe.gaps import Gaps
from watchdog.observe.looks import Looks, Plan
from watchdog.observe.numbers import plain
from watchdog.observe.once import MOST_KEPT, Once
from watchdog.observe.recent import Laid, Recent
from watchdog.observe.samples import (
    EPOCH,
    Ask,
    NoNumber,
    Place,
    Samples,
    in_places,
    labels_of,
    look_at,
    number_of,
    time_of,
)
from watchdog.observe.server import Server
from watchdog.observe.together import Replicas, Together

_SECOND = timedelta(seconds=1)

# Four at once: a fifth only waits behind Prometheus' own limit, and costs memory.
_MOST_AT_ONCE = 4
# Whether a histogram without buckets is a native one is asked once in so many seconds.
_ASKED_AGAIN = 30.0
# The newest scrapes may not be there yet.
_A_FEW = 3
_NOT_NOW = frozenset({Cause.UNREACHABLE, Cause.TIMEOUT})


_Taken = TypeVar("_Taken")


class Prometheus:
    """One Prometheus server, asked by up to four threads at once.

    *url* as a browser would have it, with a path prefix if there is one.
    *timeout* bounds one request as a whole: connecting, waiting and reading.
    *scrape_interval* is how far apart the samples are; *poll* the grid on which
    readings are taken, whole seconds. *access* is what it wants to see.

    No method raises because the far end failed; every failure is ``Blind``.
    """

    def __init__(
        self,
        url: str,
        timeout: timedelta,
        scrape_interval: timedelta,
        poll: timedelta,
        access: Access = OPEN,
    ) -> None:
        self._server = Server(url, timeout, access)
        self._scrape_interval = scrape_interval
        # The client rounds both ends of a range to whole seconds.
        self._poll = max(_SECOND, -(-poll // _SECOND) * _SECOND)
        self._pool = ThreadPoolExecutor(_MOST_AT_ONCE, "prometheus")
        # Full turns must not come later than every third poll.
        self._budget = max(2 * self._poll.total_seconds(), timeout.total_seconds())
        self._looks = Looks(scrape_interval, self._poll)
        self._background = Background(
            self,
            self._looks,
            Once(timeout.total_seconds()),
            scrape_interval,
            self._poll,
        )
        self._together = Together(self._pool, self._budget, self._server.shown)
        self._recent = Recent(self.samples)
        self._laid = Laid()
        self._at_once = AtOnce(self.samples, self._recent)
        self._gaps = Gaps(self, self._looks, scrape_interval)
        self._names = renamed.Names(scrape_interval)
        self._faster = Faster()
        self._asleep = Asleep(self, scrape_interval)
        # When it was asked of a histogram without buckets whether it is a native one.
        self._asked: dict[Latency, float] = {}

    def now(self) -> datetime | Blind:
        """Give the server's own time: ages and releases are measured in it."""
        seen = self._at("time()", None, _moment)
        if isinstance(seen, Blind):
            self._asleep.unsure()
        return seen

    def instant(
        self, query: str, at: datetime
    ) -> list[tuple[dict[str, str], float]] | Blind:
        """Ask for one instant: each series' labels and value; empty without any."""
        return self._at(query, at, _series)

    def ends(self, selector: str, at: datetime) -> frozenset[float] | Blind:
        """Ask where the buckets of a native histogram end, as far as they are used."""
        return self._at(selector, at, _ends_of)

    def _at(
        self, query: str, at: datetime | None, take: Callable[[Any], _Taken]
    ) -> _Taken | Blind:
        shown = self._server.shown
        try:
            return self._server.query(query, at, take)
        except NotSeen as refusal:
            return refusal.blind
        except NoNumber as error:
            words = f"{shown} answered `{query}` with nonsense: {error}"
            return Blind(Cause.NONSENSE, words)
        except (LookupError, TypeError, ValueError, OverflowError):
            words = f"{shown} answered `{query}` with something else"
            return Blind(Cause.REJECTED, words)
        except Exception as error:  # noqa: BLE001 - one answer stops no turn
            return unforeseen(error)

    def told(self, path: str, **parameters: str) -> Any | Blind:
        """Ask what the server knows of itself: its ``data``, of any shape."""
        try:
            return self._server.told(path, parameters)
        except NotSeen as refusal:
            return refusal.blind
        except Exception as error:  # noqa: BLE001 - one answer stops no turn
            return unforeseen(error)

    def read(
        self,
        trigger: Trigger,
        at: datetime,
        since: datetime | None = None,
        before_from: datetime | None = None,
        *,
        compare: bool = True,
    ) -> Reading:
        """Read what *trigger* counts: of plain counters as of *at*, scrape by scrape.

        Of all else a scrape is left out at the end: its samples may be under way. A
        part that the server did not answer is missing from its block.

        *since* is when the running pair started, *before_from* when the run before
        it did, if that is known: what was between is read too, and kept, unless
        there is nothing to *compare*. What fails of that is blind by itself.
        """
        try:
            return self._read(trigger, at, since, before_from, compare=compare)
        except Exception as error:  # noqa: BLE001 - the others must be read
            return unforeseen(error)

    def _read(
        self,
        trigger: Trigger,
        at: datetime,
        since: datetime | None,
        before_from: datetime | None,
        *,
        compare: bool,
    ) -> Reading:
        try:
            plan = self._looks.plan(trigger, at)
            exact = trigger.counts or self._looks.is_exact(trigger.kind)
            looks = tuple(self._look(plan, place, exact=exact) for place in plan.looks)
            if self._became_native(trigger, looks):
                return self._read(trigger, at, since, before_from, compare=compare)
            if isinstance(trigger.kind, Latency) and not _any_parts(looks):
                self._need_bucket(trigger.kind, plan)
            looks = self._gaps.bridged(trigger, looks)
            looks = self._asleep.awake(trigger, looks, plan.asks[0], at)
        except NotSeen as refusal:
            return refusal.blind
        seen = Measured(looks, tuple(dict.fromkeys(ask.query for ask in plan.asks)))
        if trigger.unless:
            seen = replace(seen, outside=self._background.outside(trigger, at, since))
        if isinstance(trigger.kind, Traffic):
            # What a rollback put up is compared with what was before the bad one.
            began = since if compare else before_from
            floor = before_from if compare else None
            paces = self._background.paces(trigger, trigger.kind, at, began, floor)
            return replace(seen, paces=paces)
        before = self._background.time_before(trigger, since, before_from)
        if compare and before and not _is_not_now(seen.outside):
            compared = self._background.before(trigger, at, *before, before_from)
            seen = replace(seen, before=compared)
        if trigger.by and not (_is_not_now(seen.outside) or _is_not_now(seen.before)):
            groups = self._background.groups(trigger, looks[0].at, at, since, before)
            if isinstance(groups, Groups) and self._looks.is_exact(trigger.kind):
                own = self._gaps.bridged(trigger, tuple(groups.looks.values()))
                groups = replace(
                    groups, looks=dict(zip(groups.looks, own, strict=True))
                )
            seen = replace(seen, groups=groups)
        return seen

    def _look(self, plan: Plan, place: Place, *, exact: bool) -> Look:
        ask = plan.asks[place.answer]
        if exact:
            return self._laid.look(ask, place, self.recent(ask), plan.blocks)
        return look_at(place, self.samples(ask), ask.step, plan.blocks)

    def read_all(
        self,
        triggers: Sequence[Trigger],
        at: datetime,
        since: datetime | None = None,
        before_from: datetime | None = None,
        *,
        compare: bool = True,
        enough: Callable[[Trigger, Reading], bool] = lambda _trigger, _reading: False,
        replicas: Mapping[str, int] = MappingProxyType({}),
        hosts: Mapping[str, tuple[str, str]] = MappingProxyType({}),
    ) -> dict[str, Reading]:
        """Read every trigger, by name, a few at once, within the turn's own time.

        *since*, *before_from* and *compare* as for ``read``. Once a reading is
        *enough* to act on, the rest is waited for a second at most. *replicas* are
        the running containers by service, *hosts* as for ``whole.measured_on``.
        """
        exact = [one for one in triggers if self._looks.is_exact(one.kind)]
        ahead = self._at_once.turn(
            lambda: [self._looks.plan(one, at).asks[0] for one in exact]
        )

        def ask(trigger: Trigger, last: float) -> Reading:
            if trigger in exact:
                # Half of the turn: else there is no time left to ask one by one.
                with self._server.until(min(last, time.monotonic() + self._budget / 2)):
                    ahead()
            with self._server.until(last):
                seen = self.read(trigger, at, since, before_from, compare=compare)
                if not compare:
                    return seen  # it ran before, under the names that it has
                try:
                    for held in (self._names, self._faster):
                        seen = held.held_against(
                            trigger,
                            seen,
                            since,
                            at,
                            lambda query: self.instant(query, at),
                        )
                except Exception as error:  # noqa: BLE001 - the others must be read
                    return unforeseen(error)
                return seen

        def count(last: float) -> Replicas | Blind:
            age = at - since if since else timedelta()
            try:
                with self._server.until(last):
                    return whole.measured(
                        triggers,
                        lambda query: self.instant(query, at),
                        self._scrape_interval,
                        age,
                        replicas=replicas,
                        hosts=hosts,
                    )
            except Exception as error:  # noqa: BLE001 - not known, and the readings stand
                return unforeseen(error)

        several = any(number > 1 for number in replicas.values())
        return self._together.read(triggers, ask, enough, count if several else None)

    def _became_native(self, trigger: Trigger, looks: tuple[Look, ...]) -> bool:
        """Find out whether a histogram without its buckets is a native one now."""
        kind = trigger.kind
        if not isinstance(kind, Latency) or kind in self._looks.native:
            return False
        if any(block.parts for block in looks[0].blocks[-_A_FEW:]):
            return False
        asked_at = self._asked.get(kind, -math.inf)
        if time.monotonic() < asked_at + _ASKED_AGAIN:
            return False
        if len(self._asked) >= MOST_KEPT:
            self._asked.clear()
        self._asked[kind] = time.monotonic()
        query = promql.native(kind, self._scrape_interval)
        found = self.instant(query, looks[0].at)
        if isinstance(found, Blind) or not found:
            return False
        self._looks.native.add(kind)
        return True

    def within_a_turn(self) -> AbstractContextManager[None]:
        """Let what this thread asks meanwhile take no longer than a turn may."""
        return self._server.until(time.monotonic() + self._budget)

    def close(self) -> None:
        """Give back every connection and thread; asks under way are dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._server.close()

    def samples(self, ask: Ask) -> Samples:
        """Ask, and sort the samples: (look, milliseconds) to the parts there.

        Raises:
            NotSeen: it was not answered, or not as samples.
        """
        return self.stretch(ask, in_places)

    def recent(self, ask: Ask) -> Samples:
        """Answer as ``samples`` does, from what is kept of the last hours."""
        return self._recent.samples(ask)

    def stretch(self, ask: Ask, take: Callable[[Any], _Taken]) -> _Taken:
        """Ask for a stretch, and *take* its series apart.

        Raises:
            NotSeen: it was not answered, or *take* finds another shape.
        """
        reach = (ask.points - 1) * ask.step
        # The client rounds the start: begin earlier, on the grid and on a second.
        while reach % _SECOND:
            reach += ask.step
        begin, shown = ask.end - reach, self._server.shown
        try:
            return self._server.range(ask.query, begin, ask.end, ask.step, take)
        except NoNumber as error:
            words = f"{shown} answered with nonsense: {error}"
            raise NotSeen(Cause.NONSENSE, words) from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            words = f"{shown} answered in a shape that nobody asked for: {error}"
            raise NotSeen(Cause.REJECTED, words) from error

    def _need_bucket(self, kind: Latency, plan: Plan) -> None:
        """Tell a bound that is no bucket from a histogram that is not there."""
        query, name = promql.any_bucket(kind, self._scrape_interval)
        if self.samples(replace(plan.asks[0], query=query)):
            bound = plain(kind.bound)
            words = (
                f'{name} has no bucket le="{bound}": `over` must be a bucket\'s bound'
            )
            if kind.unit != "s":
                words += f"; {kind.over_words} is counted in {kind.unit or 'its own'}"
            raise NotSeen(Cause.NO_SERIES, words)


def _ends_of(answer: Any) -> frozenset[float]:
    return frozenset(
        float(end)
        for series in answer
        for bucket in series["histogram"][1].get("buckets", ())
        for end in bucket[1:3]
    )


def _moment(answer: Any) -> datetime:
    _, seconds = list(answer)
    return EPOCH + timedelta(seconds=time_of(number_of(seconds)))


def _series(answer: Any) -> list[tuple[dict[str, str], float]]:
    return [
        (dict(labels_of(series["metric"])), number_of(series["value"][1]))
        for series in answer
    ]


def _any_parts(looks: tuple[Look, ...]) -> bool:
    return any(block.parts for look in looks for block in look.blocks)


def _is_not_now(seen: object) -> bool:
    """Tell whether the server did not answer in time: asking more is no use."""
    return isinstance(seen, Blind) and seen.cause in _NOT_NOW
