"""What a release asks to be watched, and how far a breach may reach."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias


class Action(StrEnum):
    """What a confirmed breach leads to."""

    ROLLBACK = "rollback"
    PAUSE_AND_ALERT = "pause-and-alert"
    PAUSE_AND_INVESTIGATE = "pause-and-investigate"


# How many of a unit of time there are in a second.
UNITS_OF_TIME: Mapping[str, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


# So much of the past can speak against a release, where its window is shorter.
_EVIDENCE = timedelta(hours=1)


class Missing(StrEnum):
    """What a breach leads to when there is nothing before the release to compare."""

    PAUSE = "pause"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a breach must be clearly worse than, to be the release's doing.

    *window*: how long before the release; *worse_by* how many times worse, with
    *confidence*. *missing*: with nothing to compare, ``pause`` charges nobody, and
    ``ignore`` charges the release by its bound alone.
    """

    window: timedelta = timedelta(hours=1)
    worse_by: float = 1.5
    confidence: float = 0.99
    missing: Missing = Missing.PAUSE


@dataclass(frozen=True, slots=True)
class Ratio:
    """Bad events out of all events, each a plain selector of counters.

    With *good* there is no *total*: errors are counted beside it, not in it.
    """

    errors: str
    total: str
    good: str = ""

    @property
    def must_be_there(self) -> str:
        """Select what an answer without cannot be trusted: total, or good."""
        return self.total or self.good


@dataclass(frozen=True, slots=True)
class RatioQuery:
    """Bad and all events as expressions with ``{{ window }}``: the way out."""

    errors_query: str
    total_query: str


@dataclass(frozen=True, slots=True)
class Latency:
    """Requests slower than *over*; more than ``1 - quantile`` of them is too many.

    *histogram* is the base name with its labels; *over* must be a bucket's bound.
    *unit* is what the histogram counts in: of time, or of anything else, then *over*
    is a plain number; empty is not said.
    """

    histogram: str
    over: timedelta | Decimal
    quantile: float
    unit: str = "s"

    @property
    def bound(self) -> Decimal:
        """Give the bound as its bucket has it: 0.5 in seconds is 500 in ms."""
        if isinstance(self.over, Decimal):
            return self.over
        micros = Decimal(self.over // timedelta(microseconds=1))
        return micros * UNITS_OF_TIME[self.unit] / 10**6

    @property
    def over_words(self) -> str:
        """Say the bound with its unit: ``500ms``, ``1024 bytes``."""
        if isinstance(self.over, Decimal):
            gap = "" if self.unit in UNITS_OF_TIME else " "
            return f"{self.over.normalize():f}{gap}{self.unit}".rstrip()
        if self.over < timedelta(seconds=1):
            return f"{self.over / timedelta(milliseconds=1):.12g}ms"
        return f"{self.over.total_seconds():.12g}s"

    @property
    def words(self) -> str:
        """Say what is too much: ``slower than 500ms``, ``over 1024 bytes``."""
        is_time = self.unit in UNITS_OF_TIME
        return f"{'slower than' if is_time else 'over'} {self.over_words}"


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue whose floor rises while its drain is failing."""

    depth: str
    enqueued: str
    drained: str


@dataclass(frozen=True, slots=True)
class Value:
    """Any expression, each of its series held against the bound."""

    expr: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """Events, of which fewer come than in the time *of* before the release."""

    events: str
    of: timedelta


class Sickness(StrEnum):
    """What the engine may say of a container that is not well."""

    UNHEALTHY = "unhealthy"
    EXITED = "exited"
    RESTARTING = "restarting"
    OOM = "oom"


@dataclass(frozen=True, slots=True)
class Sick:
    """The release's own containers, by the engine's word; no Prometheus is asked."""

    of: tuple[Sickness, ...]

    @property
    def words(self) -> str:
        """Say what is too much: ``unhealthy, exited or restarting``."""
        *some, last = self.of
        return f"{', '.join(some)} or {last}" if some else str(last)


Kind: TypeAlias = Ratio | RatioQuery | Latency | Queue | Value | Traffic | Sick


@dataclass(frozen=True, slots=True)
class Trigger:
    """One rule of a release file, every default filled in.

    *above* and *below* are exclusive bounds; exactly one is set for ``Value``,
    *below* for ``Traffic`` (a share),
    *above* for ``Ratio`` and ``Latency`` (a share, 0.05 for 5 %), none for
    ``Queue`` and ``Sick``. *window* is the time looked at: ``for``, ``window`` or
    ``growing_for``. *sustained* is true when the whole window must be over (with
    ``for``), false when it acts as soon as it is confirmed.
    *block*: the window is counted in these; what counts events is read scrape by
    scrape. *min_samples* and *coverage*, a share of 1, are what a clear verdict needs,
    *min_events* bad ones a breach. *unless* is an expression of an outside cause, *by*
    a label to count apart for evidence; both may be empty. With *any* one value of it
    that is over by itself is a breach too.
    """

    name: str
    kind: Kind
    action: Action
    window: timedelta
    sustained: bool
    block: timedelta
    above: float | None = None
    below: float | None = None
    min_samples: int = 20
    min_events: int = 4
    min_growth: float = 20.0
    coverage: float = 0.8
    baseline: Baseline = Baseline()
    unless: str = ""
    by: str = ""
    any: bool = False
    observe_only: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """True for bad events out of all events."""
        return isinstance(self.kind, Ratio | RatioQuery | Latency)

    @property
    def reach(self) -> timedelta:
        """How far back it is read: evidence may be older than the window."""
        if isinstance(self.kind, Traffic):
            return 2 * self.window
        return max(_EVIDENCE, 2 * self.window) if self.counts else self.window


@dataclass(frozen=True, slots=True)
class Release:
    """A release file: what is watched while this version runs, and who decides.

    *version* is empty for ``default.yaml``, which never rolls back by itself.
    *images* maps a service to its image, where the release is several; else *image*
    is that of all. *manifests* maps a tenant to a file name in the stack's manifests
    folder; empty where the release has none.
    *mttr* is the deadline of a question, from the onset of the breach; *rollback_to*
    is empty for "the newest known-good pair". *dri* may answer, *secondary* too, and
    are reminded later; *required_approvals* of them must agree. *on_no_answer* is
    what silence means: ``hold`` or ``roll-back``. *retention* is ``ask`` or
    ``after N``: when this release need not stay restorable; empty: as the settings say.
    *jobs* says of a service that is run to its end whether a rollback to this release
    runs it ``again`` or leaves it as it ran ``once``. *unlisted* are those of its
    people who are not in the roster now: a file outlives who left.
    """

    version: str
    image: str
    manifests: Mapping[str, str]
    triggers: tuple[Trigger, ...]
    dri: tuple[str, ...]
    approved_by: str = ""
    rollback_to: str = ""
    rollback_safe: bool = True
    mttr: timedelta = timedelta(hours=1)
    watch_for: timedelta = timedelta(hours=24)
    secondary: tuple[str, ...] = ()
    required_approvals: int = 1
    on_no_answer: str = "hold"
    retention: str = ""
    jobs: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    unlisted: tuple[str, ...] = ()

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody whom it names, each once."""
        named = (*self.eligible, self.approved_by)
        return tuple(dict.fromkeys(name for name in named if name))

    @property
    def eligible(self) -> tuple[str, ...]:
        """Everybody whose answer counts for this release."""
        return (*self.dri, *self.secondary)

    @property
    def begins_by_itself(self) -> bool:
        """Tell whether a rollback may begin that nobody is asked about."""
        at_once = any(trigger.action is Action.ROLLBACK for trigger in self.triggers)
        return not self.is_default and (at_once or self.on_no_answer != "hold")

    @property
    def is_default(self) -> bool:
        """True for the file that stands in for a version without its own."""
        return not self.version
