"""By group: in how many tenants it is over, and whether one replica is by itself.

The first is evidence and decides nothing. With `any` one group that is over by itself,
by the same rule as the whole, is a breach of its own. Any of them would do, so each
must be surer by as many times as there are groups, and twice that for the whole.
"""

from dataclasses import replace
from datetime import datetime

from watchdog.facts.reading import Blind, Groups, Look
from watchdog.facts.trigger import Trigger
from watchdog.facts.verdict import Breached, Clear, Pending, Verdict
from watchdog.judge.counts import bound_of, judge_counts
from watchdog.judge.tail import upper_tail

_CHANCE = 0.001


def evidence(trigger: Trigger, groups: Groups | Blind | None, verdict: Verdict) -> str:
    """Say in how many groups it is over, or nothing; it never decides.

    A group is over by the same count and test as the whole, with a confidence
    that a thousand groups together keep: the chance to err is divided by their
    number. A clear verdict says only what stands out.
    """
    if groups is None or isinstance(verdict, Blind):
        return ""
    if isinstance(groups, Blind):
        seen = isinstance(verdict, Clear)
        return "" if seen else f"not measured by {trigger.by}: {groups.words}"
    over = _over(trigger, groups)
    lost = groups.before - groups.counts.keys()
    if isinstance(verdict, Clear) and not over and not lost:
        return ""
    number = len(groups.counts)
    words = (
        f"over in {len(over):,} of {number:,} {trigger.by}{'' if number == 1 else 's'}"
    )
    if over:
        _, name, bad, every = max(over)
        words += f"; worst: {name or '(none)'} {bad} of {every}"
    if lost:
        words += f"; {len(lost):,} of {len(groups.before):,} {trigger.by}s not seen"
    return words


def any_of(
    trigger: Trigger, groups: Groups, armed_from: datetime
) -> tuple[str, Look, Verdict] | None:
    """Give the group that is over by itself, else one that is suspected; with its look.

    Only those that counted something since the release began are looked at.
    """
    live = {
        name: look
        for name, look in groups.looks.items()
        if any(
            block.parts.get("all", 0.0) > 0 and block.end - trigger.block >= armed_from
            for block in look.blocks
        )
    }
    clear = {name for _, name, _, _ in _over(trigger, groups)}
    found: list[tuple[str, Look, Verdict]] = []
    for name, look in live.items():
        verdict = judge_counts(trigger, look, armed_from, among=2 * len(live))
        said = f"1 of {len(live)} {trigger.by}s: {name or '(none)'} "
        if isinstance(verdict, Breached):
            found.append((name, look, replace(verdict, words=said + verdict.words)))
        elif isinstance(verdict, Pending) and name in clear:
            words = verdict.words.removeprefix("suspected: ")
            found.append((name, look, Pending(f"suspected: {said}{words}")))
    return max(found, key=_worst, default=None)


def _worst(found: tuple[str, Look, Verdict]) -> tuple[float, str]:
    name, _, verdict = found
    return (verdict.value if isinstance(verdict, Breached) else -1.0), name


def sick_before(trigger: Trigger, groups: Groups) -> str:
    """Say which group was clearly over already before the release; empty if none."""
    bound, doubt = bound_of(trigger), 1 - trigger.baseline.confidence
    for name, (few, many) in sorted(groups.were.items()):
        every = round(many)
        bad = min(round(few), every)
        if bad > bound * every and upper_tail(bad, every, bound) < doubt:
            who = f"{trigger.by} {name or '(none)'}"
            return f"one alone was over before it started: {who}, {bad} of {every}"
    return ""


def _over(trigger: Trigger, groups: Groups) -> list[tuple[float, str, int, int]]:
    bound = bound_of(trigger)
    chance = _CHANCE / max(1, len(groups.counts))
    found = []
    for name, (few, many) in groups.counts.items():
        bad, every = round(few), round(many)
        # The cheap questions first: of a thousand groups most are fine.
        if bad < trigger.min_events or every < max(1, trigger.min_samples):
            continue
        bad = min(bad, every)
        if bad > bound * every and upper_tail(bad, every, bound) < chance:
            found.append((bad / every, name, bad, every))
    return found
