"""What the user chose for the whole stack: the settings that decisions depend on."""

from dataclasses import dataclass
from datetime import timedelta

from watchdog.facts.smoke import SmokeCheck


@dataclass(frozen=True, slots=True)
class Rules:
    """How careful, how patient and how far, for every release alike.

    *name* is the audience that an approval must name. *settle*: samples of a
    release's first moments are not counted. *recover_within* None means a
    trigger's window + 5 minutes. *observe_only*: say what would be done, do nothing.
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
    readiness_every: timedelta = timedelta(seconds=30)
    retain: int = 3
    observe_only: bool = False
    smoke: tuple[SmokeCheck, ...] = ()
