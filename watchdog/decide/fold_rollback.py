"""What the journal adds up to about a rollback: begun, step by step, ended."""

from dataclasses import replace
from datetime import datetime, timedelta

from watchdog.decide.fold_pairs import after_keeping, of_any_pair
from watchdog.decide.gap import gap_of
from watchdog.decide.standing import (
    Drilled,
    Incident,
    KnownPair,
    PutUp,
    Rollback,
    Standing,
    Tally,
)
from watchdog.facts.event import (
    Entry,
    FarEndBack,
    FarEndLost,
    IncidentClosed,
    PairStarted,
    RecoveryMissed,
    RecoverySeen,
    RollbackDelayed,
    RollbackEnded,
    RollbackMended,
    RollbackRefused,
    RollbackReopened,
    RollbackStarted,
    RollbackStuck,
    StepDone,
    StepIntended,
    StepUndone,
    WayChosen,
    WentBack,
)
from watchdog.facts.plan import Do

# The target serves, and was proved.
_PUT_UP = ("proved", "unpinned")
_MOST_TIMES = 1000


def after_acting(s: Standing, entry: Entry) -> Standing:
    """Take in what was done and what came of it."""
    at, event = entry.at, entry.event
    match event:
        case RollbackDelayed() | RollbackRefused() if s.incident:
            return replace(s, incident=_not_begun(s, s.incident, entry))
        case RollbackStarted(automatic=automatic, from_pair=bad):
            begun = replace(s, rollback=Rollback(event, at))
            if event.order:
                begun = replace(begun, order=None)
            if event.what == "repair":
                begun = replace(begun, repairs=_repaired(s, event.plan.op))
            if not automatic:
                return begun
            count = s.automatic.get(bad.version, 0) + 1
            return replace(
                begun,
                automatic=s.automatic | {bad.version: count},
                by_itself=(*s.by_itself, at)[-_MOST_TIMES:],
            )
        case StepIntended(step=step, attempt=attempt) if s.rollback:
            attempts = s.rollback.attempts | {step.words: attempt}
            doing = step.words
            gone = s.rollback.away.begun(step, at)
            rollback = replace(
                s.rollback, attempts=attempts, tried=at, doing=doing, away=gone
            )
            if step.do is Do.BAR:
                # What was pinned is pinned no more, and by us.
                done = {w: e for w, e in rollback.done.items() if w[:4] != f"{Do.PIN} "}
                rollback = replace(rollback, done=done)
            return replace(s, rollback=rollback)
        case StepDone(step=step, evidence=evidence) if s.rollback:
            done = s.rollback.done | {step.words: evidence}
            gone = s.rollback.away.done(step, at)
            rollback = replace(s.rollback, done=done, doing="", away=gone)
            return replace(s, rollback=rollback)
        case StepDone(op=op, step=step) if s.past and s.past.started.plan.op == op:
            # A name that was refused, and was free once it had ended.
            done = s.past.done | {step.words: event.evidence}
            return replace(s, past=replace(s.past, done=done))
        case StepUndone(step=step, words=words) if s.rollback:
            done = {w: e for w, e in s.rollback.done.items() if w != step.words}
            undone = tuple(dict.fromkeys((*s.rollback.undone, words)))
            return replace(s, rollback=replace(s.rollback, done=done, undone=undone))
        case WayChosen() if s.rollback:
            return replace(s, rollback=_let_go_on(s.rollback, event))
        case WentBack(words=words) if s.rollback:
            return replace(s, rollback=replace(s.rollback, back=words, doing=""))
        case RollbackStuck(words=words, hint=hint, again=again) if s.rollback:
            rollback = replace(
                s.rollback,
                stuck=words,
                hint=hint,
                again=again,
                theirs=event.theirs,
                since=s.rollback.since or at,
                tried=at,
            )
            return replace(s, rollback=rollback)
        case RollbackEnded():
            return _ended(s, at, event)
        case RollbackReopened(words=words) if s.past and s.last_rollback:
            back = s.past.back if s.last_rollback.how == "put-back" else ""
            anew = replace(s.past, done={}, back=back, stuck="", reopened=words)
            return replace(s, rollback=anew)
        case RollbackMended(how=how, proof=proof) if s.last_rollback:
            last = replace(s.last_rollback, how=how, proof=proof)
            mended = _serving(s, at, last)
            return replace(mended, rollback=None, past=s.rollback, last_rollback=last)
        case RecoverySeen(words=words) | RecoveryMissed(words=words) if s.incident:
            return replace(s, incident=replace(s.incident, ended=words))
        case IncidentClosed(latched=latched):
            breached = s.breached if latched else frozenset()
            return replace(s, incident=None, breached=breached)
        case FarEndLost(what=what, words=words):
            lost = away(s, at) if what == "engine" else s
            return replace(lost, lost=s.lost | {what: words})
        case FarEndBack(what=what):
            rest = {w: why for w, why in s.lost.items() if w != what}
            until = at if what == "engine" else s.away_until
            return replace(s, lost=rest, away_until=until)
        case _:
            return after_keeping(s, entry)


def _not_begun(s: Standing, incident: Incident, entry: Entry) -> Incident:
    match entry.event:
        case RollbackDelayed(words=words):
            since = incident.delayed_since or entry.at
            return replace(incident, delayed=words, delayed_since=since)
        case RollbackRefused(words=words):
            held = incident.held or s.hold is not None
            return replace(incident, refused=words, held=held)
        case _:
            return incident


def away(s: Standing, at: datetime) -> Standing:
    """Note that what runs can't be looked at from now on, if it could before."""
    if s.away_since is not None and s.away_until is None:
        return s
    return replace(s, away_since=at, away_until=None)


def _let_go_on(rollback: Rollback, event: WayChosen) -> Rollback:
    """Let it go on as a person chose; forward, what led back is to be done anew."""
    if event.way == "back":
        return replace(rollback, stuck="", hint="", again=False, back=event.words)
    steps = rollback.started.plan.steps
    ahead = {step.words for step in steps}
    # The way back named another version.
    pins = {step.words for step in steps if step.do in (Do.BAR, Do.PIN)}
    return replace(
        rollback,
        stuck="",
        hint="",
        again=False,
        back="",
        attempts={w: n for w, n in rollback.attempts.items() if w in ahead},
        done={w: seen for w, seen in rollback.done.items() if w in ahead - pins},
    )


def _ended(s: Standing, at: datetime, event: RollbackEnded) -> Standing:
    incident = s.incident
    if incident and incident.id == event.incident:
        incident = (
            replace(incident, rolled_back_at=at, refused="")
            if event.how in _PUT_UP
            else replace(incident, refused=event.proof, tried=True)
        )
    # One that put nothing up leaves running what the last one did.
    put_up = _left_by(s.rollback, event, at) or s.put_up
    s = replace(_serving(s, at, event), pairs=_taken_down(s, event, at))
    took = (at - event.started).total_seconds()
    name = f"{event.what}/{event.how}"
    before = s.ended.get(name)
    tally = Tally(before.count + 1 if before else 1, at, took)
    ended = replace(
        s,
        rollback=None,
        incident=incident,
        put_up=put_up,
        ended=s.ended | {name: tally},
    )
    if event.how in _PUT_UP and s.rollback:
        ended = replace(ended, gap=gap_of(s.rollback.away, event, at) or s.gap)
    if event.what.endswith("drill"):
        drilled = Drilled(event.what, event.how, at, took, event.proof)
        ended = replace(ended, last_drill=drilled)
    if event.what == "dry-drill":
        return ended
    if event.how == "put-back":
        # What ran before is as it was, also where it had to be made again.
        ended = replace(ended, repairs=s.repairs | {event.op})
    if event.how == "overtaken" and s.rollback and s.rollback.started.automatic:
        # It put nothing up: what was deployed since can be rolled back like any.
        bad = s.rollback.started.from_pair.version
        left = max(0, s.automatic.get(bad, 0) - 1)
        rest = {v: n for v, n in s.automatic.items() if v != bad}
        ended = replace(ended, automatic=rest | ({bad: left} if left else {}))
    return replace(ended, last_rollback=event, past=s.rollback)


def _serving(s: Standing, at: datetime, ended: RollbackEnded) -> Standing:
    """Name the target as what runs once it is proved, before a turn sees it.

    Its containers are seen then; until then there are none, and nothing that was
    said of the pair before it is said of it.
    """
    if s.rollback is None or ended.how not in _PUT_UP:
        return s
    started = s.rollback.started
    pair, record = started.to_pair, started.plan.to_record
    if s.running is not None and s.running.pair.key == pair.key:
        return s
    return replace(
        s,
        running=PairStarted(pair, record, (), at, ended.op),
        pair_since=at,
        before_since=s.pair_since,
        sick_before=None,
        unclear=None,
        unproven_since=at,
        verdicts={},
        stepped=timedelta(),
        breached=frozenset(),
        armed=False,
        unproven={},
        changes=of_any_pair(s.changes),
    )


def _taken_down(
    s: Standing, ended: RollbackEnded, at: datetime
) -> dict[str, KnownPair]:
    """Note on the pair that was rolled back to what, when, and whose doing it was.

    What was put up in its place is wanted again, whatever was said of it before.
    """
    if s.rollback is None or ended.how not in _PUT_UP or ended.what.endswith("drill"):
        return s.pairs
    started, pairs = s.rollback.started, s.pairs
    wanted = pairs.get(started.to_pair.key)
    if wanted is not None:
        pairs = pairs | {wanted.pair.key: replace(wanted, taken_down="")}
    bad = pairs.get(started.from_pair.key)
    if bad is None or ended.what != "rollback":
        return pairs
    words = (
        f"rolled back here: {started.cause} (to {ended.target}, "
        f"{at:%Y-%m-%d %H:%M:%S} UTC)"
    )
    return pairs | {bad.pair.key: replace(bad, taken_down=words)}


def _repaired(s: Standing, op: str) -> frozenset[str]:
    """Remember *op*, and of those before it only whose doing may still run."""
    ran = (s.running and s.running.by, s.put_up and s.put_up.op)
    return frozenset({op, *(one for one in ran if one in s.repairs and one)})


def _left_by(
    rollback: Rollback | None, ended: RollbackEnded, at: datetime
) -> PutUp | None:
    """Tell what a rollback that ended then left running, if it put anything up."""
    if rollback is None or ended.how not in (*_PUT_UP, "put-back"):
        return None
    started = rollback.started
    pair = started.to_pair if ended.how in _PUT_UP else started.from_pair
    return PutUp(ended.op, pair.key, at)
