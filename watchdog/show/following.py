"""Tells whoever follows a page that something changed: server-sent events.

Source: WHATWG HTML, "Server-sent events"; a browser begins again by itself.
"""

import asyncio
import threading
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

PATH = "follow"
_MOST = 32  # who follow at once
# What happens in a burst is told once; a silent line shows that the other end is there.
_APART, _SILENT = 1.0, 15.0
# Whoever went away without a word gives their place back with this.
_LONGEST = 600.0
_AGAIN = b"retry: 3000\n\n"
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
_FULL = "32 pages are followed already: this one is asked again now and then"


class Following:
    """Rings at each page that is followed; who rings waits for nobody.

    All that follow are of one event loop, that of the listener. *count* says how many
    changes there were: a page that was made when it was less is old.
    """

    def __init__(self) -> None:
        self.count = 0
        self._counting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bells: set[asyncio.Event] = set()
        self._due: asyncio.TimerHandle | None = None
        self._last = 0.0

    def routes(self) -> list[Route]:
        """Build what a page's script listens to."""
        return [Route(f"/{PATH}", self._follow, methods=["GET"])]

    def rang(self, _: object = None) -> None:
        """Note that something changed; from any thread, in microseconds."""
        with self._counting:
            self.count += 1
        loop = self._loop
        if loop is None or not self._bells or self._due is not None:
            return
        try:
            loop.call_soon_threadsafe(self._ring)
        except RuntimeError:  # it is over: nobody follows any more
            self._loop = None

    async def _follow(self, request: Request) -> Response:
        if request.method == "HEAD":  # there is no end to wait for, nor a body
            return Response(headers=_HEADERS, media_type="text/event-stream")
        if len(self._bells) >= _MOST:
            words = {"type": "about:blank", "status": 503, "code": "too_many_follow"}
            return JSONResponse(
                words | {"title": _FULL},
                503,
                headers={"retry-after": "60"},
                media_type="application/problem+json",
            )
        return StreamingResponse(
            self._told(), headers=_HEADERS, media_type="text/event-stream"
        )

    async def _told(self) -> AsyncIterator[bytes]:
        self._loop = loop = asyncio.get_running_loop()
        until, bell = loop.time() + _LONGEST, asyncio.Event()
        self._bells.add(bell)
        try:
            # What changed before it was followed is not missed either.
            yield _AGAIN + self._said()
            while loop.time() < until:
                try:
                    await asyncio.wait_for(bell.wait(), _SILENT)
                except TimeoutError:
                    yield b": nothing new\n\n"
                    continue
                bell.clear()
                yield self._said()
        finally:
            self._bells.discard(bell)

    def _said(self) -> bytes:
        return b"data: %d\n\n" % self.count

    def _ring(self) -> None:
        if self._due is None and self._loop is not None:
            wait = max(0.0, self._last + _APART - self._loop.time())
            self._due = self._loop.call_later(wait, self._rung)

    def _rung(self) -> None:
        self._due = None
        if self._loop is not None:
            self._last = self._loop.time()
        for bell in self._bells:
            bell.set()
