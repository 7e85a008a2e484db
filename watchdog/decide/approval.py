"""People's answers, weighed as things stand now: who counts, and what follows."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from watchdog.decide.question import Question
from watchdog.decide.standing import Incident, KnownPair
from watchdog.facts.decision import Ask, Decision, Hold, Refuse, RollBack
from watchdog.facts.event import AnswerVoided, Event, Reminded
from watchdog.facts.lack import Lack
from watchdog.facts.roster import Roster
from watchdog.facts.trigger import Release
from watchdog.facts.verdict import Clear, Verdict

# What is asked late in the day is open for a while all the same.
LEAST_TIME = timedelta(minutes=10)
BREAK_GLASS_A_DAY = 2
_ROSTER = "see docs/how-to/keep-the-roster.md"
_REMIND_AT = (("50%", 0.5), ("75%", 0.75))


def deadline_of(onset: datetime | None, release: Release, at: datetime) -> datetime:
    """Say until when a question of *at* may be answered.

    The clock of the MTTR began with the breach, not with the question.
    """
    return max((onset or at) + release.mttr, at + LEAST_TIME)


def nobody_to_ask(release: Release, roster: Roster, at: datetime) -> str:
    """Say why no question about *release* could be answered at *at*, or nothing."""
    able = [name for name in release.eligible if roster.can_answer(name, at)]
    if len(able) >= release.required_approvals:
        return ""
    return (
        f"{release.required_approvals} of {', '.join(release.eligible)} must "
        f"agree, and only {len(able)} have a key that counts: nobody can be "
        "asked"
    )


def lacks_of_people(release: Release, roster: Roster, at: datetime) -> Iterator[Lack]:
    """Say who of *release* could not answer at *at*, before a question is open."""
    if not release.dri:
        yield Lack("no DRI is named, who could answer", "name one: `dri`")
    elif nobody := nobody_to_ask(release, roster, at):
        yield Lack(nobody, _ROSTER)
    else:
        mute = [n for n in release.eligible if not roster.can_answer(n, at)]
        if mute:
            words = f"{', '.join(mute)} cannot answer: no key in the roster counts"
            yield Lack(words, _ROSTER, doubt=True)
    by = release.approved_by
    if by in release.unlisted and release.begins_by_itself:
        words = f"{by}, who agreed to rollbacks by themselves, is not in the roster"
        hint = "who left stays in it with `revoked: true`, or another one agrees"
        yield Lack(f"{words}: people are asked in their place", hint)


def why_it_does_not_count(
    question: Question, release: Release | None, roster: Roster, at: datetime
) -> Iterator[AnswerVoided]:
    """Find the answers of people, or with keys, that may not answer any more."""
    for answer in question.counted:
        why = roster.why_not(answer.by, answer.key, at)
        eligible = release.eligible if release else ()
        if not why and not answer.break_glass and answer.by not in eligible:
            why = f"{answer.by} is not a DRI of this release any more"
        if why:
            words = f"the {answer.decision} of {answer.by} counts no more: {why}"
            yield AnswerVoided(question.asked.question, answer.message, words)


def reminders(
    question: Question, release: Release | None, on_call: str, at: datetime
) -> Iterator[Event]:
    """Find the reminders that are due, each to more people than the one before."""
    if question.closed or question.is_approved or question.denied_by:
        return
    if question.forward_fix is not None:
        return  # somebody is at it; they are asked again at their own time
    whole = question.deadline - question.asked_at
    people = question.asked.dri
    for share, part in _REMIND_AT:
        if part > 0.5:
            more = release.secondary if release else ()
            people = tuple(dict.fromkeys((*people, *more, on_call)))
        due = question.asked_at + part * whole
        if share in question.reminded or not due <= at < question.deadline:
            continue
        left = int((question.deadline - at).total_seconds() // 60)
        have, need = len(question.approvals), question.asked.needed
        so_far = f"{have} of {need} agreed" if have else "no answer yet"
        words = f"{so_far}, {left} min left: {question.asked.words}"
        yield Reminded(question.asked.question, share, people, words)


def weigh(
    incident: Incident,
    question: Question,
    target: KnownPair,
    at: datetime,
    *,
    release: Release | None,
    silence: str,
    verdicts: Mapping[str, Verdict],
) -> Decision:
    """Weigh what was answered against what was asked.

    *silence* says why a rollback may not start by itself, empty when it may: what
    the release file says of no answer is then what is done.
    """
    denied = question.denied_by
    if denied:
        return Refuse(incident.id, f"{denied.by} denied the rollback: {denied.reason}")
    if question.closed:
        return Hold(f"the question is {question.closed}; promotion stays paused")
    if question.is_approved:
        breach = incident.charged[0]
        return RollBack(
            incident=incident.id,
            to=target.pair,
            record=target.record,
            cause=f"{breach.trigger}: {breach.words}",
            approved_by=" and ".join(answer.by for answer in question.approvals),
            automatic=False,
            question=question.asked.question,
        )
    promised = question.forward_fix
    if promised is not None:
        return _fixing(incident, question, target, verdicts, at)
    if at >= question.deadline:
        return _unanswered(incident, question, target, release, silence)
    who = ", ".join(question.asked.dri)
    have, need = len(question.approvals), question.asked.needed
    some = f" ({have} of {need} agreed)" if have else ""
    return Hold(f"waiting for {who} until {_clock(question.deadline)}{some}")


def _fixing(
    incident: Incident,
    question: Question,
    target: KnownPair,
    verdicts: Mapping[str, Verdict],
    at: datetime,
) -> Decision:
    """Wait for a promised fix; when its time is over, look, and ask again."""
    promised = question.forward_fix
    if promised is None:
        raise AssertionError("nobody promised a fix")
    answer, eta = promised
    if at < eta:
        return Hold(
            f"{answer.by} fixes forward until {_clock(eta)}; promotion stays paused"
        )
    names = [breach.trigger for breach in incident.charged]
    if all(isinstance(verdicts.get(name), Clear) for name in names):
        return Refuse(
            incident.id,
            f"{', '.join(names)} clear at the time that {answer.by} promised; "
            "not rolling back",
        )
    breach = incident.charged[0]
    return Ask(
        incident.id,
        target.pair,
        f"the fix that {answer.by} promised for {_clock(eta)} is not there; "
        f"{breach.trigger}: {breach.words}",
        again=question.asked.question,
    )


def _unanswered(
    incident: Incident,
    question: Question,
    target: KnownPair,
    release: Release | None,
    silence: str,
) -> Decision:
    who, until = ", ".join(question.asked.dri), _clock(question.deadline)
    said = f"nobody of {who} answered until {until}"
    if question.approvals:
        some = ", ".join(answer.by for answer in question.approvals)
        have, need = len(question.approvals), question.asked.needed
        said = f"only {have} of {need} agreed until {until} ({some})"
    if release is None or release.on_no_answer == "hold":
        return Refuse(incident.id, f"{said}; silence is not a yes")
    if silence:
        return Refuse(incident.id, f"{said}; on_no_answer: roll-back, but {silence}")
    breach = incident.charged[0]
    return RollBack(
        incident=incident.id,
        to=target.pair,
        record=target.record,
        cause=f"{breach.trigger}: {breach.words}",
        approved_by=f"{release.approved_by} before it shipped (on_no_answer), {said}",
        automatic=True,
        question=question.asked.question,
    )


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S} UTC"
