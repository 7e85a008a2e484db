"""What the engine says of one container: how it is, and how it ended before."""

from dataclasses import dataclass
from datetime import datetime, timedelta


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
