"""What a person ordered by hand: weighed again, planned, and begun."""

from dataclasses import dataclass
from datetime import datetime

from watchdog.decide.order import FRESH, target_of
from watchdog.decide.standing import Order
from watchdog.facts.event import (
    Event,
    IncidentClosed,
    OrderRefused,
    PromotionPaused,
    QuestionClosed,
    RollbackStarted,
)
from watchdog.facts.pair import Running
from watchdog.facts.problem import JournalLost, Problem, Unreachable
from watchdog.facts.rules import Rules
from watchdog.roles import Filed, Plans, Remembers
from watchdog.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Ordering:
    """Follows an order by the same path as any rollback."""

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
        if running is None or isinstance(seen, str):
            return f"cannot follow the order yet: {seen}"
        plan = self.plans.plan(
            incident=given.order,
            running=self.memory.record(running.record),
            running_sha=running.record,
            target=self.memory.record(target.record),
            target_sha=target.record,
            seen=seen,
        )
        incident, events = self._overtaken(order)
        cause = f"{given.what} by hand, {given.by}: {given.reason}"
        if given.what == "rollback":
            events.append(PromotionPaused(version, cause))
        begun = RollbackStarted(
            incident=incident,
            plan=plan,
            from_pair=seen.pair,
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
