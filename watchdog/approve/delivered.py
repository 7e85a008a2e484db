"""A POST as it came, or why it is not looked at; and what is sent back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from watchdog.approve.limit import Limit
from watchdog.approve.reply import Reply, no

JSON: Final = "application/json"
_AS_UTF8 = ("", "charset=utf-8")


@dataclass(frozen=True, slots=True)
class Delivered:
    """The body, byte by byte, and every header by its lower-case name."""

    body: bytes
    headers: dict[str, list[str]]


async def weighed(
    request: Request,
    limit: Limit,
    verify: Callable[[Delivered], object],
    weigh: Callable[[Delivered], Awaitable[Reply]],
    *,
    kind: str,
    most: int,
) -> Reply:
    """Weigh a signed POST of *kind* and at most *most* bytes, in its turn.

    *verify* raises ``Unauthorized`` where nobody that is known here signed it.
    """
    named, _, more = request.headers.get("content-type", "").partition(";")
    if named != kind or more.strip().lower() not in _AS_UTF8:
        return no(415, "content_type", f"meant {kind}")
    if "content-encoding" in request.headers:
        return no(415, "content_encoding", "meant none")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:  # what follows is not read
            return no(413, "too_large", f"over {most} bytes")
    headers: dict[str, list[str]] = {}
    for key, value in request.headers.items():
        headers.setdefault(key, []).append(value)
    came = Delivered(bytes(body), headers)
    return await limit.weighed(request, lambda: verify(came), lambda: weigh(came))


def as_response(reply: Reply) -> Response:
    """Send *reply*; one that refuses is a problem document."""
    # Hung up on, who fails leaves the place to others behind the same address.
    wait = {"retry-after": str(reply.retry_after), "connection": "close"}
    return JSONResponse(
        dict(reply.body),
        reply.status,
        headers=wait if reply.retry_after else None,
        media_type=JSON if reply.status < 400 else "application/problem+json",
    )


def problem(status: int, code: str, words: str) -> Response:
    """Refuse, as a problem document."""
    return as_response(no(status, code, words))
