"""What became of a question: open, answered, under way, proved, stuck, or closed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from watchdog.decide.question import Question
from watchdog.decide.standing import Rollback, Standing
from watchdog.decide.under_way import under_way
from watchdog.facts.event import RollbackEnded
from watchdog.facts.plan import Step
from watchdog.facts.rules import Rules
from watchdog.show.page import clock, safe

_LONGEST = 160  # of what a step was seen to come to


@dataclass(frozen=True, slots=True)
class Outcome:
    """A word that answers, a sentence, and what else is worth knowing.

    *is_open* while it can be answered, *is_over* once nothing is awaited any more.
    """

    word: str
    words: str
    also: tuple[str, ...] = ()
    is_open: bool = False
    is_over: bool = False


def outcome(s: Standing, question: Question, rules: Rules, at: datetime) -> Outcome:
    """Tell as of *at* how it stands with *question*, and what came of it."""
    acting = _acting(s, question)
    if acting is not None:
        return _under_way(s, acting, rules, at)
    if question.ended is not None:
        return _ended(question, question.ended)
    if question.closed:
        return _closed(question)
    return _open(question, at)


def _acting(s: Standing, question: Question) -> Rollback | None:
    on = s.rollback
    return on if on and question.op and on.started.plan.op == question.op else None


def _under_way(s: Standing, on: Rollback, rules: Rules, at: datetime) -> Outcome:
    to, bad = on.started.to_pair.version, on.started.from_pair.version
    if on.stuck:
        tried = "It is tried again by itself." if on.again else "A person must act."
        todo = (f"What to do: {on.hint}", "`watchdog repair` shows what runs.")
        return Outcome("STUCK", f"{on.stuck}. {tried}", todo)
    how = under_way(s, rules, at)
    where = (f"Now {how.words}.",) if how else ()
    if on.back:
        words = f"{to} did not come up, {bad} is being put back: {on.back}."
        return Outcome("GOING BACK", words, where)
    words = f"{bad} is being rolled back to {to}. It is not proved yet."
    return Outcome("UNDER WAY", words, where)


def _ended(question: Question, ended: RollbackEnded) -> Outcome:
    at = question.ended_at or question.asked_at
    took = int((at - ended.started).total_seconds())
    when = f"at {clock(at)}, {took} s after it began"
    bad, to = ended.previous, ended.target
    hint = (f"Left to do: {ended.hint}",) if ended.hint else ()
    match ended.how:
        case "proved" | "unpinned":
            word = "DONE"
            words = f"carried out and proved {when}: {to} runs."
            if ended.how == "unpinned":
                word = "DONE, BUT"
                words += " But somebody set the env file back meanwhile."
            also = (f"Proof: {ended.proof}", *hint)
            return _recovered(question, word, words, also)
        case "put-back":
            words = f"{to} did not come up, {bad} was put back {when}."
        case "unchanged":
            words = f"nothing that runs was touched ({when})."
        case "overtaken":
            words = (
                "somebody deployed meanwhile or took the stack down, and that "
                f"is left as it is ({when})."
            )
        case how:
            words = f"{how}, {when}."
    return Outcome("NOT DONE", words, (ended.proof, *hint), is_over=True)


def _recovered(
    question: Question, word: str, words: str, also: tuple[str, ...]
) -> Outcome:
    if question.recovery and question.helped:
        return Outcome(
            word, words, (*also, f"It helped: {question.recovery}"), is_over=True
        )
    if question.recovery:
        words += " It did NOT help."
        more = f"It is not this release: {question.recovery}"
        return Outcome("NO HELP", words, (*also, more), is_over=True)
    names = ", ".join(dict.fromkeys(b.trigger for b in question.breaches))
    return Outcome(word, words, (*also, f"Waiting for {names or 'it'} to clear."))


def _closed(question: Question) -> Outcome:
    why = (question.closing,) if question.closing else ()
    denied = question.denied_by
    match question.closed:
        case "superseded" if question.successor:
            words = "a newer question took its place."
        case "superseded":
            words = "it needs no answer any more."
        case "denied":
            who = denied.by if denied else "a person"
            words = f"denied by {who}: nothing was rolled back, promotion stays paused."
        case "expired":
            words = (
                f"nobody answered until {clock(question.deadline)}: nothing was rolled "
                "back, promotion stays paused."
            )
        case "carried out":
            words = "approved and begun; how it ended is not known on this page."
        case _:
            words = "it needs no answer any more, and nothing was rolled back."
    return Outcome("OVER", words, why, is_over=True)


def _open(question: Question, at: datetime) -> Outcome:
    until = clock(question.deadline)
    votes = f"{len(question.approvals)} of {question.asked.needed} agreed."
    denied, promised = question.denied_by, question.forward_fix
    if denied:
        return Outcome("DENIED", f"{denied.by} said no: nothing is rolled back.")
    if at >= question.deadline:
        return Outcome("TOO LATE", f"the time was over at {until}.")
    if question.is_approved:
        words = f"{votes} A denial still stops it until it starts."
        return Outcome("APPROVED", words, is_open=True)
    left = int((question.deadline - at).total_seconds())
    words = f"{left // 60} min more, until {until}. {votes}"
    if promised:
        words += f" {promised[0].by} promised a fix for {clock(promised[1])}."
    return Outcome("OPEN", words, is_open=True)


def step_list(s: Standing, op: str) -> Iterator[str]:
    """List the steps of *op* as they go, or as they went, where they are known."""
    known = [one for one in (s.rollback, s.past) if one]
    on = next((one for one in known if op and one.started.plan.op == op), None)
    if on is None:
        return
    ended = s.rollback is not on
    plan = on.started.plan
    yield "<h2>Steps</h2>"
    began = f"{on.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    yield f'<p class="dim">Begun at {began}, operation {safe(op)}.</p>'
    yield '<ol class="steps">'
    yield from _lines(on, plan.steps, ended=ended or bool(on.back))
    yield "</ol>"
    if on.back:
        yield f"<p><b>Turned round</b>: {safe(on.back)}</p>"
        yield '<ol class="steps">'
        yield from _lines(on, plan.way_back, ended=ended)
        yield "</ol>"


def _lines(on: Rollback, steps: tuple[Step, ...], *, ended: bool) -> Iterator[str]:
    for step in steps:
        evidence = on.done.get(step.words)
        if evidence is not None:
            line = evidence.splitlines()[0][:_LONGEST] if evidence else ""
            seen = f' <span class="dim">{safe(line)}</span>' if line else ""
            yield f"<li><b>done</b> {safe(step.words)}{seen}</li>"
        elif ended:
            yield f"<li><b>not done</b> {safe(step.words)}</li>"
        elif step.words == on.doing:
            yield f"<li><b>NOW</b> {safe(step.words)}</li>"
        else:
            yield f'<li class="dim"><b>to do</b> {safe(step.words)}</li>'
