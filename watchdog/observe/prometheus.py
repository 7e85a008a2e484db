"""Asks Prometheus for the counts of a trigger; a failed ask is a blind reading.

Source: Prometheus HTTP API, ``GET /api/v1/query_range`` and ``GET /api/v1/query``.
"""

import json
import math
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDone
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, TypeVar, assert_never
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from watchdog.facts.reading import (
    Before,
    Blind,
    Block,
    Cause,
    Groups,
    Look,
    Measured,
    Outside,
    Reading,
)
from watchdog.facts.trigger import Latency, Queue, Ratio, RatioQuery, Trigger, Value
from watchdog.observe import promql

_EPOCH = datetime.fromtimestamp(0, UTC)
_SECOND = timedelta(seconds=1)
_MILLISECOND = timedelta(milliseconds=1)

# Ten times the answer of a grouped query over 1,000 tenants, and then as much
# again: a larger one is not an answer to anything that is asked here.
_MOST_BYTES = 64 * 1024 * 1024
# Prometheus refuses more than 11,000 points a series.
_MOST_POINTS = 10_000
# Four at once: a fifth only waits behind Prometheus' own limit, and costs memory.
_MOST_AT_ONCE = 4
# Other backends answer in part unless they are told not to; Prometheus ignores it.
_WHOLE_ONLY = {"partial_response": "false", "deny_partial_response": "1"}

_TIMED_OUT = frozenset({"timeout", "canceled"})
_OVER = "over"

# A start, and the deploy that led to it, takes two scrapes on either side: neither
# belongs to what ran before.
_SCRAPES_OF_A_START = 2
_MINUTE = timedelta(minutes=1)
_LAST = timedelta(minutes=10)
# Fewer blocks than this are made shorter than a minute.
_FEW_BLOCKS = 10
# The time before a start does not change. Triggers times starts, and then some.
_MOST_KEPT = 256
# A question about the past that failed is asked again after so many timeouts:
# each costs a turn the time of one.
_REST = 5
_NOT_NOW = frozenset({Cause.UNREACHABLE, Cause.TIMEOUT})


# (look, milliseconds) to the parts that were answered there; under the look "over",
# to the series of a value that are past its bound.
_Samples: TypeAlias = dict[tuple[str, int], dict[str, float]]


_Kept = TypeVar("_Kept")


class _NotSeen(Exception):
    """A blind reading on its way out through the library."""

    def __init__(self, cause: Cause, words: str) -> None:
        super().__init__(words)
        self.cause = cause
        self.words = words


@dataclass(frozen=True, slots=True)
class _Ask:
    """One range query: *points* of them, *step* apart, the last at *end*."""

    query: str
    end: datetime
    step: timedelta
    points: int


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the samples of one look stand: in which answer, under which label.

    An ``offset`` brings older samples to the times of the newest look; *moved* is
    by how much.
    """

    end: datetime
    answer: int = 0
    label: str = "0"
    moved: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is asked for one trigger: looks, newest first, of *blocks* each."""

    asks: tuple[_Ask, ...]
    looks: tuple[_Place, ...]
    blocks: int


@dataclass(frozen=True, slots=True)
class _Gap:
    """Missing blocks of one look, from *first* to *last*, and those beside them."""

    look: int
    first: int
    last: int
    beside: tuple[Block, Block]

    @property
    def blocks(self) -> int:
        """How many blocks are missing, and one on either side."""
        return self.last - self.first + 3

    @property
    def until(self) -> datetime:
        """The end of the measured block after the gap."""
        return self.beside[1].end


@dataclass(slots=True)
class _Line:
    """One thread's client, and the socket that its deadline may cut."""

    client: PrometheusConnect
    session: requests.Session
    wire: socket.socket | None = None
    is_late: bool = False

    def show(self, wire: socket.socket | None) -> None:
        """Take the socket of the request under way; it may be too late already."""
        self.wire = wire
        if self.is_late:
            raise TimeoutError

    def cut(self) -> None:
        """End whatever the request waits for."""
        self.is_late = True
        if self.wire is not None:
            with suppress(OSError):  # the far end, or our own reader, was first
                # Of the plain socket: the encrypted one would say goodbye first.
                socket.socket.shutdown(self.wire, socket.SHUT_RDWR)


@dataclass(slots=True)
class _Lines(threading.local):
    line: _Line | None = field(default=None)


class Prometheus:
    """One Prometheus server, asked by up to four threads at once.

    *url* as a browser would have it, with a path prefix if there is one.
    *timeout* bounds one request as a whole: connecting, waiting and reading.
    *scrape_interval* is how far apart the samples are; *poll* the grid on which
    readings are taken, whole seconds.

    No method raises because the far end failed; every failure is ``Blind``.
    """

    def __init__(
        self,
        url: str,
        timeout: timedelta,
        scrape_interval: timedelta,
        poll: timedelta,
    ) -> None:
        self._url = url.rstrip("/")
        self._shown = _without_password(self._url)
        self._timeout = timeout
        self._scrape_interval = scrape_interval
        # The client rounds both ends of a range to whole seconds.
        self._poll = max(_SECOND, -(-poll // _SECOND) * _SECOND)
        self._lines = _Lines()
        self._open: list[_Line] = []
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[object, ...], Any] = OrderedDict()
        self._failed: dict[tuple[object, ...], tuple[float, Blind]] = {}
        self._pool = ThreadPoolExecutor(_MOST_AT_ONCE, "prometheus")

    def now(self) -> datetime | Blind:
        """Give the server's own time: ages and releases are measured in it."""
        try:
            answer = self._guarded(
                lambda line: line.client.custom_query(
                    "time()", params=self._parameters()
                )
            )
            return _EPOCH + timedelta(seconds=float(answer[1]))
        except _NotSeen as refusal:
            return Blind(refusal.cause, refusal.words)
        except (LookupError, TypeError, ValueError, OverflowError):
            words = f"{self._shown} answered `time()` with something else"
            return Blind(Cause.REJECTED, words)

    def instant(
        self, query: str, at: datetime
    ) -> list[tuple[dict[str, str], float]] | Blind:
        """Ask for one instant: each series' labels and value; empty without any."""
        parameters = self._parameters() | {"time": f"{at.timestamp():.3f}"}
        try:
            answer = self._guarded(
                lambda line: line.client.custom_query(query, params=parameters)
            )
            return [
                (dict(series["metric"]), float(series["value"][1])) for series in answer
            ]
        except _NotSeen as refusal:
            return Blind(refusal.cause, refusal.words)
        except (LookupError, TypeError, ValueError):
            words = f"{self._shown} answered `{query}` with something else"
            return Blind(Cause.REJECTED, words)

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
            plan = self._plan(trigger, at)
            answers = [self._points(ask) for ask in plan.asks]
            if isinstance(trigger.kind, Latency) and not any(answers):
                self._need_bucket(trigger.kind, plan)
            looks = tuple(
                _look(place, answers[place.answer], plan.asks[0].step, plan.blocks)
                for place in plan.looks
            )
            looks = self._bridged(trigger, looks)
        except _NotSeen as refusal:
            return Blind(refusal.cause, refusal.words)
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
    ) -> dict[str, Reading]:
        """Read every trigger, by name, a few at once; none waits for ever.

        *since*, *before_from* and *compare* as for ``read``.
        """
        rounds = -(-len(triggers) // _MOST_AT_ONCE)
        # A trigger may need several asks; whoever is later than this is hung in
        # something that no socket deadline reaches, such as a name server.
        asks = max((trigger.confirm_polls for trigger in triggers), default=1)
        last = time.monotonic() + (rounds * (asks + 3)) * self._seconds + 1
        under_way: dict[str, Future[Reading]] = {
            trigger.name: self._pool.submit(
                self.read, trigger, at, since, before_from, compare=compare
            )
            for trigger in triggers
        }
        readings: dict[str, Reading] = {}
        for name, future in under_way.items():
            try:
                readings[name] = future.result(max(0.0, last - time.monotonic()))
            except NotDone:
                future.cancel()
                words = f"{self._shown} gave no answer in time; the ask was abandoned"
                readings[name] = Blind(Cause.TIMEOUT, words)
        return readings

    def close(self) -> None:
        """Give back every connection and thread; asks under way are dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            lines, self._open = self._open, []
        for line in lines:
            line.session.close()

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
                tuple(_Ask(query, end, width, blocks) for end in ends),
                tuple(_Place(end, answer=n) for n, end in enumerate(ends)),
                blocks,
            )
        selectors, ready = _parts(trigger.kind)
        if isinstance(trigger.kind, Queue):
            blocks += 1
            ready = {"floor": promql.floor(trigger.kind.depth, width)}
        offsets = [ends[0] - end for end in ends]
        counting = promql.counts(
            selectors, width=width, scrape=scrape, offsets=offsets, ready=ready
        )
        places = tuple(
            _Place(end, label=str(number), moved=offset)
            for number, (end, offset) in enumerate(zip(ends, offsets, strict=True))
        )
        return _Plan((_Ask(counting, ends[0], width, blocks),), places, blocks)

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
        ask = _Ask(promql.joined(terms), ends[0], step, points + more)
        return _Plan((ask,), tuple(map(_Place, ends)), points)

    def _bridged(self, trigger: Trigger, looks: tuple[Look, ...]) -> tuple[Look, ...]:
        """Ask what the counters grew by in the gaps of the looks, if there are any.

        Over the gap and a block on either side, less those two blocks.
        """
        kind, width = trigger.kind, trigger.block
        if isinstance(kind, Queue | Value):
            return looks
        gaps = [gap for n, look in enumerate(looks) for gap in _gaps(n, look)]
        if not gaps:
            return looks
        found: list[dict[datetime, Mapping[str, float]]] = [{} for _ in looks]
        for gap, whole in zip(gaps, self._around(kind, width, gaps), strict=True):
            if "all" in whole:
                end = looks[gap.look].blocks[gap.last].end
                found[gap.look][end] = {
                    part: max(
                        0.0,
                        whole.get(part, 0.0)
                        - sum(block.parts.get(part, 0.0) for block in gap.beside),
                    )
                    for part in ("bad", "all")
                }
        return tuple(
            replace(look, gaps=own) for look, own in zip(looks, found, strict=True)
        )

    def _around(
        self, kind: Ratio | RatioQuery | Latency, width: timedelta, gaps: list[_Gap]
    ) -> list[Mapping[str, float]]:
        """Count over each gap with the blocks beside it, in one request."""
        scrape = self._scrape_interval
        if isinstance(kind, RatioQuery):
            queries = [
                promql.finished_counts(kind, gap.blocks * width, scrape) for gap in gaps
            ]
            return [
                self._points(_Ask(query, gap.until, width, 1)).get(
                    ("0", _millis(gap.until)), {}
                )
                for query, gap in zip(queries, gaps, strict=True)
            ]
        selectors, ready = _parts(kind)
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
        answer = self._points(_Ask(query, newest, width, 1))
        places = ((str(number), _millis(newest)) for number in range(len(gaps)))
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
            width, span = least, min(span, _LAST)
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
                selectors, ready = _parts(kind)
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
        ask = _Ask(query, until, width, points)
        return self._once(
            (query, begin, until),
            lambda: _summed(trigger, ask, self._points(ask)),
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
        ask = _Ask(f"\n{trigger.unless}\n", _floor(at, self._poll), step, points)
        try:
            held = [
                float(moment)
                for one in self._range(ask)
                for moment, text in one["values"]
                # What is no number is not known to be harmless.
                if is_filter or float(text) != 0
            ]
        except _NotSeen as refusal:
            return Blind(refusal.cause, refusal.words)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            return Blind(Cause.REJECTED, self._other_shape(error))
        return Outside(_EPOCH + max(held) * _SECOND if held else None)

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
        selectors, ready = _parts(kind)
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
        selector = kind.total if isinstance(kind, Ratio) else promql.every_bucket(kind)
        begin, until = before
        naming = promql.groups_of(selector, label, until - begin)

        def read() -> frozenset[str]:
            named = self.instant(naming, until)
            if isinstance(named, Blind):
                raise _NotSeen(named.cause, named.words)
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
        except _NotSeen as refusal:
            blind = Blind(refusal.cause, refusal.words)
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

    def _points(self, ask: _Ask) -> _Samples:
        """Ask, and sort the samples: (look, milliseconds) to the parts there."""
        series = self._range(ask)
        try:
            return _sorted(series)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise _NotSeen(Cause.REJECTED, self._other_shape(error)) from error

    def _range(self, ask: _Ask) -> Any:
        reach = (ask.points - 1) * ask.step
        # The client rounds the start: begin earlier, on the grid and on a second.
        while reach % _SECOND:
            reach += ask.step
        return self._guarded(
            lambda line: line.client.custom_query_range(
                ask.query,
                start_time=ask.end - reach,
                end_time=ask.end,
                step=promql.duration(ask.step),
                params=self._parameters(),
            )
        )

    def _other_shape(self, error: Exception) -> str:
        return f"{self._shown} answered in a shape that nobody asked for: {error}"

    def _need_bucket(self, kind: Latency, plan: _Plan) -> None:
        """Tell a bound that is no bucket from a histogram that is not there."""
        query, name = promql.any_bucket(kind, self._scrape_interval)
        if self._points(replace(plan.asks[0], query=query)):
            over = promql.seconds(kind.over)
            words = (
                f'{name} has no bucket le="{over}": `over` must be a bucket\'s bound'
            )
            raise _NotSeen(Cause.NO_SERIES, words)

    @property
    def _seconds(self) -> float:
        return self._timeout.total_seconds()

    def _parameters(self) -> dict[str, str]:
        return {"timeout": promql.duration(self._timeout), **_WHOLE_ONLY}

    def _guarded(self, ask: Callable[[_Line], Any]) -> Any:
        """Ask once, with a deadline on the whole, and name what went wrong.

        The socket's own timeout starts again at every byte, so a far end that
        drips would hold a thread for ever: at the deadline its socket is cut.
        """
        line = self._line()
        line.is_late = False
        deadline = threading.Timer(self._seconds, line.cut)
        deadline.daemon = True
        deadline.start()
        try:
            return ask(line)
        except _NotSeen as refusal:
            if line.is_late:
                raise self._late() from refusal
            raise
        except requests.Timeout as error:
            raise self._late() from error
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            PrometheusApiClientException,
            OSError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            if line.is_late:
                raise self._late() from error
            words = f"{self._shown} did not answer: {_innermost(error)}"
            raise _NotSeen(Cause.UNREACHABLE, words) from error
        finally:
            deadline.cancel()
            line.wire = None

    def _late(self) -> _NotSeen:
        within = promql.duration(self._timeout)
        return _NotSeen(Cause.TIMEOUT, f"{self._shown} did not answer within {within}")

    def _line(self) -> _Line:
        """Give this thread its own client: a session is not for two threads."""
        if self._lines.line is None:
            session = requests.Session()
            # The sidecar's proxy and .netrc are not for the metrics.
            session.trust_env = False
            # A compressed bomb would pass the bound on bytes.
            session.headers["Accept-Encoding"] = "identity"
            session.hooks["response"].append(self._whole_answer)
            # A quarter to connect: then there is time left to hear the answer.
            timeout = (self._seconds / 4, self._seconds)
            line = _Line(
                PrometheusConnect(
                    url=self._url,
                    retry=urllib3.Retry(0, redirect=False),
                    session=session,
                    timeout=timeout,
                ),
                session,
            )
            # After the client, which mounts an adapter of its own at this place.
            session.mount(self._url, _Cuttable(line))
            with self._lock:
                self._open.append(line)
            self._lines.line = line
        return self._lines.line

    def _whole_answer(self, response: requests.Response, **_: Any) -> None:
        """Read the body and its envelope before the client drops what it says.

        The client keeps ``data.result`` only: half an answer, a warning and an
        error would all look like "no such series".
        """
        body = self._bounded(response)
        where = f"{self._shown} answered HTTP {response.status_code}"
        try:
            envelope = json.loads(body)
        except ValueError:
            envelope = None
        if response.status_code != 200:
            raise _refusal(where, response, envelope, body)
        if not isinstance(envelope, dict):
            text = _excerpt(body)
            broke_off = body.lstrip()[:1] == b"{"
            if broke_off:
                raise _NotSeen(Cause.PARTIAL, f"{where}, but it broke off: {text}")
            raise _NotSeen(Cause.REJECTED, f"{where}, but not as JSON: {text}")
        if envelope.get("status") != "success":
            raise _refusal(where, response, envelope, body)
        if envelope.get("isPartial"):
            raise _NotSeen(Cause.PARTIAL, f"{where}, but only in part (isPartial)")
        if warnings := envelope.get("warnings"):
            words = f"{where} with warnings: {json.dumps(warnings)[:300]}"
            raise _NotSeen(Cause.PARTIAL, words)
        data = envelope.get("data")
        kind = data.get("resultType") if isinstance(data, dict) else None
        ranged = "query_range" in str(response.url)
        meant = ("matrix",) if ranged else ("scalar", "vector")
        if kind not in meant:
            words = f"{where} with resultType {kind}, not {' or '.join(meant)}"
            raise _NotSeen(Cause.REJECTED, words)

    def _bounded(self, response: requests.Response) -> bytes:
        """Read the body, up to 64 MiB of it."""
        body = bytearray()
        try:
            for piece in response.iter_content(64 * 1024):
                body += piece
                if len(body) > _MOST_BYTES:
                    words = f"{self._shown} answered more than {_MOST_BYTES} bytes"
                    raise _NotSeen(Cause.REJECTED, words)
        except requests.ConnectionError as error:
            if "timed out" in str(error).lower():
                raise self._late() from error
            raise self._broken(error) from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise self._broken(error) from error
        finally:
            response.close()
        # As `Response.content` would have left it, had it read the body.
        response._content = bytes(body)  # noqa: SLF001
        return bytes(body)

    def _broken(self, error: Exception) -> _NotSeen:
        why = _innermost(error)
        return _NotSeen(Cause.PARTIAL, f"{self._shown}: the answer broke off: {why}")


class _Cuttable(HTTPAdapter):
    """An adapter that shows the socket of the request under way to its line."""

    def __init__(self, line: _Line) -> None:
        self._shown_to = line
        super().__init__(max_retries=urllib3.Retry(0, redirect=False, read=False))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        line = self._shown_to

        class Plain(HTTPConnection):
            def getresponse(self) -> Any:
                line.show(self.sock)
                return super().getresponse()

        class Encrypted(HTTPSConnection):
            def getresponse(self) -> Any:
                line.show(self.sock)
                return super().getresponse()

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class EncryptedPool(HTTPSConnectionPool):
            ConnectionCls = Encrypted

        pools = {"http": PlainPool, "https": EncryptedPool}
        self.poolmanager.pool_classes_by_scheme = pools


def _refusal(
    where: str, response: requests.Response, envelope: Any, body: bytes
) -> _NotSeen:
    """Name an error in Prometheus' own words if it sent any."""
    kind, text = "", _excerpt(body)
    if isinstance(envelope, dict) and "error" in envelope:
        kind = str(envelope.get("errorType", ""))
        text = str(envelope["error"])[:300]
    status = response.status_code
    if kind in _TIMED_OUT or status in {408, 504}:
        cause = Cause.TIMEOUT
    elif status >= 500 or status == 429:
        cause = Cause.UNREACHABLE
    else:
        cause = Cause.REJECTED
    said = f"{kind}: {text}" if kind else text
    if response.is_redirect:
        said = f"sent elsewhere, to {response.headers['location'][:200]}"
    return _NotSeen(cause, f"{where}: {said}" if said else where)


def _look(place: _Place, answer: _Samples, step: timedelta, blocks: int) -> Look:
    ends = [place.end - back * step for back in reversed(range(blocks))]
    return Look(
        place.end,
        tuple(
            Block(
                end,
                answer.get((place.label, _millis(end + place.moved)), {}),
                answer.get((_OVER, _millis(end + place.moved)), {}),
            )
            for end in ends
        ),
    )


def _sorted(series: Any) -> _Samples:
    points: _Samples = {}
    sums: set[tuple[str, int]] = set()
    for one in series:
        labels: Mapping[str, str] = one["metric"]
        part, look = labels["part"], labels.get("look", "0")
        if part == "past":
            look, part = _OVER, _name(labels)
        for moment, text in one["values"]:
            place, value = (look, round(float(moment) * 1000)), float(text)
            if look == _OVER and not math.isfinite(value):
                continue
            if part == "sum":
                # A sum is not a number as soon as one of its series is not;
                # max and min would pass that series over.
                if value != value:  # noqa: PLR0124 - the one that is not itself
                    sums.add(place)
                continue
            parts = points.setdefault(place, {})
            if part in parts:
                raise ValueError(f'"{part}" came twice for one moment')
            parts[part] = value
    for place in sums:
        points[place] = {"worst": float("nan")}
    return points


def _name(labels: Mapping[str, str]) -> str:
    """Write a series as a query would select it: ``up{job="dms"}``."""
    own = sorted(labels.keys() - {"__name__", "part", "look"})
    inner = ",".join(f"{key}={json.dumps(labels[key])}" for key in own)
    return labels.get("__name__", "") + (f"{{{inner}}}" if inner else "")


def _parts(
    kind: Ratio | Latency | Queue,
) -> tuple[dict[str, str], dict[str, promql.Part]]:
    """Name what is counted: plain selectors, and parts that write themselves."""
    match kind:
        case Ratio(errors=errors, total=total):
            return {"bad": errors, "all": total}, {}
        case Latency():
            slow, every = promql.slow_and_all(kind)
            return {}, {"bad": slow, "all": every}
        case Queue(enqueued=enqueued, drained=drained):
            return {"in": enqueued, "out": drained}, {}
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)


def _gaps(number: int, look: Look) -> Iterator[_Gap]:
    """Find the gaps of a look that have a measured block on either side."""
    before: int | None = None
    for place, block in enumerate(look.blocks):
        if not block.parts:
            continue
        if before is not None and place - before > 1:
            beside = (look.blocks[before], block)
            yield _Gap(number, before + 1, place - 1, beside)
        before = place


def _summed(trigger: Trigger, ask: _Ask, samples: _Samples) -> Before:
    """Add up the blocks of the time before; one that lacks a part is left out."""
    ends = [ask.end - back * ask.step for back in reversed(range(ask.points))]
    found = [(end, samples.get(("0", _millis(end)), {})) for end in ends]
    begin = ask.end - ask.points * ask.step
    lately = [parts for end, parts in found if end > ask.end - _LAST]
    if isinstance(trigger.kind, Value):
        pick = max if trigger.below is None else min
        values = [parts["worst"] for parts in lately if "worst" in parts]
        finite = [value for value in values if math.isfinite(value)]
        worst = {"worst": pick(finite)} if finite else {}
        return Before(begin, ask.end, worst, worst)
    needed = {"in", "out"} if isinstance(trigger.kind, Queue) else {"all"}
    sound = [parts for _, parts in found if needed <= parts.keys()]
    recent = [parts for parts in lately if needed <= parts.keys()]
    minutes: tuple[float, ...] = ()
    if ask.step >= _MINUTE and "all" in needed:
        minutes = tuple(parts.get("bad", 0.0) for parts in sound)
    whole, last = _total(sound, ask.step), _total(recent, ask.step)
    return Before(begin, ask.end, whole, last, minutes)


def _total(blocks: Sequence[Mapping[str, float]], step: timedelta) -> dict[str, float]:
    if not blocks:
        return {}
    total = {"seconds": len(blocks) * step.total_seconds()}
    for parts in blocks:
        for name, value in parts.items():
            total[name] = total.get(name, 0.0) + value
    return total


def _is_not_now(seen: object) -> bool:
    """Tell whether the server did not answer in time: asking more is no use."""
    return isinstance(seen, Blind) and seen.cause in _NOT_NOW


def _floor(at: datetime, grid: timedelta) -> datetime:
    return _EPOCH + (at - _EPOCH) // grid * grid


def _millis(at: datetime) -> int:
    return round((at - _EPOCH) / _MILLISECOND)


def _excerpt(body: bytes) -> str:
    return " ".join(body[:200].decode("utf-8", "replace").split())


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _innermost(error: BaseException) -> str:
    """Give the operating system's words, without the library's five wrappers."""
    seen: BaseException | None = error
    words = type(error).__name__
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror.lower()
        if isinstance(seen, urllib3.exceptions.ProtocolError):
            words = str(seen.args[0]).lower()
        seen = seen.__cause__ or seen.__context__
    return words
