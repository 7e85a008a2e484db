"""Where we stand: what the journal adds up to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from watchdog.decide.deployment import Deployment, followed
from watchdog.decide.question import Question
from watchdog.decide.revoked import why_revoked
from watchdog.decide.steady import STILL, Flow
from watchdog.facts.event import (
    Answered,
    AnswerVoided,
    BlindTooLong,
    BreachConfirmed,
    ClaimTaken,
    ClockStepped,
    Entry,
    FarEndBack,
    FarEndLost,
    HoldLifted,
    HoldPlaced,
    ImageHeld,
    ImageLetGo,
    ImageLost,
    IncidentClosed,
    KeyFirstUsed,
    OrderGiven,
    OrderRefused,
    PairProvedGood,
    PairQuarantined,
    PairRecorded,
    PairStarted,
    PairUnclear,
    PromotionChanged,
    PromotionPaused,
    PromotionResumed,
    QuestionAsked,
    QuestionClosed,
    ReadinessChanged,
    RecoveryMissed,
    RecoverySeen,
    ReleaseArmed,
    Reminded,
    RetentionAsked,
    RetentionReleased,
    RollbackEnded,
    RollbackMended,
    RollbackRefused,
    RollbackReopened,
    RollbackStarted,
    RollbackStuck,
    StackClaimed,
    StepDone,
    StepFailed,
    StepIntended,
    StepUndone,
    TriggerUnproven,
    VerdictChanged,
    VersionsRevoked,
    WatchStarted,
    WayChosen,
    WentBack,
)
from watchdog.facts.pair import Pair, Running
from watchdog.facts.plan import Do

# The target serves, and was proved.
_PUT_UP = ("proved", "unpinned")
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
# What a time server corrects all day is no step.
_SET_BACK = timedelta(seconds=2)
_OVER = ("pending", "breached")
# What is remembered of each kind; more decides nothing.
_MOST_PAIRS, _MOST_GOOD = 200, 20
_MOST_CLOSED, _MOST_TIMES, _MOST_REASONS, _MOST_FLOWS = 50, 1000, 20, 1000
_OF_A_ROLLBACK = (
    RollbackStarted,
    RollbackReopened,
    StepIntended,
    StepDone,
    StepFailed,
    StepUndone,
    WayChosen,
    WentBack,
    RollbackStuck,
)


@dataclass(frozen=True, slots=True)
class KnownPair:
    """A pair that ran here. *order* grows with each deployment of it by people.

    One that a person vouched for without its having run here comes before all.

    *good* and *quarantined* are sentences, empty when it is not; each has its
    *since*. *vouched_by* is whose word made it good, empty when it was measured.
    *taken_down* says to what, by whom and why it was rolled back, until people deploy
    it again. *one_way* once its file said ``rollback_safe: false`` while it ran.
    *unseen_from* and *between* are of the time before it was deployed last: from when
    nobody looked, and which one-way releases may have run then.
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


@dataclass(frozen=True, slots=True)
class Incident:
    """What is open since a confirmed breach. *refused* and *ended* are sentences.

    *tried* once a rollback of it was begun: there is never a second one. *held* once
    an operator's hold kept it from starting by itself.
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


@dataclass(frozen=True, slots=True)
class Order:
    """What a person ordered by hand, and nothing was begun of yet."""

    given: OrderGiven
    given_at: datetime


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
    *past* is the operation that *last_rollback* ended.
    *pair_since* is the first start of the running pair since another one ran, at
    *before_since*: containers made anew from the same pair are still its doing.
    *keys_used* has the fingerprint of each key that was ever used, empty for what was
    used before that was noted.
    *deployments* are those that GitHub asked about: all open ones, and the last others.
    *resumed* says of a version who let it go onward, until it is paused or deployed
    anew.
    *away_since* and *away_until* bound the last time in which what runs could not be
    looked at: the engine was lost, or another watchdog had the stack.
    *watching_since* is when the process that watches took up the journal.
    *repairs* are the operations that mended a pair: what they put up was deployed.
    *claimed* says which other watchdog has this stack; None while none is known.
    *revoked* is the list of revoked versions with the highest epoch that was seen.
    *changes* is how often of late what may come and go did.

    It does not grow with history: see ``_bounded`` for what is let go.
    """

    running: PairStarted | None = None
    pair_since: datetime | None = None
    before_since: datetime | None = None
    unclear: PairUnclear | None = None
    claimed: StackClaimed | None = None
    watching_since: datetime | None = None
    away_since: datetime | None = None
    away_until: datetime | None = None
    readiness: ReadinessChanged | None = None
    readiness_since: datetime | None = None
    images: dict[str, ImageHeld | ImageLost] = field(default_factory=dict)
    released: dict[str, str] = field(default_factory=dict)
    asked_about: frozenset[str] = frozenset()
    unproven_since: datetime | None = None
    pairs: dict[str, KnownPair] = field(default_factory=dict)
    verdicts: dict[str, SeenVerdict] = field(default_factory=dict)
    armed: bool = False
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


def stand(entries: Iterable[Entry], on: Standing | None = None) -> Standing:
    """Fold *entries*, in order, on top of *on* (or of nothing)."""
    standing = on or Standing()
    for entry in entries:
        standing = _flowing(_after(standing, entry), entry)
        if entry.at > standing.latest:
            standing = replace(standing, latest=entry.at)
        if standing.rollback and isinstance(entry.event, _OF_A_ROLLBACK):
            rollback = replace(standing.rollback, last=entry.at)
            standing = replace(standing, rollback=rollback)
    return standing


def _flowing(s: Standing, entry: Entry) -> Standing:
    """Count the changes of what may come and go."""
    match entry.event:
        case VerdictChanged(trigger=name):
            what = f"verdict/{name}"
        case FarEndLost(what=name) | FarEndBack(what=name):
            what = f"far end/{name}"
        case TriggerUnproven(trigger=name):
            what = f"unproven/{name}"
        case ReadinessChanged():
            what = "readiness/"
        case PairUnclear():
            what = "unclear/"
        case _:
            return s
    changes = s.changes | {what: s.changes.get(what, STILL).changed(entry.at)}
    if len(changes) > _MOST_FLOWS:  # names of triggers and files that are long gone
        oldest = min(changes, key=lambda name: changes[name].at)
        del changes[oldest]
    return replace(s, changes=changes)


def _paused(s: Standing, event: PromotionPaused) -> Standing:
    release = event.release
    first, *rest = dict.fromkeys((*s.paused.get(release, ()), event.words))
    reasons = (first, *rest[1 - _MOST_REASONS :])
    paused = s.paused | {release: reasons}
    return replace(s, paused=paused, resumed=_without(s.resumed, release))


def _of_any_pair(changes: dict[str, Flow]) -> dict[str, Flow]:
    """Leave out what was said of the pair that ran: another begins anew."""
    mine = ("verdict/", "unproven/")
    return {what: flow for what, flow in changes.items() if not what.startswith(mine)}


def _bounded(s: Standing) -> Standing:
    """Let the oldest pairs go, and what was said of them; keep those that decide.

    These are the newest ones, the newest good ones, what breached or was vouched for,
    what is held, and what a rollback is about. The journal has the others.
    """
    if len(s.pairs) <= _MOST_PAIRS:
        return s
    newest = sorted(s.pairs.values(), key=lambda known: known.order)
    good = [known for known in newest if known.good and not known.quarantined]
    acting = [one.started for one in (s.rollback, s.past) if one]
    keep = {known.pair.key for known in (*newest[-_MOST_PAIRS:], *good[-_MOST_GOOD:])}
    keep |= {
        known.pair.key
        for known in newest
        if known.quarantined or known.taken_down or known.vouched_by
    }
    keep |= {key for key, image in s.images.items() if isinstance(image, ImageHeld)}
    keep |= {pair.key for one in acting for pair in (one.from_pair, one.to_pair)}
    keep |= {one for one in (s.put_up and s.put_up.key,) if one}
    gone = s.pairs.keys() - keep
    pairs = {key: known for key, known in s.pairs.items() if key in keep}
    left = {known.pair.version for known in pairs.values()}
    over = {s.pairs[key].pair.version for key in gone} - left
    return replace(
        s,
        pairs=pairs,
        images={key: one for key, one in s.images.items() if key not in gone},
        released={key: one for key, one in s.released.items() if key not in gone},
        asked_about=s.asked_about - gone,
        paused={name: why for name, why in s.paused.items() if name not in over},
        resumed={name: why for name, why in s.resumed.items() if name not in over},
        gates={name: one for name, one in s.gates.items() if name not in over},
        automatic={name: n for name, n in s.automatic.items() if name not in over},
    )


def _asked(s: Standing, at: datetime, event: QuestionAsked) -> dict[str, Question]:
    """Take a question in; the oldest of those that are closed are let go."""
    known = s.questions | {event.question: Question(event, at, event.expires)}
    closed = [name for name, one in known.items() if one.closed]
    gone = set(closed[:-_MOST_CLOSED])
    return {name: one for name, one in known.items() if name not in gone}


def _behind(s: Standing, at: datetime) -> Standing:
    """Let nobody gain time when the wall clock was set back while we were away.

    How long we were away can't be known then: what is waited for is over now.
    """
    if at >= s.latest - _SET_BACK:
        return s
    over = {
        name: one if one.closed else replace(one, deadline=min(one.deadline, at))
        for name, one in s.questions.items()
    }
    return replace(s, questions=over)


def _after(s: Standing, entry: Entry) -> Standing:
    at, event = entry.at, entry.event
    match event:
        case WatchStarted():
            # Nobody looked while we were away: the bake time starts over.
            return replace(_behind(s, at), unproven_since=at, watching_since=at)
        case PairStarted():
            return _started(s, entry, event)
        case PairUnclear():
            return replace(s, unclear=event, unproven_since=at)
        case StackClaimed():
            # Nobody looks from here until it is over: the bake time starts over.
            return replace(_away(s, at), claimed=event, unproven_since=at)
        case ClaimTaken():
            return replace(s, claimed=None, away_until=at)
        case ReadinessChanged():
            return replace(s, readiness=event, readiness_since=at)
        case PairProvedGood(key=key) if key in s.pairs:
            return replace(s, pairs=s.pairs | {key: _good(s.pairs[key], at, event)})
        case PairQuarantined(key=key, words=words) if key in s.pairs:
            bad = _quarantined(s.pairs[key], words, at)
            return replace(s, pairs=s.pairs | {key: bad})
        case VerdictChanged(trigger=trigger):
            seen = _seen(s.verdicts.get(trigger), at, event, s.flow("verdict", trigger))
            return replace(s, verdicts=s.verdicts | {trigger: seen}, unproven_since=at)
        case BlindTooLong(trigger=trigger) if trigger in s.verdicts:
            told = replace(s.verdicts[trigger], told=True)
            return replace(s, verdicts=s.verdicts | {trigger: told})
        case ReleaseArmed():
            return replace(s, armed=True, unproven={})
        case TriggerUnproven(trigger=trigger, words=words):
            return replace(s, unproven=s.unproven | {trigger: words})
        case BreachConfirmed():
            return _breached(s, at, event)
        case PromotionPaused():
            return _paused(s, event)
        case PromotionChanged(release=release, state=state):
            return replace(s, gates=s.gates | {release: state})
        case PromotionResumed(release=release, by=by):
            words = f"{by} let it go onward at {at:%Y-%m-%d %H:%M:%S} UTC"
            paused = _without(s.paused, release)
            return replace(s, paused=paused, resumed=s.resumed | {release: words})
        case HoldPlaced():
            return replace(s, hold=event)
        case HoldLifted():
            incident = s.incident
            if incident and incident.held:
                incident = replace(incident, refused="")
            return replace(s, hold=None, incident=incident)
        case OrderGiven():
            return replace(s, order=Order(event, at))
        case OrderRefused(order=order) if s.order and s.order.given.order == order:
            return replace(s, order=None)
        case QuestionAsked(question=question) if s.incident:
            return replace(
                s,
                questions=_asked(s, at, event),
                incident=replace(s.incident, question=question),
            )
        case Answered(question=question) if question in s.questions:
            asked = s.questions[question].answered(event, at)
            glass = (at,) if event.break_glass else ()
            broken = (*s.glass_broken, *glass)[-_MOST_TIMES:]
            questions = s.questions | {question: asked}
            used = {event.key: ""} | s.keys_used
            return replace(s, questions=questions, glass_broken=broken, keys_used=used)
        case KeyFirstUsed(key=key, fingerprint=fingerprint):
            return replace(s, keys_used=s.keys_used | {key: fingerprint})
        case AnswerVoided(question=question, message=message) if (
            question in s.questions
        ):
            asked = s.questions[question]
            asked = replace(asked, voided=asked.voided | {message})
            return replace(s, questions=s.questions | {question: asked})
        case Reminded(question=question, share=share) if question in s.questions:
            asked = s.questions[question]
            asked = replace(asked, reminded=asked.reminded | {share})
            return replace(s, questions=s.questions | {question: asked})
        case ClockStepped(seconds=seconds):
            moved = {name: one.moved(seconds) for name, one in s.questions.items()}
            return replace(s, questions=moved)
        case QuestionClosed(question=question, how=how) if question in s.questions:
            asked = replace(s.questions[question], closed=how)
            return replace(s, questions=s.questions | {question: asked})
        case _:
            return _after_acting(s, entry)


def _after_acting(s: Standing, entry: Entry) -> Standing:
    at, event = entry.at, entry.event
    match event:
        case RollbackRefused(words=words) if s.incident:
            held = s.incident.held or s.hold is not None
            incident = replace(s.incident, refused=words, held=held)
            return replace(s, incident=incident)
        case RollbackStarted(automatic=automatic, from_pair=bad):
            begun = replace(s, rollback=Rollback(event, at))
            if event.order:
                begun = replace(begun, order=None)
            if event.what == "repair":
                begun = replace(begun, repairs=_repaired(s, event.plan.op))
            if not automatic:
                return begun
            count = s.automatic.get(bad.version, 0) + 1
            return replace(
                begun,
                automatic=s.automatic | {bad.version: count},
                by_itself=(*s.by_itself, at)[-_MOST_TIMES:],
            )
        case StepIntended(step=step, attempt=attempt) if s.rollback:
            attempts = s.rollback.attempts | {step.words: attempt}
            doing = step.words
            rollback = replace(s.rollback, attempts=attempts, tried=at, doing=doing)
            if step.do is Do.BAR:
                # What was pinned is pinned no more, and by us.
                done = {w: e for w, e in rollback.done.items() if w[:4] != f"{Do.PIN} "}
                rollback = replace(rollback, done=done)
            return replace(s, rollback=rollback)
        case StepDone(step=step, evidence=evidence) if s.rollback:
            done = s.rollback.done | {step.words: evidence}
            return replace(s, rollback=replace(s.rollback, done=done, doing=""))
        case StepUndone(step=step, words=words) if s.rollback:
            done = {w: e for w, e in s.rollback.done.items() if w != step.words}
            undone = tuple(dict.fromkeys((*s.rollback.undone, words)))
            return replace(s, rollback=replace(s.rollback, done=done, undone=undone))
        case WayChosen() if s.rollback:
            return replace(s, rollback=_let_go_on(s.rollback, event))
        case WentBack(words=words) if s.rollback:
            return replace(s, rollback=replace(s.rollback, back=words, doing=""))
        case RollbackStuck(words=words, hint=hint, again=again) if s.rollback:
            rollback = replace(
                s.rollback,
                stuck=words,
                hint=hint,
                again=again,
                since=s.rollback.since or at,
                tried=at,
            )
            return replace(s, rollback=rollback)
        case RollbackEnded():
            return _ended(s, at, event)
        case RollbackReopened(words=words) if s.past and s.last_rollback:
            back = s.past.back if s.last_rollback.how == "put-back" else ""
            anew = replace(s.past, done={}, back=back, stuck="", reopened=words)
            return replace(s, rollback=anew)
        case RollbackMended(how=how, proof=proof) if s.last_rollback:
            last = replace(s.last_rollback, how=how, proof=proof)
            mended = _serving(s, at, last)
            return replace(mended, rollback=None, past=s.rollback, last_rollback=last)
        case RecoverySeen(words=words) | RecoveryMissed(words=words) if s.incident:
            return replace(s, incident=replace(s.incident, ended=words))
        case IncidentClosed(latched=latched):
            breached = s.breached if latched else frozenset()
            return replace(s, incident=None, breached=breached)
        case FarEndLost(what=what, words=words):
            lost = _away(s, at) if what == "engine" else s
            return replace(lost, lost=s.lost | {what: words})
        case FarEndBack(what=what):
            rest = {w: why for w, why in s.lost.items() if w != what}
            until = at if what == "engine" else s.away_until
            return replace(s, lost=rest, away_until=until)
        case _:
            return _after_keeping(s, entry)


def _after_keeping(s: Standing, entry: Entry) -> Standing:
    at = entry.at
    match entry.event:
        case (ImageHeld(key=key) | ImageLost(key=key)) as image:
            return replace(s, images=s.images | {key: image})
        case ImageLetGo(key=gone):
            rest = {key: image for key, image in s.images.items() if key != gone}
            return replace(s, images=rest)
        case PairRecorded(pair=pair, record=record) if pair.key not in s.pairs:
            # It ran before the first that was seen here, if it ever did.
            order = min((one.order for one in s.pairs.values()), default=1) - 1
            earlier = _unless(s.revoked, KnownPair(pair, record, order, at), at)
            return _bounded(replace(s, pairs=s.pairs | {pair.key: earlier}))
        case RetentionAsked(keys=keys):
            return replace(s, asked_about=s.asked_about | set(keys))
        case RetentionReleased(key=key, words=words):
            return replace(s, released=s.released | {key: words})
        case VersionsRevoked() as listed:
            pairs = {key: _unless(listed, k, at) for key, k in s.pairs.items()}
            return replace(s, revoked=listed, revoked_since=at, pairs=pairs)
        case _:
            # The rest it does not count: refusals without an incident, reports.
            known = followed(s.deployments, entry)
            return s if known is s.deployments else replace(s, deployments=known)


def _started(s: Standing, entry: Entry, event: PairStarted) -> Standing:
    known = s.pairs.get(event.pair.key)
    if known is None:
        known = KnownPair(event.pair, event.record, entry.seq, entry.at)
        known = _unless(s.revoked, known, entry.at)
    elif not event.by:
        known = replace(known, order=entry.seq, record=event.record, taken_down="")
    known = replace(known, one_way=known.one_way or event.one_way)
    only_seen_again = s.running and s.running.containers == event.containers
    if not event.by and not only_seen_again:
        known = replace(known, unseen_from=event.unseen_from, between=event.between)
    pair_since, before_since = s.pair_since, s.before_since
    running = s.running
    same = running is not None and (
        running.containers == event.containers or running.pair.key == event.pair.key
    )
    if same and running is not None and not running.containers:
        pair_since = event.since  # named when it was proved; now its start is seen
    elif not same:
        pair_since, before_since = event.since, s.pair_since
    seen = replace(
        s,
        running=event,
        pair_since=pair_since,
        before_since=before_since,
        unclear=None,
        unproven_since=entry.at,
        pairs=s.pairs | {event.pair.key: known},
        # Deployed again, it is wanted again.
        released={k: w for k, w in s.released.items() if k != event.pair.key},
    )
    seen = _bounded(seen)
    if s.running is not None and s.running.containers == event.containers:
        return seen  # only the sight of it was lost: what was latched stays
    seen = replace(seen, resumed=_without(s.resumed, event.pair.version))
    return replace(
        seen,
        verdicts={},
        breached=frozenset(),
        armed=False,
        unproven={},
        changes=_of_any_pair(s.changes),
    )


def _away(s: Standing, at: datetime) -> Standing:
    """Note that what runs can't be looked at from now on, if it could before."""
    if s.away_since is not None and s.away_until is None:
        return s
    return replace(s, away_since=at, away_until=None)


def _seen(
    before: SeenVerdict | None, at: datetime, now: VerdictChanged, flow: Flow
) -> SeenVerdict:
    """Let a verdict follow the one *before*; what was suspected is remembered."""
    is_blind = now.kind == "blind"
    if before is None:
        return SeenVerdict(now, at, measured=not is_blind, changed_at=at)
    was = before.changed.kind
    seen = SeenVerdict(
        now,
        at,
        measured=before.measured or not is_blind,
        changed_at=at,
        suspected_until=at if was in _OVER else before.suspected_until,
        breached_until=at if was == "breached" else before.breached_until,
    )
    if is_blind and was == "blind":
        seen = replace(seen, since=before.since, told=before.told)
    # Told once that it comes and goes, ops is not told each time that it came.
    return replace(seen, told=before.told) if flow.comes_and_goes else seen


def _good(known: KnownPair, at: datetime, event: PairProvedGood) -> KnownPair:
    """Let *known* be good; only a person's word lifts a quarantine."""
    lifted = bool(event.vouched_by)
    return replace(
        known,
        good=event.words,
        good_since=at,
        vouched_by=event.vouched_by,
        record=event.record or known.record,
        taken_down="" if lifted else known.taken_down,
        quarantined="" if lifted else known.quarantined,
        quarantined_since=None if lifted else known.quarantined_since,
    )


_T = TypeVar("_T")


def _without(known: dict[str, _T], name: str) -> dict[str, _T]:
    return {key: value for key, value in known.items() if key != name}


def _quarantined(known: KnownPair, words: str, at: datetime) -> KnownPair:
    return replace(
        known,
        good="",
        good_since=None,
        vouched_by="",
        quarantined=words,
        quarantined_since=at,
    )


def _unless(
    listed: VersionsRevoked | None, known: KnownPair, at: datetime
) -> KnownPair:
    """Quarantine *known* if the list names it."""
    words = why_revoked(listed, known.pair)
    return _quarantined(known, words, at) if words else known


def _let_go_on(rollback: Rollback, event: WayChosen) -> Rollback:
    """Let it go on as a person chose; forward, what led back is to be done anew."""
    if event.way == "back":
        return replace(rollback, stuck="", hint="", again=False, back=event.words)
    steps = rollback.started.plan.steps
    ahead = {step.words for step in steps}
    # The way back named another version.
    pins = {step.words for step in steps if step.do in (Do.BAR, Do.PIN)}
    return replace(
        rollback,
        stuck="",
        hint="",
        again=False,
        back="",
        attempts={w: n for w, n in rollback.attempts.items() if w in ahead},
        done={w: seen for w, seen in rollback.done.items() if w in ahead - pins},
    )


def _ended(s: Standing, at: datetime, event: RollbackEnded) -> Standing:
    incident = s.incident
    if incident and incident.id == event.incident:
        incident = (
            replace(incident, rolled_back_at=at, refused="")
            if event.how in _PUT_UP
            else replace(incident, refused=event.proof, tried=True)
        )
    # One that put nothing up leaves running what the last one did.
    put_up = _left_by(s.rollback, event, at) or s.put_up
    s = replace(_serving(s, at, event), pairs=_taken_down(s, event, at))
    ended = replace(s, rollback=None, incident=incident, put_up=put_up)
    if event.what == "dry-drill":
        return ended
    if event.how == "put-back":
        # What ran before is as it was, also where it had to be made again.
        ended = replace(ended, repairs=s.repairs | {event.op})
    if event.how == "overtaken" and s.rollback and s.rollback.started.automatic:
        # It put nothing up: what was deployed since can be rolled back like any.
        bad = s.rollback.started.from_pair.version
        left = max(0, s.automatic.get(bad, 0) - 1)
        rest = {v: n for v, n in s.automatic.items() if v != bad}
        ended = replace(ended, automatic=rest | ({bad: left} if left else {}))
    return replace(ended, last_rollback=event, past=s.rollback)


def _serving(s: Standing, at: datetime, ended: RollbackEnded) -> Standing:
    """Name the target as what runs once it is proved, before a turn sees it.

    Its containers are seen then; until then there are none, and nothing that was
    said of the pair before it is said of it.
    """
    if s.rollback is None or ended.how not in _PUT_UP:
        return s
    started = s.rollback.started
    pair, record = started.to_pair, started.plan.to_record
    if s.running is not None and s.running.pair.key == pair.key:
        return s
    return replace(
        s,
        running=PairStarted(pair, record, (), at, ended.op),
        pair_since=at,
        before_since=s.pair_since,
        unclear=None,
        unproven_since=at,
        verdicts={},
        breached=frozenset(),
        armed=False,
        unproven={},
        changes=_of_any_pair(s.changes),
    )


def _taken_down(
    s: Standing, ended: RollbackEnded, at: datetime
) -> dict[str, KnownPair]:
    """Note on the pair that was rolled back to what, when, and whose doing it was."""
    rolled_back = ended.how in _PUT_UP and ended.what == "rollback"
    if s.rollback is None or not rolled_back:
        return s.pairs
    started = s.rollback.started
    bad = s.pairs.get(started.from_pair.key)
    if bad is None:
        return s.pairs
    words = (
        f"rolled back here: {started.cause} (to {ended.target}, "
        f"{at:%Y-%m-%d %H:%M:%S} UTC)"
    )
    return s.pairs | {bad.pair.key: replace(bad, taken_down=words)}


def _repaired(s: Standing, op: str) -> frozenset[str]:
    """Remember *op*, and of those before it only whose doing may still run."""
    ran = (s.running and s.running.by, s.put_up and s.put_up.op)
    return frozenset({op, *(one for one in ran if one in s.repairs and one)})


def _left_by(
    rollback: Rollback | None, ended: RollbackEnded, at: datetime
) -> PutUp | None:
    """Tell what a rollback that ended then left running, if it put anything up."""
    if rollback is None or ended.how not in (*_PUT_UP, "put-back"):
        return None
    started = rollback.started
    pair = started.to_pair if ended.how in _PUT_UP else started.from_pair
    return PutUp(ended.op, pair.key, at)


def _breached(s: Standing, at: datetime, event: BreachConfirmed) -> Standing:
    if s.incident is None or s.incident.id != event.incident:
        incident = Incident(event.incident, at, (event,))
    else:
        # A further breach is weighed anew: a denial answered another question.
        refused = s.incident.refused if s.incident.tried else ""
        breaches = (*s.incident.breaches, event)
        incident = replace(s.incident, breaches=breaches, refused=refused)
    breached = s.breached | {event.trigger}
    return replace(s, incident=incident, breached=breached)
