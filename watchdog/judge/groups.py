"""Evidence by group: in how many tenants it is over, and in which most."""

from watchdog.facts.reading import Blind, Groups
from watchdog.facts.trigger import Trigger
from watchdog.facts.verdict import Clear, Verdict
from watchdog.judge.counts import bound_of
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
