"""One question to Prometheus at a time, within its time and its size.

The client library waits for as long as bytes drip: a deadline cuts the socket under it.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException

from watchdog.config.notation import Said
from watchdog.facts.reading import Cause
from watchdog.observe.access import OPEN, Access, refused, unencrypted
from watchdog.observe.deadlines import Deadlines
from watchdog.observe.envelope import NotSeen, opened
from watchdog.observe.line import Cuttable, Line, Lines, Session
from watchdog.observe.numbers import duration
from watchdog.outside.innermost import innermost

# Twelve times the answer of a grouped query over 1,000 tenants (164 KiB). Read, parsed
# and sorted it takes up to 24 times as much memory: the whole watch then has 154 MiB
# (measured), and the container 256.
MOST_BYTES = 2 * 1024 * 1024
# Of larger answers one is taken apart at a time, whatever the number of threads.
_SMALL = 128 * 1024
# Other backends answer in part unless they are told not to; Prometheus ignores it.
_WHOLE_ONLY = {"partial_response": "false", "deny_partial_response": "1"}
_FILE = "put the file back; it is read again at the next question"
NOT_ASKED = "not asked: the turn's time was used up"
_LEFT_ALONE = 60.0  # s
_LEAST = 0.02  # s; with less left no question is begun


_Taken = TypeVar("_Taken")


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
        self._lines = Lines()
        self._deadlines = Deadlines()
        self._open: list[Line] = []
        self._lock = threading.Lock()
        self._alone = threading.Lock()
        self._left_alone: dict[str, float] = {}

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
                    step=duration(step),
                    params=self._parameters(),
                ),
            )
        )

    def told(self, path: str, parameters: Mapping[str, str]) -> Any:
        """Ask for what Prometheus knows of itself: the ``data`` under *path*.

        A proxy before it may answer queries alone, and let all else hang: what does
        not answer in half of the time is left alone for a while.
        """
        now, half = time.monotonic(), self._seconds / 2
        if now < self._left_alone.get(path, now):
            words = f"{self.shown} did not answer {path} a moment ago"
            raise NotSeen(Cause.TIMEOUT, words)

        def ask(line: Line) -> Callable[[], Any]:
            answer = line.session.get(
                f"{self.url}{path}", params=parameters, timeout=self._seconds
            )
            return lambda: answer.json().get("data")

        try:
            with self.until(now + half):
                return self.asked(ask)
        except NotSeen as refusal:
            if time.monotonic() < now + half or refusal.cause is not Cause.TIMEOUT:
                raise
            self._left_alone[path] = time.monotonic() + _LEFT_ALONE
            words = f"{self.shown} did not answer {path} within {half:g} s"
            raise NotSeen(Cause.TIMEOUT, words) from refusal

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
        return {"timeout": duration(self._timeout), **_WHOLE_ONLY}

    def asked(self, ask: Callable[[Line], Callable[[], _Taken]]) -> _Taken:
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
        try:
            with self._deadlines.at(line.until, line.cut):
                return self._answer(line, ask)()
        finally:
            line.wire = None
            if line.is_alone:
                line.is_alone = False
                self._alone.release()

    def _answer(
        self, line: Line, ask: Callable[[Line], Callable[[], _Taken]]
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
            words = f"{self.shown} did not answer: {why or innermost(error)}"
            raise NotSeen(Cause.UNREACHABLE, words, hint) from error

    def _admit(self, line: Line) -> None:
        """Let this question show what the files hold now."""
        session = line.session
        try:
            shown = self._access.shown(self.url)
            if shown != line.shown:
                session.shows(shown.headers)
                line.shown = shown
            stamp = self._access.stamp()
            if stamp != line.stamp:
                adapter = Cuttable(line, self._access.context())
                session.get_adapter(self.url).close()
                session.mount(self.url, adapter)
                line.stamp = stamp
        except Said as said:
            raise NotSeen(Cause.UNREACHABLE, said.words, said.hint or _FILE) from None

    def _late(self) -> NotSeen:
        within = duration(self._timeout)
        return NotSeen(Cause.TIMEOUT, f"{self.shown} did not answer within {within}")

    def _line(self) -> Line:
        """Give this thread its own client: a session is not for two threads."""
        if self._lines.line is None:
            session = Session(self._whole_answer)
            session.shows({})
            # A quarter to connect: then there is time left to hear the answer.
            timeout = (self._seconds / 4, self._seconds)
            line = Line(
                PrometheusConnect(
                    url=self.url,
                    retry=urllib3.Retry(0, redirect=False),
                    session=session,
                    timeout=timeout,
                ),
                session,
            )
            session.line = line
            with self._lock:
                self._open.append(line)
            self._lines.line = line
        return self._lines.line

    def _whole_answer(self, response: requests.Response) -> None:
        """Read the body and its envelope before the client drops what it says."""
        body = self._bounded(response)
        if len(body) > _SMALL:
            self._wait_for_room()
        envelope = opened(response, body, self.shown, self._unwelcome)
        # The client would parse it once more, for as much memory again.
        response.json = lambda **_: envelope  # type: ignore[method-assign]

    def _unwelcome(self, status: int, wants: str, text: str) -> str:
        return refused(self._access, self.url, status, wants, text)

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
        why = innermost(error)
        return NotSeen(Cause.PARTIAL, f"{self.shown}: the answer broke off: {why}")


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
