"""What happened here, each story once: releases, rollbacks, questions and holds."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from watchdog.decide.tidings import said
from watchdog.facts.event import (
    Answered,
    BreachConfirmed,
    Entry,
    HoldLifted,
    HoldPlaced,
    IncidentClosed,
    OrderGiven,
    OrderRefused,
    PairProvedGood,
    PairQuarantined,
    PairRecorded,
    PairStarted,
    PromotionResumed,
    QuestionAsked,
    QuestionClosed,
    RecoveryMissed,
    RecoverySeen,
    RetentionReleased,
    RollbackDelayed,
    RollbackEnded,
    RollbackMended,
    RollbackRefused,
    RollbackReopened,
    RollbackStarted,
    RollbackStuck,
    WayChosen,
)

_WHAT = {"rollback": "rollback", "drill": "drill", "dry-drill": "drill"}


@dataclass(slots=True)
class Told:
    """One story: what, since when, about which release, who, why, how it ended.

    *ended* is None while it goes on, or where it has no length. *also* is what
    happened on the way, one sentence each.
    """

    what: str
    began: datetime
    release: str
    who: str
    why: str
    how: str = ""
    ended: datetime | None = None
    id: str = ""
    also: list[str] = field(default_factory=list)

    def end(self, at: datetime, how: str) -> None:
        """Note how it ended; a later end counts."""
        self.ended, self.how = at, how


class History:
    """Gathers the journal's entries, in their order, into stories."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self._open: dict[str, Told] = {}
        self._pairs: dict[str, Told] = {}
        self._versions: dict[str, str] = {}

    def hear(self, entry: Entry) -> None:  # noqa: PLR0915 - a table of what happens
        """Add what *entry* says to its story."""
        at, event = entry.at, entry.event
        match event:
            case PairStarted(pair=pair, by=by):
                self._versions[pair.key] = pair.version
                if not by:
                    found = Told("release", at, pair.version, "", "deployed")
                    self._pairs[pair.key] = self._add(found, pair.short)
            case PairProvedGood(key=key, words=words, vouched_by=who):
                if who:
                    self._add(Told("vouch", at, self._called(key), who, words))
                elif key in self._pairs:
                    self._pairs[key].also.append(f"known good: {words}")
            case PairQuarantined(key=key, words=words) if key in self._pairs:
                self._pairs[key].also.append(f"quarantined: {words}")
            case PairRecorded(pair=pair, by=who, words=words):
                self._add(Told("record", at, pair.version, who, words))
            case RetentionReleased(version=version, by=who, words=words):
                self._add(Told("let go", at, version, who, words))
            case BreachConfirmed():
                self._breach(at, event)
            case RecoverySeen(incident=id_, words=words):
                self._also(id_, f"recovered: {words}")
            case RecoveryMissed(incident=id_, words=words):
                self._also(id_, f"NOT recovered: {words}")
            case RollbackDelayed(incident=id_, words=words):
                self._also(id_, f"not rolled back yet: {words}")
            case RollbackRefused(incident=id_, words=words):
                self._also(id_, f"not rolled back: {words}")
            case IncidentClosed(incident=id_, words=words):
                self._end(id_, at, words)
            case QuestionAsked(question=id_, incident=incident, words=words, dri=dri):
                release = self._of(incident)
                self._add(Told("question", at, release, ", ".join(dri), words), id_)
            case Answered(question=id_, decision=decision, by=who, reason=why) as it:
                because = f": {why}" if why else ""
                self._also(id_, f"{who} {said(decision, it.eta)}{because}")
            case QuestionClosed(question=id_, how=how, words=words):
                self._end(id_, at, f"{how}: {words}")
            case HoldPlaced(by=who, words=words):
                self._add(Told("hold", at, "", who, words), "hold")
            case HoldLifted(by=who, words=words):
                self._end("hold", at, f"lifted by {who}: {words}")
            case PromotionResumed(release=release, by=who, reason=why):
                self._add(Told("promotion", at, release, who, why or "resumed"))
            case OrderGiven(order=id_, what=what, by=who, reason=why, key=key):
                kind = _WHAT.get(what, what)
                self._add(Told(kind, at, self._called(key), who, why), id_)
            case OrderRefused(order=id_, words=words):
                self._end(id_, at, f"refused: {words}")
            case RollbackStarted():
                self._rollback(at, event)
            case WayChosen(op=op, way=way, by=who):
                self._also(op, f"{who} let it go {way}")
            case RollbackStuck(op=op, words=words):
                self._also(op, f"STUCK: {words}")
            case RollbackReopened(op=op, words=words):
                self._also(op, f"again: {words}")
            case RollbackEnded(op=op, how=how, proof=proof):
                self._end(op, at, f"{how}: {proof}")
            case RollbackMended(op=op, how=how, proof=proof):
                self._end(op, at, f"{how}, again: {proof}")
            case _:
                pass

    def _breach(self, at: datetime, event: BreachConfirmed) -> None:
        words = f"{event.trigger}: {event.words}"
        if event.elsewhere:
            words += f"; not this release's doing: {event.elsewhere}"
        if event.incident in self._open:
            self._also(event.incident, words)
        else:
            self._add(Told("incident", at, event.release, "", words), event.incident)

    def _rollback(self, at: datetime, event: RollbackStarted) -> None:
        found = self._open.get(event.order)
        if found is None:
            who = f"approved by {event.approved_by}"
            who = "by itself" if event.automatic else who
            what = _WHAT.get(event.what, event.what)
            found = self._add(Told(what, at, "", who, event.cause), event.plan.op)
        found.release = f"{event.from_pair.version} -> {event.to_pair.version}"
        found.id = event.plan.op
        self._open[event.plan.op] = found

    def _add(self, one: Told, id_: str = "") -> Told:
        one.id = id_
        self.told.append(one)
        if id_:
            self._open[id_] = one
        return one

    def _also(self, id_: str, words: str) -> None:
        if id_ in self._open:
            self._open[id_].also.append(words)

    def _end(self, id_: str, at: datetime, how: str) -> None:
        if id_ in self._open:
            self._open[id_].end(at, how)

    def _called(self, key: str) -> str:
        return self._versions.get(key, key[:19])

    def _of(self, incident: str) -> str:
        return self._open[incident].release if incident in self._open else ""


def history(entries: Iterable[Entry]) -> list[Told]:
    """Gather all of *entries*, the newest story first."""
    it = History()
    for entry in entries:
        it.hear(entry)
    return it.told[::-1]


def picture(told: Iterable[Told]) -> list[dict[str, Any]]:
    """Give the stories as plain values."""
    return [
        asdict(one) | {"began": _stamp(one.began), "ended": _stamp(one.ended)}
        for one in told
    ]


def words(told: list[Told]) -> str:
    """Say the stories, each with who and why, and how it ended under it."""
    if not told:
        return "nothing has happened here yet"
    wide = max(len(one.what) for one in told)
    lines: list[str] = []
    for one in told:
        said = " · ".join(part for part in (one.release, one.who, one.why) if part)
        lines.append(f"{_stamp(one.began)}  {one.what:<{wide}}  {said}")
        lines += [f"{'':22}{'':{wide}}{also}" for also in one.also]
        if one.how:
            took = (one.ended - one.began).total_seconds() if one.ended else 0.0
            lines.append(f"{'':22}{'':{wide}}after {_length(took)}: {one.how}")
    return "\n".join(map(_plain, lines))


def _plain(line: str) -> str:
    """Keep what people and programs wrote from steering a terminal."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in line)


def _length(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _stamp(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else ""
