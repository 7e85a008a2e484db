"""The parts of a question's page that say what is asked, and how it is answered."""

from collections.abc import Iterator

from watchdog.decide.document import Asked
from watchdog.decide.question import Question
from watchdog.facts.event import Answered
from watchdog.show.page import clock, safe
from watchdog.show.status import stamp

_SAID = {"deny": "denied", "approve": "approved"}


def why(asked: Asked, question: Question) -> Iterator[str]:
    """Say in which words each breach was confirmed."""
    yield "<h2>Why it was asked</h2>"
    if not question.breaches:
        yield f"<p>{safe(asked.cause)}</p>"
        return
    yield "<ul>"
    for breach in question.breaches:
        onset = f" (since {clock(breach.onset)})" if breach.onset else ""
        elsewhere = f"; {breach.elsewhere}" if breach.elsewhere else ""
        words = safe(f"{breach.words}{onset}{elsewhere}")
        yield f"<li><strong>{safe(breach.trigger)}</strong>: {words}</li>"
    yield "</ul>"


def changes(asked: Asked) -> Iterator[str]:
    """Hold what runs against what would be put back."""
    yield "<h2>What would change</h2>"
    bare = not (asked.before.manifests or asked.after.manifests)
    whole = "Images, without manifests" if bare else "Images and manifests together"
    yield f"<p>{whole}, as they ran before, and nothing else.</p>"
    yield "<dl>"
    for what, before, after in asked.changes:
        yield f"<dt>{safe(what)}</dt>"
        if before == after:
            yield f"<dd>stays {_digest(before)}</dd>"
        else:
            yield f"<dd><del>{_digest(before)}</del> → <ins>{_digest(after)}</ins></dd>"
    yield "</dl>"


def _digest(text: str) -> str:
    """Show twelve digits, and all of them to who points there."""
    bare = text.removeprefix("sha256:")
    if len(bare) != 64:
        return safe(text)
    return f'<code title="{safe(text)}">{safe(bare[:12])}</code>'


def answers(question: Question) -> Iterator[str]:
    """Say who answered what, when and why."""
    if not question.answers:
        yield "<p>Nobody answered yet.</p>"
        return
    yield "<ul>"
    for one in question.answers:
        came = question.came.get(one.message)
        at = f" at {clock(came)}" if came else ""
        gone = "; counts no more" if one.message in question.voided else ""
        reason = f": {one.reason}" if one.reason else ""
        yield f"<li>{safe(f'{one.by} {_said(one, question)}{at}{gone}{reason}')}</li>"
    yield "</ul>"


def _said(one: Answered, question: Question) -> str:
    if one.decision != "forward_fix":
        return _SAID.get(one.decision, one.decision)
    eta = question.etas.get(one.message)
    return f"promised a fix until {eta:%H:%M} UTC" if eta else "promised a fix"


def how(question: Question, base: str) -> Iterator[str]:
    """Give the commands that answer, on a person's own machine."""
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


def own(question: Question, asked: Asked) -> Iterator[str]:
    """Let a browser answer that has the person's key; hidden without a script."""
    target = safe(asked.after.version)
    yield f"""\
<section id="own" hidden data-digest="{safe(question.asked.digest)}"
 data-target="{target}" aria-label="Answer with the key of this browser">
<p id="own-said" role="status"></p>
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


def own_key() -> Iterator[str]:
    """Let a browser make the person's key; hidden without a script."""
    yield """\
<div id="own-new" hidden>
<h2>A key of this browser</h2>
<p>A key that is made now cannot answer yet: its lines must stand in the roster first.
It cannot leave this browser. Use it only where this page is yours: it signs what this
page's script tells it to.</p>
<label>Your name, as the roster has it
<input id="own-name" autocomplete="email" autocapitalize="none"
 spellcheck="false"></label>
<button id="own-make" type="button">Make a key</button>
</div>"""


def signed(question: Question) -> Iterator[str]:
    """Show the exact bytes that an answer binds."""
    yield "<h2>What is signed</h2>"
    yield f"<p><code>{safe(question.asked.digest)}</code></p>"
    yield "<details><summary>the sha256 of exactly these bytes</summary>"
    document = safe(question.asked.document)
    yield f'<pre id="own-document">{document}</pre></details>'
    yield (
        f'<p class="dim">{safe(question.asked.incident)}, '
        f"{safe(question.asked.question)}, asked {stamp(question.asked_at)}</p>"
    )


def _lines(text: str) -> str:
    return "\n".join(safe(line) for line in text.split("\n"))
