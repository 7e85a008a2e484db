"""What stays restorable, what each pair still has, and what may go."""

from collections.abc import Callable
from typing import Any

from watchdog.decide.retention import in_words, retained, why_it_stays
from watchdog.decide.standing import KnownPair, Standing
from watchdog.facts.event import ImageHeld, ImageLost
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release


def picture(
    s: Standing,
    release: Release | None,
    rules: Rules,
    missing: Callable[[KnownPair], str],
    file_of: Callable[[str], Release | None],
) -> list[dict[str, Any]]:
    """List every pair, the last deployed first.

    *missing* says what its record lost, *file_of* gives the release file of a version.
    """
    kept = retained(s, release, rules)
    ordered = sorted(s.pairs.values(), key=lambda known: known.order, reverse=True)
    found: list[dict[str, Any]] = []
    for known in ordered:
        its = file_of(known.pair.version)
        stays = why_it_stays(s, release, rules, known, its)
        image = s.images.get(known.pair.key)
        found.append(
            {
                "version": known.pair.version,
                "id": known.pair.short,
                "retained": known in kept,
                "may_go": not stays,
                "why": stays or s.released[known.pair.key],
                "image": {
                    "held": isinstance(image, ImageHeld),
                    "id": known.pair.image,
                    "bytes": image.size if isinstance(image, ImageHeld) else 0,
                    "words": image.words if image else "nobody has looked yet",
                    "hint": image.hint if isinstance(image, ImageLost) else "",
                },
                "manifests": missing(known),
            }
        )
    return found


def words(listed: list[dict[str, Any]], *, red: Callable[[str], str]) -> str:
    """Say *listed* in lines; what a retained pair lacks is said in *red*."""
    if not listed:
        return "no pair has been seen here yet"
    lines: list[str] = []
    for one in listed:
        state = "may go" if one["may_go"] else "stays"
        mark = ", held" if one["retained"] else ""
        lines.append(f"{one['version']}  {one['id']}  {state}{mark}: {one['why']}")
        image, lost = one["image"], one["manifests"]
        say = red if one["retained"] and not image["held"] else str
        lines.append(f"  image: {say(image['words'])}")
        lines += [f"    hint: {image['hint']}"] if image["hint"] else []
        lines.append(f"  manifests: {red(lost) if lost else 'in the ledger'}")
    held = {
        one["image"]["id"]: one["image"]["bytes"]
        for one in listed
        if one["image"]["held"]
    }
    lines.append(in_words(len(held), sum(held.values())))
    return "\n".join(lines)


def is_whole(listed: list[dict[str, Any]]) -> bool:
    """Tell whether nothing of a retained pair is missing."""
    kept = [one for one in listed if one["retained"]]
    return all(one["image"]["held"] and not one["manifests"] for one in kept)
