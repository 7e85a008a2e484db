"""What a person ordered by hand: weighed again, planned, and begun."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from watchdog.decide.order import FRESH, target_of
from watchdog.decide.repair import as_found, jobs_among, split
from watchdog.decide.standing import Order
from watchdog.facts.event import (
    Event,
    IncidentClosed,
    OrderRefused,
    PromotionPaused,
    QuestionClosed,
    RollbackStarted,
)
from watchdog.facts.pair import Part, Record, Running
from watchdog.facts.plan import Wanted
from watchdog.facts.problem import (
    EngineRefused,
    JournalLost,
    Problem,
    Undone,
    Unreachable,
)
from watchdog.facts.rules import Rules
from watchdog.turn.roles import Filed, Plans, Remembers
from watchdog.turn.transaction import Transaction

# A person waits for it; a look that is refused once may be allowed a moment later.
_LOOKS_FOR = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Ordering:
    """Follows an order by the same path as any rollback."""

    parts: Callable[[], tuple[Part, ...]]
    plans: Plans
    transaction: Transaction
    memory: Remembers
    releases: Filed
    rules: Rules

    def follow(self, order: Order, seen: Running | str, at: datetime) -> str:
        """Begin what was ordered, or refuse it; *seen* is what the turn sees."""
        given = order.given
        try:
            return self._begin(order, seen, at)
        except JournalLost:
            raise
        except Unreachable as problem:
            return f"cannot follow the order yet: {problem.words}"
        except Problem as problem:
            self.memory.add(at, OrderRefused(given.order, problem.words, problem.hint))
            return problem.words

    def _begin(self, order: Order, seen: Running | str, at: datetime) -> str:
        given, standing = order.given, self.memory.standing
        if at - order.given_at > FRESH:
            raise Problem(
                f"it could not be followed within {FRESH.seconds // 60} minutes",
                "order it again if it is still wanted",
            )
        running = standing.running
        version = running.pair.version if running else ""
        release = self.releases.for_version(version)
        target = target_of(standing, given, release, self.rules, at)
        if running is None:
            return f"cannot follow the order yet: {seen}"
        record = self.memory.record(running.record)
        if given.what == "repair":
            record, seen = self._as_found(record, seen)
        if isinstance(seen, str):
            return f"cannot follow the order yet: {seen}"
        stuck = standing.rollback
        wanted = Wanted(
            incident=given.order,
            running=record,
            running_sha=running.record,
            target=self.memory.record(target.record),
            target_sha=target.record,
            seen=seen,
        )
        try:
            plan = self.plans.plan(wanted)
        except (EngineRefused, Undone) as problem:
            if at - order.given_at >= _LOOKS_FOR:
                raise
            return f"cannot follow the order yet: {problem.words}"
        if given.what == "repair":
            # What is there is no pair: nobody wants it back.
            plan = replace(plan, way_back=())
        if stuck:
            # Only now, since what is wanted instead can be planned.
            words = f"{given.by} has {target.pair.version} put up instead"
            self.transaction.give_up(stuck, f"{words}: {given.reason}")
        incident, events = self._overtaken(order)
        cause = f"{given.what} by hand, {given.by}: {given.reason}"
        if given.what == "rollback":
            events.append(PromotionPaused(version, cause))
        begun = RollbackStarted(
            incident=incident,
            plan=plan,
            from_pair=running.pair,
            to_pair=target.pair,
            cause=cause,
            approved_by=given.by,
            automatic=False,
            order=given.order,
            what=given.what,
        )
        self.memory.add(at, *events, begun, claim=f"order/{given.order}")
        started = self.memory.standing.rollback
        return self.transaction.carry_out(started) if started else "nothing was started"

    def _as_found(
        self, record: Record, seen: Running | str
    ) -> tuple[Record, Running | str]:
        """Give what is there now, which must be split: only that is mended."""
        standing = self.memory.standing
        before, unclear = standing.running, standing.unclear
        if before is None:
            return record, seen
        parts = self.parts()
        for part in parts:
            if part.unread:
                raise EngineRefused(part.unread, "nothing is mended blindly")
        if not (standing.rollback or split(standing, parts, self.rules.services)):
            raise Problem(
                "what runs is one whole pair: there is nothing to mend",
                f"it is {unclear.words}" if unclear else "see `watchdog status`",
            )
        whole = Running(before.pair, before.containers, before.since, ())
        whole = replace(whole, jobs=jobs_among(parts))
        return as_found(record, whole, parts, self.rules.services)

    def _overtaken(self, order: Order) -> tuple[str, list[Event]]:
        """Say which incident the order answers, and close what it makes idle."""
        standing = self.memory.standing
        incident, question = standing.incident, standing.question
        if incident is None or order.given.what != "rollback":
            return "", []
        words = order.given.words
        events: list[Event] = []
        if question and not question.closed:
            asked = question.asked.question
            events.append(QuestionClosed(asked, "superseded", words))
        if incident.charged and not incident.rolled_back_at and not incident.ended:
            return incident.id, events
        return "", [*events, IncidentClosed(incident.id, words)]
