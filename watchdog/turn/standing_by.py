"""Keeps what a rollback puts up healthy beside, while a release is young."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from watchdog.decide.policy import choose_target
from watchdog.decide.standby import ENDED, ended, failed, weighed, why_none
from watchdog.decide.standing import KnownPair, Standing
from watchdog.facts.event import StandbyChanged
from watchdog.facts.pair import Running
from watchdog.facts.plan import Swap, Wanted
from watchdog.facts.problem import (
    EngineRefused,
    Foreign,
    JournalLost,
    Problem,
    Unreachable,
)
from watchdog.facts.rules import Rules
from watchdog.facts.standby import Beside
from watchdog.facts.swapping import Swapping, wishes_of
from watchdog.facts.trigger import Release
from watchdog.turn.roles import Keeps, Plans, Remembers


@dataclass(slots=True)
class StandingBy:
    """Makes, looks after and takes away standbys; at the end of each turn.

    *swapping* says which services are to have one, beside their labels; *seen* looks
    for them, *free* how much memory the box could give. *ours* raises unless this
    watchdog has the stack.
    """

    plans: Plans
    memory: Remembers
    rules: Rules
    swapping: Swapping
    seen: Callable[[], tuple[Beside, ...]]
    keeps: Keeps
    free: Callable[[], int | None]
    ours: Callable[[], None] = lambda: None
    _read: tuple[str, Mapping[str, str]] = field(default=("", {}), init=False)

    def turn(self, seen: Running, release: Release | None, at: datetime) -> None:
        """See to it as of *at*; an engine that is away is for the turn to say."""
        s = self.memory.standing
        if s.rollback or s.order or s.running is None:
            return
        asked = self._asked(s)
        wanted = any(asked.values()) and not self.rules.observe_only
        if not wanted and (s.standby is None or s.standby.state == ENDED):
            return
        if s.running.containers and s.running.containers != seen.containers:
            return  # what runs was changed in this very turn
        try:
            self.ours()
            self._turn(s, seen, release, asked, at)
        except JournalLost:
            raise
        except (Unreachable, EngineRefused, Foreign):
            return

    def _asked(self, s: Standing) -> Mapping[str, str]:
        """Give what is wished of each service, by the settings or its own labels."""
        running = s.running
        if running is None or not running.record:
            return {}
        if self._read[0] != running.record:
            if self.memory.missing(running.record):
                return {}  # readiness says so
            record = self.memory.record(running.record)
            wishes = {
                one.service: self.swapping.wishes(
                    one.service, wishes_of(one.body.get("Labels") or {})
                )["standby"]
                for one in record.replicas
            }
            self._read = (running.record, wishes)
        return self._read[1]

    def _turn(
        self,
        s: Standing,
        seen: Running,
        release: Release | None,
        asked: Mapping[str, str],
        at: datetime,
    ) -> None:
        target = choose_target(s, release)
        about = self._about(s, target)
        state, why = why_none(s, release, self.rules, asked, at)
        if state or isinstance(target, str):
            self._none(ended(about, state, why), at)
            return
        try:
            swaps = self._swaps(s, seen, target)
        except (Unreachable, JournalLost):
            raise
        except Problem:
            return  # readiness says why nothing can be planned
        step = weighed(about, swaps, self.seen(), self.free(), at)
        self._say(step.said, at)  # before it is done: whoever starts us again knows
        try:
            for one in step.removes:
                self.keeps.take_away(one)
            for swap in step.makes:
                self.keeps.make(swap)
        except (Unreachable, JournalLost, Foreign):
            raise
        except Problem as problem:
            self._say(failed(step.said, problem.words, at), at)

    def _none(self, said: StandbyChanged, at: datetime) -> None:
        """Take all of them away, and say so once they are gone."""
        if said == self.memory.standing.standby:
            return
        try:
            for one in self.seen():
                self.keeps.take_away(one.id)
            self.keeps.clear()
        except (Unreachable, JournalLost, Foreign):
            raise
        except Problem:
            return  # at the next turn
        self._say(said, at)

    def _say(self, said: StandbyChanged, at: datetime) -> None:
        before = self.memory.standing.standby
        if said != before and (before is not None or said.state != ENDED):
            self.memory.add(at, said)

    def _about(self, s: Standing, target: KnownPair | str) -> StandbyChanged:
        """Give what was said of the standby of these pairs; for others it is new."""
        running = s.running.pair.key if s.running else ""
        key = "" if isinstance(target, str) else target.pair.key
        version = "" if isinstance(target, str) else target.pair.version
        said = s.standby
        if said is not None and (said.running, said.key) == (running, key):
            return said
        return StandbyChanged(running, version, key, ENDED, "")

    def _swaps(self, s: Standing, seen: Running, target: KnownPair) -> tuple[Swap, ...]:
        """Give how each service would be swapped if it were gone back to *target*."""
        running = s.running
        if running is None or self.memory.missing(target.record):
            return ()
        plan = self.plans.plan(
            Wanted(
                incident="standby",
                running=self.memory.record(running.record),
                running_sha=running.record,
                target=self.memory.record(target.record),
                target_sha=target.record,
                seen=seen,
            )
        )
        return tuple(swap for swap in plan.swaps if not swap.job)
