"""A warm swap: where it can be, and why not; a shape that is not sure is stop-first."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from watchdog.decide.alike import is_nameless
from watchdog.facts.pair import Record
from watchdog.facts.plan import Deployed, Swap
from watchdog.facts.swapping import ALONE, SAFE, STOP_FIRST, WARM

_NO_NETWORK_OF_ITS_OWN = ("host", "none", "bridge", "default")
_DEPENDS_ON = "com.docker.compose.depends_on"
_OVER = "service_completed_successfully"


@dataclass(frozen=True, slots=True)
class Around:
    """Both pairs, and the jobs that are run *again* before the target starts."""

    running: Record
    target: Record
    again: Collection[str] = ()


def weighed(
    swap: Swap, old: Deployed, wishes: Mapping[str, str], around: Around
) -> dict[str, Any]:
    """Give what *swap* is to be told: the endpoints that move, or why none do."""
    asked = wishes["swap"]
    if asked in ("", STOP_FIRST):
        return {}
    if asked != WARM:
        words = f"`{asked}` is no way to swap: write `{WARM}` or `{STOP_FIRST}`"
        return {"cold": words}
    whys = list(_why_not(swap, old, wishes, around))
    return {"cold": "; ".join(whys)} if whys else {"gives": _given(swap, old, around)}


def _given(swap: Swap, old: Deployed, around: Around) -> dict[str, Any]:
    """Give the endpoints of *old*: as recorded, and those that it was given since."""
    was = [r.networks for r in around.running.replicas if r.service == swap.service]
    recorded = was[0] if len(was) == 1 else {}
    return {name: recorded.get(name, end) for name, end in old.networks.items()}


def _why_not(
    swap: Swap, old: Deployed, wishes: Mapping[str, str], around: Around
) -> Iterator[str]:
    host = swap.new.get("HostConfig") or {}
    if any(m.path != m.kept_at for m in around.target.manifests):
        yield "its manifest is a file that all versions share"
    test = (swap.new.get("Healthcheck") or {}).get("Test") or ["NONE"]
    if test[0] == "NONE":
        yield (
            f"{around.target.pair.version} has no health check, so that nothing says "
            "when it may take over"
        )
    if around.again:
        yield f"the job {' and '.join(around.again)} runs before it"
    if swap.number:
        yield "it has several containers, which are changed one after another"
    yield from _networks(swap, old, host, around)
    peers = _peers(swap.service, around)
    if peers and wishes["staging"] != ALONE:
        yield (
            f"it depends on {' and '.join(peers)}, which it does not reach before it "
            f"takes over: where it is healthy without, say so (`staging: {ALONE}`)"
        )
    yield from _shared(old, host, wishes)
    needed = memory_of(swap)
    if old.free is not None and needed > old.free:
        yield (
            f"two of it do not fit: it may take {needed >> 20} MiB, and "
            f"{old.free >> 20} MiB are free"
        )


def _networks(
    swap: Swap, old: Deployed, host: Mapping[str, Any], around: Around
) -> Iterator[str]:
    mode = str(host.get("NetworkMode") or "default")
    if mode in _NO_NETWORK_OF_ITS_OWN or mode not in swap.networks or not old.networks:
        yield f"its network is {mode}, which has no address to hand over"
        return
    ends = (*swap.networks.values(), *_given(swap, old, around).values())
    chosen = swap.new.get("MacAddress") or any(end.get("MacAddress") for end in ends)
    if chosen and not old.moves_macs:
        yield "this engine gives a chosen MAC address at the start only"


def _peers(service: str, around: Around) -> list[str]:
    """Name what *service* depends on, in either pair, but for jobs."""
    found: set[str] = set()
    for one in (*around.running.replicas, *around.target.replicas):
        label = str((one.body.get("Labels") or {}).get(_DEPENDS_ON, ""))
        for need in label.split(",") if one.service == service else ():
            name, _, how = need.partition(":")
            if name and how.partition(":")[0] != _OVER:
                found.add(name)
    return sorted(found)


def _shared(
    old: Deployed, host: Mapping[str, Any], wishes: Mapping[str, str]
) -> Iterator[str]:
    if host.get("VolumesFrom"):
        yield "it takes volumes of another container"
    if wishes["overlap"] == SAFE:
        return
    if host.get("Devices") or host.get("DeviceRequests"):
        yield f"it has devices: where two may have them, say so (`overlap: {SAFE}`)"
    theirs = {str(m["Source"]) for m in old.mounts.values() if not m.get("ReadOnly")}
    mine = _written(host)
    both = sorted(mine[one] for one in mine if any(_meet(one, t) for t in theirs))
    if both:
        yield (
            f"both versions would write {', '.join(both)}: where they may, say so "
            f"(`overlap: {SAFE}`)"
        )


def _written(host: Mapping[str, Any]) -> dict[str, str]:
    """Give the volumes and places that a container may write, each with its words."""
    found: dict[str, str] = {}
    for bind in host.get("Binds") or ():
        source, place, how = (*str(bind).split(":", 2), "", "")[:3]
        if "ro" not in how.split(","):
            found[source] = f"the volume at {place}" if is_nameless(source) else source
    for mount in host.get("Mounts") or ():
        source, place = str(mount.get("Source") or ""), str(mount.get("Target"))
        writes = mount.get("Type") in ("bind", "volume") and not mount.get("ReadOnly")
        if writes and source:
            found[source] = f"the volume at {place}" if is_nameless(source) else source
    return found


def _meet(one: str, other: str) -> bool:
    """Tell whether two sources are one, or one lies in the other."""
    if not (one.startswith("/") and other.startswith("/")):
        return one == other
    here, there = f"{one.rstrip('/')}/", f"{other.rstrip('/')}/"
    return here.startswith(there) or there.startswith(here)


def memory_of(swap: Swap) -> int:
    """Give how many bytes the new container may take; 0 where nobody said."""
    return int((swap.new.get("HostConfig") or {}).get("Memory") or 0)


def hint_of(service: str) -> str:
    """Say where it is said how *service* is swapped."""
    return (
        f"know that, or write `stack.swap: {{{service}: {STOP_FIRST}}}`; see "
        "docs/how-to/swap-without-a-gap.md"
    )
