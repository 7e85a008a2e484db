"""The pairs that ran here: which one a person means, and may they vouch for it."""

import re

from watchdog.decide.revoked import why_revoked
from watchdog.decide.standing import KnownPair, Standing
from watchdog.facts.problem import Problem

_SHORT = re.compile(r"[0-9a-f]{4,12}")


def named(s: Standing, which: str) -> list[KnownPair]:
    """Give the pairs that *which* names: a version, or the beginning of an id."""
    pairs = sorted(s.pairs.values(), key=lambda known: known.order)
    found = [known for known in pairs if known.pair.version == which]
    if _SHORT.fullmatch(which):
        found += [k for k in pairs if k.pair.short.startswith(which) and k not in found]
    return found


def find(s: Standing, which: str) -> KnownPair:
    """Find the one pair that *which* names: a version, or the beginning of its id.

    Raises:
        Problem: there is none, or there are several; nothing is guessed.
    """
    found = named(s, which)
    if len(found) == 1:
        return found[0]
    if not found:
        pairs = sorted(s.pairs.values(), key=lambda known: known.order)
        names = dict.fromkeys(known.pair.version for known in pairs)
        raise Problem(
            f"no pair {which} ever ran here",
            f"known: {', '.join(names) or 'none'}; `watchdog releases` lists them",
        )
    listed = "; ".join(f"{known.pair.short} is {known.pair.words}" for known in found)
    raise Problem(
        f"{which} names {len(found)} pairs: {listed}",
        "name one by the beginning of its id",
    )


def may_vouch(
    s: Standing, known: KnownPair, *, missing: str, even_though_quarantined: bool
) -> None:
    """Check that a person may say that *known* is good.

    *missing* is what the ledger lost of its record.

    Raises:
        Problem: why not, and what to do.
    """
    version = known.pair.version
    if missing:
        raise Problem(
            f"{version} cannot be put back any more: {missing}",
            f"deploy {version} again: it is recorded when it starts",
        )
    revoked = why_revoked(s.revoked, known.pair)
    if revoked:
        raise Problem(
            f"{version} is {revoked}",
            "a list of a higher epoch, that does not name it, comes first",
        )
    if known.quarantined and not even_though_quarantined:
        raise Problem(
            f"{version} is quarantined: {known.quarantined}",
            "if you know better, add --even-though-quarantined and --reason",
        )
