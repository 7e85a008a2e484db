"""Asks Prometheus for the counts of a trigger; a failed ask is a blind reading.

Source: Prometheus HTTP API, ``GET /api/v1/query_range`` and ``GET /api/v1/query``.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDone
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, assert_never
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from watchdog.facts.reading import Blind, Block, Cause, Look, Measured, Reading
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


# (look, milliseconds) to the parts that were answered there.
_Samples: TypeAlias = dict[tuple[str, int], dict[str, float]]


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

    def read(self, trigger: Trigger, at: datetime) -> Reading:
        """Read what *trigger* counts, as of the last whole poll before *at*.

        One scrape interval is left out at the end: its samples may be under way.
        A part that the server did not answer is missing from its block.
        """
        try:
            plan = self._plan(trigger, at)
            answers = [self._points(ask) for ask in plan.asks]
            if isinstance(trigger.kind, Latency) and not any(answers):
                self._need_bucket(trigger.kind, plan)
        except _NotSeen as refusal:
            return Blind(refusal.cause, refusal.words)
        looks = tuple(
            _look(place, answers[place.answer], plan.asks[0].step, plan.blocks)
            for place in plan.looks
        )
        return Measured(looks, tuple(dict.fromkeys(ask.query for ask in plan.asks)))

    def read_all(self, triggers: Sequence[Trigger], at: datetime) -> dict[str, Reading]:
        """Read every trigger, by name, a few at once; none waits for ever."""
        rounds = -(-len(triggers) // _MOST_AT_ONCE)
        # A trigger may need several asks; whoever is later than this is hung in
        # something that no socket deadline reaches, such as a name server.
        asks = max((trigger.confirm_polls for trigger in triggers), default=1)
        last = time.monotonic() + (rounds * (asks + 1)) * self._seconds + 1
        under_way: dict[str, Future[Reading]] = {
            trigger.name: self._pool.submit(self.read, trigger, at)
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
        selectors: dict[str, str] = {}
        ready: dict[str, promql.Part] = {}
        match trigger.kind:
            case Value(expr=expr):
                return self._value_plan(trigger, expr, at)
            case RatioQuery() as ratio:
                query = promql.finished_counts(ratio, width, scrape)
                ends = self._ends(trigger, at, self._poll)
                return _Plan(
                    tuple(_Ask(query, end, width, blocks) for end in ends),
                    tuple(_Place(end, answer=n) for n, end in enumerate(ends)),
                    blocks,
                )
            case Ratio(errors=errors, total=total):
                selectors = {"bad": errors, "all": total}
            case Latency() as latency:
                slow, every = promql.slow_and_all(latency)
                ready = {"bad": slow, "all": every}
            case Queue(depth=depth, enqueued=enqueued, drained=drained):
                blocks += 1
                selectors = {"in": enqueued, "out": drained}
                ready = {"floor": promql.floor(depth, width)}
            case _ as unreachable:  # pragma: no cover
                assert_never(unreachable)
        ends = self._ends(trigger, at, self._poll)
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
        query = promql.worst(
            expr, highest=trigger.below is None, scrape=self._scrape_interval
        )
        ask = _Ask(query, ends[0], step, points + more)
        return _Plan((ask,), tuple(map(_Place, ends)), points)

    def _points(self, ask: _Ask) -> _Samples:
        """Ask, and sort the samples: (look, milliseconds) to the parts there."""
        reach = (ask.points - 1) * ask.step
        # The client rounds the start: begin earlier, on the grid and on a second.
        while reach % _SECOND:
            reach += ask.step
        series = self._guarded(
            lambda line: line.client.custom_query_range(
                ask.query,
                start_time=ask.end - reach,
                end_time=ask.end,
                step=promql.duration(ask.step),
                params=self._parameters(),
            )
        )
        try:
            return _sorted(series)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            words = f"{self._shown} answered in a shape that nobody asked for: {error}"
            raise _NotSeen(Cause.REJECTED, words) from error

    def _need_bucket(self, kind: Latency, plan: _Plan) -> None:
        """Tell a bound that is no bucket from a histogram that is not there."""
        query, name = promql.any_bucket(kind)
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
            Block(end, answer.get((place.label, _millis(end + place.moved)), {}))
            for end in ends
        ),
    )


def _sorted(series: Any) -> _Samples:
    points: _Samples = {}
    sums: set[tuple[str, int]] = set()
    for one in series:
        labels: Mapping[str, str] = one["metric"]
        part, look = labels["part"], labels.get("look", "0")
        for moment, text in one["values"]:
            place, value = (look, round(float(moment) * 1000)), float(text)
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
