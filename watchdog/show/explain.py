"""Why it is not rolling back, in the journal's words; it reads and changes nothing."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from watchdog.decide.gate import OPEN, gate
from watchdog.decide.measured import observed, unjudged
from watchdog.decide.policy import decide, recovers_until
from watchdog.decide.rehearse import if_confirmed
from watchdog.decide.standing import Incident, Standing
from watchdog.decide.under_way import under_way
from watchdog.facts.decision import Ask, Decision, Hold, Refuse, RollBack
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release, Trigger
from watchdog.facts.verdict import Breached, Clear, Verdict
from watchdog.show.status import down, promotion, stamp, words_of
from watchdog.turn.roles import Turn

_KINDS = ("breached", "pending", "blind", "clear")
_NOT_YET = "not judged yet"


def explain(
    s: Standing,
    release: Release | None,
    rules: Rules,
    turn: Turn | None,
    *,
    poll: timedelta,
    at: datetime,
) -> dict[str, Any]:
    """Weigh the standing as the next turn would, and say what came of it.

    ``needed`` says what would have to be true for a rollback; each trigger that is
    not confirmed says what would follow if it were, weighed by the same policy.
    """
    acting = under_way(s, rules, at)
    fresh = turn is not None and abs(at - turn.at) <= 3 * poll
    fresh |= acting is not None and acting.is_orderly
    version = s.running.pair.version if s.running else ""
    awake = "" if fresh else "nobody is watching"
    idle = "" if s.rollback else awake or unjudged(s, release, at)
    kind, words = _decided(s, release, rules, at)
    if s.incident is None and s.running and not s.rollback:
        # Neither is it "watching" then, nor is nothing confirmed.
        words = idle or _not_up(s) or _confirmed(s, release, rules, at) or words
    waits, until = _waits(s, release, rules)
    looked = turn.looked if turn else None
    may = gate(s, version, release, rules, looked=looked, at=at)
    return {
        "name": rules.name,
        "at": stamp(at),
        "running": version,
        "watching": fresh,
        "last_turn": {"at": stamp(turn.at), "words": turn.words} if turn else None,
        "decision": kind,
        "words": f"{rules.name}: {_lead(kind, version)}: {words}",
        "confirmed": [
            {
                "trigger": breach.trigger,
                "action": breach.action,
                "words": breach.words,
                "not_this_release": breach.elsewhere,
            }
            for breach in (s.incident.breaches if s.incident else ())
        ],
        "triggers": [
            _trigger(
                trigger,
                s,
                release,
                rules,
                said=_said_of(trigger, s, turn),
                idle=idle,
                at=at,
            )
            for release in ([release] if release else [])
            for trigger in release.triggers
        ],
        "promotion": promotion(may, awake=fresh),
        "waits_for": waits,
        "until": stamp(until) if until else "",
        "needed": list(_needed(s, release, rules, fresh=fresh)),
    }


def words(whole: dict[str, Any]) -> str:
    """Say *whole* so that the first line answers, and the rest explains."""
    lines = [whole["words"]]
    for one in whole["confirmed"]:
        lines.append(
            f"confirmed      {one['trigger']} ({one['action']}): {one['words']}"
        )
        if one["not_this_release"]:
            lines.append(f"               not this release: {one['not_this_release']}")
    for kind in (*_KINDS, _NOT_YET):
        for one in whole["triggers"]:
            if one["verdict"] != kind:
                continue
            cause = f" ({one['cause']})" if one["cause"] else ""
            lines.append(f"{kind:<15}{one['trigger']}{cause}: {one['words']}")
            if one["if_confirmed"]:
                lines.append(f"               if confirmed: {one['if_confirmed']}")
    if whole["promotion"]["state"] != OPEN:
        lines.append(f"promotion      {whole['promotion']['state']}")
        lines += [f"               - {one}" for one in whole["promotion"]["reasons"]]
    if whole["waits_for"]:
        until = f" until {whole['until']}" if whole["until"] else ""
        lines.append(f"waits for      {whole['waits_for']}{until}")
    lines += [f"needed         {one}" for one in whole["needed"]]
    return "\n".join(lines)


def _lead(kind: str, version: str) -> str:
    return {
        "rolling back": f"rolling {version} back now",
        "roll back": f"rolling {version} back with the next turn",
        "ask": f"not rolling {version} back yet, a person is asked next",
        "unknown": "not rolling back",
    }.get(kind, f"not rolling {version} back")


def _decided(
    s: Standing, release: Release | None, rules: Rules, at: datetime
) -> tuple[str, str]:
    """Decide as the turn does, in its order: what is under way, what is not seen."""
    if s.rollback:
        to = s.rollback.started.to_pair.version
        if s.rollback.stuck:
            return "stuck", f"STUCK on the way to {to}: {s.rollback.stuck}"
        done, of = len(s.rollback.done), len(s.rollback.started.plan.steps)
        return "rolling back", f"to {to}, {done} of {of} steps done"
    if s.running is None:
        return "unknown", "nothing has been seen running yet"
    if s.unseen:
        return "unknown", s.unseen
    if s.unclear:
        return "unknown", s.not_whole
    if release is None:
        version = s.running.pair.version
        return "hold", f"{version} has no release file that can be read"
    return _said(decide(s, release, rules, at, _verdicts(s)))


def _not_up(s: Standing) -> str:
    why = down(s)
    return f"it is not up: {why}" if why else ""


def _confirmed(s: Standing, release: Release | None, rules: Rules, at: datetime) -> str:
    """Say what is confirmed though nothing follows from it; nothing while nothing is.

    It is observed only, or a person let it go onward all the same.
    """
    if release is None:
        return ""
    said = "; ".join(observed(s, release, rules, at))
    names = [n for n, seen in s.verdicts.items() if seen.changed.kind == "breached"]
    if said or not names:
        return said
    version = s.running.pair.version if s.running else ""
    let_go = s.resumed.get(version, "")
    return f"{', '.join(names)} is breached; {let_go}" if let_go else ""


def _said(decision: Decision) -> tuple[str, str]:
    match decision:
        case Hold(words=words):
            return "hold", words
        case Refuse(words=words):
            return "refuse", words
        case Ask(to=to, words=words):
            return "ask", f"roll back to {to.version}? {words}"
        case RollBack(to=to, cause=cause, approved_by=who):
            return "roll back", f"to {to.version}, approved by {who}; {cause}"


def _verdicts(s: Standing) -> dict[str, Verdict]:
    """Give those that are clear: a decision asks nothing else of a verdict."""
    return {
        name: Clear(seen.changed.words)
        for name, seen in s.verdicts.items()
        if seen.changed.kind == "clear"
    }


def _trigger(
    trigger: Trigger,
    s: Standing,
    release: Release,
    rules: Rules,
    *,
    said: str,
    idle: str,
    at: datetime,
) -> dict[str, Any]:
    seen = s.verdicts.get(trigger.name)
    confirmed = s.incident.breaches if s.incident else ()
    latched = any(breach.trigger == trigger.name for breach in confirmed)
    then = ""
    if not latched and s.rollback is None:
        then = _if_confirmed(trigger, s, release, rules, at)
    return {
        "trigger": trigger.name,
        "action": str(trigger.action),
        "verdict": seen.changed.kind if seen and not idle else _NOT_YET,
        "cause": seen.changed.cause if seen and not idle else "",
        "words": idle or said or _why_not_judged(s),
        "since": stamp(seen.since) if seen else "",
        "if_confirmed": then,
    }


def _said_of(trigger: Trigger, s: Standing, turn: Turn | None) -> str:
    seen = s.verdicts.get(trigger.name)
    return words_of(seen, trigger.name, turn) if seen else ""


def _why_not_judged(s: Standing) -> str:
    if s.running is None:
        return "nothing runs that is known"
    return f"no turn has judged it since {stamp(s.running.since)}"


def _if_confirmed(
    trigger: Trigger, s: Standing, release: Release, rules: Rules, at: datetime
) -> str:
    """Weigh a breach that is made up on top of where we stand, and say the outcome."""
    if s.running is None:
        return ""
    if trigger.observe_only:
        return "only told: the trigger's mode is observe"
    made_up = Breached("made up", 0.0, 0.0, onset=at)
    decision = if_confirmed(
        s,
        s.running.pair,
        release,
        trigger,
        made_up,
        rules=rules,
        at=at,
        verdicts=_verdicts(s),
    )
    match decision:
        case RollBack(to=to):
            return f"it would be rolled back to {to.version} by itself"
        case Ask(to=to):
            who = ", ".join(release.dri)
            return f"{who} would be asked to roll back to {to.version}"
        case Refuse(words=words):
            return f"refused: {words}"
        case Hold(words=words):
            return f"held: {words}"


def _waits(
    s: Standing, release: Release | None, rules: Rules
) -> tuple[str, datetime | None]:
    """Say what is waited for now, and until when; nothing while nothing is."""
    incident, question = s.incident, s.question
    if s.rollback or incident is None:
        return "", None
    if incident.rolled_back_at and not incident.ended:
        names = ", ".join(breach.trigger for breach in incident.charged)
        return f"{names} to clear", recovers_until(incident, release, rules)
    if question is None or question.closed or incident.refused:
        return "", None
    if question.forward_fix:
        answer, eta = question.forward_fix
        return f"the fix that {answer.by} promised", eta
    have, need = len(question.approvals), question.asked.needed
    who = ", ".join(question.asked.dri)
    return f"an answer of {who} ({have} of {need} agreed)", question.deadline


def _needed(
    s: Standing, release: Release | None, rules: Rules, *, fresh: bool
) -> Iterator[str]:
    """Say what would have to be true for a rollback, what is missing first."""
    if not fresh:
        yield "somebody must watch: no full turn in the last 3 polls; `watchdog run`"
    if s.claimed:
        yield f"this watchdog must have the stack: {s.claimed.hint}"
    if s.rollback:
        if s.rollback.stuck:
            yield f"a person must act: {s.rollback.hint or s.rollback.stuck}"
        return
    if s.running is None or s.unclear or s.unseen:
        yield "what runs must be seen, and be one whole pair"
    if rules.observe_only:
        yield "`mode: act` in the settings: it is observe, so nothing is done"
    if s.hold:
        yield f"the hold must be lifted (`watchdog resume --by NAME`): {s.hold.words}"
    if s.incident is None:
        yield "a trigger must be confirmed on the running release"
        return
    yield from _needed_of(s, s.incident, release)


def _needed_of(
    s: Standing, incident: Incident, release: Release | None
) -> Iterator[str]:
    question = s.question
    if incident.ended or incident.rolled_back_at:
        yield "nothing more: it was rolled back, and a rollback is never rolled back"
    elif incident.refused:
        yield (
            "a further trigger must be confirmed, or a person must order it: "
            "`watchdog rollback --by NAME --reason WHY`"
        )
    elif not incident.charged:
        yield "the breach must be this release's doing"
    elif question and not question.closed:
        missing = question.asked.needed - len(question.approvals)
        if missing > 0 and not question.denied_by:
            name = question.asked.question
            who = ", ".join(release.eligible) if release else "nobody"
            yield f"{missing} more of {who} must approve: `watchdog approve {name}`"
        if question.forward_fix:
            yield "or the breach must still stand when the promised fix is due"
