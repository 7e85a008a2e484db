"""What runs now, taken in: another pair, the same one, or nothing that is clear."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from watchdog.decide.late import unless_late
from watchdog.decide.one_way import arrival, in_part
from watchdog.decide.policy import differ
from watchdog.facts.event import (
    Event,
    IncidentClosed,
    OneWaySeen,
    PairStarted,
    PairUnclear,
    PartSeen,
    PromotionPaused,
    QuestionClosed,
    ReleaseUnfiled,
)
from watchdog.facts.pair import NotKnown, Running, Tenants
from watchdog.facts.problem import JournalLost, Problem, Unreachable
from watchdog.facts.rules import Rules
from watchdog.judge.sick import was_sick
from watchdog.turn.judging import far_end_back, far_end_lost
from watchdog.turn.roles import Eyes, Filed, Remembers

# Of so many releases that never ran as one pair since what runs was deployed.
_MOST_PARTS = 100


@dataclass(slots=True)
class Sight:
    """When this process saw last what runs, whole pair or not; None before."""

    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Observing:
    """Looks at what runs, and has the journal know of it."""

    sight: Sight
    eyes: Eyes
    tenants_of: Tenants
    memory: Remembers
    releases: Filed
    rules: Rules

    def observe(self, at: datetime) -> Running | str:
        """Give what runs, taken in where it is new; or say why it cannot be seen."""
        try:
            seen = self.eyes.running(self.tenants_of)
            far_end_back(self.memory, "engine", at)
        except Unreachable as problem:
            far_end_lost(self.memory, "engine", problem, at)
            return f"cannot see what runs: {problem.words}"
        sighted, self.sight.at = self.sight.at, at
        standing = self.memory.standing
        before = standing.running
        if isinstance(seen, Running) and before is not None:
            same = before.containers == seen.containers
            if same and differ(before.pair, seen.pair):
                seen = NotKnown(
                    f"split: the manifests under the running {before.pair.version} "
                    f"were changed; it started with {before.pair.words}, "
                    f"now it is {seen.pair.words}",
                    split=True,
                )
        if isinstance(seen, Running):
            self._note_in_part([job.version for job in seen.jobs if job.has_begun], at)
            seen = unless_late(standing, seen)
        if isinstance(seen, NotKnown):
            return self._unclear(seen, at)
        known = before and (before.containers, before.pair.key)
        other = known != (seen.containers, seen.pair.key)
        # Where it comes and goes, whole is not said at once, though it is acted upon.
        whole = standing.unclear and standing.flow("unclear").may_be_better(at)
        if other or whole:
            try:
                self._arrived(seen, sighted, at)
            except JournalLost:
                raise
            except Unreachable as problem:
                far_end_lost(self.memory, "engine", problem, at)
                return f"cannot see what runs: {problem.words}"
            except Problem as problem:
                return self._unclear(NotKnown(problem.words), at)
        self._note_one_way(at)
        return seen

    def _note_one_way(self, at: datetime) -> None:
        """Remember what a file says that came, or was corrected, after its release ran.

        The default is meant for what runs without a file, not for what once had one.
        """
        standing = self.memory.standing
        now = standing.running.pair.version if standing.running else ""
        ran = {k.pair.version for k in standing.pairs.values() if not k.one_way}
        for version in sorted(ran):
            release = self.releases.for_version(version)
            if release is None or release.rollback_safe:
                continue
            if release.is_default and version != now:
                continue
            words = (
                f"{version} ran here, and its file says rollback_safe: false (a "
                "one-way change) since: only a person may go back over it"
            )
            self.memory.add(at, OneWaySeen(version, words, ran=True))
        parts = {name for known in standing.pairs.values() for name in known.parts}
        for version in sorted(parts | standing.parts):
            release = self.releases.for_version(version)
            if release and not (release.rollback_safe or release.is_default):
                words = (
                    f"something of {version} was started, and its file says "
                    "rollback_safe: false (a one-way change) since: only a person may "
                    "go back over it"
                )
                self.memory.add(at, OneWaySeen(version, words))

    def _unclear(self, seen: NotKnown, at: datetime) -> str:
        """Say once that what runs is not one whole pair that can be read."""
        self._note_in_part(seen.versions, at)
        standing = self.memory.standing
        before, flow = standing.unclear, standing.flow("unclear")
        other = before is not None and before.words != seen.words
        if before is None or (other and flow.may_be_better(at)):
            self.memory.add(at, PairUnclear(seen.words, seen.split))
        return seen.words

    def _note_in_part(self, versions: Iterable[str], at: datetime) -> None:
        """Remember that something of another release ran, whole pair or not.

        Whether it goes one way its file may say only later.
        """
        standing = self.memory.standing
        for version in in_part(standing, versions):
            release = self.releases.for_version(version)
            if version in standing.in_part:
                continue
            if release is None or release.rollback_safe:
                if version not in standing.parts and len(standing.parts) < _MOST_PARTS:
                    said = f"something of {version} was started, and it runs in part"
                    self.memory.add(at, PartSeen(version, said))
                continue
            words = (
                f"something of {version} was started, which says rollback_safe: false "
                "(a one-way change): only a person may go back over it"
            )
            self.memory.add(at, OneWaySeen(version, words))

    def _arrived(self, seen: Running, sighted: datetime | None, at: datetime) -> None:
        """Another start: record how it was made, and close what it overtakes."""
        standing = self.memory.standing
        before = standing.running
        release = self.releases.for_version(seen.pair.version)
        kept = release.manifests if release else {}
        record, blobs = self.eyes.record(seen, kept)
        name = self.memory.keep(record, blobs)
        since = seen.since
        if before is not None and before.containers == seen.containers:
            since = before.since  # only its sight had been lost
        version = seen.pair.version
        by = standing.put_up_by(seen)
        last = self.memory.last_turn()
        came = arrival(
            standing,
            seen,
            self.releases.one_way,
            looked=last.at if last else None,
            sighted=sighted,
            poll=self.rules.poll,
            at=at,
        )
        started = PairStarted(
            seen.pair,
            name,
            seen.containers,
            since,
            by,
            one_way=release is not None and not release.rollback_safe,
            unseen_from=None if by else came.unseen_from,
            between=() if by else came.between,
            # What nobody saw for a while may have been sick as well.
            sick=None
            if came.unseen_from or seen.before is None
            else was_sick(seen.before, at),
        )
        events: list[Event] = [started]
        back = before is not None and before.pair.key == seen.pair.key
        moved = before is not None and before.containers != seen.containers
        if (release is None or release.is_default) and (moved or not back):
            words = f"{version} runs without a release file of its own"
            events += [ReleaseUnfiled(version, words), PromotionPaused(version, words)]
        known = standing.pairs.get(seen.pair.key)
        if known and known.quarantined and moved and not by:
            why = known.quarantined
            words = f"{version} is quarantined and was deployed again: {why}"
            events.append(PromotionPaused(version, words))
        incident, question = standing.incident, standing.question
        if incident and moved and not by:
            words = f"{version} was deployed meanwhile"
            if question and not question.closed:
                asked = question.asked.question
                events.append(QuestionClosed(asked, "superseded", words))
            events.append(IncidentClosed(incident.id, words))
        self.memory.add(at, *events)
