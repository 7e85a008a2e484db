"""Where we stand, in words for people and as JSON for programs."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from watchdog.decide.drill import words_of as words_of_drill
from watchdog.decide.gate import OPEN, Gate, gate
from watchdog.decide.measured import unjudged
from watchdog.decide.policy import choose_target
from watchdog.decide.ready import answer
from watchdog.decide.retention import beyond, in_words, taken
from watchdog.decide.standing import KnownPair, SeenVerdict, Standing
from watchdog.decide.steady import Flow
from watchdog.decide.under_way import under_way
from watchdog.facts.message import Backlog
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release
from watchdog.show import untold as told_late
from watchdog.turn.roles import Turn

# What a person reads through, and what a poll every few seconds may carry.
_MOST_PAIRS = 20


def picture(
    s: Standing,
    release: Release | None,
    rules: Rules,
    turn: Turn | None,
    *,
    poll: timedelta,
    at: datetime,
    untold: Iterable[Backlog] | None = (),
) -> dict[str, Any]:
    """Put everything that a person asks for at 3 a.m. into one plain value.

    *untold* is what the channels have not taken, None when that cannot be read.
    """
    target = choose_target(s, release)
    running = s.running
    version = running.pair.version if running else ""
    fresh = turn is not None and abs(at - turn.at) <= 3 * poll
    acting = under_way(s, rules, at)
    orderly = acting is not None and acting.is_orderly
    looked = turn.looked if turn else None
    could = answer(s, release, looked, rules, at)
    said = gate(s, version, release, rules, looked=looked, at=at)
    awake = "" if fresh or orderly else "nobody is watching"
    idle = (awake or unjudged(s, release, at)) if running and not s.rollback else ""
    return {
        "name": rules.name,
        "at": stamp(at),
        "mode": "observe" if rules.observe_only else "act",
        "watching": fresh or orderly,
        "acting": acting.words if acting else "",
        "not_asked": idle,
        "last_turn": {"at": stamp(turn.at), "words": turn.words} if turn else None,
        "running": {
            "version": version,
            "pair": running.pair.words,
            "since": stamp(running.since),
            "by_rollback": running.by,
            "standing": _ledger_words(s),
            "down": down(s),
        }
        if running
        else None,
        "claimed": {
            "by": s.claimed.by,
            "words": s.claimed.words,
            "hint": s.claimed.hint,
        }
        if s.claimed
        else None,
        "unclear": s.not_whole,
        "readiness": {
            "ready": could.ready,
            "target": could.target,
            "words": could.words,
            "lacks": [{"words": x.words, "hint": x.hint} for x in could.lacks],
            "since": stamp(could.since) if could.since else None,
            "looked": stamp(turn.looked) if turn and turn.looked else None,
        },
        "held": _held(s, release, rules),
        "armed": s.armed,
        "unproven": s.unproven,
        "hold": s.hold.words if s.hold else "",
        "order": s.order.given.words if s.order else "",
        "promotion": promotion(said, awake=fresh or orderly),
        "triggers": {
            name: {
                "verdict": "not judged" if idle else seen.changed.kind,
                "cause": seen.changed.cause,
                "words": words_of(seen, name, turn),
                "unsteady": _unsteady(s.flow("verdict", name)),
                "since": stamp(seen.since),
            }
            for name, seen in s.verdicts.items()
        },
        "target": {"version": "", "words": target}
        if isinstance(target, str)
        else {"version": target.pair.version, "words": target.good},
        "incident": _incident(s),
        "question": _question(s),
        "rollback": _rollback(s),
        "last_rollback": _last(s),
        "last_drill": _drilled(s, at),
        "pairs": [
            {
                "version": known.pair.version,
                "id": known.pair.short,
                "pair": known.pair.words,
                "first_seen": stamp(known.first_seen),
                "known_good": known.good,
                "taken_down": known.taken_down,
                "quarantined": known.quarantined,
            }
            for known in _listed(s)
        ],
        "pairs_in_all": len(s.pairs),
        "deployments": [
            {
                "id": name,
                "repository": one.asked.repository,
                "run": one.asked.run,
                "environment": one.asked.environment,
                "ref": one.asked.ref,
                "release": one.weighed.release if one.weighed else "",
                "since": stamp(one.asked_at),
                "open": not one.over,
                "words": one.words,
            }
            for name, one in s.deployments.items()
            if not one.over or one.lost
        ],
        "unreachable": s.lost,
        "untold": told_late.picture(untold, at),
    }


def words(whole: dict[str, Any]) -> str:
    """Say *whole* so that the first line answers, and the rest explains."""
    running, target = whole["running"], whole["target"]
    lines = [_first(whole)]
    if whole["claimed"]:
        lines += [whole["claimed"]["words"], f"hint: {whole['claimed']['hint']}"]
    if whole["acting"]:
        lines.append(f"acting         {whole['acting']}")
    if not whole["watching"]:
        last = whole["last_turn"]
        when = f"the last turn ended {last['at']}" if last else "it never turned"
        lines.append(f"NOT WATCHING: {when}; is `watchdog run` up?")
    if running:
        lines += _readiness_lines(whole["readiness"])
    for what, why in whole["unreachable"].items():
        lines.append(f"unreachable    {what}: {why}")
    lines += [f"untold         {one['words']}" for one in whole["untold"]]
    if whole["unclear"]:
        lines.append(f"unclear        {whole['unclear']}")
    if whole["held"]["images"]:
        lines.append(f"retention      {whole['held']['words']}")
    if running:
        if running["down"]:
            lines.append(f"deployed       {running['pair']}; {running['down']}")
        else:
            lines.append(f"running        {running['pair']} since {running['since']}")
        lines.append(f"               {running['standing']}")
    lines += [f"{part:<15}{whole[part]}" for part in ("hold", "order") if whole[part]]
    gate = whole["promotion"]
    lines.append(f"promotion      {gate['state']}")
    lines += [f"               - {reason}" for reason in gate["reasons"]]
    if gate["state"] == OPEN:
        lines.append(f"               {gate['words']}")
    can = f"to {target['version']}: {target['words']}" if target["version"] else ""
    lines.append(f"target         {can or target['words']}")
    for name, seen in ({} if whole["not_asked"] else whole["triggers"]).items():
        cause = f" ({seen['cause']})" if seen["cause"] else ""
        often = f"; {seen['unsteady']}" if seen["unsteady"] else ""
        lines.append(
            f"trigger        {name}: {seen['verdict']}{cause}: {seen['words']}{often}"
        )
    for one in whole["deployments"]:
        where = f"{one['repository']} run {one['run']} to {one['environment']}"
        lines.append(f"deployment     {where}, since {one['since']}: {one['words']}")
    for part in ("incident", "question", "rollback", "last_rollback", "last_drill"):
        if whole[part]:
            lines.append(f"{part.replace('_', ' '):<15}{whole[part]['words']}")
    return "\n".join(lines)


def _readiness_lines(could: dict[str, Any]) -> list[str]:
    lines = [could["words"]]
    for lack in could["lacks"]:
        lines.append(f"               - {lack['words']}")
        lines += [f"                 hint: {lack['hint']}"] if lack["hint"] else []
    return lines


def _first(whole: dict[str, Any]) -> str:
    running = whole["running"]
    if whole["claimed"]:
        return f"{whole['name']}: NOT ACTING: another watchdog has this stack"
    if running is None:
        return f"{whole['name']}: nothing has been seen running yet"
    version = running["version"]
    if whole["rollback"]:
        return f"{whole['name']}: {whole['rollback']['words']}"
    if whole["incident"]:
        if whole["incident"]["rolled_back"]:
            return f"{whole['name']}: {whole['incident']['words']}"
        return f"{whole['name']}: {version} has an open incident"
    by_kind: dict[str, list[str]] = {}
    for name, seen in whole["triggers"].items():
        by_kind.setdefault(seen["verdict"], []).append(name)
    others = [
        f"{kind}: {', '.join(names)}"
        for kind, names in sorted(by_kind.items())
        if kind != "clear"
    ]
    state = "; ".join(others) or ("clear" if by_kind else "not judged yet")
    if running["down"]:
        return f"{whole['name']}: {version} is not up: {running['down']}"
    if whole["not_asked"]:
        return f"{whole['name']}: {version} runs: {whole['not_asked']}"
    return f"{whole['name']}: watching {version}: {state}"


def words_of(seen: SeenVerdict, name: str, turn: Turn | None) -> str:
    """Give what was said when the verdict changed, unless a later turn said more.

    A turn that is not over yet may have changed it since the last one that is.
    """
    if turn is not None and turn.at >= seen.changed_at:
        return turn.verdicts.get(name, seen.changed.words)
    return seen.changed.words


def _unsteady(flow: Flow) -> str:
    if not flow.comes_and_goes:
        return ""
    wait = int(flow.wait.total_seconds())
    return f"it comes and goes: better is believed {wait} s after {stamp(flow.at)}"


def _listed(s: Standing) -> list[KnownPair]:
    """Give the newest pairs, oldest first; `watchdog releases` has all of them."""
    newest = sorted(s.pairs.values(), key=lambda known: known.order)
    return newest[-_MOST_PAIRS:]


def promotion(said: Gate | None, *, awake: bool) -> dict[str, Any]:
    """Say what the gate says; what nobody watches is not open."""
    reasons = list(said.reasons) if said else ["no release file, and it never ran here"]
    state = said.state if said else "unknown"
    words = said.words if said else reasons[0]
    if not awake:
        state = "not known (nobody is watching)"
        words = words if reasons else "nobody is watching"
    return {"state": state, "reasons": reasons, "words": words}


def down(s: Standing) -> str:
    """Say which containers of what is deployed do not run; nothing when all do."""
    seen, known = s.readiness, s.running_pair
    if seen is None or known is None or seen.running != known.pair.key:
        return ""
    return "; ".join(lack.words for lack in seen.lacks if lack.about == "containers")


def _ledger_words(s: Standing) -> str:
    known = s.running_pair
    if known is None:
        return ""
    if known.quarantined:
        return f"quarantined: {known.quarantined}"
    if known.good:
        return f"known good: {known.good}"
    if known.taken_down:
        return known.taken_down
    return "candidate: not known to be good"


def _held(s: Standing, release: Release | None, rules: Rules) -> dict[str, Any]:
    count, size = taken(s)
    more = beyond(s, release, rules)
    words = in_words(count, size)
    if more:
        keys = [known.pair.key for known in more]
        least = in_words(*taken(s, keys))
        words += f"; quarantined or beyond the last {rules.retain} releases: {least}"
    return {"images": count, "bytes": size, "beyond": len(more), "words": words}


def _incident(s: Standing) -> dict[str, Any] | None:
    if s.incident is None:
        return None
    found = "; ".join(f"{b.trigger}: {b.words}" for b in s.incident.breaches)
    if s.incident.rolled_back_at and not s.incident.ended:
        names = ", ".join(breach.trigger for breach in s.incident.charged)
        back = stamp(s.incident.rolled_back_at)
        found = f"rolled back at {back}; waiting for {names} to clear"
    elif s.incident.delayed and not s.incident.tried:
        found = f"not rolled back yet: {s.incident.delayed}; {found}"
    return {
        "id": s.incident.id,
        "opened": stamp(s.incident.opened_at),
        "refused": s.incident.refused,
        "rolled_back": bool(s.incident.rolled_back_at),
        "words": f"{s.incident.id}: {s.incident.refused or found}",
    }


def _question(s: Standing) -> dict[str, Any] | None:
    question = s.question
    if question is None or question.closed:
        return None
    asked = question.asked
    return {
        "id": asked.question,
        "digest": asked.digest,
        "expires": stamp(asked.expires),
        "dri": list(asked.dri),
        "words": f"{asked.question} until {stamp(asked.expires)}: {asked.words}",
    }


def _rollback(s: Standing) -> dict[str, Any] | None:
    if s.rollback is None:
        return None
    started = s.rollback.started
    total = len(started.plan.steps)
    done = len(s.rollback.done)
    to = started.to_pair.version
    doing = {
        "rollback": f"rolling back to {to}",
        "drill": f"DRILL: rolling back to {to}",
        "dry-drill": f"DRILL: preparing a rollback to {to}, without the swap",
        "repair": f"repairing: putting {to} up whole",
    }[started.what]
    doing += f": {done} of {total} steps"
    if s.rollback.back:
        doing = f"putting {started.from_pair.version} back: {s.rollback.back}"
    if s.rollback.stuck:
        how = "trying again by itself" if s.rollback.again else "a person must act"
        doing = f"STUCK, {how}: {s.rollback.stuck}; {s.rollback.hint}"
    return {
        "op": started.plan.op,
        "what": started.what,
        "stuck": s.rollback.stuck,
        "words": doing,
    }


def _last(s: Standing) -> dict[str, Any] | None:
    last = s.last_rollback
    if last is None:
        return None
    what = "" if last.what == "rollback" else f"{last.what}: "
    return {
        "op": last.op,
        "incident": last.incident,
        "what": last.what,
        "how": last.how,
        "started": stamp(last.started),
        "previous": last.previous,
        "target": last.target,
        "root_cause": last.root_cause,
        "owner": last.owner,
        "words": f"{what}{last.previous} to {last.target}, {last.how}, started "
        f"{stamp(last.started)}; {last.root_cause}"
        + (f"; TO DO: {last.hint}" if last.hint else ""),
    }


def _drilled(s: Standing, at: datetime) -> dict[str, Any] | None:
    drill = s.last_drill
    if drill is None:
        return None
    days = (at - drill.at).days
    ago = "today" if days < 1 else f"{days} days ago"
    return {
        "what": drill.what,
        "how": drill.how,
        "at": stamp(drill.at),
        "took": drill.took,
        "words": f"{ago}, {words_of_drill(drill)}",
    }


def stamp(at: datetime) -> str:
    """Write an instant for programs, to the second."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
