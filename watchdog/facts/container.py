"""What the engine says of one container: how it is, and how it ended before."""

from dataclasses import dataclass
from datetime import datetime, timedelta

# A busy engine begins a probe later than it should.
_LATE = timedelta(seconds=10)
# So many more are missing before it is said that nobody runs them.
_MISSED = 2
NOT_RUN = (
    "restart it, which starts its health check anew; on Podman, systemd's timers run it"
)


@dataclass(frozen=True, slots=True)
class End:
    """One time that a container ended, *at* when and with which *code*.

    *by* says who ended it from outside; empty: nobody, it ended by itself; None: the
    engine does not tell any more.
    """

    at: datetime
    code: int | None
    by: str | None
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """One health check: from when until when, and whether it failed."""

    begin: datetime
    end: datetime
    failed: bool


@dataclass(frozen=True, slots=True)
class Health:
    """What the engine says of a container's own health check.

    *streak* is how many probes in a row failed, of which *retries* make it unhealthy;
    *probes* are the newest few. Two begin *every* so long after each other at the
    least, and one is over within *patience*. *since* is when it became unhealthy,
    where that was seen.
    """

    word: str
    streak: int
    retries: int
    probes: tuple[Probe, ...]
    every: timedelta
    patience: timedelta
    since: datetime | None = None

    @property
    def longest(self) -> timedelta:
        """Give how long after one probe the next has ended at the latest."""
        return self.every + 2 * self.patience + _LATE

    def unasked(self, at: datetime) -> str:
        """Say that it is called healthy, and that no probe was run for long.

        What it said then is no word on how the container is *at* this time.
        """
        last = self.probes[-1].end if self.probes else at
        if self.word != "healthy" or at - last <= self.longest + _MISSED * self.every:
            return ""
        return f"healthy as of {last:%H:%M:%S} UTC, and no probe was run since"


@dataclass(frozen=True, slots=True)
class Container:
    """One container of the release, by the engine's word.

    *state* is Docker's word (``running``, …); *started* is its newest start.
    *restarts* is how often the engine itself started it again, since somebody did.
    *ends* are those that are known, oldest first; *is_restarted* tells whether the
    engine would start it again. *untold* says why the engine's events cannot be read.
    *hosts* are the names and addresses that it alone has.
    """

    service: str
    name: str
    id: str
    state: str
    started: datetime | None
    restarts: int = 0
    ends: tuple[End, ...] = ()
    health: Health | None = None
    is_restarted: bool = False
    untold: str = ""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Containers:
    """The containers of the running pair as of *at*.

    *before* says what was wrong before the pair started, as ``service: words`` each;
    None when nobody looked.
    """

    at: datetime
    seen: tuple[Container, ...]
    before: tuple[str, ...] | None = ()
