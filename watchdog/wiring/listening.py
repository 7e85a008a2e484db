"""How we listen: uvicorn, held to short patience, and never a reason to stop the watch.

Source: uvicorn 0.54's h11 protocol, which has no limit of its own on how long a
request may take to come in.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import struct
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from typing import Any, ClassVar

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from watchdog.approve.limit import network_of
from watchdog.config.sections.listen import Address
from watchdog.facts.problem import Problem
from watchdog.wiring.doorway import (
    ALWAYS,
    App,
    Crashed,
    Doorway,
    Message,
    Receive,
    Scope,
    Send,
    problem,
)

# A decision has half a kilobyte: who takes longer than this for one is no approver,
# and so is who takes longer to read what they asked for, once it is written.
_WHOLE_REQUEST = 10.0
_WHOLE_ANSWER = 10.0
# Our own share is in it: a page may wait for Prometheus.
_WHOLE_EXCHANGE = 60.0
_MOST = 256  # connections to one listener
_MOST_LOOKING = 32  # of them who are being answered to a question
# So many are taken in before those that came are heard: a burst must not push out who
# has just come. Those that wait in the kernel meanwhile.
_AT_ONCE, _QUEUE = 4, 512
_LARGEST_HEADERS = 8 * 1024
# How an answer without an end is known, and noted of its request.
_STREAM, _FOLLOWS = b"text/event-stream; charset=utf-8", "watchdog.follows"
_AT_AN_END = struct.pack("ii", 1, 0)
_ENDS = (h11.DONE, h11.MUST_CLOSE, h11.CLOSED, h11.ERROR)
# Told to stop: seconds for what is being answered.
_GRACE = 3
# After a listener failed: seconds until it is opened again, at the most.
_LONGEST_PAUSE = 30.0

# They would write in no format of ours; what crashes is told otherwise.
logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)
logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)

_NOT_HTTP = problem(400, "malformed", "the request is not HTTP with one meaning")
# A person's browser asks again by itself.
_AGAIN = {"retry-after": "1", "refresh": "2"}
_BUSY = problem(503, "busy", "too many ask at once; ask again", _AGAIN)


class Places:
    """Who is connected to one listener, first come first.

    Nobody is turned away for coming late: when all places are taken, the newest gets
    the one of whoever needs theirs least, in the network that has most of them. That
    is who does not read their answer, then who has not said what they want, the oldest
    first. Who is being answered keeps theirs.
    """

    def __init__(self) -> None:
        self._held: dict[Exchange, None] = {}
        self.looking = 0

    def take(self, newest: "Exchange") -> bool:
        """Find a place for *newest*; False when all others are being answered."""
        if len(self._held) >= _MOST:
            by = Counter(one.network for one in self._held)
            least = min(
                (one for one in self._held if one.stalled or not one.is_in),
                key=lambda one: (-by[one.network], not one.stalled),
                default=None,
            )
            if least is None:
                return False
            self.leave(least)
            least.cut()
        self._held[newest] = None
        return True

    def leave(self, one: "Exchange") -> None:
        """Give a place back."""
        self._held.pop(one, None)


class Exchange(H11Protocol):
    """One connection: one request and its answer, in a time that has an end.

    It is cut off when the request takes too long to come in whole, when the answer
    takes too long to be read, and when both take too long together.
    """

    _places: ClassVar[Places]
    _late: asyncio.TimerHandle | None = None
    network = ""
    is_in = False
    stalled = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to count the time."""
        super().connection_made(transport)
        self.network = network_of(self.client[0] if self.client else "")
        # Without room of its own the transport says at once that a peer does not read.
        transport.set_write_buffer_limits(high=0)
        self._within(_WHOLE_REQUEST)
        if not self._places.take(self):
            self.cut()

    @property
    def follows(self) -> bool:
        """True while an answer goes on that has no end of its own to wait for."""
        return self.scope is not None and bool(self.scope.get(_FOLLOWS))

    def shutdown(self) -> None:
        """End with the server: who follows is told by the end, and begins again."""
        super().shutdown()
        if self.follows:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._places.leave(self)
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what came; with the request's last byte its answer is waited for."""
        super().data_received(data)
        if not self.is_in and self.conn.their_state in _ENDS:
            self.is_in = True
            if not self.stalled:
                self._within(_WHOLE_EXCHANGE)

    def pause_writing(self) -> None:
        """Note that the peer does not read; reading a little later changes nothing."""
        super().pause_writing()
        if not self.stalled:
            self.stalled = True
            self._within(_WHOLE_ANSWER)

    def cut(self) -> None:
        """End it, whatever is not said yet; the kernel keeps none of it either."""
        made = self.transport.get_extra_info("socket")
        if made is not None:
            with contextlib.suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_AN_END)
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, as whatever else is refused."""
        del msg
        if self.cycle is not None and not self.cycle.response_complete:
            # Nobody hears what is still said of the request that broke off.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        body = _NOT_HTTP.body
        headers = [(b"connection", b"close"), *ALWAYS, *_NOT_HTTP.raw_headers]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(body)),
            h11.EndOfMessage(),
        ):
            with contextlib.suppress(h11.LocalProtocolError):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _within(self, seconds: float) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late = self.loop.call_later(seconds, self._too_late, seconds)

    def _too_late(self, seconds: float) -> None:
        if self.follows and not self.stalled:
            self._within(seconds)
        else:
            self.cut()


def guarded(app: App, crashed: Crashed, places: Places) -> App:
    """Answer each connection once, and let lookers leave room for who decides."""
    inner = Doorway(app, crashed=crashed)

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        looks = 0

        async def last(message: Message) -> None:
            nonlocal looks
            if message["type"] == "http.response.start":
                if (b"content-type", _STREAM) in message["headers"]:
                    # Who follows has a place of their own, and no end to wait for.
                    scope[_FOLLOWS] = True
                    places.looking -= looks
                    looks = 0
                # What follows on the connection would be held by who reads no answer.
                headers = [h for h in message["headers"] if h[0] != b"connection"]
                headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
            await send(message)

        if scope["type"] != "http" or scope["method"] == "POST":
            await inner(scope, receive, last)
            return
        if places.looking >= _MOST_LOOKING:
            await Doorway(_BUSY)(scope, receive, last)
            return
        looks = 1
        places.looking += looks
        try:
            await inner(scope, receive, last)
        finally:
            places.looking -= looks

    return guard


class _Server(uvicorn.Server):
    """A server that leaves signals to us: there are several in one process."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin; asyncio takes one number for how many wait and are taken at once."""
        await super().startup(sockets)
        for one in sockets or ():
            one.listen(_QUEUE)

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
    apps: Sequence[tuple[App, socket.socket]],
    failed: Callable[[str], None],
    crashed: Crashed = lambda *_: None,
) -> None:
    """Serve each app on its socket until told to stop by SIGTERM or SIGINT.

    A server that fails is told to *failed* and begun again, which is told by no
    words: the watch goes on, and the other doors stay open. *crashed* hears what is
    raised in a request, which is answered with a 500.
    """
    asyncio.run(_serve(apps, failed, crashed))


async def _serve(
    apps: Sequence[tuple[App, socket.socket]],
    failed: Callable[[str], None],
    crashed: Crashed,
) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def unforeseen(_: asyncio.AbstractEventLoop, what: dict[str, Any]) -> None:
        crashed("a connection", what.get("exception") or Problem(what["message"]))

    loop.set_exception_handler(unforeseen)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    async with asyncio.TaskGroup() as group:
        for app, at in apps:
            group.create_task(_kept_up(app, at, over, failed, crashed))


async def _kept_up(
    app: App,
    at: socket.socket,
    over: asyncio.Event,
    failed: Callable[[str], None],
    crashed: Crashed,
) -> None:
    pause = 1.0
    while not over.is_set():
        # Each try has a copy: a server closes its socket when it ends.
        server = _Server(_config(app, crashed))
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


def _config(app: App, crashed: Crashed) -> uvicorn.Config:
    places = Places()
    return uvicorn.Config(
        guarded(app, crashed, places),
        # Each server counts its own peers: one that is full leaves the others open.
        http=type("Exchange", (Exchange,), {"_places": places}),
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        backlog=_AT_ONCE,
        h11_max_incomplete_event_size=2 * _LARGEST_HEADERS,
        timeout_graceful_shutdown=_GRACE,
    )
