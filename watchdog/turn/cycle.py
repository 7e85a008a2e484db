"""One turn: observe, judge, decide, act, verify, record; the order is here only."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from watchdog.decide.policy import baked, decide, recovered
from watchdog.decide.standing import Rollback, Standing
from watchdog.facts.decision import Ask, Hold, Refuse, RollBack
from watchdog.facts.event import (
    Event,
    IncidentClosed,
    OrderRefused,
    PairProvedGood,
    QuestionClosed,
    RecoveryMissed,
    RecoverySeen,
    RollbackDelayed,
    RollbackReopened,
    RollbackStarted,
    StackClaimed,
)
from watchdog.facts.pair import Part, Running
from watchdog.facts.plan import Wanted
from watchdog.facts.problem import (
    EngineRefused,
    JournalLost,
    Problem,
    Undone,
    Unreachable,
)
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release
from watchdog.facts.verdict import Clear, Verdict, kind_of
from watchdog.turn.asking import Asking
from watchdog.turn.gating import Gating
from watchdog.turn.judging import Judging, far_end_back, far_end_lost
from watchdog.turn.observing import Observing, Sight
from watchdog.turn.ordering import Ordering
from watchdog.turn.readiness import Readiness
from watchdog.turn.roles import (
    Arms,
    Enrolled,
    Eyes,
    Filed,
    Metrics,
    Plans,
    Remembers,
    Turn,
)
from watchdog.turn.standing_by import StandingBy
from watchdog.turn.transaction import Transaction

# Both were good before: what was good stays in force.
_FILES = "a release file"
_ROSTER = "the roster of approvers"


@dataclass(slots=True)
class _Found:
    """What a turn found on its way, however far it came."""

    looked: datetime | None
    seen: Running | None = None
    verdicts: dict[str, Verdict] = field(default_factory=dict)


def _ours(_: datetime) -> None:
    """Say that no other watchdog has the stack."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """Everything a turn needs, handed over once by the wiring.

    *whose* says which other watchdog has the stack; then nothing is done here.
    *standing_by* keeps what is gone back to healthy beside, where that is asked for.
    """

    eyes: Eyes
    parts: Callable[[], tuple[Part, ...]]
    plans: Plans
    metrics: Metrics
    arms: Arms
    transaction: Transaction
    readiness: Readiness
    gating: Gating
    memory: Remembers
    releases: Filed
    roster: Enrolled
    rules: Rules
    secret: Callable[[], str]
    whose: Callable[[datetime], StackClaimed | None] = _ours
    standing_by: StandingBy | None = None
    sight: Sight = field(default_factory=Sight)

    def turn(self, at: datetime) -> Turn:
        """Do one turn as of *at*; tell in a sentence what it came to.

        A rollback under way is carried on before anything else is looked at.
        """
        last = self.memory.last_turn()
        found = _Found(last.looked if last else None)
        words = self._turn(at, found)
        if self.standing_by is not None and found.seen is not None:
            release = self.releases.for_version(found.seen.pair.version)
            self.standing_by.turn(found.seen, release, at)
        self.gating.turn(found.looked, at)
        said = words_by_kind(self.memory.standing, found.verdicts)
        return Turn(at, words, said, found.looked)

    def look(self, at: datetime) -> str:
        """Take in what runs, and decide nothing; say what keeps it from being seen.

        For an order that no watch went before: what was seen last may be days old.
        """
        if self.memory.standing.rollback is not None:
            return ""  # what it did so far is journaled, and looked at step by step
        try:
            self.eyes.running(self.transaction.tenants_of)
        except Unreachable as problem:
            far_end_lost(self.memory, "engine", problem, at)
            return f"cannot see what runs: {problem.words}"
        self._observing().observe(at)
        return ""

    def _turn(self, at: datetime, found: _Found) -> str:
        """Do the turn; what it found on the way is left in *found*."""
        claimed = self.whose(at)
        if claimed:
            return self._stands_down(claimed, at)
        standing = self.memory.standing
        if standing.rollback is not None:
            order = standing.order
            if order and order.given.what == "repair" and standing.rollback.stuck:
                said = f"a rollback is stuck: {standing.rollback.stuck}"
                return self._ordering().follow(order, said, at)
            return self.transaction.carry_out(standing.rollback)
        reopened = self._reopened(at)
        if reopened:
            return self.transaction.carry_out(reopened)
        self._read_files(at)
        seen = self._observing().observe(at)
        order = self.memory.standing.order
        if order is not None:
            return self._ordering().follow(order, seen, at)
        if isinstance(seen, str):
            return seen
        release = self.releases.for_version(seen.pair.version)
        found.seen = seen
        found.looked = self.readiness.look(seen, release, found.looked, at)
        if found.looked == at:
            self.transaction.name_again()
        if release is None:
            return (
                f"{seen.pair.version} has no release file that can be read: "
                "nothing is watched"
            )
        judging = Judging(self.metrics, self.arms, self.memory, self.rules)
        verdicts = found.verdicts
        verdicts |= judging.judged(seen, release, at)
        if not verdicts:
            return f"{seen.pair.version} was watched for its time; no longer armed"
        judging.note(release, verdicts, at)
        return self._decide(seen, release, verdicts, at)

    def _read_files(self, at: datetime) -> None:
        """Take in what people changed; the roster first, for release files name it."""
        for what, faulty in (
            (_ROSTER, self.roster.refresh()),
            (_FILES, self.releases.refresh()),
        ):
            if faulty:
                far_end_lost(self.memory, what, faulty, at)
            else:
                far_end_back(self.memory, what, at)

    def _stands_down(self, claimed: StackClaimed, at: datetime) -> str:
        """Only look, whatever is under way or ordered: the stack is another's."""
        order = self.memory.standing.order
        if order is not None:
            words = OrderRefused(order.given.order, claimed.words, claimed.hint)
            self.memory.add(at, words)
        if self.memory.standing.rollback is None:
            # What the other one puts up runs, and is said to.
            self._read_files(at)
            self._observing().observe(at)
        return claimed.words

    def _observing(self) -> Observing:
        return Observing(
            self.sight,
            self.eyes,
            self.transaction.tenants_of,
            self.memory,
            self.releases,
            self.rules,
        )

    def _asking(self) -> Asking:
        return Asking(self.memory, self.roster, self.rules, self.secret)

    def _ordering(self) -> Ordering:
        return Ordering(
            self.parts,
            self.plans,
            self.transaction,
            self.memory,
            self.releases,
            self.rules,
        )

    def _reopened(self, at: datetime) -> Rollback | None:
        """Take the last rollback up again if the engine forgot what was done."""
        past = self.memory.standing.past
        try:
            words = self.transaction.forgotten()
        except (Unreachable, EngineRefused):
            return None  # seen in a moment, and said there
        if past and words:
            self.memory.add(at, RollbackReopened(past.started.plan.op, words))
        return self.memory.standing.rollback

    def _decide(
        self,
        seen: Running,
        release: Release,
        verdicts: Mapping[str, Verdict],
        at: datetime,
    ) -> str:
        standing = self.memory.standing
        good = baked(standing, release, self.rules, verdicts, at)
        if good:
            self._prove_good(seen, release, good, at)
        incident = standing.incident
        outcome = recovered(standing, release, self.rules, verdicts, at)
        if incident and outcome:
            fine, words = outcome
            kind = RecoverySeen if fine else RecoveryMissed
            self.memory.add(
                at, kind(incident.id, words), IncidentClosed(incident.id, words)
            )
            return words
        asking = self._asking()
        asking.look_after(release, at)
        decision = decide(self.memory.standing, release, self.rules, at, verdicts)
        match decision:
            case Hold(words=words):
                return _watching(seen, verdicts) if incident is None else words
            case Ask():
                return asking.ask(seen, release, decision, at)
            case Refuse(incident=name, words=words):
                return asking.refuse(name, words, at)
            case RollBack():
                return self._roll_back(seen, verdicts, decision, at)

    def _prove_good(
        self, seen: Running, release: Release, words: str, at: datetime
    ) -> None:
        """Vouch for what runs, with a fresh record; at the next turn if it moved."""
        try:
            record, blobs = self.eyes.record(seen, release.manifests)
        except JournalLost:
            raise
        except Problem:
            return
        name = self.memory.keep(record, blobs)
        self.memory.add(at, PairProvedGood(seen.pair.key, words, record=name))

    def _roll_back(
        self,
        seen: Running,
        verdicts: Mapping[str, Verdict],
        decision: RollBack,
        at: datetime,
    ) -> str:
        """Check everything again, fix the plan, and begin."""
        standing = self.memory.standing
        stale = "" if decision.automatic else self._stale(seen, verdicts, decision)
        if stale:
            self.memory.add(
                at,
                QuestionClosed(decision.question, "superseded", stale),
                IncidentClosed(decision.incident, stale),
            )
            return stale
        running = standing.running
        if running is None:
            return "what runs is not known"
        try:
            plan = self.plans.plan(
                Wanted(
                    incident=decision.incident,
                    running=self.memory.record(running.record),
                    running_sha=running.record,
                    target=self.memory.record(decision.record),
                    target_sha=decision.record,
                    seen=seen,
                )
            )
        except Unreachable as problem:
            far_end_lost(self.memory, "engine", problem, at)
            return f"cannot plan the rollback yet: {problem.words}"
        except Undone as problem:
            return f"{problem.words}: what runs is looked at again in the next turn"
        except EngineRefused as problem:
            return self._not_yet(decision.incident, problem.words, at)
        except Problem as problem:
            return self._asking().refuse(decision.incident, problem.words, at)
        events: list[Event] = []
        question = standing.question
        waited = 0.0
        if question and not question.closed:
            how = "superseded" if decision.automatic else "carried out"
            if decision.automatic and at >= question.deadline:
                how = "expired"
            events.append(QuestionClosed(question.asked.question, how, decision.cause))
            waited = question.waited
        self.memory.add(
            at,
            *events,
            RollbackStarted(
                incident=decision.incident,
                plan=plan,
                from_pair=seen.pair,
                to_pair=decision.to,
                cause=decision.cause,
                approved_by=decision.approved_by,
                automatic=decision.automatic,
                waited=waited,
            ),
            claim=f"rollback/{decision.incident}",
        )
        started = self.memory.standing.rollback
        return self.transaction.carry_out(started) if started else "nothing was started"

    def _not_yet(self, incident: str, words: str, at: datetime) -> str:
        """Say once that a look was refused; where that lasts, refuse."""
        standing = self.memory.standing
        since = standing.incident.delayed_since if standing.incident else None
        if since is None:
            self.memory.add(at, RollbackDelayed(incident, words))
        elif at - since >= self.rules.blind_for:
            return self._asking().refuse(incident, words, at)
        return f"cannot plan the rollback yet: {words}"

    def _stale(
        self, seen: Running, verdicts: Mapping[str, Verdict], decision: RollBack
    ) -> str:
        """Say why what was approved is no longer what would be done, or nothing."""
        standing = self.memory.standing
        question, incident = standing.question, standing.incident
        if question is None or incident is None:
            return "the question is gone"
        asked = json.loads(question.asked.document)
        for half, pair in (("from", seen.pair), ("to", decision.to)):
            if asked[half]["key"] != pair.key:
                return (
                    f"{half} was {asked[half]['version']} when it was approved, "
                    f"now it is {pair.words}; nothing was touched"
                )
        names = [breach.trigger for breach in incident.charged]
        if all(isinstance(verdicts.get(name), Clear) for name in names):
            return f"{', '.join(names)} recovered before the rollback; not rolling back"
        return ""


def words_by_kind(s: Standing, verdicts: Mapping[str, Verdict]) -> dict[str, str]:
    """Give this turn's words of each verdict that is of the kind that was said.

    Words of another kind would stand beside it, and tell the contrary.
    """
    said = {name: seen.changed.kind for name, seen in s.verdicts.items()}
    return {
        name: verdict.words
        for name, verdict in verdicts.items()
        if said.get(name) == kind_of(verdict)
    }


def _watching(seen: Running, verdicts: Mapping[str, Verdict]) -> str:
    parts = [f"{name} {kind_of(verdict)}" for name, verdict in verdicts.items()]
    return f"watching {seen.pair.version}: {', '.join(parts)}"
