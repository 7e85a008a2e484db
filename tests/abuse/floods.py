"""Floods of connections: each holds as many as it can, in its own bad manner."""

import asyncio
import base64
import contextlib
import itertools
import os
import random
import selectors
import socket
import threading
import time
from collections import Counter

from tests.abuse.door import PATH

GET = b"GET /openapi.json HTTP/1.1\r\nhost: watchdog\r\n\r\n"
OLD = b"GET /openapi.json HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"
HEAD = (
    f"POST {PATH} HTTP/1.1\r\nhost: watchdog\r\n"
    "content-type: application/json\r\ncontent-length: 9000\r\n\r\n"
).encode()


class Held:
    """One connection of a flood: what it sends at first, again, and whether it reads.

    *first* is sent at once, *again* at every look; *reads* bytes are read at a look.
    *ends*: it says that nothing more comes from it, and stays.
    """

    first = b""
    again = b""
    reads = 0
    ends = False


class Silent(Held):
    pass


class NotReading(Held):
    """Asks for a page many times over and never reads."""

    first = GET * 50


class Pipelining(Held):
    """Asks and asks on one connection, and reads a little."""

    first = GET * 5
    again = GET
    reads = 64


class DrippingReader(Held):
    first = GET
    reads = 1


class DrippingWriter(Held):
    first = HEAD
    again = b" "


class DrippingHead(Held):
    first = b"GET /openapi.json HTTP/1.1\r\nhost: watchdog\r\n"
    again = b"x: y\r\n"


class HalfClosed(Held):
    """Says that no more comes, before it has said what it wants."""

    first = HEAD + b"{"
    ends = True


class HalfClosedAsking(Held):
    """Says that no more comes, once it has asked, and never reads."""

    first = GET * 20
    ends = True


class KeepAlive(Held):
    """Speaks HTTP/1.0, and wants to be kept."""

    first = OLD
    again = OLD
    reads = 100


class Callers:
    """So many callers who never stop: each sends a forged answer, reads, and again.

    *hosts* are those that they come from, each time another. A forged signature is one
    that looks right: it costs as much to find out as a good one.
    """

    def __init__(self, port, hosts, count=300):
        self.port = port
        self.hosts = itertools.cycle(hosts)
        self.count = count
        self.answered = Counter()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self):
        self._begun = threading.Event()
        self._thread.start()
        self._begun.wait(60)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(60)

    async def _run(self):
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        callers = [asyncio.ensure_future(self._call()) for _ in range(self.count)]
        await self._over.wait()
        for one in callers:
            one.cancel()
        await asyncio.gather(*callers, return_exceptions=True)

    async def _call(self):
        while True:
            with contextlib.suppress(OSError):
                to_and_from = await asyncio.open_connection(
                    "127.0.0.1", self.port, local_addr=(next(self.hosts), 0)
                )
                with contextlib.closing(to_and_from[1]):
                    to_and_from[1].write(_forged())
                    status = (await to_and_from[0].read(-1))[9:12].decode()
                    self.answered[status] += 1
            # By then those of the listener's own limit are used up.
            if self.answered.total() >= self.count:
                self._begun.set()


def _forged():
    seal = base64.b64encode(os.urandom(63) + bytes([random.randrange(16)])).decode()
    lines = HEAD.decode().replace("9000", "200").rstrip().split("\r\n")
    lines += [
        f"webhook-id: msg_{os.urandom(8).hex()}",
        f"webhook-timestamp: {int(time.time())}",
        f"webhook-signature: v1a,{seal}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + b" " * 200


KINDS = (
    Silent,
    NotReading,
    Pipelining,
    DrippingReader,
    DrippingWriter,
    DrippingHead,
    HalfClosed,
    HalfClosedAsking,
    KeepAlive,
)


class Flood:
    """Holds *most* connections from each of *hosts*; one that ends comes again.

    It is as full as it gets in *filling* seconds: whose door is crowded lets fewer in.
    """

    filling = 10

    def __init__(self, port, kind, hosts, most=100):
        self.port = port
        self.kind = kind
        self.hosts = hosts
        self.most = most
        self.made = 0
        self.full = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        self.full.wait(self.filling)
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(60)

    def _run(self):
        held = {host: [] for host in self.hosts}
        try:
            while not self._over.wait(0.05):
                for host, those in held.items():
                    those[:] = [one for one in those if self._goes_on(one)]
                    lacks = self.most - len(those)
                    # Not faster than this: it is to hold places, not to burn them.
                    for _ in range(min(lacks, 10) if self.full.is_set() else lacks):
                        if self._over.is_set():
                            return
                        those.append(self._opened(host))
                self.full.set()
        finally:
            self.full.set()
            for one in (one for those in held.values() for one in those):
                one.close()

    def _opened(self, host):
        made = socket.socket()
        # So little room of its own that what is not read stays with the server.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        made.settimeout(1)
        made.bind((host, 0))
        with contextlib.suppress(OSError):
            made.connect(("127.0.0.1", self.port))
            made.setblocking(False)
            made.send(self.kind.first or b"")
            if self.kind.ends:
                made.shutdown(socket.SHUT_WR)
        self.made += 1
        return made

    def _goes_on(self, made):
        """Do what it does; False once the server has hung up."""
        try:
            if self.kind.again:
                with contextlib.suppress(BlockingIOError):
                    made.send(self.kind.again)
            with contextlib.suppress(BlockingIOError):
                if self.kind.reads and not made.recv(self.kind.reads):
                    raise ConnectionResetError
        except OSError:
            made.close()
            return False
        if self._is_cut(made):
            made.close()
            return False
        return True

    def _is_cut(self, made):
        with selectors.PollSelector() as found:
            found.register(made, selectors.EVENT_READ)
            if not found.select(0):
                return False
        try:
            return made.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
