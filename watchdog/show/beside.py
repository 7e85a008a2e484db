"""What a person weighs beside a question: the way back, silence, what else is red."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from watchdog.decide.document import Asked
from watchdog.decide.gap import words_of as words_of_gap
from watchdog.decide.policy import not_by_silence
from watchdog.decide.question import Question
from watchdog.decide.ready import answer
from watchdog.decide.standing import KnownPair, Standing
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release, Trigger
from watchdog.show.page import clock, dim, listed, safe
from watchdog.show.status import words_of
from watchdog.turn.roles import Turn

_DAY = timedelta(days=1)


def ready(
    s: Standing, release: Release | None, rules: Rules, turn: Turn | None, at: datetime
) -> Iterator[str]:
    """Say whether it could be rolled back now, and what keeps it from that."""
    could = answer(s, release, turn.looked if turn else None, rules, at)
    short = {True: "Yes", False: "NO", None: "Not known"}[could.ready]
    yield "<h2>Could it be rolled back right now?</h2>"
    yield f"<p><b>{short}</b>: {safe(could.words)}</p>"
    if could.lacks:
        yield from listed([lack.sentence for lack in could.lacks])


def silence(
    s: Standing,
    question: Question,
    release: Release | None,
    rules: Rules,
    at: datetime,
) -> Iterator[str]:
    """Say what happens when nobody answers, and when."""
    until = clock(question.deadline)
    yield "<h2>If nobody answers</h2>"
    promised = question.forward_fix
    if promised:
        by, eta = promised[0].by, f"{promised[1].astimezone(UTC):%H:%M}"
        yield (
            f"<p>A fix was promised until {eta} by {safe(by)}: nothing is done until "
            "then. If the breach still stands then, it is asked again.</p>"
        )
    if release is not None and release.on_no_answer == "roll-back":
        why_not = not_by_silence(s, release, rules, at)
        if not why_not:
            words = "the rollback starts by itself: the release file says so."
            yield f"<p>At {until} {words}</p>"
            return
        yield (
            "<p>The release file would have it rolled back then; as things stand it is "
            f"not: {safe(why_not)}.</p>"
        )
    yield (
        f"<p>At {until} the question is closed. Nothing is rolled back, promotion "
        "stays paused, and whoever is on call is told. What failed goes on failing.</p>"
    )


def people(question: Question, release: Release | None) -> Iterator[str]:
    """Name who may answer, first and second."""
    yield f"<p>Asked: {safe(', '.join(question.asked.dri))}.</p>"
    if release is not None and release.secondary:
        names = ", ".join(release.secondary)
        yield f"<p>May answer too, and are told later: {safe(names)}.</p>"


def verdicts(s: Standing, question: Question, turn: Turn | None) -> Iterator[str]:
    """Say what each trigger says now; of what runs now, whichever release that is."""
    if not s.verdicts or s.running is None:
        return
    asked = {breach.trigger for breach in question.breaches}
    yield f"<h2>What the triggers say now, of {safe(s.running.pair.version)}</h2>"
    items: list[str] = []
    for name in sorted(s.verdicts, key=lambda one: (one not in asked, one)):
        seen = s.verdicts[name]
        cause = f" ({seen.changed.cause})" if seen.changed.cause else ""
        words = words_of(seen, name, turn)
        items.append(f"{name}: {seen.changed.kind}{cause}: {words}")
    yield from listed(items)


def links(triggers: tuple[Trigger, ...]) -> Iterator[str]:
    """Give the annotations of *triggers*: what is http or https may be followed."""
    found = [
        (t.name, key, text) for t in triggers for key, text in t.annotations.items()
    ]
    if not found:
        return
    yield "<h2>Runbook and notes</h2>"
    yield "<ul>"
    for name, key, text in found:
        said = f"{safe(name)}, {safe(key)}: "
        if is_link(text):
            href = safe(text.strip())
            yield f'<li>{said}<a href="{href}" rel="noreferrer">{href}</a></li>'
        else:
            yield f"<li>{said}{safe(' '.join(text.split()))}</li>"
    yield "</ul>"


def is_link(text: str) -> bool:
    """Tell whether *text* is one web address and nothing else."""
    text = text.strip()
    if not text.isprintable() or any(c.isspace() or c in "\"'<>\\`" for c in text):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def target(s: Standing, asked: Asked, at: datetime) -> Iterator[str]:
    """Say how long and how well the target ran, and how long the last one took."""
    known = _known(s, asked)
    yield f"<h2>What is known of {safe(asked.after.version)}</h2>"
    if known is None:
        yield dim("The ledger does not know it any more.")
        return
    first = f"{known.first_seen:%Y-%m-%d %H:%M} UTC"
    ago = _length(at - known.first_seen)
    items = [f"first seen here {first}, {ago} ago"]
    items.append(f"known good: {known.good}" if known.good else "not known to be good")
    if known.good_since:
        items.append(f"good since {known.good_since:%Y-%m-%d %H:%M} UTC")
    if known.quarantined:
        items.append(f"QUARANTINED: {known.quarantined}")
    if known.taken_down:
        items.append(known.taken_down)
    yield from listed(items)


def lately(s: Standing, rules: Rules, at: datetime) -> Iterator[str]:
    """Tell of the rollbacks of the last day, and which gap to expect."""
    automatic = [one for one in s.by_itself if at - one < _DAY]
    limit = f"the limit is {rules.daily_limit}"
    items = [f"{len(automatic)} by the watchdog itself in 24 h; {limit}"]
    last = s.last_rollback
    if last and at - last.started < _DAY:
        items.append(
            f"the last: {last.what}, {last.previous} to {last.target}, {last.how}, "
            f"begun {last.started:%H:%M:%S} UTC: {last.root_cause}"
        )
    items.append(words_of_gap(s.gap))
    yield "<h2>Rollbacks of the last day</h2>"
    yield from listed(items)


def _known(s: Standing, asked: Asked) -> KnownPair | None:
    after = asked.after
    meant = (after.version, after.images or after.image, after.manifests)
    for known in s.pairs.values():
        pair = known.pair
        if (pair.version, pair.images or pair.image, dict(pair.manifests)) == meant:
            return known
    return None


def _length(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"
