"""How a service is swapped: what the settings ask for, or its own labels say."""

from collections.abc import Mapping
from dataclasses import dataclass, field

LABELS = "io.flexli.watchdog."
WARM, STOP_FIRST, SAFE = "warm", "stop-first", "safe"
WISHES = ("swap", "overlap", "staging")
ALONE = "alone"


@dataclass(frozen=True, slots=True)
class Swapping:
    """What the settings say by service; a service's own labels say the rest.

    *swap* is ``warm`` or ``stop-first``; *overlap* is ``safe`` where two versions may
    write one volume for a while; *staging* is ``alone`` where the service becomes
    healthy without those that it depends on.
    """

    swap: Mapping[str, str] = field(default_factory=dict)
    overlap: Mapping[str, str] = field(default_factory=dict)
    staging: Mapping[str, str] = field(default_factory=dict)

    def wishes(self, service: str, labels: Mapping[str, str]) -> dict[str, str]:
        """Give what is asked for *service*, whose labels are *labels*, by name."""
        said = {"swap": self.swap, "overlap": self.overlap, "staging": self.staging}
        return {
            name: (said[name].get(service) or labels.get(name, "")).strip()
            for name in WISHES
        }


def wishes_of(labels: Mapping[str, str]) -> dict[str, str]:
    """Read what a container's own labels say of how it is swapped."""
    return {
        name: labels[f"{LABELS}{name}"] for name in WISHES if LABELS + name in labels
    }
