"""One request over HTTP: one deadline on all of it, and 64 KiB of the answer.

The client's own timeout starts again at every byte, so a far end that drips would
hold whoever asks for ever. Here the request has a thread of its own, and at the
deadline its socket is cut; nobody waits for it any longer than that.
"""

import os
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

from watchdog.facts.problem import Problem

MOST_BODY = 64 * 1024  # bytes of an answer; more is not read


class NoAnswer(Exception):
    """There was no whole answer; the words say why."""


@dataclass(frozen=True, slots=True)
class Said:
    """What was answered: the status, and the body or its first 64 KiB."""

    status: int
    body: bytes
    is_whole: bool
    headers: Mapping[str, str]


def get(url: str, seconds: float) -> Said:
    """Ask once; no redirect is followed, and nothing is unpacked.

    Connecting, the headers and the body have *seconds* together. Raises NoAnswer,
    and nothing else.
    """
    return _answer(_Asking("GET", url, seconds))


def post(url: str, seconds: float, body: bytes, headers: Mapping[str, str]) -> Said:
    """Post *body* once, as ``get`` asks."""
    return _answer(_Asking("POST", url, seconds, body, headers))


def _answer(asking: "_Asking") -> Said:
    seconds = asking.seconds
    threading.Thread(target=asking.ask, name="question", daemon=True).start()
    if not asking.ended.wait(seconds):
        asking.cut()
        raise NoAnswer(f"no whole answer within {seconds:g} s")
    if asking.said is None:
        raise NoAnswer(asking.why)
    return asking.said


@dataclass(slots=True)
class _Asking:
    """One question under way, and the socket that its deadline may cut."""

    method: str
    url: str
    seconds: float
    sent: bytes | None = None
    headers: Mapping[str, str] | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    said: Said | None = None
    why: str = ""
    _wire: socket.socket | None = None
    _is_late: bool = False

    def ask(self) -> None:
        try:
            self.said = self._ask()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
            self.why = f"{type(error).__name__}: {error}" if str(error) else ""
            if isinstance(error, httpx.HTTPError):
                self.why = str(error)
            self.why = self.why or type(error).__name__
        finally:
            self.ended.set()

    def _ask(self) -> Said:
        body = bytearray()
        with _client().stream(
            self.method,
            self.url,
            content=self.sent,
            headers=self.headers,
            timeout=self.seconds,
            extensions={"trace": self._seen},
        ) as response:
            for part in response.iter_raw():
                body += part
                if len(body) > MOST_BODY:
                    break
        return Said(
            response.status_code,
            bytes(body[:MOST_BODY]),
            len(body) <= MOST_BODY,
            response.headers,
        )

    def _seen(self, event: str, about: Mapping[str, Any]) -> None:
        """Take the socket as soon as there is one; it may be too late already."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._wire = wire = about["return_value"].get_extra_info("socket")
            # Only here: raised while the library hangs up, it would keep the socket.
            if self._is_late:
                wire.close()
                raise httpx.ReadTimeout("its time is over")

    def cut(self) -> None:
        self._is_late = True
        if self._wire is not None:
            with suppress(OSError):  # the far end, or our own reader, was first
                # Of the plain socket: the encrypted one would say goodbye first.
                socket.socket.shutdown(self._wire, socket.SHUT_RDWR)


def trusted() -> ssl.SSLContext:
    """Trust the public authorities, and those that SSL_CERT_FILE or _DIR name.

    Raises:
        Problem: one of these cannot be read.
    """
    found = httpx.create_ssl_context(trust_env=False)
    for name, kind in (("SSL_CERT_FILE", "cafile"), ("SSL_CERT_DIR", "capath")):
        path = os.environ.get(name)
        if path:
            try:
                found.load_verify_locations(**{kind: path})
            except (OSError, ssl.SSLError) as error:
                words = f"{name} is {path}, which holds no certificate: {error}"
                raise Problem(words) from error
    return found


@cache
def _client() -> httpx.Client:
    """Make the client once: loading the certificates alone takes 30 ms.

    No connection is kept: what answers now must not be what answered before. A
    packed answer is not asked for, and one that comes is taken as it is: it could
    unpack to any size.
    """
    return httpx.Client(
        verify=trusted(),
        trust_env=False,
        headers={"Accept-Encoding": "identity"},
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    )
