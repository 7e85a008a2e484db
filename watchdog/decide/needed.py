"""Which services need which, as Compose wrote it on their containers."""

from collections.abc import Collection, Sequence
from itertools import pairwise

from watchdog.facts.pair import Record

_DEPENDS_ON = "com.docker.compose.depends_on"
_HEALTHY = "service_healthy"


def back_in_order(
    scaled: Collection[str], services: Sequence[str], running: Record
) -> list[str]:
    """Give *scaled*, and what of *services* needs one of them, each after its needs.

    What Compose wrote on nobody (it writes nothing with ``--no-deps``) stays in the
    order of *services*.
    """
    needs = _needs(running)
    found = set(scaled)
    while more := {s for s in services if needs.get(s, set()) & found} - found:
        found |= more
    left = [service for service in dict.fromkeys(services) if service in found]
    order: list[str] = []
    while left:
        free = [one for one in left if not needs.get(one, set()) & set(left) - {one}]
        order.append((free or left)[0])  # Compose refuses a ring
        left.remove(order[-1])
    return order


def in_layers(
    services: Sequence[str], *records: Record, stay: Collection[str] = ()
) -> list[list[str]]:
    """Cut *services* into layers: those of one need none of each other.

    Of which nobody wrote what it needs comes after the one that is named before it.
    ``up --no-deps`` writes that it needs nobody, and starts it so. Whom nobody needs
    comes where there is room, but for those that *stay* as early as may be.
    """
    needs: dict[str, set[str]] = {}
    for record in records:
        for service, found in _needs(record).items():
            needs.setdefault(service, set()).update(found)
    written = {
        one.service
        for record in records
        for one in record.replicas
        if _DEPENDS_ON in (one.body.get("Labels") or {})
    }
    for before, service in pairwise(services):
        if service not in written:
            needs.setdefault(service, set()).add(before)
    layers: list[list[str]] = []
    left = list(services)
    while left:
        free = [one for one in left if not needs.get(one, set()) & set(left) - {one}]
        layers.append(free or left[:1])  # two versions may need each other's
        left = [one for one in left if one not in layers[-1]]
    waits = zip(*(healthy_first(layers, record) for record in records), strict=True)
    kept = {*stay}.union(*needs.values())
    return _evened(layers, [any(first) for first in waits], kept)


def _evened(
    layers: Sequence[Sequence[str]], waits: Sequence[bool], kept: Collection[str]
) -> list[list[str]]:
    """Have layers of one length, as far as services that are not *kept* allow it.

    One layer is taken after another, and on its own a service leaves the engine idle.
    Nobody comes after a layer that *waits* until something is healthy, but who must.
    """
    evened = [[*layer] for layer in layers]
    ends = [place for place, held in enumerate(waits) if held and place]
    for first, end in pairwise([0, *ends, len(layers)]):
        several = evened[first:end]
        most = -(-sum(map(len, several)) // max(1, len(several)))
        for layer, after in pairwise(several):
            loose = [one for one in layer if one not in kept]
            moved = loose[len(loose) - max(0, len(layer) - most) :]
            layer[:] = [one for one in layer if one not in moved]
            after.extend(moved)
    return evened


def healthy_first(
    layers: Sequence[Sequence[str]], record: Record
) -> list[tuple[str, ...]]:
    """Name for each of *layers* what must be healthy before it, as *record* has it.

    Each is named once. Whoever needs a job to end well needs no more: it did, before
    anything of the pair starts.
    """
    needs, before = _needs(record, how=_HEALTHY), set[str]()
    waits: list[tuple[str, ...]] = []
    for layer in layers:
        wanted = {need for one in layer for need in needs.get(one, ())}
        waits.append(tuple(sorted(wanted & before)))
        before = (before - wanted) | {*layer}
    return waits


def _needs(running: Record, *, how: str = "") -> dict[str, set[str]]:
    """Give what each service needs: all, or what it needs in the state *how*."""
    found: dict[str, set[str]] = {}
    for one in running.replicas:
        label = str((one.body.get("Labels") or {}).get(_DEPENDS_ON, ""))
        needs = [need.split(":") for need in label.split(",") if need]
        named = {name for name, *rest in needs if not how or how in rest}
        found.setdefault(one.service, set()).update(named)
    return found
