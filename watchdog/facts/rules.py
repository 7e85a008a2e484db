"""What the user chose for the whole stack: the settings that decisions depend on."""

import re
from dataclasses import dataclass
from datetime import time, timedelta

from watchdog.facts.smoke import SmokeCheck

RELEASE = "{release}"
"""Where the release stands in a ref."""

_VERSION = re.compile(r"v?[0-9A-Za-z][0-9A-Za-z._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Protected:
    """A GitHub environment whose deployments are ours to answer.

    *ref* is how a tag is named there, with ``{release}`` for the release: both
    names fit whatever their case, as at GitHub.
    """

    repository: str
    environment: str
    ref: str = RELEASE

    def is_about(self, repository: str, environment: str) -> bool:
        """Tell whether a deployment of *repository* to *environment* is meant."""
        given = (repository.casefold(), environment.casefold())
        return given == (self.repository.casefold(), self.environment.casefold())

    def release_of(self, ref: str) -> str:
        """Read the release out of *ref*, a tag; nothing when it does not fit."""
        before, _, after = self.ref.partition(RELEASE)
        tag = ref.removeprefix("refs/tags/")
        fits = tag.startswith(before) and tag.endswith(after)
        name = tag[len(before) : len(tag) - len(after)]
        return name if fits and _VERSION.fullmatch(name) else ""


def after(retention: str) -> int | None:
    """Read after how many newer releases one may go by itself; None: it is asked."""
    return None if retention == "ask" else int(retention.removeprefix("after "))


@dataclass(frozen=True, slots=True)
class DrillRule:
    """How often a drill is due, between which times of day in UTC, and of which kind.

    A *dry* one stops before the swap; the other leaves the target running.
    """

    every: timedelta
    opens: time
    closes: time
    dry: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """How careful, how patient and how far, for every release alike.

    *name* is the audience that an approval must name. *settle*: samples of a
    release's first moments are not counted. *recover_within* None means a
    trigger's window + 5 minutes. *retention* is ``ask`` or ``after N``, for releases
    that do not say. *observe_only*: say what would be done, do nothing.
    *asks_health*: a container's own health check is run by us while the engine waits
    for its first interval. *protects*: the environments at GitHub that wait for an
    answer. *identity* is this watchdog's own, of its state folder: no other has it,
    whatever its settings.
    """

    name: str
    services: tuple[str, ...]
    variable: str
    on_call: str
    bake_time: timedelta
    settle: timedelta
    blind_for: timedelta
    recover_within: timedelta | None
    prove_within: timedelta
    stop_within: timedelta
    daily_limit: int
    poll: timedelta = timedelta(seconds=5)
    readiness_every: timedelta = timedelta(seconds=30)
    retain: int = 3
    retention: str = "ask"
    observe_only: bool = False
    smoke: tuple[SmokeCheck, ...] = ()
    asks_health: bool = False
    protects: tuple[Protected, ...] = ()
    identity: str = ""
