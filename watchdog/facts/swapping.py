"""How a service is swapped: what the settings ask for, or its own labels say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

LABELS = "io.flexli.watchdog."
WARM, STOP_FIRST, SAFE = "warm", "stop-first", "safe"
WISHES = ("swap", "overlap", "staging", "standby")
ALONE = "alone"
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_STAYS = re.compile("".join(rf"(?:([0-9]{{1,9}}){unit})?" for unit in _SECONDS))


@dataclass(frozen=True, slots=True)
class Swapping:
    """What the settings say by service; a service's own labels say the rest.

    *swap* is ``warm`` or ``stop-first``; *overlap* is ``safe`` where two versions may
    write one volume for a while; *staging* is ``alone`` where the service becomes
    healthy without those that it depends on; *standby* is for how long after a
    deployment what a rollback puts up is kept healthy beside, as ``1h``.
    """

    swap: Mapping[str, str] = field(default_factory=dict)
    overlap: Mapping[str, str] = field(default_factory=dict)
    staging: Mapping[str, str] = field(default_factory=dict)
    standby: Mapping[str, str] = field(default_factory=dict)

    def wishes(self, service: str, labels: Mapping[str, str]) -> dict[str, str]:
        """Give what is asked for *service*, whose labels are *labels*, by name."""
        said = {
            "swap": self.swap,
            "overlap": self.overlap,
            "staging": self.staging,
            "standby": self.standby,
        }
        return {
            name: (said[name].get(service) or labels.get(name, "")).strip()
            for name in WISHES
        }


def wishes_of(labels: Mapping[str, str]) -> dict[str, str]:
    """Read what a container's own labels say of how it is swapped."""
    return {
        name: labels[f"{LABELS}{name}"] for name in WISHES if LABELS + name in labels
    }


def stays(wish: str) -> timedelta | None:
    """Read for how long a standby stays, as ``1h30m``; None where it cannot be read."""
    found = _STAYS.fullmatch(wish)
    if not wish or found is None:
        return None
    parts = zip(found.groups(), _SECONDS.values(), strict=True)
    return timedelta(seconds=sum(int(n or 0) * seconds for n, seconds in parts))
