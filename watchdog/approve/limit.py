"""How many signatures of one address may fail before its next ones must wait.

A failure is cheap to send and dear to find: each key is tried. So who fails often is
looked at slowly; who signs well is taken, whatever others at the same address do.
"""

import asyncio
import math
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.requests import Request

from watchdog.approve.reply import Reply, no
from watchdog.sign.delivery import Unauthorized

# Of one core, for looks at those who wait; and the seconds of it in one go. A flood has
# no more, however large it is, and the less a look costs, the more of those in it are
# looked at. What counts is processor time: a busy machine adds nothing to it.
# So many may wait, and so many of one address, so that nobody waits long.
_SHARE, _IN_ONE_GO = 0.5, 0.02
_MOST_WAITING, _MOST_OF_ONE = 64, 48
# All addresses together: with many at hand, each one's own limit stops nobody.
_EVERYBODY, _ALL = "*", 10
_MOST_PEERS = 1024
# Each waits for the disk most of its time.
_THREADS = 8
# So long without a failure over the limit, and it is said to be over.
_QUIET = 600.0


class Limit:
    """Counts failed signatures in buckets that refill, one for each address.

    Each look takes one, and a good signature puts it back: so no more than that are
    looked at together, also for callers who hang up at once. Past *a_minute*, what
    comes from there waits for its turn in one line, first come, first served; then it
    is looked at like any other. Nobody is shut out: an address may be a whole office's.
    """

    def __init__(
        self,
        a_minute: int,
        *,
        monotonic: Callable[[], float],
        told: Callable[[str], None] = lambda _: None,
        quiet: float = _QUIET,
        cost: Callable[[], float] = time.thread_time,
    ) -> None:
        """*told* hears once when the first must wait, and no words when it is over.

        *cost* is the processor time that this thread has used so far.
        """
        self._a_minute = a_minute
        self._monotonic = monotonic
        self._told = told
        self._cost = cost
        self._quiet = quiet
        # What is left of each bucket that is not full, and as of when.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._line: deque[tuple[Callable[[], object], asyncio.Future[bool]]] = deque()
        self._waiting: Counter[str] = Counter()
        self._free_at = 0.0
        self._due: asyncio.TimerHandle | None = None
        self._threads = ThreadPoolExecutor(_THREADS, "weighing")
        self._over_at: float | None = None

    async def in_thread(self, weigh: Callable[[], Reply]) -> Reply:
        """Weigh in a thread that is kept for it: pages that are slow take none."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, weigh)

    async def weighed(
        self,
        request: Request,
        verify: Callable[[], object],
        weigh: Callable[[], Awaitable[Reply]],
    ) -> Reply:
        """Let *weigh* look at *request*, whose body was read, in its turn.

        *verify* looks at its signature alone, and raises ``Unauthorized``: past the
        limit that comes first, without a thread, which costs more than it does. A
        failure within the limit stays the 401 that it is; one past it is a 429.
        """
        peer = network_of(request.client.host if request.client else "")
        if self._takes_one(peer):
            failed = False
            try:
                reply = await weigh()
                failed = reply.status == 401
            finally:
                # Also when it crashed: that is no failure of theirs.
                if not failed:
                    self._add(1, *self._buckets(peer))
            return reply
        if not self._has_room(peer):
            busy = no(503, "busy", "too many wait to be looked at; send it again")
            return Reply(busy.status, busy.body, retry_after=1)
        self._waiting[peer] += 1
        try:
            fits = await self._verdict(request, verify)
        finally:
            self._waiting[peer] -= 1
            if not self._waiting[peer]:
                del self._waiting[peer]
        if fits is None:
            return no(429, "gone", "the caller hung up")
        return await weigh() if fits else self._too_many(peer)

    def _has_room(self, peer: str) -> bool:
        """Tell whether one more may wait: the first of an address always may."""
        of_it, of_all = self._waiting[peer], self._waiting.total()
        return not of_it or (of_it < _MOST_OF_ONE and of_all < _MOST_WAITING)

    async def _verdict(
        self, request: Request, verify: Callable[[], object]
    ) -> bool | None:
        """Wait in line; who hangs up meanwhile, which is None, holds no place in it."""
        verdict = asyncio.get_running_loop().create_future()
        self._line.append((verify, verdict))
        self._go_on()
        if not verdict.done():
            # The body is read, so all that can still come is the end.
            gone = asyncio.ensure_future(request.receive())
            try:
                await asyncio.wait({verdict, gone}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                gone.cancel()
                verdict.cancel()
        return None if verdict.cancelled() else verdict.result()

    def _go_on(self) -> None:
        """Look at those in line, without a turn of the loop between them.

        A turn is long where many are connected, and with one for each look the line
        would be as slow as they make it.
        """
        loop = asyncio.get_running_loop()
        while self._line and self._due is None:
            now = loop.time()
            if now < self._free_at:
                self._due = loop.call_at(self._free_at, self._look_again)
                return
            verify, verdict = self._line.popleft()
            if verdict.done():
                continue
            before = self._cost()
            try:
                verify()
                verdict.set_result(True)
            except Unauthorized:
                verdict.set_result(False)
            except Exception as error:  # noqa: BLE001 - theirs alone, and raised there
                verdict.set_exception(error)
            took = self._cost() - before
            last = max(self._free_at, now - _IN_ONE_GO / _SHARE)
            self._free_at = last + took / _SHARE

    def _look_again(self) -> None:
        self._due = None
        self._go_on()

    def _too_many(self, peer: str) -> Reply:
        # Nothing refills while it goes on; and what waits is no burden to all others.
        self._add(-1, (peer, self._a_minute))
        now = self._monotonic()
        if self._over_at is None:
            self._told(
                f"more than {self._a_minute} signatures of {peer} failed within a "
                "minute, or many more of all addresses; the next are looked at slowly"
            )
            asyncio.get_running_loop().call_later(self._quiet, self._look_whether_over)
        self._over_at = now
        left = self._left_of(peer, self._a_minute)
        refused = no(
            429,
            "too_many_failures",
            "too many signatures from this address failed; a good one is still taken",
        )
        wait = max(0.0, 1 - left) * 60 / self._a_minute
        return Reply(refused.status, refused.body, retry_after=max(1, math.ceil(wait)))

    def _look_whether_over(self) -> None:
        since = self._monotonic() - (self._over_at or 0.0)
        if since < self._quiet:
            again = self._quiet - since
            asyncio.get_running_loop().call_later(again, self._look_whether_over)
            return
        self._over_at = None
        self._told("")

    # -- the buckets -------------------------------------------------------------

    def _takes_one(self, peer: str) -> bool:
        """Take one of this address and of all, if both have one left."""
        if any(self._left_of(name, most) < 1 for name, most in self._buckets(peer)):
            return False
        self._add(-1, *self._buckets(peer))
        return True

    def _add(self, what: int, *buckets: tuple[str, int]) -> None:
        now = self._monotonic()
        for name, most in buckets:
            left = self._left_of(name, most) + what
            self._left[name] = min(max(0.0, left), float(most)), now
            self._left.move_to_end(name)
        # The one that was looked at longest ago has refilled most.
        while len(self._left) > _MOST_PEERS:
            self._left.popitem(last=False)

    def _buckets(self, peer: str) -> tuple[tuple[str, int], ...]:
        return (peer, self._a_minute), (_EVERYBODY, _ALL * self._a_minute)

    def _left_of(self, name: str, most: int) -> float:
        left, at = self._left.get(name, (float(most), self._monotonic()))
        now_left = left + (self._monotonic() - at) * most / 60
        if now_left >= most:
            self._left.pop(name, None)
            return float(most)
        return now_left


def network_of(host: str) -> str:
    """Give what counts as one address: an IPv4 one, or the /64 of an IPv6 one."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host  # a Unix socket's peer has none
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)
