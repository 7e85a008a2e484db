"""What would have been decided about a breach of the past."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import assert_never

from watchdog.decide.fold import stand
from watchdog.decide.policy import decide
from watchdog.decide.standing import Standing
from watchdog.facts.decision import Ask, Decision, Hold, Refuse, RollBack
from watchdog.facts.event import (
    BreachConfirmed,
    Entry,
    Event,
    PairProvedGood,
    PairQuarantined,
    PairStarted,
)
from watchdog.facts.pair import Pair
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release, Trigger
from watchdog.facts.verdict import Breached, Verdict

_LONG = timedelta(days=1)


def if_confirmed(
    s: Standing,
    running: Pair,
    release: Release,
    trigger: Trigger,
    breach: Breached,
    *,
    rules: Rules,
    at: datetime,
    verdicts: Mapping[str, Verdict] | None = None,
) -> Decision:
    """Weigh *breach* of what runs on top of where we stand, as if it were confirmed."""
    confirmed = BreachConfirmed(
        incident=s.incident.id if s.incident else "rehearsed",
        trigger=trigger.name,
        action=str(trigger.action),
        key=running.key,
        release=running.version,
        words=breach.words,
        value=breach.value,
        bound=breach.bound,
        elsewhere=breach.elsewhere,
        onset=breach.onset,
    )
    then = (confirmed, PairQuarantined(running.key, breach.words))
    after = stand([Entry(0, at, event) for event in then], s)
    return decide(after, release, rules, at, verdicts or {})


def rehearse(
    release: Release, trigger: Trigger, breach: Breached, rules: Rules, at: datetime
) -> str:
    """Say what the same policy decides about *breach*, as if it were the first.

    It is taken for granted that a pair to go back to was known to be good.
    """
    if rules.observe_only or trigger.observe_only:
        return "would have been reported only (mode: observe)"
    target = Pair(release.rollback_to or "the last known-good pair", "sha256:0", ())
    running = Pair(release.version or "what runs", "sha256:1", ())
    events: tuple[Event, ...] = (
        PairStarted(target, "", ("0",), at - 2 * _LONG),
        PairProvedGood(target.key, "taken for granted"),
        PairStarted(running, "", ("1",), at - _LONG),
    )
    before = stand([Entry(seq, at, event) for seq, event in enumerate(events, 1)])
    decision = if_confirmed(
        before, running, release, trigger, breach, rules=rules, at=at
    )
    match decision:
        case RollBack(to=to):
            return f"would have rolled back to {to.version} at once"
        case Ask(to=to):
            who = ", ".join(release.dri)
            return f"would have paused promotion and asked {who}: back to {to.version}?"
        case Refuse(words=why):
            return f"would have paused promotion and paged: {why}"
        case Hold(words=why):
            return f"would have held: {why}"
        case _ as unreachable:  # pragma: no cover
            assert_never(unreachable)
