"""At which step a rollback is, since when, and whether it may still take so long."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from watchdog.decide.standing import Rollback, Standing
from watchdog.facts.plan import AT_ONCE, Do, Step, side_by_side
from watchdog.facts.rules import Rules

# What the engine, Compose or git need for a step, beyond what the settings bound.
_A_CALL = timedelta(seconds=30)
_LONG = timedelta(minutes=10)  # an image is pulled, a program of the user's is run
_LONG_ONES = (Do.HOLD_IMAGE, Do.HOLD_COMMIT, Do.VALIDATE, Do.UP, Do.CHECK_OUT)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A rollback that is carried out just now, or looks as if nobody does.

    *words* say the step, since when, and what is waited for; or since when there is
    no sign of it. *is_orderly* while the step may still take as long as it does.
    """

    words: str
    is_orderly: bool


def under_way(s: Standing, rules: Rules, at: datetime) -> UnderWay | None:
    """Say how far it is as of *at*, by the journal alone; None when none is."""
    rollback = s.rollback
    if rollback is None or rollback.stuck:
        return None
    plan = rollback.started.plan
    steps = plan.way_back if rollback.back else plan.steps
    place, step = _at(rollback, steps)
    since = rollback.last or rollback.started_at
    patience = _patience(step, rules, _rounds(step, steps))
    where = f"step {place} of {len(steps)}"
    if step is not None:
        where += f", `{step.words}`"
    when = f"{since:%Y-%m-%d %H:%M:%S} UTC"
    ago = int((at - since).total_seconds())
    if at - since > patience or at < since - _A_CALL:
        seconds = int(patience.total_seconds())
        return UnderWay(
            f"at {where}; no sign of it since {when} ({ago} s ago), "
            f"which takes {seconds} s at most",
            is_orderly=False,
        )
    return UnderWay(
        f"at {where}, since {when} ({ago} s ago){_awaited(step, rules)}",
        is_orderly=True,
    )


def _at(rollback: Rollback, steps: tuple[Step, ...]) -> tuple[int, Step | None]:
    """Find the step that was begun, or else the first that is not done."""
    for place, step in enumerate(steps, 1):
        if rollback.doing == step.words:
            return place, step
    for place, step in enumerate(steps, 1):
        if step.words not in rollback.done:
            return place, step
    return len(steps), None


def _rounds(step: Step | None, steps: tuple[Step, ...]) -> int:
    """Tell how often *step*'s group fills the calls that are made side by side."""
    groups = side_by_side(enumerate(steps))
    size = next((len(g) for g in groups if any(s == step for _, s in g)), 1)
    return -(-size // AT_ONCE)


def _patience(step: Step | None, rules: Rules, rounds: int) -> timedelta:
    if step is None:
        return _A_CALL
    if step.do in _LONG_ONES:
        return _LONG
    if step.do in (Do.STOP, Do.REMOVE):
        return rounds * (rules.stop_within + _A_CALL)
    if step.do in (Do.PROVE, Do.AWAIT):
        smoke = sum((check.timeout for check in rules.smoke), timedelta())
        return rules.prove_within + smoke + _A_CALL
    return _A_CALL


def _awaited(step: Step | None, rules: Rules) -> str:
    seconds = int(rules.prove_within.total_seconds())
    if step is None:
        return ""
    if step.do is Do.PROVE:
        return f"; waiting up to {seconds} s until it is proved to serve"
    if step.do is Do.AWAIT:
        return f"; waiting up to {seconds} s until {step.subject} serves"
    if step.do is Do.STOP:
        within = int(rules.stop_within.total_seconds())
        return f"; waiting up to {within} s until {step.subject} ended"
    return ""
