"""Which pairs must stay restorable, which may go, and why."""

from collections.abc import Callable, Iterable

from watchdog.decide.policy import newest_good
from watchdog.decide.standing import KnownPair, Standing
from watchdog.facts.event import ImageHeld, RetentionAsked
from watchdog.facts.problem import Problem
from watchdog.facts.rules import Rules, after
from watchdog.facts.trigger import Release


def retained(
    s: Standing, release: Release | None, rules: Rules
) -> tuple[KnownPair, ...]:
    """Give the pairs whose images are held: what runs, the target, those before.

    ``retain`` counts releases, the last deployed ones first: what is quarantined or
    released is not among them. The target is held as well where only a person may go
    back to it.
    """
    running, target = s.running_pair, newest_good(s, release)
    kept = [known for known in (running, target) if isinstance(known, KnownPair)]
    before = _before(s)
    newest = list(dict.fromkeys(known.pair.version for known in before))
    kept += [k for k in before if k.pair.version in newest[: rules.retain]]
    return tuple({known.pair.key: known for known in kept}.values())


def beyond(s: Standing, release: Release | None, rules: Rules) -> tuple[KnownPair, ...]:
    """Give the pairs whose images are held though they need not be, the oldest first.

    *release* is the file of what runs.
    """
    kept = retained(s, release, rules)
    held = {key for key, seen in s.images.items() if isinstance(seen, ImageHeld)}
    held -= {known.pair.key for known in kept} | set(s.released)
    found = [known for key, known in s.pairs.items() if key in held]
    return tuple(sorted(found, key=lambda known: known.order))


def goes_by_itself(
    s: Standing, rules: Rules, known: KnownPair, its: Release | None
) -> str:
    """Say why *known* is let go without another word, or nothing when it is not.

    *its* is its own release file, or the default one: there its DRI agreed. Only for
    what is ``beyond`` what must stay.
    """
    agreed, where = _agreed(rules, its)
    newer = _newer(s, known)
    if agreed is None or newer < agreed:
        return ""
    return (
        f"{newer} newer releases than {known.pair.version} ran here, and {where} "
        f"says `retention: after {agreed}`"
    )


def asked_about(
    s: Standing,
    release: Release | None,
    rules: Rules,
    file_of: Callable[[str], Release | None],
) -> RetentionAsked | None:
    """Ask whether what is held beyond may go, once a pair of it is new; or nothing.

    What was just rolled back is looked into first: not before another one is deployed.
    """
    done, running = s.last_rollback, s.running
    fresh = done.previous if done and running and running.by == done.op else ""
    left = [
        known
        for known in beyond(s, release, rules)
        if known.pair.version != fresh
        and _agreed(rules, file_of(known.pair.version))[0] is None
    ]
    keys = tuple(known.pair.key for known in left)
    if set(keys) <= s.asked_about:
        return None
    count, size = taken(s, keys)
    names = list(dict.fromkeys(known.pair.version for known in left))
    return RetentionAsked(
        keys,
        size,
        f"{in_words(count, size)}, of releases that are quarantined or older than the "
        f"last {rules.retain}: {', '.join(names)}; may they go?",
        f"`watchdog retention release {left[0].pair.short} --by … --reason …` for "
        f"each, or `retention: after {rules.retain}` in the settings or their files",
    )


def taken(s: Standing, keys: Iterable[str] = ()) -> tuple[int, int]:
    """Give how many images are held, and their bytes at most; of *keys*, or of all."""
    held: dict[str, int] = {}
    for key, image in s.images.items():
        if isinstance(image, ImageHeld) and (not keys or key in keys):
            held |= image.sizes or {image.image or key: image.size}
    return len(held), sum(held.values())


def in_words(count: int, size: int) -> str:
    """Say how much is held; what images share is counted for each, hence at most."""
    unit, name = (10**9, "GB") if size >= 10**9 else (10**6, "MB")
    much = f", at most {size / unit:.1f} {name}" if size else ""
    return f"{count} image{'' if count == 1 else 's'} held{much}"


def _agreed(rules: Rules, its: Release | None) -> tuple[int | None, str]:
    """Give after how many newer releases one may go by itself, and where it says so."""
    if its is not None and its.retention:
        name = its.version or "default"
        return after(its.retention), f"the release file {name}.yaml"
    return after(rules.retention), "the settings' file"


def _newer(s: Standing, known: KnownPair) -> int:
    """Count the releases that were deployed after *known*, its own left out."""
    newer = {k.pair.version for k in s.pairs.values() if k.order > known.order}
    return len(newer - {known.pair.version})


def staying(
    s: Standing, release: Release | None, rules: Rules
) -> Callable[[KnownPair, Release | None], str]:
    """Give who says why a pair must not be deleted, or nothing when it may go.

    *release* is the file of what runs. Who is asked takes the file of the pair, too;
    what is the same for all pairs is found out once.
    """
    target, kept = newest_good(s, release), retained(s, release, rules)

    def why_it_stays(known: KnownPair, its: Release | None) -> str:
        if s.claimed:
            return s.claimed.words  # who has the stack knows what it needs
        version = known.pair.version
        if known == s.running_pair:
            return f"{version} runs now"
        if known == target:
            return f"{version} is what a rollback would go back to"
        if known.pair.key in s.released:
            return ""
        if known in kept:
            return (
                f"{version} is one of the last {rules.retain} releases before this one"
            )
        agreed, where = _agreed(rules, its)
        if agreed is not None:
            newer = _newer(s, known)
            return (
                f"{version} goes by itself after {agreed} newer releases, as {where} "
                f"says; {newer} ran here"
            )
        return (
            f"nobody released {version}: "
            f"`watchdog retention release {known.pair.short} --by … --reason …`"
        )

    return why_it_stays


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
    if known == newest_good(s, release):
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
