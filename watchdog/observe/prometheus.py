"""Asks Prometheus for the counts of a trigger; a failed ask is a blind reading.

Source: Prometheus HTTP API, ``GET /api/v1/query_range`` and ``GET /api/v1/query``.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar, assert_never

from watchdog.facts.reading import (
    Before,
    Blind,
    Cause,
    Groups,
    Look,
    Measured,
    Outside,
    Reading,
    unforeseen,
)
from watchdog.facts.trigger import (
    Action,
    Latency,
    Queue,
    Ratio,
    RatioQuery,
    Trigger,
    Value,
)
from watchdog.observe import promql, whole
from watchdog.observe.access import OPEN, Access
from watchdog.observe.samples import (
    EPOCH,
    LAST,
    Ask,
    Gap,
    NoNumber,
    Place,
    Samples,
    gaps_of,
    in_places,
    labels_of,
    look_at,
    millis,
    number_of,
    summed,
    time_of,
)
from watchdog.observe.server import NOT_ASKED, NotSeen, Server

_SECOND = timedelta(seconds=1)

# Prometheus refuses more than 11,000 points a series.
_MOST_POINTS = 10_000
# Four at once: a fifth only waits behind Prometheus' own limit, and costs memory.
_MOST_AT_ONCE = 4

# A start, and the deploy that led to it, takes two scrapes on either side: neither
# belongs to what ran before.
_SCRAPES_OF_A_START = 2
_MINUTE = timedelta(minutes=1)
# Fewer blocks than this are made shorter than a minute.
_FEW_BLOCKS = 10
# The time before a start does not change. Triggers times starts, and then some.
_MOST_KEPT = 256
# A question about the past that failed is asked again after so many timeouts:
# each costs a turn the time of one.
_REST = 5
# Whether errors that match nothing were renamed is asked once in so many seconds.
_ASKED_AGAIN = 30.0
# Once there is something to act on, others get so long to answer, in seconds.
_GRACE = 1.0
_NOT_NOW = frozenset({Cause.UNREACHABLE, Cause.TIMEOUT})


_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is asked for one trigger: looks, newest first, of *blocks* each."""

    asks: tuple[Ask, ...]
    looks: tuple[Place, ...]
    blocks: int


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
        self._seconds = timeout.total_seconds()
        self._scrape_interval = scrape_interval
        # The client rounds both ends of a range to whole seconds.
        self._poll = max(_SECOND, -(-poll // _SECOND) * _SECOND)
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[object, ...], Any] = OrderedDict()
        self._failed: dict[tuple[object, ...], tuple[float, Blind]] = {}
        self._pool = ThreadPoolExecutor(_MOST_AT_ONCE, "prometheus")
        # Full turns must not come later than every third poll.
        self._budget = max(2 * self._poll.total_seconds(), self._seconds)
        self._missed: dict[str, int] = {}
        # What was asked of errors that match nothing: when, and what came of it.
        self._names: dict[str, tuple[float, str]] = {}
        # What is kept as native histograms, and when that was asked of the others.
        self._native: set[Latency] = set()
        self._asked: dict[Latency, float] = {}

    def now(self) -> datetime | Blind:
        """Give the server's own time: ages and releases are measured in it."""
        try:
            return self._server.query("time()", None, _moment)
        except NotSeen as refusal:
            return refusal.blind
        except NoNumber as error:
            words = f"{self._server.shown} answered `time()` with nonsense: {error}"
            return Blind(Cause.NONSENSE, words)
        except (LookupError, TypeError, ValueError, OverflowError):
            words = f"{self._server.shown} answered `time()` with something else"
            return Blind(Cause.REJECTED, words)
        except Exception as error:  # noqa: BLE001 - one answer stops no turn
            return unforeseen(error)

    def instant(
        self, query: str, at: datetime
    ) -> list[tuple[dict[str, str], float]] | Blind:
        """Ask for one instant: each series' labels and value; empty without any."""
        try:
            return self._server.query(query, at, _series)
        except NotSeen as refusal:
            return refusal.blind
        except NoNumber as error:
            words = f"{self._server.shown} answered `{query}` with nonsense: {error}"
            return Blind(Cause.NONSENSE, words)
        except (LookupError, TypeError, ValueError):
            words = f"{self._server.shown} answered `{query}` with something else"
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
        """Read what *trigger* counts, as of the last whole poll before *at*.

        One scrape interval is left out at the end: its samples may be under way.
        A part that the server did not answer is missing from its block.

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
            plan = self._plan(trigger, at)
            answers = [self._points(ask) for ask in plan.asks]
            looks = tuple(
                look_at(place, answers[place.answer], plan.asks[0].step, plan.blocks)
                for place in plan.looks
            )
            if self._became_native(trigger, looks):
                return self._read(trigger, at, since, before_from, compare=compare)
            if isinstance(trigger.kind, Latency) and not any(answers):
                self._need_bucket(trigger.kind, plan)
            looks = self._bridged(trigger, looks)
        except NotSeen as refusal:
            return refusal.blind
        seen = Measured(looks, tuple(dict.fromkeys(ask.query for ask in plan.asks)))
        if trigger.unless:
            seen = replace(seen, outside=self._outside(trigger, at))
        before = self._time_before(trigger, since, before_from)
        if compare and before and not _is_not_now(seen.outside):
            seen = replace(seen, before=self._before(trigger, at, *before))
        if trigger.by and not (_is_not_now(seen.outside) or _is_not_now(seen.before)):
            groups = self._groups(trigger, looks[0].at, at, since, before)
            seen = replace(seen, groups=groups)
        return seen

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
    ) -> dict[str, Reading]:
        """Read every trigger, by name, a few at once, within the turn's own time.

        *since*, *before_from* and *compare* as for ``read``. Once a reading is
        *enough* to act on, the rest is waited for a second at most. Who is not
        asked for lack of time is blind, and is asked early in the next turn.
        """
        last = time.monotonic() + self._budget
        waiting: dict[Future[Reading], Trigger] = {}
        for trigger in self._in_turn(triggers):
            ask = partial(self._read_until, last, trigger, at, since, before_from)
            waiting[self._pool.submit(ask, compare=compare)] = trigger
        # Last, and one question for all: what it tells keeps nobody from acting.
        several = any(count > 1 for count in replicas.values())
        age = at - since if since else timedelta()
        ask_all = partial(self._measured_on, last, triggers, at, age, replicas)
        counting = self._pool.submit(ask_all) if several else None
        found: dict[str, Reading] = {}
        while waiting and (left := last - time.monotonic()) > 0:
            done, _ = wait(waiting, left, FIRST_COMPLETED)
            for future in done:
                trigger = waiting.pop(future)
                found[trigger.name] = reading = future.result()
                if enough(trigger, reading):
                    last = min(last, time.monotonic() + _GRACE)
        for future, trigger in waiting.items():
            words = NOT_ASKED
            if not future.cancel():
                words = f"{self._server.shown} gave no answer in the turn's time"
            found[trigger.name] = Blind(Cause.TIMEOUT, words)
        for trigger in triggers:
            seen = found[trigger.name]
            was_asked = not isinstance(seen, Blind) or seen.words != NOT_ASKED
            missed = self._missed.get(trigger.name, 0)
            self._missed[trigger.name] = 0 if was_asked else missed + 1
        if counting is not None:
            found |= self._with_replicas(counting, last, found)
        return {trigger.name: found[trigger.name] for trigger in triggers}

    def _with_replicas(
        self,
        counting: Future[dict[str, tuple[int, int] | None] | Blind],
        last: float,
        found: Mapping[str, Reading],
    ) -> dict[str, Reading]:
        """Say in each reading on how many containers it was measured, if not on all."""
        done, _ = wait([counting], max(0.0, last - time.monotonic()))
        if not done:
            counting.cancel()
            return {}
        seen = counting.result()
        if isinstance(seen, Blind):
            return {}
        return {
            name: replace(reading, measured_on=seen[name])
            for name, reading in found.items()
            if isinstance(reading, Measured) and name in seen
        }

    def _measured_on(
        self,
        last: float,
        triggers: Sequence[Trigger],
        at: datetime,
        age: timedelta,
        replicas: Mapping[str, int],
    ) -> dict[str, tuple[int, int] | None] | Blind:
        counted = [one for one in triggers if isinstance(one.kind, Ratio | Latency)]
        if not counted:
            return {}
        query = promql.joined(
            whole.replicas_question(number, one.kind, self._scrape_interval, age)
            for number, one in enumerate(counted)
            if isinstance(one.kind, Ratio | Latency)
        )
        with self._server.until(last):
            answer = self.instant(query, at)
        if isinstance(answer, Blind):
            return answer
        seen: list[dict[str, set[str]]] = [{} for _ in counted]
        for labels, _ in answer:
            parts = seen[int(labels.get("look", "0"))]
            parts.setdefault(labels.get("part", ""), set()).add(
                labels.get("instance", "")
            )
        return {
            one.name: whole.measured_on(parts, replicas)
            for one, parts in zip(counted, seen, strict=True)
        }

    def _became_native(self, trigger: Trigger, looks: tuple[Look, ...]) -> bool:
        """Find out whether a histogram without its buckets is a native one now."""
        kind = trigger.kind
        if not isinstance(kind, Latency) or kind in self._native:
            return False
        if looks[0].blocks[-1].parts:
            return False
        asked_at = self._asked.get(kind, -math.inf)
        if time.monotonic() < asked_at + _ASKED_AGAIN:
            return False
        if len(self._asked) >= _MOST_KEPT:
            self._asked.clear()
        self._asked[kind] = time.monotonic()
        query = promql.native(kind, self._scrape_interval)
        found = self.instant(query, looks[0].at)
        if isinstance(found, Blind) or not found:
            return False
        self._native.add(kind)
        return True

    def _counted(
        self, kind: Ratio | Latency | Queue
    ) -> tuple[dict[str, str], dict[str, promql.Part]]:
        native = isinstance(kind, Latency) and kind in self._native
        return _parts(kind, native=native)

    def ends(self, selector: str, at: datetime) -> frozenset[float] | Blind:
        """Ask where the buckets of a native histogram end, as far as they are used."""
        try:
            return self._server.query(selector, at, _ends_of)
        except NotSeen as refusal:
            return refusal.blind
        except Exception as error:  # noqa: BLE001 - one answer stops no turn
            return unforeseen(error)

    def _renamed(self, trigger: Trigger, reading: Reading, at: datetime) -> Reading:
        """Ask why no errors' series is there, where none is while the total grows."""
        kind = trigger.kind
        if not isinstance(kind, Ratio) or not isinstance(reading, Measured):
            return reading
        blocks = [block.parts for look in reading.looks for block in look.blocks]
        grows = sum(parts.get("all", 0.0) for parts in blocks) >= 1
        if not grows or any("bad" in parts for parts in blocks):
            return reading
        query = whole.errors_question(kind, self._scrape_interval)
        if not query:
            return reading
        asked_at, words = self._names.get(query, (-math.inf, ""))
        if time.monotonic() >= asked_at + _ASKED_AGAIN:
            answer = self.instant(query, at)
            if isinstance(answer, Blind):
                return answer
            counted = {labels.get("part", ""): value for labels, value in answer}
            words = whole.errors_words(kind, counted)
            if len(self._names) >= _MOST_KEPT:
                self._names.clear()
            self._names[query] = (time.monotonic(), words)
        return replace(reading, renamed=words)

    def within_a_turn(self) -> AbstractContextManager[None]:
        """Let what this thread asks meanwhile take no longer than a turn may."""
        return self._server.until(time.monotonic() + self._budget)

    def _in_turn(self, triggers: Sequence[Trigger]) -> list[Trigger]:
        """Order who is asked: one that waited, who may roll back, then the others.

        Among each, who was missed more often comes first, so that none starves.
        """

        def missed(trigger: Trigger) -> int:
            return -self._missed.get(trigger.name, 0)

        urgent = [one for one in triggers if one.action is Action.ROLLBACK]
        others = sorted((one for one in triggers if one not in urgent), key=missed)
        waited = others[:1] if others and missed(others[0]) else []
        return [*waited, *sorted(urgent, key=missed), *others[len(waited) :]]

    def _read_until(
        self,
        last: float,
        trigger: Trigger,
        at: datetime,
        since: datetime | None,
        before_from: datetime | None,
        *,
        compare: bool,
    ) -> Reading:
        with self._server.until(last):
            reading = self.read(trigger, at, since, before_from, compare=compare)
            if not compare:
                return reading  # it ran before, under the names that it has
            try:
                return self._renamed(trigger, reading, at)
            except Exception as error:  # noqa: BLE001 - the others must be read
                return unforeseen(error)

    def close(self) -> None:
        """Give back every connection and thread; asks under way are dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._server.close()

    def _plan(self, trigger: Trigger, at: datetime) -> _Plan:
        """Lay the trigger's looks on the poll's grid and write their queries."""
        width, scrape = trigger.block, self._scrape_interval
        blocks = max(1, -(-trigger.window // width))
        if isinstance(trigger.kind, Value):
            return self._value_plan(trigger, trigger.kind.expr, at)
        ends = self._ends(trigger, at, self._poll)
        if isinstance(trigger.kind, RatioQuery):
            query = promql.finished_counts(trigger.kind, width, scrape)
            return _Plan(
                tuple(Ask(query, end, width, blocks) for end in ends),
                tuple(Place(end, answer=n) for n, end in enumerate(ends)),
                blocks,
            )
        selectors, ready = self._counted(trigger.kind)
        if isinstance(trigger.kind, Queue):
            blocks += 1
            ready = {"floor": promql.floor(trigger.kind.depth, width)}
        offsets = [ends[0] - end for end in ends]
        counting = promql.counts(
            selectors, width=width, scrape=scrape, offsets=offsets, ready=ready
        )
        places = tuple(
            Place(end, label=str(number), moved=offset)
            for number, (end, offset) in enumerate(zip(ends, offsets, strict=True))
        )
        return _Plan((Ask(counting, ends[0], width, blocks),), places, blocks)

    def _ends(
        self, trigger: Trigger, at: datetime, grid: timedelta
    ) -> tuple[datetime, ...]:
        """Give the ends of the looks, newest first, each on the grid."""
        newest = _floor(at - self._scrape_interval, grid)
        return tuple(newest - n * grid for n in range(max(1, trigger.confirm_polls)))

    def _value_plan(self, trigger: Trigger, expr: str, at: datetime) -> _Plan:
        """Ask for every point of the poll's grid, once for all looks.

        The grid is absolute, so the points of one poll are those of the next and
        of every restart. A window of more points than Prometheus answers is
        sampled at the smallest multiple of the poll that fits, looks included.
        """
        more = max(1, trigger.confirm_polls) - 1
        fitting = -(-trigger.window // (self._poll * (_MOST_POINTS - more - 1)))
        step = self._poll * max(1, fitting)
        points = -(-trigger.window // step) + 1
        ends = self._ends(trigger, at, step)
        highest, scrape = trigger.below is None, self._scrape_interval
        bound = trigger.above if highest else trigger.below
        terms = [promql.worst(expr, highest=highest, scrape=scrape)]
        if bound is not None:
            terms.append(promql.past(expr, bound, highest=highest, scrape=scrape))
        ask = Ask(promql.joined(terms), ends[0], step, points + more)
        return _Plan((ask,), tuple(map(Place, ends)), points)

    def _bridged(self, trigger: Trigger, looks: tuple[Look, ...]) -> tuple[Look, ...]:
        """Ask what the counters grew by in the gaps of the looks, if there are any.

        Over the gap and a block on either side, less those two blocks.
        """
        kind, width = trigger.kind, trigger.block
        if isinstance(kind, Queue | Value):
            return looks
        gaps = [gap for n, look in enumerate(looks) for gap in gaps_of(n, look)]
        if not gaps:
            return looks
        found: list[dict[datetime, Mapping[str, float]]] = [{} for _ in looks]
        for gap, across in zip(gaps, self._around(kind, width, gaps), strict=True):
            if "all" in across:
                end = looks[gap.look].blocks[gap.last].end
                found[gap.look][end] = {
                    part: max(
                        0.0,
                        across.get(part, 0.0)
                        - sum(block.parts.get(part, 0.0) for block in gap.beside),
                    )
                    for part in ("bad", "all")
                }
        return tuple(
            replace(look, gaps=own) for look, own in zip(looks, found, strict=True)
        )

    def _around(
        self, kind: Ratio | RatioQuery | Latency, width: timedelta, gaps: list[Gap]
    ) -> list[Mapping[str, float]]:
        """Count over each gap with the blocks beside it, in one request."""
        scrape = self._scrape_interval
        if isinstance(kind, RatioQuery):
            queries = [
                promql.finished_counts(kind, gap.blocks * width, scrape) for gap in gaps
            ]
            return [
                self._points(Ask(query, gap.until, width, 1)).get(
                    ("0", millis(gap.until)), {}
                )
                for query, gap in zip(queries, gaps, strict=True)
            ]
        selectors, ready = self._counted(kind)
        newest = max(gap.until for gap in gaps)
        query = promql.joined(
            promql.counts(
                selectors,
                width=gap.blocks * width,
                scrape=scrape,
                offsets=[newest - gap.until],
                ready=ready,
                first=number,
            )
            for number, gap in enumerate(gaps)
        )
        answer = self._points(Ask(query, newest, width, 1))
        places = ((str(number), millis(newest)) for number in range(len(gaps)))
        return [answer.get(place, {}) for place in places]

    def _time_before(
        self,
        trigger: Trigger,
        since: datetime | None,
        before_from: datetime | None,
    ) -> tuple[datetime, datetime] | None:
        """Give from when until when the baseline is; the same for every turn."""
        if since is None:
            return None
        start = _SCRAPES_OF_A_START * self._scrape_interval
        until = _floor(since - start, _SECOND)
        begin = until - trigger.baseline.window
        if before_from is not None:
            begin = max(begin, _floor(before_from + start, _SECOND))
        return min(begin, until), until

    def _before(
        self, trigger: Trigger, at: datetime, begin: datetime, until: datetime
    ) -> Before | Blind:
        """Read the time before the running pair, once."""
        kind, scrape = trigger.kind, self._scrape_interval
        least = max(_SECOND, -(-scrape // _SECOND) * _SECOND)
        span = until - begin
        if isinstance(kind, Value):
            width, span = least, min(span, LAST)
            highest = trigger.below is None
            query = promql.worst(kind.expr, highest=highest, scrape=scrape)
        else:
            width = max(_MINUTE, 2 * least)
            if span < _FEW_BLOCKS * width:
                shorter = span // _FEW_BLOCKS // _SECOND * _SECOND
                width = max(2 * least, shorter)
            if isinstance(kind, RatioQuery):
                query = promql.finished_counts(kind, width, scrape)
            else:
                selectors, ready = self._counted(kind)
                query = promql.counts(
                    selectors,
                    width=width,
                    scrape=scrape,
                    offsets=[timedelta()],
                    ready=ready,
                )
        points = min(span // width, _MOST_POINTS)
        if points < 1:
            return Before(until, until)
        ask = Ask(query, until, width, points)
        return self._once(
            (query, begin, until),
            lambda: summed(trigger, ask, self._points(ask)),
            keep=until <= at - scrape,
        )

    def _outside(self, trigger: Trigger, at: datetime) -> Outside | Blind:
        """Ask whether the outside cause held at any moment of the window.

        Also earlier than now: what it did is in the window for as long. It holds
        where a comparison lets a sample through, or any other value is not 0.
        """
        is_filter = promql.is_filter(trigger.unless)
        step = max(self._poll, -(-self._scrape_interval // _SECOND) * _SECOND)
        step *= max(1, -(-trigger.window // (step * (_MOST_POINTS - 2))))
        points = -(-trigger.window // step) + 2
        ask = Ask(f"\n{trigger.unless}\n", _floor(at, self._poll), step, points)
        try:
            held = self._range(
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
        except NoNumber as error:
            return Blind(Cause.NONSENSE, self._no_number(error))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            return Blind(Cause.REJECTED, self._other_shape(error))
        return Outside(EPOCH + max(held) * _SECOND if held else None)

    def _groups(
        self,
        trigger: Trigger,
        end: datetime,
        at: datetime,
        since: datetime | None,
        before: tuple[datetime, datetime] | None,
    ) -> Groups | Blind | None:
        """Count by the trigger's label, in one request for all of its values."""
        kind, scrape, label = trigger.kind, self._scrape_interval, trigger.by
        if not isinstance(kind, Ratio | Latency):
            return None
        width = trigger.window
        if since is not None:
            width = min(width, end - since - _SCRAPES_OF_A_START * scrape)
        if width < trigger.block:
            return None
        selectors, ready = self._counted(kind)
        query = promql.grouped(
            selectors, label, width=width, scrape=scrape, ready=ready
        )
        answer = self.instant(query, end)
        if isinstance(answer, Blind):
            return answer
        counted: dict[str, dict[str, float]] = {"bad": {}, "all": {}}
        for labels, value in answer:
            if math.isfinite(value):
                counted[labels["part"]][labels.get(label, "")] = value
        bad = counted["bad"]
        counts = {name: (bad.get(name, 0.0), n) for name, n in counted["all"].items()}
        if before is None or before[0] >= before[1]:
            return Groups(counts)
        selector = (
            kind.must_be_there if isinstance(kind, Ratio) else promql.every_bucket(kind)
        )
        begin, until = before
        naming = promql.groups_of(selector, label, until - begin)

        def read() -> frozenset[str]:
            named = self.instant(naming, until)
            if isinstance(named, Blind):
                raise NotSeen(named.cause, named.words, named.hint)
            return frozenset(labels.get(label, "") for labels, _ in named)

        were = self._once((naming, until), read, keep=until <= at - scrape)
        return Groups(counts, frozenset() if isinstance(were, Blind) else were)

    def _once(
        self, key: tuple[object, ...], read: Callable[[], _Kept], *, keep: bool
    ) -> _Kept | Blind:
        """Read what does not change any more, and keep it; a failure is not kept.

        It is only not asked again at once: a question that times out would make
        every turn late.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                kept: _Kept = self._kept[key]
                return kept
            failed_at, failure = self._failed.get(key, (0.0, None))
        if failure and time.monotonic() < failed_at + _REST * self._seconds:
            return failure
        try:
            found = read()
        except NotSeen as refusal:
            blind = refusal.blind
            with self._lock:
                # Only the newest start is asked about, so these are few.
                if len(self._failed) >= _MOST_KEPT:
                    self._failed.clear()
                self._failed[key] = (time.monotonic(), blind)
            return blind
        with self._lock:
            self._failed.pop(key, None)
            if keep:
                self._kept[key] = found
                while len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
        return found

    def _points(self, ask: Ask) -> Samples:
        """Ask, and sort the samples: (look, milliseconds) to the parts there."""
        try:
            return self._range(ask, in_places)
        except NoNumber as error:
            raise NotSeen(Cause.NONSENSE, self._no_number(error)) from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise NotSeen(Cause.REJECTED, self._other_shape(error)) from error

    def _range(self, ask: Ask, take: Callable[[Any], _Kept]) -> _Kept:
        reach = (ask.points - 1) * ask.step
        # The client rounds the start: begin earlier, on the grid and on a second.
        while reach % _SECOND:
            reach += ask.step
        return self._server.range(ask.query, ask.end - reach, ask.end, ask.step, take)

    def _no_number(self, error: Exception) -> str:
        return f"{self._server.shown} answered with nonsense: {error}"

    def _other_shape(self, error: Exception) -> str:
        shown = self._server.shown
        return f"{shown} answered in a shape that nobody asked for: {error}"

    def _need_bucket(self, kind: Latency, plan: _Plan) -> None:
        """Tell a bound that is no bucket from a histogram that is not there."""
        query, name = promql.any_bucket(kind, self._scrape_interval)
        if self._points(replace(plan.asks[0], query=query)):
            bound = promql.plain(kind.bound)
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


def _parts(
    kind: Ratio | Latency | Queue, *, native: bool = False
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
        case Queue(enqueued=enqueued, drained=drained):
            return {"in": enqueued, "out": drained}, {}
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)


def _moment(answer: Any) -> datetime:
    _, seconds = list(answer)
    return EPOCH + timedelta(seconds=time_of(number_of(seconds)))


def _series(answer: Any) -> list[tuple[dict[str, str], float]]:
    return [
        (dict(labels_of(series["metric"])), number_of(series["value"][1]))
        for series in answer
    ]


def _is_not_now(seen: object) -> bool:
    """Tell whether the server did not answer in time: asking more is no use."""
    return isinstance(seen, Blind) and seen.cause in _NOT_NOW


def _floor(at: datetime, grid: timedelta) -> datetime:
    return EPOCH + (at - EPOCH) // grid * grid
