"""What stays restorable, what each pair still has, and what may go."""

from collections.abc import Callable
from typing import Any

from watchdog.decide.retention import in_words, retained, staying
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
    kept, why_it_stays = retained(s, release, rules), staying(s, release, rules)
    ordered = sorted(s.pairs.values(), key=lambda known: known.order, reverse=True)
    found: list[dict[str, Any]] = []
    for known in ordered:
        stays = why_it_stays(known, file_of(known.pair.version))
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
                    **({} if known.pair.images else {"id": known.pair.image}),
                    "bytes": image.size if isinstance(image, ImageHeld) else 0,
                    "words": image.words if image else "nobody has looked yet",
                    "hint": image.hint if isinstance(image, ImageLost) else "",
                },
                "manifests": missing(known),
                "no_manifests": not known.pair.manifests,
                **({"images": _each(known, image)} if known.pair.images else {}),
            }
        )
    return found


def _each(
    known: KnownPair, image: ImageHeld | ImageLost | None
) -> list[dict[str, Any]]:
    """List the images of a pair of several, with their services and sizes."""
    sizes = image.sizes if isinstance(image, ImageHeld) else {}
    images = known.pair.images
    return [
        {
            "id": id_,
            "services": [name for name, its in images.items() if its == id_],
            "bytes": sizes.get(id_, 0),
        }
        for id_ in dict.fromkeys(images.values())
    ]


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
        there = "none" if one["no_manifests"] else "in the ledger"
        lines.append(f"  manifests: {red(lost) if lost else there}")
    held = {
        each["id"]: each["bytes"]
        for one in listed
        if one["image"]["held"]
        for each in one.get("images", [one["image"]])
    }
    lines.append(in_words(len(held), sum(held.values())))
    return "\n".join(lines)


def is_whole(listed: list[dict[str, Any]]) -> bool:
    """Tell whether nothing of a retained pair is missing."""
    kept = [one for one in listed if one["retained"]]
    return all(one["image"]["held"] and not one["manifests"] for one in kept)
