"""What happened, and each incident's report, as pages: so much of the journal, once."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watchdog.facts.event import Entry
from watchdog.facts.problem import JournalLost, Problem
from watchdog.show import page, paper
from watchdog.show.drawings import Drawings
from watchdog.show.history import Told, history

_MOST_TOLD = 200
# A report waits for Prometheus: who asks meanwhile must not hold a thread.
_BUSY = "A report is being written: load the page again"
_HAS_REPORT = ("incident", "question", "rollback", "drill", "repair")


class Chronicle:
    """Serves both; *recent* reads the newest events, *reported* writes a report.

    One at a time is made, whoever asks, and shown again for 15 s.
    """

    def __init__(
        self,
        *,
        recent: Callable[[], Iterable[Entry]],
        reported: Callable[[str], paper.Paper],
        now: Callable[[], datetime],
    ) -> None:
        self._recent = recent
        self._reported = reported
        self._now = now
        self._made = Drawings(now)

    def routes(self) -> list[Route]:
        """Build what the page of everything leads to."""
        return [
            Route("/history", self._history, methods=["GET"]),
            Route("/report/{which}", self._report, methods=["GET"]),
        ]

    async def _history(self, request: Request) -> Response:
        return await run_in_threadpool(self._told, request)

    def _told(self, request: Request) -> Response:
        try:
            text = self._made.of("", self._stories)
        except JournalLost as problem:
            return _away(request, problem)
        return page.answer(text)

    def _stories(self) -> str:
        told = history(self._recent())
        lines = [
            "<h1>What happened here</h1>",
            '<p><a href="./">What is now</a></p>',
            *(line for one in told[:_MOST_TOLD] for line in _story(one)),
            *([] if told else [page.dim("Nothing has happened here yet.")]),
            page.dim("The newest events only: `watchdog history` has all of them."),
            f'<p class="dim">As of {page.both_clocks(self._now())}.</p>',
        ]
        return page.whole("What happened here", "\n".join(lines))

    async def _report(self, request: Request) -> Response:
        return await run_in_threadpool(self._one, request)

    def _one(self, request: Request) -> Response:
        which = request.path_params["which"]
        try:
            text = self._made.of(
                which, lambda: paper.page(self._reported(which)), busy=_BUSY
            )
        except JournalLost as problem:
            return _away(request, problem)
        except Problem as problem:
            hint = "Of the newest events: `watchdog report` looks through all of them."
            more = page.dim(hint)
            return page.refused(request, problem.words, 404, more=more)
        if text is _BUSY:
            return page.refused(request, text, 503)
        return page.answer(text, style=paper.STYLE)


def _story(one: Told) -> Iterator[str]:
    began = f"{one.began:%Y-%m-%d %H:%M:%S} UTC"
    head = f"{one.what} {one.release}".strip()
    yield f"<h2>{began}: {page.safe(head)}</h2>"
    said = " · ".join(part for part in (one.who, one.why) if part)
    if said:
        yield f"<p>{page.safe(said)}</p>"
    if one.also:
        yield from page.listed(one.also)
    if one.how:
        yield f"<p><b>{page.safe(one.how)}</b></p>"
    if one.id and one.what in _HAS_REPORT:
        which = quote(one.id, safe="")
        yield f'<p><a href="report/{which}">Its report</a></p>'


def _away(request: Request, problem: JournalLost) -> Response:
    words = f"The journal cannot be read here: {problem}"
    return page.refused(request, words, 503)
