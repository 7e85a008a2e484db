"""The report of one incident, for who saw nothing else of it."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

from watchdog.decide.tidings import message_of, said, six_fields
from watchdog.facts.event import (
    Answered,
    BlindTooLong,
    BreachConfirmed,
    Entry,
    FarEndBack,
    FarEndLost,
    OrderGiven,
    OrderRefused,
    PairStarted,
    PairUnclear,
    QuestionAsked,
    QuestionClosed,
    RecoveryMissed,
    RecoverySeen,
    RollbackDelayed,
    RollbackEnded,
    RollbackRefused,
    RollbackStarted,
    RollbackStuck,
    StepDone,
    StepFailed,
    StepIntended,
    StepUndone,
    TurnsLate,
    VerdictChanged,
    WayChosen,
    WentBack,
)
from watchdog.show.paper import Code, Drawing, Heading, Pairs, Paper, Part, Table, Words
from watchdog.show.threads import Threads

BEFORE = timedelta(minutes=30)
"""How long before its onset a breach's metric is drawn."""
_ANSWERS = (Answered, QuestionClosed)
Draws = Callable[[BreachConfirmed, datetime, datetime], Drawing | str]


def report(
    entries: Iterable[Entry],
    threads: Threads,
    which: str = "",
    *,
    name: str,
    draws: Draws | None = None,
) -> Paper:
    """Write the report of *which* out of the *entries* of its span.

    *name* is the watchdog's, *draws* draws a breach's metric or says why not.
    """
    found = list(entries)
    own = [one for one in found if threads.belongs(one.event, which)]
    root = threads.root[which or threads.newest]
    parts: list[Part] = [
        Heading("In five lines"),
        Pairs(tuple(_summary(found, own))),
        Heading("Timeline"),
        Table(("UTC", "after", "what"), tuple(_timeline(found, own, name))),
        *_evidence(own, draws),
        *_decisions(own),
        *_steps(own),
        *_ends(own),
        Heading("What was not known, and when"),
        *_unknown(found, own),
    ]
    return Paper(f"{name}: {_title(own)} ({root})", tuple(parts))


def _of(own: list[Entry], kind: type) -> list[Entry]:
    return [one for one in own if isinstance(one.event, kind)]


def _title(own: list[Entry]) -> str:
    for one in reversed(own):
        match one.event:
            case RollbackEnded(previous=bad, target=good, how=how, what=what):
                return f"{what} {bad} → {good}: {how}"
            case RollbackStuck():
                return "a rollback is STUCK"
            case RollbackStarted(from_pair=bad, to_pair=good):
                return f"{bad.version} is being rolled back to {good.version}"
            case _:
                pass
    for one in own:
        if isinstance(one.event, BreachConfirmed):
            return f"{one.event.release} breached {one.event.trigger}"
    return "what was ordered"


def _summary(found: list[Entry], own: list[Entry]) -> Iterator[tuple[str, str]]:
    breaches = _of(own, BreachConfirmed)
    orders = _of(own, OrderGiven)
    first = (breaches or orders or own)[0]
    match first.event:
        case BreachConfirmed() as breach:
            yield "What happened", f"{breach.release}: {breach.trigger}: {breach.words}"
        case OrderGiven() as order:
            yield "What happened", order.words
        case _:
            yield "What happened", _title(own)
    yield "Why then", _why_then(found, first)
    yield "Why not earlier", _why_not_earlier(own, first)
    yield "Who decided", _who(own)
    yield "What runs now", _runs(found, own)


def _why_then(found: list[Entry], first: Entry) -> str:
    event = first.event
    if not isinstance(event, BreachConfirmed):
        return "it was ordered by hand"
    since = [e for e in found if isinstance(e.event, PairStarted) and not e.event.by]
    words = f"confirmed at {_clock(first.at)}"
    if event.onset:
        words += f", {_length(first.at - event.onset)} after its onset"
    if since and since[0].seq < first.seq:
        age = first.at - since[0].at
        words += f", {_length(age)} after {event.release} was first seen"
    if event.elsewhere:
        words += f"; not charged to the release: {event.elsewhere}"
    return words


def _why_not_earlier(own: list[Entry], first: Entry) -> str:
    parts: list[str] = []
    event = first.event
    if isinstance(event, BreachConfirmed) and event.onset:
        gap = _length(first.at - event.onset)
        parts.append(f"{gap} of evidence were asked before it was a fact")
    for asked in _of(own, QuestionAsked):
        over = [e for e in own if e.seq > asked.seq and isinstance(e.event, _ANSWERS)]
        if over:
            parts.append(f"people took {_length(over[0].at - asked.at)} to answer")
    kept = (RollbackDelayed, RollbackRefused)
    parts += [
        f"{'refused' if isinstance(e.event, RollbackRefused) else 'not begun yet'} at "
        f"{_clock(e.at)}: {e.event.words}"
        for e in own
        if isinstance(e.event, kept)
    ]
    started = _of(own, RollbackStarted)
    if started and started[0].seq > first.seq:
        parts.append(f"begun {_length(started[0].at - first.at)} after the breach")
    return "; ".join(parts) or "nothing was waited for"


def _who(own: list[Entry]) -> str:
    for one in own:
        match one.event:
            case OrderGiven(by=by, reason=reason):
                return f"{by}, by hand" + (f": {reason}" if reason else "")
            case RollbackStarted(automatic=True):
                return "the watchdog by itself, as the release file allows"
            case RollbackStarted(approved_by=by):
                return f"approved by {by}"
            case _:
                pass
    return "nobody yet: nothing was begun"


def _runs(found: list[Entry], own: list[Entry]) -> str:
    words = ""
    for one in found:
        match one.event:
            case PairStarted(pair=pair):
                words = pair.words
            case PairUnclear(words=unclear):
                words = f"not clear: {unclear}"
            case _:
                pass
    ends = [e.event for e in own if isinstance(e.event, RollbackEnded | RollbackStuck)]
    if ends and isinstance(ends[-1], RollbackEnded):
        words = f"{words}; {ends[-1].how}" if words else ends[-1].how
    elif ends:
        words = "STUCK: a person must act"
    for one in own:
        match one.event:
            case RecoverySeen(words=seen):
                words += f"; recovered: {seen}"
            case RecoveryMissed(words=seen):
                words += f"; NOT recovered: {seen}"
            case _:
                pass
    return words or "not known"


def _timeline(
    found: list[Entry], own: list[Entry], name: str
) -> Iterator[tuple[str, str, str]]:
    """Tell what people were told, and what else was seen of it, with seconds."""
    first, mine = own[0], {one.seq for one in own}
    for one in found:
        near = one.at >= first.at - BEFORE or one.seq == found[0].seq
        told = message_of(one, name) if near else None
        words = ""
        match one.event:
            case PairStarted(pair=pair, by=by) if near:
                words = f"{pair.words} runs" + (" (put up by us)" if by else "")
            case BreachConfirmed(trigger=trigger, words=seen):
                words = f"breach: {trigger}: {seen}"
            case OrderGiven(words=seen) | OrderRefused(words=seen):
                words = seen if one.seq in mine else ""
            case VerdictChanged(trigger=trigger, kind=kind, words=seen) if near:
                words = f"{trigger} is {kind}: {seen}"
            case _ if told:
                words = f"{told.title.removeprefix(f'{name}: ')}: {told.words}"
            case _:
                pass
        if words:
            after = (one.at - first.at).total_seconds()
            yield f"{one.at.astimezone(UTC):%m-%d %H:%M:%S}", f"{after:+.1f} s", words


def _evidence(own: list[Entry], draws: Draws | None) -> Iterator[Part]:
    breaches = _of(own, BreachConfirmed)
    if not breaches:
        return
    yield Heading("Evidence")
    for one in breaches:
        event = one.event
        assert isinstance(event, BreachConfirmed)  # noqa: S101 - they were picked so
        yield Words(
            f"{event.trigger} of {event.release}: {event.words} "
            f"(value {event.value:g}, bound {event.bound:g}, action {event.action})"
            + (f"; elsewhere: {event.elsewhere}" if event.elsewhere else "")
        )
        if draws:
            since = (event.onset or one.at) - BEFORE
            drawn = draws(event, since, own[-1].at + BEFORE / 6)
            if isinstance(drawn, str):
                yield Words(f"No plot: {drawn}")
                continue
            yield drawn
            if drawn.queries:
                yield Words("Asked of Prometheus, over and over in that time:")
                yield Code("\n\n".join(drawn.queries))


def _decisions(own: list[Entry]) -> Iterator[Part]:
    rows: list[tuple[str, str, str, str]] = []
    for one in own:
        match one.event:
            case QuestionAsked(dri=dri, words=words, digest=digest):
                rows.append((_clock(one.at), ", ".join(dri), f"asked: {words}", digest))
            case Answered() as it:
                glass = "; broke the glass" if it.break_glass else ""
                why = f": {it.reason}" if it.reason else ""
                key = f"{it.scheme} {it.key} ({it.assurance})"
                words = f"{said(it.decision, it.eta)}{why}{glass}"
                rows.append((_clock(one.at), it.by, words, key))
            case QuestionClosed(how=how, words=words):
                rows.append((_clock(one.at), "", f"closed: {how}: {words}", ""))
            case OrderGiven(by=by, what=what, reason=why):
                rows.append((_clock(one.at), by, f"ordered {what}: {why}", "by hand"))
            case WayChosen(by=by, way=way, words=words):
                rows.append((_clock(one.at), by, f"let it go {way}: {words}", ""))
            case _:
                pass
    if rows:
        yield Heading("Decisions")
        yield Table(("UTC", "who", "what", "signed with, or digest"), tuple(rows))


def _steps(own: list[Entry]) -> Iterator[Part]:
    begun: dict[str, datetime] = {}
    rows: list[tuple[str, str, str, str]] = []
    for one in own:
        match one.event:
            case StepIntended(step=step):
                begun[step.words] = one.at
            case (
                StepDone(step=step, evidence=words)
                | StepFailed(step=step, words=words)
                | StepUndone(step=step, words=words)
            ):
                took = one.at - begun.get(step.words, one.at)
                how = {StepDone: "done", StepFailed: "FAILED"}.get(
                    type(one.event), "undone"
                )
                seconds = f"{took.total_seconds():.2f} s"
                rows.append((_clock(one.at), seconds, f"{how}: {step.words}", words))
            case WentBack(words=words):
                rows.append((_clock(one.at), "", "turned round", words))
            case _:
                pass
    if rows:
        yield Heading("Steps at the engine")
        yield Table(("UTC", "took", "step", "seen"), tuple(rows))


def _ends(own: list[Entry]) -> Iterator[Part]:
    for one in own:
        match one.event:
            case RollbackEnded() as done:
                yield Heading("Proof")
                yield Words(f"{done.how}: {done.proof}")
                if done.hint:
                    yield Words(f"Left to do: {done.hint}")
                yield Heading("The six fields")
                yield Pairs(six_fields(done, one.at))
            case RollbackStuck(words=words, hint=hint):
                yield Heading("Stuck")
                yield Words(f"{words}; {hint}")
            case _:
                pass


def _unknown(found: list[Entry], own: list[Entry]) -> Iterator[Part]:
    since = own[0].at - BEFORE
    rows: list[tuple[str, str]] = []
    for one in found:
        if one.at < since:
            continue
        match one.event:
            case VerdictChanged(trigger=trigger, kind="blind", words=words):
                rows.append((_clock(one.at), f"{trigger} was blind: {words}"))
            case BlindTooLong(trigger=trigger, words=words):
                rows.append((_clock(one.at), f"{trigger} stayed blind: {words}"))
            case FarEndLost(what=what, words=words):
                rows.append((_clock(one.at), f"{what} was away: {words}"))
            case FarEndBack(what=what):
                rows.append((_clock(one.at), f"{what} was back"))
            case PairUnclear(words=words):
                rows.append((_clock(one.at), f"what ran was not clear: {words}"))
            case TurnsLate(words=words):
                rows.append((_clock(one.at), f"nobody looked: {words}"))
            case _:
                pass
    yield (
        Table(("UTC", "what"), tuple(rows))
        if rows
        else Words(
            "Everything that was asked was measured, and every far end answered."
        )
    )


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M:%S}"


def _length(span: timedelta) -> str:
    seconds = span.total_seconds()
    if abs(seconds) < 120:
        return f"{seconds:.1f} s"
    if abs(seconds) < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
