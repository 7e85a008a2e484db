"""Where we stand: what the journal adds up to. ``decide/fold.py`` adds it up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from watchdog.decide.deployment import Deployment
from watchdog.decide.gap import NOBODY, Away, Gap
from watchdog.decide.question import Question
from watchdog.decide.steady import STILL, Flow
from watchdog.facts.event import (
    BreachConfirmed,
    HoldPlaced,
    ImageHeld,
    ImageLost,
    OrderGiven,
    PairStarted,
    PairUnclear,
    ReadinessChanged,
    RollbackEnded,
    RollbackStarted,
    StackClaimed,
    StandbyChanged,
    VerdictChanged,
    VersionsRevoked,
)
from watchdog.facts.pair import Pair, Running

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class KnownPair:
    """A pair that ran here. *order* grows with each deployment of it by people.

    One that a person vouched for without its having run here comes before all.

    *good* and *quarantined* are sentences, empty when it is not; each has its
    *since*. *vouched_by* is whose word made it good, empty when it was measured.
    *taken_down* says to what, by whom and why it was rolled back, until people deploy
    it again. *one_way* once its file said ``rollback_safe: false`` while it ran.
    *unseen_from* and *between* are of the time before it was deployed last: from when
    nobody looked, and which one-way releases may have run then. *unwatched*: it never
    ran here while anybody watched, and *between* may have run since it did. *parts* are
    releases of which only something ran before it; none is known to go one way.
    """

    pair: Pair
    record: str
    order: int
    first_seen: datetime
    good: str = ""
    quarantined: str = ""
    good_since: datetime | None = None
    vouched_by: str = ""
    quarantined_since: datetime | None = None
    taken_down: str = ""
    one_way: bool = False
    unseen_from: datetime | None = None
    between: tuple[str, ...] = ()
    unwatched: bool = False
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Incident:
    """What is open since a confirmed breach. *refused* and *ended* are sentences.

    *tried* once a rollback of it was begun: there is never a second one. *held* once
    an operator's hold kept it from starting by itself. *delayed* says why it could not
    be planned or asked yet, *delayed_since* then.
    """

    id: str
    opened_at: datetime
    breaches: tuple[BreachConfirmed, ...]
    refused: str = ""
    question: str = ""
    rolled_back_at: datetime | None = None
    ended: str = ""
    tried: bool = False
    held: bool = False
    delayed: str = ""
    delayed_since: datetime | None = None

    @property
    def charged(self) -> tuple[BreachConfirmed, ...]:
        """The breaches that are the release's own doing."""
        return tuple(breach for breach in self.breaches if not breach.elsewhere)


@dataclass(frozen=True, slots=True)
class Rollback:
    """An operation under way. *back* once it turned around; *stuck* says why.

    *attempts* and *done* are by a step's words; *done* holds the evidence.
    *reopened* says why it is done again after it had ended.
    *undone* says what others undid of it meanwhile.
    *again*: the way back is tried again, stuck *since* then and last tried *tried*.
    *theirs*: what somebody deployed of it meanwhile is in the way.
    *away* is who is away for it, since when.
    *doing* is the step that was begun and not done yet; *last* is when anything of it
    was journaled.
    """

    started: RollbackStarted
    started_at: datetime
    attempts: dict[str, int] = field(default_factory=dict)
    done: dict[str, str] = field(default_factory=dict)
    back: str = ""
    stuck: str = ""
    hint: str = ""
    reopened: str = ""
    again: bool = False
    since: datetime | None = None
    tried: datetime | None = None
    doing: str = ""
    last: datetime | None = None
    undone: tuple[str, ...] = ()
    theirs: bool = False
    away: Away = NOBODY


@dataclass(frozen=True, slots=True)
class Order:
    """What a person ordered by hand, and nothing was begun of yet."""

    given: OrderGiven
    given_at: datetime


@dataclass(frozen=True, slots=True)
class Drilled:
    """The last drill: *how* it ended, *at* when, and the seconds that it *took*."""

    what: str
    how: str
    at: datetime
    took: float
    words: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How many operations of one kind ended one way; of the last: when, and seconds."""

    count: int
    at: datetime
    took: float


@dataclass(frozen=True, slots=True)
class PutUp:
    """What a rollback left running: *op* put up the pair of *key* before *until*."""

    op: str
    key: str
    until: datetime


@dataclass(frozen=True, slots=True)
class SeenVerdict:
    """A trigger's verdict since *since*; *measured* once it was not blind.

    Blindness has one beginning, however often its cause changes; *told* once ops
    was told that it lasts. *suspected_until* is when it was last over its bound,
    confirmed or not, and *breached_until* when that was last confirmed.
    """

    changed: VerdictChanged
    since: datetime
    measured: bool
    told: bool = False
    changed_at: datetime = _LONG_AGO
    suspected_until: datetime | None = None
    breached_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything a decision may depend on, apart from this turn's verdicts.

    *unproven_since* is the last instant at which something spoke against the
    running pair being good: a start of it or of the watch, or any change of a
    verdict.
    *latest* is the time of the latest event.
    *past* is the operation that *last_rollback* ended. *ended* counts them all, by
    ``kind/how``.
    *pair_since* is the first start of the running pair since another one ran, at
    *before_since*: containers made anew from the same pair are still its doing.
    *stepped* is by how much the wall clock moved by itself since what runs started.
    *sick_before* says what was wrong with the containers of that other one; None when
    nobody looked.
    *keys_used* has the fingerprint of each key that was ever used, empty for what was
    used before that was noted.
    *deployments* are those that GitHub asked about: all open ones, and the last others.
    *resumed* says of a version who let it go onward, until it is paused or deployed
    anew.
    *away_since* and *away_until* bound the last time in which what runs could not be
    looked at: the engine was lost, or another watchdog had the stack.
    *watching_since* is when the process that watches took up the journal.
    *tried* names the triggers that it was armed with; empty where that is not known.
    *repairs* are the operations that mended a pair: what they put up was deployed.
    *in_part* are the one-way releases of which something was there since what runs was
    deployed, though none of them ran as a whole pair; *parts* are the others.
    *claimed* says which other watchdog has this stack; None while none is known.
    *revoked* is the list of revoked versions with the highest epoch that was seen.
    *standby* is what was said last of what is kept healthy beside.
    *changes* is how often of late what may come and go did.

    It does not grow with history: see ``fold_pairs.bounded`` for what is let go.
    """

    running: PairStarted | None = None
    pair_since: datetime | None = None
    stepped: timedelta = timedelta()
    before_since: datetime | None = None
    sick_before: tuple[str, ...] | None = None
    unclear: PairUnclear | None = None
    in_part: frozenset[str] = frozenset()
    parts: frozenset[str] = frozenset()
    claimed: StackClaimed | None = None
    watching_since: datetime | None = None
    away_since: datetime | None = None
    away_until: datetime | None = None
    readiness: ReadinessChanged | None = None
    readiness_since: datetime | None = None
    images: dict[str, ImageHeld | ImageLost] = field(default_factory=dict)
    standby: StandbyChanged | None = None
    released: dict[str, str] = field(default_factory=dict)
    asked_about: frozenset[str] = frozenset()
    unproven_since: datetime | None = None
    pairs: dict[str, KnownPair] = field(default_factory=dict)
    verdicts: dict[str, SeenVerdict] = field(default_factory=dict)
    armed: bool = False
    tried: str = ""
    unproven: dict[str, str] = field(default_factory=dict)
    incident: Incident | None = None
    breached: frozenset[str] = frozenset()
    paused: dict[str, tuple[str, ...]] = field(default_factory=dict)
    resumed: dict[str, str] = field(default_factory=dict)
    gates: dict[str, str] = field(default_factory=dict)
    questions: dict[str, Question] = field(default_factory=dict)
    rollback: Rollback | None = None
    automatic: dict[str, int] = field(default_factory=dict)
    by_itself: tuple[datetime, ...] = ()
    last_rollback: RollbackEnded | None = None
    last_drill: Drilled | None = None
    gap: Gap | None = None
    ended: dict[str, Tally] = field(default_factory=dict)
    past: Rollback | None = None
    hold: HoldPlaced | None = None
    order: Order | None = None
    repairs: frozenset[str] = frozenset()
    put_up: PutUp | None = None
    lost: dict[str, str] = field(default_factory=dict)
    glass_broken: tuple[datetime, ...] = ()
    keys_used: dict[str, str] = field(default_factory=dict)
    revoked: VersionsRevoked | None = None
    revoked_since: datetime | None = None
    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    changes: dict[str, Flow] = field(default_factory=dict)
    latest: datetime = _LONG_AGO

    def flow(self, what: str, name: str = "") -> Flow:
        """Tell how often *what* changed of late."""
        return self.changes.get(f"{what}/{name}", STILL)

    @property
    def unseen(self) -> str:
        """Why what runs is said not to be seen; nothing while it is.

        An engine that comes and goes is told back late, and may answer meanwhile.
        """
        if "engine" not in self.lost:
            return ""
        often = self.flow("far end", "engine").comes_and_goes
        lately = "cannot be seen at all times" if often else "cannot be seen"
        return f"what runs {lately}: {self.lost['engine']}"

    @property
    def not_whole(self) -> str:
        """Why what runs is said not to be one whole pair; nothing while it is.

        One that comes and goes is told whole late, and may be whole meanwhile.
        """
        if self.unclear is None:
            return ""
        if self.flow("unclear").comes_and_goes:
            return f"what runs is not one whole pair at all times: {self.unclear.words}"
        return self.unclear.words

    @property
    def running_pair(self) -> KnownPair | None:
        """The ledger's entry of what runs."""
        return self.pairs.get(self.running.pair.key) if self.running else None

    def put_up_by(self, seen: Running) -> str:
        """Name the rollback that *seen* is the end of; nothing for anybody else's.

        Not every executor can leave a mark on what it starts. What began before the
        rollback had ended, and is its pair, is its doing.
        """
        if seen.rolled_back_by:
            return seen.rolled_back_by
        last = self.put_up
        ours = last and last.key == seen.pair.key and seen.since <= last.until
        return last.op if last and ours else ""

    @property
    def question(self) -> Question | None:
        """The question of the open incident, open or closed."""
        if self.incident is None:
            return None
        return self.questions.get(self.incident.question)
