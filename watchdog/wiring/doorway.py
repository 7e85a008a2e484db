"""What every request meets first and every answer has, whoever asks at which door."""

import contextlib
import re
import traceback
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from ipaddress import ip_address
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from watchdog.facts.event import Event, HostRefused, RequestCrashed

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Crashed = Callable[[str, BaseException], None]
"""Hears what was being done, and what was raised that nobody had foreseen."""

Minds = Callable[[Scope], Response | None]
"""Refuses a request, or says nothing."""

_LONGEST = 200  # of what is said of a request
_LARGEST_HEADERS, _MOST_HEADERS = 8 * 1024, 64
# No answer is to be kept: "open" of a minute ago is no answer to a pipeline.
ALWAYS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
# Of what is noted of one listener's crashes: so many in a minute and in a day, and of
# strangers.
_A_WHILE, _MOST_CRASHES, _MOST_HOSTS = 60.0, 30, 8
_A_DAY, _MOST_A_DAY = 86_400.0, 300
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:[0-9]{1,5})?")
_WORDS = {
    400: ("malformed", "the request is not HTTP with one meaning"),
    404: ("unknown", "there is nothing at this path"),
    405: ("method", "this path does not understand that method"),
}


class Doorway:
    """Refuses what no client of ours sends, and lets nothing out but answers.

    Whatever is raised behind it is told to *crashed* and answered with a 500. *hosts*
    are the names that a request may be for; None for any.
    """

    def __init__(
        self,
        app: App,
        *,
        hosts: Iterable[str] | None = None,
        crashed: Crashed = lambda *_: None,
        strange: Callable[[str], None] = lambda _: None,
        minds: Minds = lambda _: None,
    ) -> None:
        """*strange* hears of each request for a host that is not ours.

        *minds* refuses for reasons of this door's own.
        """
        self._app = app
        self._hosts = None if hosts is None else frozenset(h.lower() for h in hosts)
        self._crashed = crashed
        self._strange = strange
        self._minds = minds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def out(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = list(message.get("headers", ()))
                names = {name.lower() for name, _ in headers}
                headers += [(n, value) for n, value in ALWAYS if n not in names]
                message = {**message, "headers": headers}
            await send(message)

        refused = self._refused(scope)
        try:
            # Who hangs up while they send hears nothing, and is no fault of ours.
            with contextlib.suppress(ClientDisconnect):
                await (refused or self._app)(scope, receive, out)
        except Exception as error:  # noqa: BLE001 - whatever it is, the door stays open
            self._crashed(f"{scope['method']} {scope['path']}"[:_LONGEST], error)
            if not begun:  # else the server hangs up, and the answer is seen to be none
                ours = problem(500, "crashed", "this is our fault: see the log")
                await ours(scope, receive, out)

    def _refused(self, scope: Scope) -> Response | None:
        headers = scope.get("headers") or ()
        names = [name for name, _ in headers]
        size = sum(len(name) + len(value) for name, value in headers)
        if size > _LARGEST_HEADERS or len(names) > _MOST_HEADERS:
            return problem(431, "headers", "meant 8 KiB and 64 headers at most")
        if b"content-length" in names and b"transfer-encoding" in names:
            # Whoever stands before us may see another end.
            return problem(400, "two_lengths", "meant one length")
        for name, value in headers:
            if name == b"host" and not self._is_ours(value.decode("latin-1")):
                self._strange(value.decode("latin-1"))
                words = "no watchdog is known by this host; see `listen.hosts`"
                return problem(421, "unknown_host", words)
        return self._minds(scope)

    def _is_ours(self, host: str) -> bool:
        """Tell whether *host* can be meant for us, and is no name of a stranger.

        A page of a stranger reaches what listens on this machine by a name of theirs
        that leads here. An address is no such name, and neither is one without a dot:
        that is localhost, or a container's.
        """
        if self._hosts is None:
            return True
        found = _HOST.fullmatch(host.lower())
        if not found:
            return False
        name = found[1].strip("[]").removesuffix(".")
        with contextlib.suppress(ValueError):
            return bool(ip_address(name))
        return "." not in name or name.endswith(".localhost") or name in self._hosts


def house(
    routes: Iterable[BaseRoute],
    *,
    hosts: Iterable[str],
    troubles: "Troubles",
    minds: Minds = lambda _: None,
) -> Starlette:
    """Put *routes* behind a doorway; a path has one spelling, and no redirect."""
    doorway = Middleware(
        Doorway,
        hosts=tuple(hosts),
        crashed=troubles.crashed,
        strange=troubles.strange,
        minds=minds,
    )
    made = Starlette(
        routes=list(routes),
        middleware=[doorway],
        exception_handlers={HTTPException: _as_problem},
    )
    made.router.redirect_slashes = False
    return made


def _as_problem(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code, words = _WORDS.get(status, ("refused", "it was refused"))
    headers = error.headers if isinstance(error, HTTPException) else None
    return problem(status, code, words, headers)


def problem(status: int, code: str, words: str, headers: Any = None) -> Response:
    """Refuse, as a problem document; the connection ends with it."""
    return JSONResponse(
        {"type": "about:blank", "status": status, "code": code, "title": words},
        status,
        headers={"connection": "close"} | dict(headers or {}),
        media_type="application/problem+json",
    )


class Troubles:
    """What goes wrong at one listener, for the journal: not without end.

    Whoever finds out how to make one more of it must not fill the disk with it.
    """

    def __init__(
        self,
        listener: str,
        note: Callable[[Event], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._listener = listener
        self._note = note
        self._monotonic = monotonic
        self._noted: list[float] = []
        self._hosts: set[str] = set()

    def crashed(self, request: str, error: BaseException) -> None:
        """Note what was raised in *request*."""
        now = self._monotonic()
        self._noted = [then for then in self._noted if now - then < _A_DAY]
        lately = sum(now - then < _A_WHILE for then in self._noted)
        if lately < _MOST_CRASHES and len(self._noted) < _MOST_A_DAY:
            again = bool(lately)
            self._noted.append(now)
            words = words_of(error)
            self._note(RequestCrashed(self._listener, request, words, again=again))

    def strange(self, host: str) -> None:
        """Note the first request for *host*, which is none of ours."""
        known = host[:_LONGEST]
        if known not in self._hosts and len(self._hosts) < _MOST_HOSTS:
            self._hosts.add(known)
            self._note(HostRefused(self._listener, known))


def words_of(error: BaseException) -> str:
    """Say what was raised and where, in one line."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" in {f.name}, {f.filename}:{f.lineno}" for f in last)
    return f"{type(error).__name__}: {error}{where}"
