"""What would have been decided about a breach of the past."""

from datetime import datetime, timedelta
from typing import assert_never

from watchdog.decide.fold import stand
from watchdog.decide.policy import decide
from watchdog.facts.decision import Ask, Hold, Refuse, RollBack
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
from watchdog.facts.verdict import Breached

_LONG = timedelta(days=1)


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
    words = breach.words
    events: tuple[Event, ...] = (
        PairStarted(target, "", ("0",), at - 2 * _LONG),
        PairProvedGood(target.key, "taken for granted"),
        PairStarted(running, "", ("1",), at - _LONG),
        BreachConfirmed(
            incident="rehearsed",
            trigger=trigger.name,
            action=str(trigger.action),
            key=running.key,
            release=release.version,
            words=words,
            value=breach.value,
            bound=breach.bound,
            elsewhere=breach.elsewhere,
        ),
        PairQuarantined(running.key, words),
    )
    entries = [Entry(seq, at, event) for seq, event in enumerate(events, 1)]
    decision = decide(stand(entries), release, rules, at)
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
