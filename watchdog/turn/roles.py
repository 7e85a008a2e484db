"""What the flow needs of each room that touches the world; one of each exists."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from watchdog.decide.standing import Standing
from watchdog.facts.claim import Claim
from watchdog.facts.event import Event
from watchdog.facts.lack import Lack
from watchdog.facts.message import Due, Message
from watchdog.facts.pair import NotKnown, Part, Record, Running, Tenants
from watchdog.facts.plan import Plan, Step, Swap, Wanted
from watchdog.facts.problem import Problem
from watchdog.facts.reading import Blind, Reading
from watchdog.facts.roster import Roster
from watchdog.facts.smoke import SmokeCheck
from watchdog.facts.trial import Trial
from watchdog.facts.trigger import Release, Trigger
from watchdog.verify.proof import Answer

Weighed = TypeVar("Weighed")
# Makes calls that do not wait for each other; gives what each gave, or raised.
SideBySide = Callable[[Sequence[Callable[[], str]]], list[str | Problem]]


@dataclass(frozen=True, slots=True)
class Turn:
    """A complete turn: when it ended, its sentence, and each verdict's words.

    *looked* is when it was last looked whether a rollback could begin.
    """

    at: datetime
    words: str
    verdicts: Mapping[str, str] = field(default_factory=dict)
    looked: datetime | None = None


@dataclass(frozen=True, slots=True)
class Led:
    """Who leads, and whether that is this one; nobody is named where one is alone."""

    who: str = ""
    here: bool = True


class Eyes(Protocol):
    """Sees the stack; changes nothing."""

    def running(self, tenants_of: Tenants) -> Running | NotKnown:
        """Read what is deployed now; *tenants_of* a version names its manifests."""
        ...

    def record(
        self, running: Running, kept: Mapping[str, str]
    ) -> tuple[Record, dict[str, bytes]]:
        """Record how *running* was made, with the bytes that it needs."""
        ...

    def obstacles(self) -> tuple[str, ...]:
        """Say what of this stack this executor could not put back."""
        ...

    def lacks(self, target: Record, plan: Plan) -> tuple[Lack, ...]:
        """Say what *plan* would not find as it needs it; looked at only."""
        ...

    def astray(self, version: str) -> tuple[Lack, ...]:
        """Say how what the next deployment would read is not *version*, which runs."""
        ...

    def parts(self, tenants_of: Tenants) -> tuple[Part, ...]:
        """Look at every container of the services, whatever state it is in."""
        ...


class Holds(Protocol):
    """Asks of what runs what would prove it, all the time."""

    @property
    def is_unsure(self) -> bool:
        """Tell whether to look again soon: one answer is not believed yet."""
        ...

    def lacks(self, seen: Running, at: datetime) -> tuple[Lack, ...]:
        """Say what does not hold for what runs.

        Raises:
            Unreachable: the engine does not answer.
        """
        ...


class Plans(Protocol):
    """Spells a rollback out, in steps that the hands of its executor know."""

    def plan(self, wanted: Wanted) -> Plan:
        """Fix the way from what is seen running to the target, and the way back.

        Raises:
            Unreachable: what runs cannot be looked at now.
            Problem: it cannot be done; the reason in words.
        """
        ...


class Metrics(Protocol):
    """Sees Prometheus; not seeing is a reading."""

    def now(self) -> datetime | Blind:
        """Give the server's time."""
        ...

    def read_all(
        self,
        triggers: tuple[Trigger, ...],
        at: datetime,
        since: datetime | None = None,
        before_from: datetime | None = None,
        *,
        compare: bool = True,
        enough: Callable[[Trigger, Reading], bool],
        replicas: Mapping[str, int],
        hosts: Mapping[str, tuple[str, str]],
    ) -> Mapping[str, Reading]:
        """Read every trigger, by name, for a pair that runs *since* then.

        Once a reading is *enough* to act on, the others are not waited for. *replicas*
        counts the containers that run, by service; *hosts* gives service and id of
        each by what only that is reached by.

        *before_from* is when the pair before it started, if that is known; its time
        is read too, unless there is nothing to *compare*.
        """
        ...


class Arms(Protocol):
    """Tries triggers against the live server."""

    def try_out(
        self, trigger: Trigger, at: datetime, since: datetime | None = None
    ) -> Trial:
        """Try *trigger* as of *at*, by the server's time.

        *since* is when the release started; None before it ships.
        """
        ...


class Keeper(Protocol):
    """Keeps images of old pairs from being cleaned away; deletes none."""

    def hold(self, record: Record) -> tuple[str, Mapping[str, int]]:
        """See that the image of *record* is here and held; say by what, and its bytes.

        Raises:
            Unreachable: not known.
            Problem: it is gone, or cannot be held.
        """
        ...

    def let_go(self, record: Record) -> str:
        """Hold it no more; the image stays until somebody deletes it."""
        ...


class Keeps(Protocol):
    """Keeps standbys beside what serves; touches nothing else."""

    def make(self, swap: Swap) -> None:
        """Have one for *swap* made and started, as far as it is not."""
        ...

    def take_away(self, id_: str) -> None:
        """Stop and remove one."""
        ...

    def clear(self) -> None:
        """Remove the network that they were on."""
        ...


class Claims(Protocol):
    """Holds a stack for one watchdog, where all that could act on it must look."""

    def look(self) -> Claim | None:
        """See whose the stack is; None when nobody claims it."""
        ...

    def at_work(self) -> str:
        """Say who is in the middle of a rollback, by what lies there; else nothing."""
        ...

    def take(self) -> None:
        """Claim it: of any number that do so at once, one does.

        Raises:
            EngineRefused: another was first, or nothing is there to be claimed.
        """
        ...

    def renew(self, claim: Claim) -> Claim | None:
        """Show that who made *claim* is still there; give it as it is from now on."""
        ...

    def clear(self, claim: Claim) -> None:
        """Take that very claim away, whose maker is gone."""
        ...


class Doer(Protocol):
    """Changes what runs, one step at a time."""

    def is_done(self, plan: Plan, target: Record, step: Step) -> str:
        """Look; give the evidence, or nothing when the step is still to do."""
        ...

    def do(self, plan: Plan, target: Record, step: Step) -> None:
        """Bring the step's end about."""
        ...

    def evidence_of(self, plan: Plan, step: Step) -> str:
        """Give what is worth keeping of a container that will be removed."""
        ...


@dataclass(frozen=True, slots=True)
class Executor:
    """One way to put a pair back: who sees, plans, does and asks belong together."""

    eyes: Eyes
    plans: Plans
    hands: Doer
    smoke: Callable[[SmokeCheck, tuple[str, ...]], Answer]
    # What the next deployment would make otherwise of a pair that was put up.
    agrees: Callable[[Plan, Record], str] = lambda *_: ""


class Remembers(Protocol):
    """Keeps what happened."""

    @property
    def standing(self) -> Standing:
        """What the journal adds up to now."""
        ...

    def add(self, at: datetime, *events: Event, claim: str = "") -> None:
        """Journal *events*, all or none, durable when this returns."""
        ...

    def add_if(
        self,
        at: datetime,
        weigh: Callable[[Standing], Weighed],
        *,
        claim: str = "",
    ) -> Weighed:
        """Journal what *weigh* gives; nothing is added between its look and the write.

        It gives a tuple of events, or a no, and either is returned. It only thinks.
        """
        ...

    def keep(self, record: Record, blobs: dict[str, bytes]) -> str:
        """Keep a release record; return its name."""
        ...

    def record(self, sha256: str) -> Record:
        """Read a release record."""
        ...

    def missing(self, sha256: str) -> str:
        """Say what of a release record the ledger does not hold, or nothing."""
        ...

    def last_turn(self) -> Turn | None:
        """Give the last complete turn; None before the first."""
        ...


class Filed(Protocol):
    """The release files."""

    def for_version(self, version: str) -> Release | None:
        """Give the file of *version*, or the default, or None."""
        ...

    @property
    def one_way(self) -> tuple[str, ...]:
        """The versions whose files say ``rollback_safe: false``."""
        ...

    def refresh(self) -> Problem | None:
        """Read again what changed; say what is wrong, the last good stays in force."""
        ...


class Enrolled(Protocol):
    """The roster."""

    @property
    def roster(self) -> Roster:
        """Who may answer now."""
        ...

    def refresh(self) -> Problem | None:
        """Read it again if it changed; say what is wrong, the last good one stays."""
        ...


class Tells(Protocol):
    """How far each channel has been told. Raises OSError when it cannot be kept."""

    def told(self, channel: str) -> int | None:
        """Give up to which event *channel* was handed its messages; None if never."""
        ...

    def put(
        self, channel: str, upto: int, messages: Iterable[Message], at: datetime
    ) -> None:
        """Hand *channel* its messages up to the event *upto*, all or none."""
        ...

    def first(self, channel: str) -> Due | None:
        """Give what *channel* waits for: the order of events is kept."""
        ...

    def trying(self, channel: str, seq: int) -> None:
        """Note an attempt before it is made: a crash in it counts as one."""
        ...

    def sent(self, channel: str, seq: int, at: datetime) -> None:
        """Note that the far end took it."""
        ...

    def again(self, channel: str, seq: int, next_at: datetime, error: str) -> None:
        """Try it again at *next_at*."""
        ...

    def dead(self, channel: str, seq: int, at: datetime, error: str) -> None:
        """Give it up; it stays to be seen."""
        ...


class Clock(Protocol):
    """The one clock: wall time for people, a monotonic one for patience."""

    def now(self) -> datetime:
        """Give the wall clock's UTC."""
        ...

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        ...

    def pause(self, seconds: float) -> None:
        """Wait."""
        ...
