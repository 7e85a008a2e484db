"""What became of each question, told to whoever opens its page later."""

from dataclasses import replace
from typing import Any

from watchdog.decide.standing import Standing
from watchdog.facts.event import (
    BreachConfirmed,
    Entry,
    QuestionAsked,
    QuestionClosed,
    RecoveryMissed,
    RecoverySeen,
    RollbackEnded,
    RollbackMended,
    RollbackStarted,
)


def became(s: Standing, entry: Entry) -> Standing:
    """Note on the question of *entry* what it says of it; nothing else is changed."""
    match entry.event:
        case QuestionAsked(question=name, instead_of=before):
            breaches = (s.incident.charged or s.incident.breaches) if s.incident else ()
            asked = _noted(s, {name}, breaches=breaches)
            return _noted(asked, {before}, successor=name)
        case BreachConfirmed() if s.incident and s.incident.question:
            breaches = s.incident.charged or s.incident.breaches
            open_ = {n for n, q in s.questions.items() if not q.closed}
            return _noted(s, open_ & {s.incident.question}, breaches=breaches)
        case QuestionClosed(question=name, words=words):
            return _noted(s, {name}, closing=words)
        case RollbackStarted(incident=incident, plan=plan) if (
            s.incident and s.incident.id == incident
        ):
            return _noted(s, {s.incident.question}, op=plan.op)
        case RollbackEnded(op=op) as ended:
            return _noted(s, _of(s, op), ended=ended, ended_at=entry.at)
        case RollbackMended(op=op, how=how, proof=proof):
            of = {n: s.questions[n].ended for n in _of(s, op)}
            for name, before_it in of.items():
                if before_it is not None:
                    again = replace(before_it, how=how, proof=proof)
                    s = _noted(s, {name}, ended=again, ended_at=entry.at)
            return s
        case RecoverySeen(incident=incident, words=words):
            return _noted(s, _acted(s, incident), recovery=words, helped=True)
        case RecoveryMissed(incident=incident, words=words):
            return _noted(s, _acted(s, incident), recovery=words, helped=False)
        case _:
            return s


def _of(s: Standing, op: str) -> set[str]:
    return {name for name, one in s.questions.items() if op and one.op == op}


def _acted(s: Standing, incident: str) -> set[str]:
    return {
        name
        for name, one in s.questions.items()
        if one.op and one.asked.incident == incident
    }


def _noted(s: Standing, names: set[str], **what: Any) -> Standing:
    noted = {
        name: replace(s.questions[name], **what)
        for name in names
        if name in s.questions
    }
    return replace(s, questions=s.questions | noted) if noted else s
