"""What Compose would make of a pin, held against the pair as it ran."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from watchdog.facts.pair import Replica
from watchdog.facts.rendering import Rendered, Rendering

_HASH = "com.docker.compose.config-hash"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that Compose would make otherwise than it ran.

    *what* is ``image``, ``mount``, ``service`` or ``settings``: with the last one,
    the pair would be whole all the same. *words* is about the service alone.
    """

    service: str
    what: str
    words: str

    @property
    def parts_the_pair(self) -> bool:
        """Tell whether what Compose makes would be another pair, or none."""
        return self.what != "settings"


def differences(
    replicas: Iterable[Replica], rendering: Rendering, *, same_hash: bool = True
) -> tuple[Difference, ...]:
    """Say where *rendering* is not how *replicas* ran; each service once.

    Without *same_hash* Compose's hashes are left alone: they are another version's,
    or of files that changed with the release.
    """
    found: list[Difference] = []
    seen: set[str] = set()
    for replica in replicas:
        if replica.service not in seen:
            seen.add(replica.service)
            found += _of(replica, rendering.get(replica.service), same_hash=same_hash)
    return tuple(found)


def _of(
    replica: Replica, made: Rendered | None, *, same_hash: bool
) -> Iterator[Difference]:
    service, ran = replica.service, str(replica.body.get("Image", ""))
    if made is None:
        yield Difference(service, "service", f"{service} is in no Compose file")
        return
    if made.image != ran:
        words = f"{service} would be {made.image}, and ran {ran}"
        yield Difference(service, "image", words)
        return
    mounted = binds_of(replica.body)
    for place in sorted(set(mounted) | set(made.binds)):
        was, now = mounted.get(place), made.binds.get(place)
        if was != now:
            words = (
                f"{service} would have {now or 'nothing'} at {place}, and had "
                f"{was or 'nothing'}"
            )
            yield Difference(service, "mount", words)
            return
    recorded = str((replica.body.get("Labels") or {}).get(_HASH, ""))
    comparable = same_hash and recorded and made.hash and not made.joins
    if comparable and recorded != made.hash:
        words = f"{service} would be made with other settings than it ran with"
        yield Difference(service, "settings", words)


def binds_of(body: Mapping[str, Any]) -> dict[str, str]:
    """Give by place what paths of the box a create *body* mounts."""
    host = body.get("HostConfig") or {}
    found: dict[str, str] = {}
    for bind in host.get("Binds") or ():
        source, _, rest = str(bind).partition(":")
        if source.startswith("/"):
            found[rest.partition(":")[0]] = source
    for mount in host.get("Mounts") or ():
        if mount.get("Type") == "bind":
            found[str(mount["Target"])] = str(mount["Source"])
    return found


def followers(
    now: Rendering, then: Rendering, enrolled: tuple[str, ...]
) -> tuple[tuple[str, bool], ...]:
    """Name what a pin changes beside *enrolled*, and whether that is its image."""
    return tuple(
        (name, then[name].image != one.image)
        for name, one in sorted(now.items())
        if name not in enrolled and name in then and then[name].hash != one.hash
    )
