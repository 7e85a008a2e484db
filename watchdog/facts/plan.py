"""A rollback spelled out: what to do, to what, and what it must come to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from watchdog.facts.pair import Pair, Record, Running


class Do(StrEnum):
    """The few things that a rollback is made of; each can be looked at and repeated."""

    HOLD_IMAGE = "hold-image"
    HOLD_MANIFEST = "hold-manifest"
    HOLD_COMMIT = "hold-commit"
    VALIDATE = "validate"
    KEEP_LOGS = "keep-logs"
    HOLD_ROOM = "hold-room"
    CREATE = "create"
    CONNECT = "connect"
    STAGE = "stage"  # off its networks, and onto the operation's own
    WARM = "warm"  # started there, beside what serves
    BAR = "bar"
    PIN = "pin"
    SET_RESTART = "set-restart"
    STOP = "stop"
    SWAP_MANIFEST = "swap-manifest"
    RENAME = "rename"
    UP = "up"
    CHECK_OUT = "check-out"
    START = "start"
    STAND_IN = "stand-in"  # a standby is given the place, until the new one has it
    HAND_OVER = "hand-over"  # one off its networks, then the other onto them
    AWAIT = "await"
    PROVE = "prove"
    REMOVE = "remove"
    UNSTAGE = "unstage"  # and the operation's mark on a service of a swarm


AT_ONCE = 8  # calls to the engine that are made side by side
# What is done for several containers at once; each is looked at by itself.
_TOGETHER = (
    *(Do.CREATE, Do.WARM, Do.SET_RESTART, Do.STOP),
    *(Do.START, Do.RENAME, Do.REMOVE),
)
_DIGESTS = (40, 64)  # a commit, a sha256; people see the beginning


class Which(StrEnum):
    """Which container a step is about: before or after its change."""

    OLD = "old"  # the one that ran when the plan was made, known by id
    NEW = "new"  # the one that this operation created, known by label
    STANDBY = "standby"  # the one that was kept healthy before, known by id


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, repeatable: it is looked at before and after.

    *subject* is a service, one container of several of it (``dms/2``), several
    services (``dms=2 relay``), a tenant, an image reference.
    *to* is what it comes to: a name, a version, a sha256, a restart policy.
    """

    do: Do
    subject: str
    which: Which | None = None
    to: str = ""

    @property
    def words(self) -> str:
        """Name the step for people: ``rename dms (old) to dms-dms-1.rb-old-1a2b``."""
        which = f" ({self.which})" if self.which else ""
        end = self.to.removeprefix("sha256:")
        to = f" to {end[:12] if len(end) in _DIGESTS else end}" if end else ""
        return f"{self.do} {self.subject}{which}{to}"


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a plan must know of a running container beside its record.

    *mounts* maps a place in the container to what is mounted there, as a mount of
    the create body. *number* is Compose's, which tells the containers of one service
    apart. *networks* are the endpoints that it would be made with again, *wishes* what
    its own labels say of how it is swapped, see ``facts.swapping``. *moves_macs* tells
    whether the engine gives a chosen MAC address to who is connected, *free* how many
    bytes of memory the box could still give, where that is known.
    """

    id: str
    restart: Mapping[str, Any]
    grace: timedelta
    mounts: Mapping[str, Mapping[str, Any]]
    number: int = 0
    name: str = ""
    networks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    wishes: Mapping[str, str] = field(default_factory=dict)
    moves_macs: bool = False
    free: int | None = None


@dataclass(frozen=True, slots=True)
class Swap:
    """The change of one container for another.

    *new* is the create body with the operation's labels, empty where Compose makes
    the containers; *old_id* is what ran.
    *old_restart* is its restart policy, to be put back if we turn around, and so is
    *old_name*, empty where it is *name*.
    *number* is Compose's where a service has several, 0 for the only one.
    A *job* is run to its end: it serves nobody, and what ran before is over and may be
    gone, then *old_id* is empty.
    *gives* are the endpoints of what ran, where they are handed over while it runs: a
    warm swap. *cold* says why it is none although one was asked for. *standby* is the
    container that is healthy beside already, and has the place until *new* is.
    """

    service: str
    name: str
    old_id: str
    old_restart: Mapping[str, Any]
    stop_within: timedelta
    new: Mapping[str, Any]
    networks: Mapping[str, Mapping[str, Any]]
    number: int = 0
    old_name: str = ""
    job: bool = False
    gives: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cold: str = ""
    standby: str = ""

    @property
    def is_warm(self) -> bool:
        """Tell whether the new one is healthy before the old one gives its place."""
        return bool(self.gives)

    @property
    def subject(self) -> str:
        """Name it as its steps do: ``dms``, or ``dms/2`` for one of several."""
        return f"{self.service}/{self.number}" if self.number else self.service


@dataclass(frozen=True, slots=True)
class FileSwap:
    """One tenant's shared manifest: which bytes it holds before and after."""

    tenant: str
    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Write:
    """The change of one service of a swarm, as whole specs; see ``decide.swarm``.

    *before* is what it was when the plan was made, *home* what it comes to. *carrier*
    is *home* with an update of the operation's own and its mark, *back* the same of
    *before*: they are what is written first, on either way.
    """

    service: str
    name: str
    before: Mapping[str, Any]
    carrier: Mapping[str, Any]
    home: Mapping[str, Any]
    back: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a plan is asked for: from what is *seen* running to the *target*.

    *running* and *target* are release records, and the other two their names.
    *incident* is what it is for: the plan's operation is named after it.
    """

    incident: str
    running: Record
    running_sha: str
    target: Record
    target_sha: str
    seen: Running


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole rollback as data, journaled before the first thing is touched.

    *steps* lead to the target; *way_back* leads to the pair that ran, and may be
    begun after any prefix of *steps*, since every step looks before it acts.
    *prepared* of the steps touch nothing that runs.
    *variable_before* and *variable_after* are what a pin comes to, in words; the
    values by variable are *pins_before* and *pins_after*, which plans of earlier
    builds do not have: theirs is the one variable of the settings.
    *networks* are those that anything of it is on, as the engine shows them: one that
    somebody removes meanwhile is made again.
    On a swarm nothing is swapped, and *writes* are what is written instead.
    """

    op: str
    kind: str
    from_record: str
    to_record: str
    swaps: tuple[Swap, ...]
    files: tuple[FileSwap, ...]
    variable_before: str
    variable_after: str
    steps: tuple[Step, ...]
    prepared: int
    way_back: tuple[Step, ...]
    pins_before: Mapping[str, str] = field(default_factory=dict)
    pins_after: Mapping[str, str] = field(default_factory=dict)
    writes: tuple[Write, ...] = ()  # of a swarm's services, in their order
    networks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def side_by_side(
    steps: Iterable[tuple[int, Step]],
) -> Iterator[tuple[tuple[int, Step], ...]]:
    """Cut *steps*, each with its place, into those that are taken at once.

    They are neighbours, do the same, and each to a container of its own.
    """
    several: list[tuple[int, Step]] = []
    for place, step in steps:
        first = several[0][1] if several else step
        meets = any(step.subject == other.subject for _, other in several)
        alike = (step.do, step.which) == (first.do, first.which) and step.which
        if several and not (alike and step.do in _TOGETHER and not meets):
            yield tuple(several)
            several = []
        several.append((place, step))
    if several:
        yield tuple(several)


def staging_of(op: str) -> str:
    """Name the network on which containers of *op* are booted, and reach nobody."""
    return f"rb-staging-{op}"


def bar(version: str) -> Step:
    """Name a version that no registry has, for as long as no pair is whole."""
    return Step(Do.BAR, "variable", to=f"rolling-back-to-{version}")


KEPT = "what somebody else put there is kept as"


def theirs(plan: Plan, path: str) -> str:
    """Name the place of what somebody else put at *path*, beside it."""
    return f"{path}.rb-theirs-{plan.op}"


def unstaged(op: str, warm: Sequence[Swap]) -> list[Step]:
    """Have the network gone on which *warm* were booted."""
    return [Step(Do.UNSTAGE, "network", to=staging_of(op))] if warm else []


def holds_of(target: Record) -> list[Step]:
    """Have every name that Compose knows *target*'s images by mean them."""
    return [Step(Do.HOLD_IMAGE, one.ref, to=one.image) for one in target.each_image]


def proof_of(pair: Pair, which: Which) -> Step:
    """Have *pair* proved: by its image, or by its own name where there are several."""
    end = pair.short if pair.images else pair.image
    return Step(Do.PROVE, pair.version, which, to=end)


def pins_of(target: Record, pinned: Mapping[str, str]) -> dict[str, str]:
    """Give what the env file must say for *target*, which now says *pinned*.

    Without recorded values it is the version that is taken for the value.
    """
    if target.pins:
        return dict(target.pins)
    return dict.fromkeys(pinned, target.pair.version)


def in_words(pins: Mapping[str, str]) -> str:
    """Say *pins* as a step does: one value alone, several with their names."""
    if len(pins) == 1:
        return next(iter(pins.values()))
    return " ".join(f"{name}={value}" for name, value in sorted(pins.items()))
