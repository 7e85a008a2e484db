"""The control door: a socket in the state folder, for the command line on this box.

It is a file of mode 0600. Whoever may open it is the watchdog's user (or root), and
could as well use the engine's socket that this user has; so nobody is asked who they
are, and nothing is signed.
"""

import json
from collections.abc import Callable
from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from watchdog.approve.order import Orders
from watchdog.approve.reply import Reply

_LARGEST = 16 * 1024


class Control:
    """Hands orders over and wakes the turn; decides nothing itself."""

    def __init__(
        self, orders: Orders, *, now: Callable[[], datetime], wake: Callable[[], None]
    ) -> None:
        self._orders = orders
        self._now = now
        self._wake = wake

    def routes(self) -> list[Route]:
        """Build what the command line may reach."""
        return [Route("/v1/orders/{kind}", self._take, methods=["POST"])]

    async def _take(self, request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST:
                return _said(Reply(413, {"words": f"over {_LARGEST} bytes"}))
        try:
            order = json.loads(body or "{}")
        except ValueError:
            return _said(Reply(400, {"words": "not JSON"}))
        if not isinstance(order, dict):
            return _said(Reply(400, {"words": "not a JSON object"}))
        kind = request.path_params["kind"]
        reply = await run_in_threadpool(self._orders.take, kind, order, self._now())
        if reply.status == 200:
            self._wake()
        return _said(reply)


def _said(reply: Reply) -> Response:
    return JSONResponse(dict(reply.body), reply.status)
