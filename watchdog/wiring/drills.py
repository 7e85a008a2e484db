"""Drills that are due are ordered, as a person would order them."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

from watchdog.approve.order import Orders
from watchdog.config.release_folder import ReleaseFolder
from watchdog.config.settings import Settings
from watchdog.decide.drill import is_due, why_not
from watchdog.facts.rules import DrillRule, Rules
from watchdog.record.memory import Memory
from watchdog.turn.roles import Filed
from watchdog.wiring.schedule import Beside, Schedule

_EVERY = timedelta(minutes=1)  # how often it is looked whether one is due


class Drills:
    """Orders a drill when it is due and everything is green; one try a day."""

    def __init__(
        self,
        rule: DrillRule,
        memory: Memory,
        orders: Orders,
        *,
        releases: Filed,
        rules: Rules,
        wake: Callable[[], None],
    ) -> None:
        self._rule = rule
        self._memory = memory
        self._orders = orders
        self._releases = releases
        self._rules = rules
        self._wake = wake
        self._tried: date | None = None

    def turn(self, at: datetime) -> None:
        """Order one, if it is due."""
        s = self._memory.standing
        if self._tried == at.date() or not is_due(s, self._rule, at):
            return
        turn = self._memory.last_turn()
        looked = turn.looked if turn else None
        running = s.running.pair.version if s.running else ""
        if why_not(s, self._releases.for_version(running), looked, self._rules, at):
            return
        kind = "dry" if self._rule.dry else "real"
        order = {"by": "the schedule", "reason": f"a {kind} drill was due"}
        self._tried = at.date()
        self._orders.take("drill", order | {"dry": self._rule.dry}, at)
        self._wake()


def drills_of(
    settings: Settings,
    memory: Memory,
    orders: Orders,
    *,
    releases: ReleaseFolder,
    rules: Rules,
    schedule: Schedule,
) -> tuple[Beside, ...]:
    """Make what orders drills, and how often it looks; nothing where none is due."""
    if settings.drill is None:
        return ()
    rule, wake = settings.drill, schedule.wake
    drills = Drills(rule, memory, orders, releases=releases, rules=rules, wake=wake)
    return ((drills.turn, _EVERY),)
