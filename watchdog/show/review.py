"""One question on one page, for a phone at night; looking changes nothing."""

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from watchdog.decide.document import Asked, plain, read
from watchdog.decide.question import Question
from watchdog.decide.standing import Standing
from watchdog.facts.event import BreachConfirmed
from watchdog.facts.past import Track
from watchdog.facts.trigger import Trigger
from watchdog.show import plot
from watchdog.show.backtest import rule_words
from watchdog.show.status import stamp
from watchdog.turn.roles import Filed, Remembers

Draws = Callable[[Trigger, datetime, datetime], Track | str]

# How much is drawn: some time before, and not so much that nothing can be seen.
_LEAST_BEFORE, _MOST_BEFORE = timedelta(minutes=5), timedelta(minutes=30)
_MOST = timedelta(hours=6)
_AFTER = timedelta(hours=2)
# How long a drawing is shown again: many may look, Prometheus is asked once.
_FRESH = timedelta(seconds=15)
_KEPT = 16  # drawings

_STYLE = f"""\
{plot.STYLE}*{{box-sizing:border-box}}
body{{margin:0 auto;max-width:46rem;padding:1rem;background:var(--paper);
color:var(--ink);font:1.05rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}}
h1{{font-size:1.5rem;line-height:1.25;margin:.2rem 0 .6rem}}
h2{{font-size:1.1rem;margin:1.8rem 0 .3rem}}
p{{margin:.4rem 0}}ul{{margin:.4rem 0;padding-left:1.2rem}}.dim{{color:var(--dim)}}
.state{{border-left:.3rem solid var(--bound);padding:.2rem 0 .2rem .7rem}}
.over{{border-color:var(--rule)}}
dl{{margin:.4rem 0}}dt{{color:var(--dim);font-size:.9rem;margin-top:.5rem}}
dd{{margin:0}}del{{text-decoration:none;color:var(--bound)}}ins{{text-decoration:none;
font-weight:600}}
code,pre{{font:.85rem/1.5 ui-monospace,monospace}}
pre{{white-space:pre-wrap;border:1px solid var(--rule);padding:.6rem;margin:.4rem 0;
user-select:all}}summary{{cursor:pointer;padding:.5rem 0}}
label{{display:block;margin:.8rem 0 .2rem}}
input{{display:block;width:100%;font:inherit;padding:.6rem;margin-top:.2rem;
border:1px solid var(--dim);background:var(--paper);color:var(--ink)}}
button{{display:block;width:100%;font:inherit;font-weight:600;padding:.8rem;
margin:.6rem 0;border:1px solid var(--ink);background:var(--paper);color:var(--ink);
cursor:pointer}}
#own-approve{{background:var(--ink);color:var(--paper)}}
"""
# In the page itself, and named by its hash: no other script runs there.
_SCRIPT = Path(__file__).with_name("own_key.js").read_text("utf-8")


class Review:
    """Serves the page of each question; *draws* asks Prometheus, or says why not.

    *base* is where people reach the listener, empty when nobody said.
    """

    def __init__(
        self,
        *,
        memory: Remembers,
        releases: Filed,
        now: Callable[[], datetime],
        draws: Draws,
        base: str,
    ) -> None:
        self._memory = memory
        self._releases = releases
        self._now = now
        self._draws = draws
        self._base = base.rstrip("/")
        self._drawing = threading.Lock()
        self._drawn: dict[str, tuple[datetime, str]] = {}

    def routes(self) -> list[Route]:
        """Build what the links in messages lead to."""
        return [Route("/a/{id}", self._page, methods=["GET"])]

    async def _page(self, request: Request) -> Response:
        question = self._memory.standing.questions.get(request.path_params["id"])
        if question is None:
            body = "<h1>There is no such question</h1>"
            return _answer(_whole("No such question", body), 404)
        text = await run_in_threadpool(self._text, question)
        return _answer(text, 200)

    def _text(self, question: Question) -> str:
        standing, at = self._memory.standing, self._now()
        try:
            asked = read(question.asked.document)
        except ValueError:
            asked = read("{}")
        breaches = _breaches(standing, question)
        title = (
            f"{asked.audience}: roll {asked.before.version} back to "
            f"{asked.after.version}?"
        )
        body = "\n".join(
            [
                f"<h1>{_safe(title)}</h1>",
                _state(question, at),
                *_why(asked, breaches),
                self._figure(question, breaches, at),
                *_changes(asked),
                *_answers(question),
                *_how(question, self._base),
                *_own(question, asked),
                *_signed(question),
                f'<p class="dim">As of {plot.clock(at)} UTC; load it again later.</p>',
            ]
        )
        return _whole(title, body)

    def _figure(
        self, question: Question, breaches: tuple[BreachConfirmed, ...], at: datetime
    ) -> str:
        """Draw the first breach's metric; one drawing at a time, kept for a while."""
        name = question.asked.question
        kept = self._drawn.get(name)
        if kept and abs(at - kept[0]) < _FRESH:
            return kept[1]
        if not self._drawing.acquire(blocking=False):
            if kept:
                return kept[1]
            return '<p class="dim">The metric is being drawn: load the page again.</p>'
        try:
            text = self._draw(question, breaches, at)
            while len(self._drawn) >= _KEPT:
                self._drawn.pop(next(iter(self._drawn)))
            self._drawn[name] = (at, text)
        finally:
            self._drawing.release()
        return text

    def _draw(
        self, question: Question, breaches: tuple[BreachConfirmed, ...], at: datetime
    ) -> str:
        if not breaches:
            return '<p class="dim">The incident is closed; nothing is drawn.</p>'
        breach = breaches[0]
        release = self._releases.for_version(breach.release)
        triggers = release.triggers if release else ()
        trigger = next((t for t in triggers if t.name == breach.trigger), None)
        if trigger is None:
            words = f"No release file has {breach.trigger} any more: nothing is drawn."
            return f'<p class="dim">{_safe(words)}</p>'
        started = _started(self._memory.standing, breach)
        onset = breach.onset or question.asked_at
        asked_at = question.asked_at
        before = min(_MOST_BEFORE, max(_LEAST_BEFORE, 3 * trigger.window))
        since = max(min(started or onset, onset) - before, asked_at - _MOST)
        until = min(at, asked_at + _AFTER) if question.closed else at
        until = min(until, since + 2 * _MOST)
        track = self._draws(trigger, since, until)
        if isinstance(track, str):
            return f'<p class="dim">The metric cannot be drawn: {_safe(track)}</p>'
        mark = (started, f"{breach.release} starts") if started else None
        figure = plot.figure(track, since, until, breach.words, mark=mark)
        unseen = "; hatched: not measured" if track.of("blind") else ""
        rule = _safe(f"{trigger.name}: {rule_words(trigger)}{unseen}")
        return f'{plot.HATCH}\n{figure}\n<p class="dim">{rule}</p>'


def _breaches(s: Standing, question: Question) -> tuple[BreachConfirmed, ...]:
    incident = s.incident
    if incident is None or incident.id != question.asked.incident:
        return ()
    return incident.charged or incident.breaches


def _started(s: Standing, breach: BreachConfirmed) -> datetime | None:
    running = s.running
    if running is None or running.pair.version != breach.release:
        return None
    return s.pair_since or running.since


def _state(question: Question, at: datetime) -> str:
    """Say whether it can still be answered, and until when."""
    clock = f"{question.deadline.astimezone(UTC):%H:%M:%S} UTC"
    votes = f"{len(question.approvals)} of {question.asked.needed} agreed."
    denied = question.denied_by
    style = "state over"
    if question.closed:
        words = f"Closed: {question.closed}. There is nothing to answer any more."
    elif denied:
        words = f"Denied by {denied.by}: nothing is rolled back."
    elif at >= question.deadline:
        words = f"The time was over at {clock}."
    elif question.is_approved:
        words = f"Approved: {votes} A denial still stops it until it starts."
    else:
        left = int((question.deadline - at).total_seconds())
        words = f"Open for {left // 60} min more, until {clock}. {votes}"
        style = "state"
    promised = question.forward_fix
    if promised and not question.closed:
        words += f" {promised[0].by} promised a fix for {promised[1]:%H:%M:%S} UTC."
    return f'<p class="{style}">{_safe(words)}</p>'


def _why(asked: Asked, breaches: tuple[BreachConfirmed, ...]) -> Iterator[str]:
    yield "<h2>Why</h2>"
    if not breaches:
        yield f"<p>{_safe(asked.cause)}</p>"
        return
    yield "<ul>"
    for breach in breaches:
        onset = f" (since {breach.onset:%H:%M:%S} UTC)" if breach.onset else ""
        words = _safe(f"{breach.words}{onset}")
        yield f"<li><strong>{_safe(breach.trigger)}</strong>: {words}</li>"
    yield "</ul>"


def _changes(asked: Asked) -> Iterator[str]:
    yield "<h2>What would change</h2>"
    bare = not (asked.before.manifests or asked.after.manifests)
    whole = "Images, without manifests" if bare else "Images and manifests together"
    yield f"<p>{whole}, as they ran before, and nothing else.</p>"
    yield "<dl>"
    for what, before, after in asked.changes:
        yield f"<dt>{_safe(what)}</dt>"
        if before == after:
            yield f"<dd>stays {_digest(before)}</dd>"
        else:
            yield f"<dd><del>{_digest(before)}</del> → <ins>{_digest(after)}</ins></dd>"
    yield "</dl>"


def _digest(text: str) -> str:
    """Show twelve digits, and all of them to who points there."""
    bare = text.removeprefix("sha256:")
    if len(bare) != 64:
        return _safe(text)
    return f'<code title="{_safe(text)}">{_safe(bare[:12])}</code>'


def _answers(question: Question) -> Iterator[str]:
    yield "<h2>Who answered</h2>"
    if not question.answers:
        yield f"<p>Nobody yet. Asked: {_safe(', '.join(question.asked.dri))}.</p>"
        return
    yield "<ul>"
    for answer in question.answers:
        said = {"forward_fix": "promised a fix", "deny": "denied"}.get(
            answer.decision, "approved"
        )
        came = question.came.get(answer.message)
        at = f" at {came:%H:%M:%S} UTC" if came else ""
        gone = "; counts no more" if answer.message in question.voided else ""
        why = f": {answer.reason}" if answer.reason else ""
        yield f"<li>{_safe(f'{answer.by} {said}{at}{gone}{why}')}</li>"
    yield "</ul>"


def _how(question: Question, base: str) -> Iterator[str]:
    if question.closed:
        return
    name = question.asked.question
    tail = (
        f"{name} \\\n  --as YOUR_NAME --key YOUR_KEY.pem \\\n"
        f"  --url {base or 'https://…'}"
    )
    yield "<h2>How to decide</h2>"
    yield "<p>On your own machine, with your own key; it shows this and asks:</p>"
    yield f"<pre>{_lines(f'watchdog approve {tail}')}</pre>"
    if not base:
        yield '<p class="dim">--url is the first part of this page\'s address.</p>'
    yield "<details><summary>Deny it, or promise a fix</summary>"
    yield f"<pre>{_lines(f'watchdog deny {tail}')}</pre>"
    yield f"<pre>{_lines(f'watchdog forward-fix {tail} --eta 40m')}</pre></details>"


def _own(question: Question, asked: Asked) -> Iterator[str]:
    """Let a browser hold the person's key, where it can; hidden without a script."""
    if question.closed:
        return
    target = _safe(asked.after.version)
    yield f"""\
<section id="own" hidden data-digest="{_safe(question.asked.digest)}"
 data-target="{target}">
<h2>Or with a key of this browser</h2>
<p id="own-said" role="status"></p>
<div id="own-new" hidden>
<p>The key is made here and cannot leave this browser. Use it only where this page is
yours: it signs what this page's script tells it to.</p>
<label>Your name, as the roster has it
<input id="own-name" autocomplete="email" autocapitalize="none"
 spellcheck="false"></label>
<button id="own-make" type="button">Make a key</button>
</div>
<div id="own-answer" hidden>
<p>Signs as <strong id="own-who"></strong>.</p>
<label>Why, in one sentence <input id="own-reason" maxlength="2000"></label>
<label>To approve, write <strong>{target}</strong>
<input id="own-typed" autocomplete="off" autocapitalize="none"
 spellcheck="false"></label>
<button id="own-approve" type="button">Approve the rollback to {target}</button>
<button id="own-deny" type="button">Deny it</button>
<label>Minutes until a fix <input id="own-minutes" type="number" min="1"
 inputmode="numeric"></label>
<button id="own-fix" type="button">Promise a fix instead</button>
<details><summary>The key's lines for the roster</summary>
<pre id="own-line"></pre></details>
</div>
</section>"""


def _signed(question: Question) -> Iterator[str]:
    yield "<h2>What is signed</h2>"
    yield f"<p><code>{_safe(question.asked.digest)}</code></p>"
    yield "<details><summary>the sha256 of exactly these bytes</summary>"
    document = _safe(question.asked.document)
    yield f'<pre id="own-document">{document}</pre></details>'
    yield (
        f'<p class="dim">{_safe(question.asked.incident)}, '
        f"{_safe(question.asked.question)}, asked {stamp(question.asked_at)}</p>"
    )


def _whole(title: str, body: str) -> str:
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_safe(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
{body}
</main>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _safe(text: str) -> str:
    return plot.safe(plain(text))


def _lines(text: str) -> str:
    return "\n".join(_safe(line) for line in text.split("\n"))


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_hash(_STYLE)}'; "
        f"script-src 'sha256-{_hash(_SCRIPT)}'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
}


def _answer(text: str, status: int) -> Response:
    return HTMLResponse(text, status, headers=_HEADERS)
