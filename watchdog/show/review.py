"""One question on one page, for a phone at night; looking changes nothing."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watchdog.decide.document import Asked, read
from watchdog.decide.question import Question
from watchdog.decide.standing import Standing
from watchdog.facts.event import BreachConfirmed
from watchdog.facts.past import Sampled
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release, Trigger
from watchdog.show import asked as parts
from watchdog.show import beside, page, plot
from watchdog.show.drawings import Drawings, Draws, drawn_as
from watchdog.show.outcome import outcome, step_list
from watchdog.turn.roles import Filed, Remembers

# How much is drawn: some time before, and not so much that nothing can be seen.
_LEAST_BEFORE, _MOST_BEFORE = timedelta(minutes=5), timedelta(minutes=30)
_MOST = timedelta(hours=6)
_AFTER = timedelta(hours=2)

# In the page itself, and named by its hash: no other script runs there.
_HERE = Path(__file__)
_SCRIPT = "".join(
    _HERE.with_name(name).read_text("utf-8") for name in ("own_key.js", "follow.js")
)


class Review:
    """Serves the page of each question; *draws* asks Prometheus, or says why not.

    *kept* gives the samples that were kept of an incident, by trigger. *base* is where
    people reach the listener, empty when nobody said.
    """

    def __init__(
        self,
        *,
        memory: Remembers,
        releases: Filed,
        rules: Rules,
        now: Callable[[], datetime],
        draws: Draws,
        kept: Callable[[str], Mapping[str, Sampled]] = lambda _: {},
        base: str,
    ) -> None:
        self._memory = memory
        self._releases = releases
        self._rules = rules
        self._now = now
        self._draws = draws
        self._kept = kept
        self._base = base.rstrip("/")
        self._drawings = Drawings(now)

    def routes(self) -> list[Route]:
        """Build what the links in messages lead to."""
        return [Route("/a/{id}", self._page, methods=["GET"])]

    async def _page(self, request: Request) -> Response:
        question = self._memory.standing.questions.get(request.path_params["id"])
        if question is None:
            words = "There is no such question"
            return page.refused(request, words, 404, script=_SCRIPT)
        follows = request.query_params.get("part") == "live"
        text = await run_in_threadpool(self._text, question, follows=follows)
        return page.answer(text, script=_SCRIPT)

    def _text(self, question: Question, *, follows: bool) -> str:
        standing, at = self._memory.standing, self._now()
        try:
            asked = read(question.asked.document)
        except ValueError:
            asked = read("{}")
        title = (
            f"{asked.audience}: roll {asked.before.version} back to "
            f"{asked.after.version}?"
        )
        found = outcome(standing, question, self._rules, at)
        style = "state" if found.is_open else "state over"
        first = next(iter(question.breaches), None)
        cause = f"{first.trigger}: {first.words}" if first else asked.cause
        now = page.live(
            "now",
            f'<p class="{style}"><b>{found.word}</b>: {page.safe(found.words)}</p>',
            *(f"<p>{page.safe(words)}</p>" for words in found.also),
            *_successor(question),
            *(step_list(standing, question.op) if question.op else ()),
            closed=bool(question.closed),
        )
        as_of = f'<p class="dim">As of {page.both_clocks(at)}.</p>'
        lines = [f"<h1>{page.safe(title)}</h1>", now, page.live("as-of", as_of)]
        if not follows:
            lines.append(f"<p>Why: {page.safe(cause)}</p>")
            if not question.closed:
                lines += parts.own(question, asked)
            lines += self._details(standing, question, asked, at)
        # With no script: soon while something is done, else slow enough to read.
        again = 0 if found.is_over else 10 if question.op else 60
        return page.whole(title, "\n".join(lines), script=_SCRIPT, again=again)

    def _details(
        self, s: Standing, question: Question, asked: Asked, at: datetime
    ) -> Iterator[str]:
        release = self._releases.for_version(asked.before.version)
        turn = self._memory.last_turn()
        is_open = not question.closed
        if is_open:
            yield from parts.how(question, self._base)
        yield from parts.why(asked, question)
        busy = page.dim("The metric is being drawn: load the page again.")
        yield self._drawings.of(
            question.asked.question, lambda: self._draw(question, at), busy=busy
        )
        yield from beside.links(_triggers(release, question))
        if is_open:
            yield from beside.ready(s, release, self._rules, turn, at)
            yield from beside.silence(s, question, release, self._rules, at)
        yield "<h2>Who answered</h2>"
        yield from parts.answers(question)
        yield from beside.people(question, release)
        yield from beside.verdicts(s, question, turn)
        yield from parts.changes(asked)
        yield from beside.target(s, asked, at)
        yield from beside.lately(s, self._rules, at)
        if is_open:
            yield from parts.own_key()
        yield from parts.signed(question)

    def _draw(self, question: Question, at: datetime) -> str:
        """Draw the first breach's metric."""
        if not question.breaches:
            return page.dim("It is not known what breached: nothing is drawn.")
        breach = question.breaches[0]
        release = self._releases.for_version(breach.release)
        trigger = next(iter(_triggers(release, question)), None)
        kept = self._kept(breach.incident).get(breach.trigger)
        started = _started(self._memory.standing, breach)
        asked_at = question.asked_at
        found: Sampled | str = f"no release file has {breach.trigger} any more"
        if trigger and not (kept and question.closed):
            found = self._asked(trigger, question, started, at)
        if isinstance(found, str):
            # What was kept stays as it was, also once Prometheus has forgotten it.
            found = kept or found
        if isinstance(found, str):
            return page.dim(f"The metric cannot be drawn: {found}")
        marks = [(started, f"{breach.release} starts")] if started else []
        marks.append((asked_at, "asked"))
        if question.ended and question.ended.how in ("proved", "unpinned"):
            ended = question.ended_at or asked_at
            marks.append((ended, f"{question.ended.target} proved"))
        figure = drawn_as(
            *(found.track, (found.since, found.until), breach.words, tuple(marks)),
            asked_at,
            is_now=not question.closed,
        )
        return f"{plot.HATCH}\n{figure}"

    def _asked(
        self,
        trigger: Trigger,
        question: Question,
        started: datetime | None,
        at: datetime,
    ) -> Sampled | str:
        """Ask Prometheus for so much that the breach and what came of it are seen."""
        asked_at = question.asked_at
        onset = question.breaches[0].onset or asked_at
        before = min(_MOST_BEFORE, max(_LEAST_BEFORE, 3 * trigger.window))
        since = max(min(started or onset, onset) - before, asked_at - _MOST)
        ended = question.ended_at or asked_at
        until = min(at, ended + _AFTER) if question.closed else at
        until = min(until, since + 2 * _MOST)
        track = self._draws(trigger, since, until)
        return track if isinstance(track, str) else Sampled(since, until, track)


def _triggers(release: Release | None, question: Question) -> tuple[Trigger, ...]:
    """Give the triggers that the question is about, the first breach's first."""
    known = {one.name: one for one in (release.triggers if release else ())}
    names = dict.fromkeys(breach.trigger for breach in question.breaches)
    return tuple(known[name] for name in names if name in known)


def _started(s: Standing, breach: BreachConfirmed) -> datetime | None:
    running = s.running
    if running and running.pair.version == breach.release:
        return s.pair_since or running.since
    # It runs no more: where it ran once, this is when it started.
    known = s.pairs.get(breach.key)
    return known.first_seen if known else None


def _successor(question: Question) -> Iterator[str]:
    if question.successor:
        name = page.safe(question.successor)
        yield f'<p><a href="{name}">The question that took its place</a></p>'
