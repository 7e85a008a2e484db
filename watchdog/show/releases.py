"""The ledger: every pair that ran here, and what is known of it."""

from datetime import datetime
from typing import Any

from watchdog.decide.policy import choose_target
from watchdog.decide.standing import KnownPair, Standing
from watchdog.facts.pair import Pair
from watchdog.facts.trigger import Release


def picture(s: Standing, release: Release | None) -> list[dict[str, Any]]:
    """List the pairs, the last deployed one first; *release* is what runs' file."""
    target = choose_target(s, release)
    goal = "" if isinstance(target, str) else target.pair.key
    running = s.running.pair.key if s.running else ""
    ordered = sorted(s.pairs.values(), key=lambda known: known.order, reverse=True)
    return [
        {
            "version": known.pair.version,
            "id": known.pair.short,
            **code_of(known.pair),
            "pair": known.pair.halves,
            "manifests": dict(known.pair.manifests),
            "first_seen": _stamp(known.first_seen),
            "state": _state(known),
            "since": _stamp(known.quarantined_since or known.good_since),
            "words": known.quarantined or known.good,
            "taken_down": known.taken_down,
            "vouched_by": known.vouched_by,
            "running": known.pair.key == running,
            "target": known.pair.key == goal,
        }
        for known in ordered
    ]


def code_of(pair: Pair) -> dict[str, Any]:
    """Give its ``image``, or its ``images`` by service where there are several."""
    return {"images": pair.images} if pair.images else {"image": pair.image}


def words(listed: list[dict[str, Any]]) -> str:
    """Say *listed* as a table, with the reason of each state under it."""
    if not listed:
        return "no pair has been seen here yet"
    wide = max(len(one["version"]) for one in listed)
    lines: list[str] = []
    for one in listed:
        marks = [mark for mark in ("running", "target") if one[mark]]
        since = f" since {one['since']}" if one["since"] else ""
        line = f"{one['version']:<{wide}}  {one['id']}  {one['state']}{since}"
        lines.append(line + (f"  <- {', '.join(marks)}" if marks else ""))
        lines.append(f"  first seen {one['first_seen']}; {one['pair']}")
        lines += [f"  {one[said]}" for said in ("words", "taken_down") if one[said]]
    return "\n".join(lines)


def _state(known: KnownPair) -> str:
    if known.quarantined:
        return "quarantined"
    if known.good:
        return "known good"
    return "rolled back" if known.taken_down else "candidate"


def _stamp(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else ""
