"""Which pairs must stay restorable, which may go, and why."""

from watchdog.decide.policy import choose_target
from watchdog.decide.standing import KnownPair, Standing
from watchdog.facts.problem import Problem
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release


def retained(
    s: Standing, release: Release | None, rules: Rules
) -> tuple[KnownPair, ...]:
    """Give the pairs whose images are held: what runs, the target, those before.

    ``retain`` counts releases, the last deployed ones first: what is quarantined or
    released is not among them.
    """
    running, target = s.running_pair, choose_target(s, release)
    kept = [known for known in (running, target) if isinstance(known, KnownPair)]
    before = _before(s)
    newest = list(dict.fromkeys(known.pair.version for known in before))
    kept += [k for k in before if k.pair.version in newest[: rules.retain]]
    return tuple({known.pair.key: known for known in kept}.values())


def why_it_stays(
    s: Standing, release: Release | None, rules: Rules, known: KnownPair
) -> str:
    """Say why *known* must not be deleted, or nothing when it may go."""
    version, target = known.pair.version, choose_target(s, release)
    if known == s.running_pair:
        return f"{version} runs now"
    if known == target:
        return f"{version} is what a rollback would go back to"
    if known.pair.key in s.released:
        return ""
    if known in retained(s, release, rules):
        return f"{version} is one of the last {rules.retain} releases before this one"
    return (
        f"nobody released {version}: "
        f"`watchdog retention release {known.pair.short} --by … --reason …`"
    )


def may_release(
    s: Standing, release: Release | None, rules: Rules, known: KnownPair
) -> None:
    """Check that a person may let *known* go.

    Raises:
        Problem: why not, and what to do.
    """
    version = known.pair.version
    if known.pair.key in s.released:
        raise Problem(f"{version} was released already: {s.released[known.pair.key]}")
    if known == s.running_pair:
        raise Problem(f"{version} runs now", "deploy another release first")
    if known == choose_target(s, release):
        raise Problem(
            f"{version} is what a rollback would go back to",
            "it may go once another pair is the target",
        )
    rest = {k.pair.version for k in _before(s) if k.pair.key != known.pair.key}
    if not known.quarantined and len(rest) < rules.retain:
        raise Problem(
            f"only {len(rest)} previous releases would stay, {rules.retain} must",
            "it may go once newer releases ran here",
        )


def _before(s: Standing) -> list[KnownPair]:
    """Give the pairs beside the running release that count, the newest first."""
    running = s.running_pair
    now = running.pair.version if running else ""
    found = [
        known
        for known in s.pairs.values()
        if known.pair.version != now
        and not known.quarantined
        and known.pair.key not in s.released
    ]
    return sorted(found, key=lambda known: known.order, reverse=True)
