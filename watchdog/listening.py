"""How we listen: uvicorn, held to short patience, and never a reason to stop the watch.

Source: uvicorn 0.54's h11 protocol, which has no limit of its own on how long a
request may take to come in.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from typing import Any, ClassVar

import h11
import uvicorn
from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol

from watchdog.facts.problem import Problem
from watchdog.settings import Address

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# A decision has half a kilobyte: who takes longer than this for one is no approver.
_WHOLE_REQUEST = 10.0
_MOST_A_PEER, _MOST = 16, 64
_LARGEST_HEADERS, _MOST_HEADERS = 8 * 1024, 64
# After a listener failed: seconds until it is opened again, at the most.
_LONGEST_PAUSE = 30.0

# It would write of every malformed request, in no format of ours.
logging.getLogger("uvicorn").setLevel(logging.ERROR)


class Deadline(H11Protocol):
    """One connection, cut off when a request takes too long to come in whole.

    A peer that holds too many connections gets no further one, so that others are
    still served. Who comes by a Unix socket is on this box, and is not counted.
    """

    _peers: ClassVar[Counter[str]]
    _late: asyncio.TimerHandle | None = None
    _peer = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to count the time."""
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        if host and self._peers[host] >= _MOST_A_PEER:
            transport.abort()
            return
        if host:
            self._peer = host
            self._peers[host] += 1
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the peer's connection."""
        self._disarm()
        if self._peer:
            self._peers[self._peer] -= 1
            if not self._peers[self._peer]:
                del self._peers[self._peer]
            self._peer = ""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what came; the time ends with the request's last byte."""
        super().data_received(data)
        if self.conn.their_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED, h11.ERROR):
            self._disarm()
        elif self._late is None:
            self._arm()

    def _arm(self) -> None:
        self._late = self.loop.call_later(_WHOLE_REQUEST, self._cut)

    def _disarm(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _cut(self) -> None:
        self._late = None
        self.transport.abort()


def guarded(app: App) -> App:
    """Refuse what no client of ours sends, before anything looks at it."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope.get("headers") or ()
        names = [name for name, _ in headers]
        refusal = 0
        size = sum(len(name) + len(value) for name, value in headers)
        if size > _LARGEST_HEADERS or len(names) > _MOST_HEADERS:
            refusal = 431
        elif b"content-length" in names and b"transfer-encoding" in names:
            refusal = 400  # two lengths: whoever stands before us may see another end
        if scope["type"] != "http" or not refusal:
            # Who hangs up while they send hears nothing, and is no fault of ours.
            with contextlib.suppress(ClientDisconnect):
                await app(scope, receive, send)
            return
        close = [(b"connection", b"close"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": refusal, "headers": close})
        await send({"type": "http.response.body", "body": b""})

    return guard


class _Server(uvicorn.Server):
    """A server that leaves signals to us: there are several in one process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def bound(address: Address) -> socket.socket:
    """Bind *address*, so that a port in use is known before anything runs.

    Raises:
        Problem: it cannot be bound.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # With its protocol named, asyncio sends small answers at once.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((address.host, address.port))
    except OSError as error:
        found.close()
        raise Problem(
            f"cannot listen on {address}: {error.strerror}",
            "choose another address under `listen`, or stop what listens there",
        ) from error
    return found


def listen(
    apps: list[tuple[App, socket.socket]], failed: Callable[[str], None]
) -> None:
    """Serve each app on its socket until told to stop by SIGTERM or SIGINT.

    A server that fails is told to *failed* and begun again, which is told by no
    words: the watch goes on, and the other doors stay open.
    """
    asyncio.run(_serve(apps, failed))


async def _serve(
    apps: list[tuple[App, socket.socket]], failed: Callable[[str], None]
) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    async with asyncio.TaskGroup() as group:
        for app, at in apps:
            group.create_task(_kept_up(app, at, over, failed))


async def _kept_up(
    app: App, at: socket.socket, over: asyncio.Event, failed: Callable[[str], None]
) -> None:
    pause = 1.0
    while not over.is_set():
        # Each try has a copy: a server closes its socket when it ends.
        server = _Server(_config(app))
        serving = asyncio.ensure_future(server.serve(sockets=[at.dup()]))
        stopping = asyncio.ensure_future(over.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        try:
            await serving
            why = "it ended by itself"
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, the watch goes on
            why = f"{type(error).__name__}: {error}"
        stopping.cancel()
        if not over.is_set():
            failed(why)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            failed("")
    at.close()


def _config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        guarded(app),
        # Each server counts its own peers: one that is full leaves the others open.
        http=type("Deadline", (Deadline,), {"_peers": Counter()}),
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MOST,
        backlog=_MOST,
        h11_max_incomplete_event_size=2 * _LARGEST_HEADERS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=3,
    )
