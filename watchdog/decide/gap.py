"""How long nobody was served while one was put in the other's place: measured."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from watchdog.facts.event import RollbackEnded
from watchdog.facts.plan import Do, Step, Which


@dataclass(frozen=True, slots=True)
class Gap:
    """The longest that one service was away, in *seconds*, and when and by *what*."""

    seconds: float
    what: str
    at: datetime
    previous: str
    target: str


@dataclass(frozen=True, slots=True)
class Away:
    """Who is away, since when, while an operation is under way.

    *since* is by a step's subject; *longest*, in seconds, is of those that are back.
    """

    since: Mapping[str, datetime]
    longest: float = 0.0
    measured: bool = False

    def begun(self, step: Step, at: datetime) -> "Away":
        """Note that *step* is begun, which may end what somebody served."""
        stops = step.do is Do.STOP and step.which is Which.OLD
        stops = stops or (step.do is Do.UP and step.which is Which.NEW)
        if not stops or step.subject in self.since:
            return self
        return replace(self, since={**self.since, step.subject: at})

    def done(self, step: Step, at: datetime) -> "Away":
        """Note that *step* is done: one is ready, or all of them are proved."""
        if step.which is not Which.NEW or step.do not in (Do.AWAIT, Do.PROVE):
            return self
        proved = step.do is Do.PROVE
        back = [s for s in self.since if proved or s == step.subject]
        spans = [(at - self.since[one]).total_seconds() for one in back]
        if not spans:
            return self
        left = {one: then for one, then in self.since.items() if one not in back}
        return Away(left, max(self.longest, *spans), measured=True)


NOBODY = Away({})


def gap_of(away: Away, ended: RollbackEnded, at: datetime) -> Gap | None:
    """Tell what was measured of a rollback or a drill that went to its end."""
    if not away.measured or ended.what not in ("rollback", "drill"):
        return None
    return Gap(away.longest, ended.what, at, ended.previous, ended.target)


def words_of(gap: Gap | None) -> str:
    """Say which gap to expect: the measured one, or that there is none."""
    if gap is None:
        return (
            "the gap to expect is not measured yet: no rollback and no real drill was "
            "proved here"
        )
    return (
        f"expect a gap of about {gap.seconds:.1f} s: no service was away for longer in "
        f"the last {gap.what} that was proved ({gap.previous} to {gap.target}, "
        f"{gap.at:%Y-%m-%d %H:%M} UTC), from the stop of the old to the new being ready"
    )
