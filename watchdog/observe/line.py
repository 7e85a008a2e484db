"""One thread's client of Prometheus, and the socket that its deadline may cut."""

import math
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus

import requests
import urllib3
from prometheus_api_client import PrometheusConnect
from requests.adapters import HTTPAdapter
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from watchdog.observe.access import Shown

_NOTHING = Shown({}, ())
# The questions of a turn are those of the turn before; each may be some KiB long.
_MOST_KEPT = 64


@dataclass(slots=True)
class Line:
    """One thread's client, and the socket that its deadline may cut.

    *last* is until when this thread may ask, by the monotonic clock, and *until* when
    its question under way must be over; *is_alone* while it takes a large answer apart.
    *asked* is what the request about to be sent asks, as it stands in its address.
    """

    client: PrometheusConnect
    session: "Session"
    wire: socket.socket | None = None
    is_late: bool = False
    last: float = math.inf
    until: float = math.inf
    is_alone: bool = False
    shown: Shown = _NOTHING
    stamp: object = None
    asked: str = ""

    def taken(self, address: str) -> str:
        """Give the *address* with what is asked."""
        return f"{address}?{self.asked}" if self.asked else address

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
class Lines(threading.local):
    """Each thread's own line, once it has asked."""

    line: Line | None = field(default=None)


class Session(requests.Session):
    """A session that prepares a request once: each question has the same but its words.

    They are written into the address when it is sent: a question of 8 KiB would be
    quoted four times on its way down, character by character. *take* is given each
    answer before anybody else. What follows redirects is left out, with the settings
    that would be merged anew each time: it was half of what a question cost.
    """

    line: Line

    def __init__(self, take: Callable[[requests.Response], None]) -> None:
        super().__init__()
        # The sidecar's proxy and .netrc are not for the metrics.
        self.trust_env = False
        self._take = take
        self._prepared: dict[tuple[str, str], requests.PreparedRequest] = {}

    def shows(self, headers: Mapping[str, str]) -> None:
        """Have each question from now on show *headers*."""
        own: CaseInsensitiveDict[str | bytes] = CaseInsensitiveDict()
        own.update(requests.utils.default_headers())
        # A compressed bomb would pass the bound on bytes.
        own["Accept-Encoding"] = "identity"
        own.update(headers)
        self.headers = own
        self._prepared.clear()

    def request(
        self,
        method: str | bytes,
        url: str | bytes,
        params: Any = None,
        *_: Any,
        timeout: Any = None,
        **__: Any,
    ) -> requests.Response:
        """Ask *params* of *url*; all else is as the session has it."""
        self.line.asked = "&".join(
            f"{_quoted(name)}={_quoted(str(value))}"
            for name, value in (params or {}).items()
        )
        key = str(method), str(url)
        ready = self._prepared.get(key)
        if ready is None:
            ready = self.prepare_request(requests.Request(*key))
            self._prepared[key] = ready
        response = self.get_adapter(key[1]).send(ready, stream=True, timeout=timeout)
        self._take(response)
        if "Set-Cookie" in response.headers:
            # Who balances loads by it leads us to the same server again.
            extract_cookies_to_jar(  # type: ignore[no-untyped-call]
                self.cookies, ready, response.raw
            )
            self._prepared.clear()
        return response


@lru_cache(maxsize=_MOST_KEPT)
def _quoted(text: str) -> str:
    return quote_plus(text)


class Cuttable(HTTPAdapter):
    """An adapter that shows the socket of the request under way to its line."""

    def __init__(self, line: Line, context: ssl.SSLContext | None) -> None:
        self._shown_to = line
        self._context = context
        self._pool: Any = None
        super().__init__(max_retries=urllib3.Retry(0, redirect=False, read=False))

    def get_connection_with_tls_context(self, *args: Any, **more: Any) -> Any:
        """Give the pool: there is one, since one server is asked."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **more)
        return self._pool

    def close(self) -> None:
        """Give the connections back."""
        self._pool = None
        super().close()

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave the checks to our context: its CA alone is trusted."""
        if self._context is None:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make connections that show their sockets."""
        if self._context is not None:
            kwargs["ssl_context"] = self._context
        super().init_poolmanager(*args, **kwargs)
        line = self._shown_to

        class Plain(HTTPConnection):
            def request(self, method: str, url: str, *rest: Any, **more: Any) -> None:
                super().request(method, line.taken(url), *rest, **more)

            def getresponse(self) -> Any:
                line.show(self.sock)
                return super().getresponse()

        class Encrypted(HTTPSConnection):
            def request(self, method: str, url: str, *rest: Any, **more: Any) -> None:
                super().request(method, line.taken(url), *rest, **more)

            def getresponse(self) -> Any:
                line.show(self.sock)
                return super().getresponse()

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class EncryptedPool(HTTPSConnectionPool):
            ConnectionCls = Encrypted

        pools = {"http": PlainPool, "https": EncryptedPool}
        self.poolmanager.pool_classes_by_scheme = pools
