"""One question to Prometheus at a time, within its time and its size.

The client library keeps the result only, and waits for as long as bytes drip: so the
envelope is read before it, and a deadline cuts the socket under it.
"""

import json
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from watchdog.config.notation import Said
from watchdog.facts.reading import Blind, Cause
from watchdog.observe import promql
from watchdog.observe.access import OPEN, Access, Shown, refused, unencrypted

# Twelve times the answer of a grouped query over 1,000 tenants (164 KiB). Read, parsed
# and sorted it takes up to 24 times as much memory: the whole watch then has 154 MiB
# (measured), and the container 256.
MOST_BYTES = 2 * 1024 * 1024
# Of larger answers one is taken apart at a time, whatever the number of threads.
_SMALL = 128 * 1024
# Other backends answer in part unless they are told not to; Prometheus ignores it.
_WHOLE_ONLY = {"partial_response": "false", "deny_partial_response": "1"}
_MOVED = (
    "write in `prometheus.url` the address that answers itself: a redirect is not "
    "followed, and a page to log in is none"
)
_PREFIX = "is the path before /api/v1 in `prometheus.url`, and is it Prometheus there?"
_ANOTHER = "is it Prometheus that answers at `prometheus.url`, or a page to log in?"
_FILE = "put the file back; it is read again at the next question"
NOT_ASKED = "not asked: the turn's time was used up"
_LEAST = 0.02  # s; with less left no question is begun
# PromQL's own words about a query are no sign that half of the data is missing.
_INFO, _OF_THE_QUERY = "PromQL info", "PromQL warning"
_TIMED_OUT = frozenset({"timeout", "canceled"})


_NOTHING = Shown({}, ())
_Taken = TypeVar("_Taken")


class NotSeen(Exception):
    """A blind reading on its way out through the library."""

    def __init__(self, cause: Cause, words: str, hint: str = "") -> None:
        super().__init__(words)
        self.cause = cause
        self.words = words
        self.hint = hint

    @property
    def blind(self) -> Blind:
        """Give the reading that it is."""
        return Blind(self.cause, self.words, self.hint)


@dataclass(slots=True)
class _Line:
    """One thread's client, and the socket that its deadline may cut.

    *last* is until when this thread may ask, by the monotonic clock, and *until* when
    its question under way must be over; *is_alone* while it takes a large answer apart.
    """

    client: PrometheusConnect
    session: requests.Session
    wire: socket.socket | None = None
    is_late: bool = False
    last: float = math.inf
    until: float = math.inf
    is_alone: bool = False
    shown: Shown = _NOTHING
    stamp: object = None

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


@dataclass  # without slots: those would be one for all threads
class _Lines(threading.local):
    line: _Line | None = field(default=None)


class Server:
    """One Prometheus server; each thread that asks has a client of its own.

    *url*, *timeout* and *access* as for ``Prometheus``; *shown* is the URL without a
    password. Every failure is ``NotSeen``, with its cause.
    """

    def __init__(self, url: str, timeout: timedelta, access: Access = OPEN) -> None:
        self.url = url.rstrip("/")
        self._access = access
        self.shown = _without_password(self.url)
        self._timeout = timeout
        self._lines = _Lines()
        self._open: list[_Line] = []
        self._lock = threading.Lock()
        self._alone = threading.Lock()

    @contextmanager
    def until(self, last: float) -> Iterator[None]:
        """Let this thread ask until *last*, by the monotonic clock, and no longer."""
        line = self._line()
        before, line.last = line.last, min(last, line.last)
        try:
            yield
        finally:
            line.last = before

    def query(
        self, text: str, at: datetime | None, take: Callable[[Any], _Taken]
    ) -> _Taken:
        """Ask for one instant: *at*, or the server's own now; *take* what it says.

        Both are one: a large answer is taken apart while no other is.
        """
        parameters = self._parameters()
        if at is not None:
            parameters |= {"time": f"{at.timestamp():.3f}"}
        return self.asked(
            lambda line: partial(
                take, line.client.custom_query(text, params=parameters)
            )
        )

    def range(
        self,
        text: str,
        start: datetime,
        end: datetime,
        step: timedelta,
        take: Callable[[Any], _Taken],
    ) -> _Taken:
        """Ask for a stretch; the client rounds both its ends to whole seconds."""
        return self.asked(
            lambda line: partial(
                take,
                line.client.custom_query_range(
                    text,
                    start_time=start,
                    end_time=end,
                    step=promql.duration(step),
                    params=self._parameters(),
                ),
            )
        )

    def told(self, path: str, parameters: Mapping[str, str]) -> Any:
        """Ask for what Prometheus knows of itself: the ``data`` under *path*."""

        def ask(line: _Line) -> Callable[[], Any]:
            answer = line.session.get(
                f"{self.url}{path}", params=parameters, timeout=self._seconds
            )
            return lambda: answer.json().get("data")

        return self.asked(ask)

    def close(self) -> None:
        """Give back every connection."""
        with self._lock:
            lines, self._open = self._open, []
        for line in lines:
            line.session.close()

    @property
    def _seconds(self) -> float:
        return self._timeout.total_seconds()

    def _parameters(self) -> dict[str, str]:
        return {"timeout": promql.duration(self._timeout), **_WHOLE_ONLY}

    def asked(self, ask: Callable[[_Line], Callable[[], _Taken]]) -> _Taken:
        """Ask once, with a deadline on the whole, and name what went wrong.

        *ask* gives what takes its answer; what that raises is the asker's.

        The socket's own timeout starts again at every byte, so a far end that
        drips would hold a thread for ever: at the deadline its socket is cut.
        """
        line = self._line()
        now = time.monotonic()
        if line.last - now < _LEAST:
            raise NotSeen(Cause.TIMEOUT, NOT_ASKED)
        line.is_late = False
        line.until = min(now + self._seconds, line.last)
        deadline = threading.Timer(line.until - now, line.cut)
        deadline.daemon = True
        deadline.start()
        try:
            return self._answer(line, ask)()
        finally:
            deadline.cancel()
            line.wire = None
            if line.is_alone:
                line.is_alone = False
                self._alone.release()

    def _answer(
        self, line: _Line, ask: Callable[[_Line], Callable[[], _Taken]]
    ) -> Callable[[], _Taken]:
        try:
            self._admit(line)
            return ask(line)
        except NotSeen as refusal:
            if line.is_late:
                raise self._late() from refusal
            # What answers may repeat what it was shown; the first refusal would too.
            words = line.shown.without_secrets(refusal.words)
            raise NotSeen(refusal.cause, words, refusal.hint) from None
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
            host = urlsplit(self.url).hostname or ""
            why, hint = unencrypted(error, self._access, host)
            words = f"{self.shown} did not answer: {why or _innermost(error)}"
            raise NotSeen(Cause.UNREACHABLE, words, hint) from error

    def _admit(self, line: _Line) -> None:
        """Let this question show what the files hold now."""
        session = line.session
        try:
            line.shown = self._access.shown(self.url)
            stamp = self._access.stamp()
            if stamp != line.stamp:
                adapter = _Cuttable(line, self._access.context())
                session.get_adapter(self.url).close()
                session.mount(self.url, adapter)
                line.stamp = stamp
        except Said as said:
            raise NotSeen(Cause.UNREACHABLE, said.words, said.hint or _FILE) from None
        headers = requests.utils.default_headers()
        # A compressed bomb would pass the bound on bytes.
        headers["Accept-Encoding"] = "identity"
        headers.update(line.shown.headers)
        session.headers = headers  # type: ignore[assignment]

    def _late(self) -> NotSeen:
        within = promql.duration(self._timeout)
        return NotSeen(Cause.TIMEOUT, f"{self.shown} did not answer within {within}")

    def _line(self) -> _Line:
        """Give this thread its own client: a session is not for two threads."""
        if self._lines.line is None:
            session = requests.Session()
            # The sidecar's proxy and .netrc are not for the metrics.
            session.trust_env = False
            session.hooks["response"].append(self._whole_answer)
            # A quarter to connect: then there is time left to hear the answer.
            timeout = (self._seconds / 4, self._seconds)
            line = _Line(
                PrometheusConnect(
                    url=self.url,
                    retry=urllib3.Retry(0, redirect=False),
                    session=session,
                    timeout=timeout,
                ),
                session,
            )
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
        where = f"{self.shown} answered HTTP {response.status_code}"
        if len(body) > _SMALL:
            self._wait_for_room()
        try:
            envelope = json.loads(body)
        except ValueError:
            envelope = None
        except RecursionError as error:
            words = f"{where}, nested too deep to be read"
            raise NotSeen(Cause.NONSENSE, words) from error
        if response.status_code != 200:
            raise self._refusal(where, response, envelope, body)
        if not isinstance(envelope, dict):
            text = _excerpt(body)
            broke_off = body.lstrip()[:1] == b"{"
            if broke_off:
                raise NotSeen(Cause.PARTIAL, f"{where}, but it broke off: {text}")
            words = f"{where}, but not as JSON: {text}"
            raise NotSeen(Cause.REJECTED, words, _ANOTHER)
        if envelope.get("status") != "success":
            raise self._refusal(where, response, envelope, body)
        if envelope.get("isPartial"):
            raise NotSeen(Cause.PARTIAL, f"{where}, but only in part (isPartial)")
        warnings = envelope.get("warnings") or []
        said = [one for one in warnings if not str(one).startswith(_INFO)]
        if said and all(str(one).startswith(_OF_THE_QUERY) for one in said):
            words = (
                f"{self.shown} warns of the query: {'; '.join(map(str, said))[:300]}"
            )
            raise NotSeen(Cause.NONSENSE, words)
        if said:
            words = f"{where} with warnings: {json.dumps(warnings)[:300]}"
            raise NotSeen(Cause.PARTIAL, words)
        data = envelope.get("data")
        kind = data.get("resultType") if isinstance(data, dict) else None
        if "/api/v1/query" not in str(response.url):
            response.json = lambda **_: envelope  # type: ignore[method-assign]
            return
        ranged = "query_range" in str(response.url)
        meant = ("matrix",) if ranged else ("scalar", "vector")
        if kind not in meant:
            words = f"{where} with resultType {kind}, not {' or '.join(meant)}"
            raise NotSeen(Cause.REJECTED, words)
        # The client would parse it once more, for as much memory again.
        response.json = lambda **_: envelope  # type: ignore[method-assign]

    def _refusal(
        self, where: str, response: requests.Response, envelope: Any, body: bytes
    ) -> NotSeen:
        """Name an error in Prometheus' own words if it sent any."""
        kind, text = "", _excerpt(body)
        is_prometheus = isinstance(envelope, dict) and "error" in envelope
        if is_prometheus:
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
        wants = response.headers.get("WWW-Authenticate", "")
        hint = refused(self._access, self.url, status, wants, text)
        if response.is_redirect:
            said = f"sent elsewhere, to {response.headers['location'][:200]}"
            hint = _MOVED
        elif "HTTP request to an HTTPS server" in text:
            hint = "write `https://` in `prometheus.url`"
        elif status == 404 and not is_prometheus:
            hint = _PREFIX
        return NotSeen(cause, f"{where}: {said}" if said else where, hint)

    def _wait_for_room(self) -> None:
        """Take large answers apart one at a time, as long as there is time."""
        line = self._line()
        left = max(0.0, line.until - time.monotonic())
        if not self._alone.acquire(timeout=left):
            raise self._late()
        line.is_alone = True

    def _bounded(self, response: requests.Response) -> bytes:
        """Read the body, up to 2 MiB of it."""
        body = bytearray()
        try:
            for piece in response.iter_content(64 * 1024):
                body += piece
                if len(body) > MOST_BYTES:
                    words = (
                        f"{self.shown} answered more than {MOST_BYTES} bytes: narrow "
                        "the selectors, or add labels up in the expression"
                    )
                    raise NotSeen(Cause.REJECTED, words)
        except requests.ConnectionError as error:
            if "timed out" in str(error).lower():
                raise self._late() from error
            raise self._broken(error) from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise self._broken(error) from error
        finally:
            response.close()
        # As `Response.content` would have left it, had it read the body.
        response._content = whole = bytes(body)  # noqa: SLF001
        return whole

    def _broken(self, error: Exception) -> NotSeen:
        why = _innermost(error)
        return NotSeen(Cause.PARTIAL, f"{self.shown}: the answer broke off: {why}")


class _Cuttable(HTTPAdapter):
    """An adapter that shows the socket of the request under way to its line."""

    def __init__(self, line: _Line, context: ssl.SSLContext | None) -> None:
        self._shown_to = line
        self._context = context
        super().__init__(max_retries=urllib3.Retry(0, redirect=False, read=False))

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave the checks to our context: its CA alone is trusted."""
        if self._context is None:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._context is not None:
            kwargs["ssl_context"] = self._context
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
