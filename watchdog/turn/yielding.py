"""Whoever leads and can ask no manager lets another lead, who perhaps can."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from watchdog.facts.problem import Problem
from watchdog.turn.judging import far_end_back, far_end_lost
from watchdog.turn.roles import Clock, Remembers

LOOKED_EVERY = timedelta(seconds=5)
# Longer than a swarm takes to find another leader, or an engine to start again.
_PATIENCE = 30.0  # s
# Where nobody else is there, or none of them can: offered ever less often.
_MOST_APART = 600.0  # s
_WHAT = "this node's manager"


@dataclass(slots=True)
class Yielding:
    """Looks whether the swarm can be asked from here, and offers the lead if not.

    *trouble* says why it cannot, or nothing; *offer* lets another lead, and returns
    where nobody wanted to.
    """

    trouble: Callable[[], str]
    offer: Callable[[], None]
    memory: Remembers
    clock: Clock
    _since: float | None = field(default=None, init=False)
    _patience: float = field(default=_PATIENCE, init=False)

    def look(self, at: datetime) -> None:
        """Look once.

        Raises:
            JournalLost: another leads now.
        """
        why = self._why()
        now = self.clock.monotonic()
        if why is None:
            self._since, self._patience = None, _PATIENCE
            far_end_back(self.memory, _WHAT, at)
            return
        self._since = now if self._since is None else self._since
        if now - self._since < self._patience:
            return
        words = f"{why.words}; another watchdog may lead, if one follows"
        far_end_lost(self.memory, _WHAT, Problem(words), at)
        self.offer()
        self._since = self.clock.monotonic()
        self._patience = min(2 * self._patience, _MOST_APART)

    def _why(self) -> Problem | None:
        try:
            words = self.trouble()
        except Problem as problem:
            return problem
        return Problem(words) if words else None
