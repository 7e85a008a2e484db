"""One step of a plan on a swarm: a spec written, tasks looked at, a mark taken away."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from watchdog.decide.tasks import Serving
from watchdog.facts.pair import Record
from watchdog.facts.plan import Do, Plan, Step, Which, Write
from watchdog.facts.problem import Foreign, NotProven, Problem, Stale
from watchdog.facts.spec import mark_of, op_in, scaled_as
from watchdog.outside.swarm import Swarm

_TRIES = 5  # the swarm notes its own progress in a service, which counts as a write
# Of a node that rejects tasks. One that just came back does so for some seconds, and
# the default of `restart_policy.delay` is 5 s: so these are three tries or four.
_PATIENCE = 15.0  # s
Told = Callable[[], Mapping[str, Mapping[str, Any]]]
Look = Callable[[str], tuple[Mapping[str, Any], Serving]]


class SwarmHands:
    """Writes whole specs, each only over what it was made for.

    A write that meets another version looks again: the swarm itself writes there. So
    does one whose answer was lost: it was taken, or it was not.
    """

    def __init__(
        self,
        swarm: Swarm,
        told: Told,
        look: Look,
        held: Callable[[Record, str], str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """*told* gives all services, *look* one and what its tasks come to.

        *held* looks at a tenant's manifest, in the ledger and on the swarm.
        """
        self._monotonic = monotonic
        self._since: dict[tuple[str, Step], float] = {}  # tasks of it are rejected
        self._swarm = swarm
        self._told = told
        self._look = look
        self._held = held

    def is_done(self, plan: Plan, target: Record, step: Step) -> str:
        """Look; give the evidence when the step's end is reached, else nothing."""
        match step.do:
            case Do.HOLD_IMAGE:
                return self._in_registry(target, step)
            case Do.HOLD_MANIFEST:
                return self._held(target, step.subject)
            case Do.START:
                return self._is_written(plan, step)
            case Do.AWAIT:
                return self._serves(plan, step)
            case Do.UNSTAGE:
                return self._is_unmarked(plan, step)
            case _:
                return "there is nothing of that kind on a swarm"

    def do(self, plan: Plan, target: Record, step: Step) -> None:
        """Bring the step's end about."""
        del target
        one = _write_of(plan, step.subject)
        if step.do is Do.START:
            spec = one.carrier if step.which is Which.NEW else one.back
            self._write(plan, one, spec, step)
        elif step.do is Do.UNSTAGE:
            is_back = mark_of(self._told()[one.service]["Spec"]) == mark_of(one.back)
            self._write(plan, one, one.before if is_back else one.home, step)
        else:
            raise Problem(f"`{step.words}` cannot be brought about on a swarm")

    def evidence_of(self, plan: Plan, step: Step) -> str:
        """Say what the tasks of a service came to."""
        del plan
        _, tasks = self._look(step.subject)
        return tasks.words

    # -- what a service is told ----------------------------------------------------

    def _is_written(self, plan: Plan, step: Step) -> str:
        one = _write_of(plan, step.subject)
        service = self._told()[step.subject]
        seen = mark_of(service["Spec"])
        if seen in _ends(one, step):
            return f"{one.name} is told so, in version {service['Version']['Index']}"
        if seen in _over(one, step):
            return ""
        raise _other(one)

    def _serves(self, plan: Plan, step: Step) -> str:
        one = _write_of(plan, step.subject)
        service, tasks = self._look(step.subject)
        # At each look: tasks may be as somebody else's spec wants them.
        if mark_of(service["Spec"]) not in _ends(one, step):
            raise _other(one)
        # Until it began, those that failed are of another time.
        has_begun = bool(service.get("UpdateStatus"))
        lasts = self._lasts(plan, step, is_so=has_begun and bool(tasks.rejected))
        if has_begun and (tasks.failed or lasts):
            raise NotProven(f"{one.name}: {tasks.failed or tasks.rejected}")
        return tasks.words if tasks.is_up else ""

    def _lasts(self, plan: Plan, step: Step, *, is_so: bool) -> bool:
        """Tell whether tasks were rejected for so long that more than a node is bad."""
        now, what = self._monotonic(), (plan.op, step)
        if not is_so:
            self._since.pop(what, None)
            return False
        return now - self._since.setdefault(what, now) >= _PATIENCE

    def _is_unmarked(self, plan: Plan, step: Step) -> str:
        one = _write_of(plan, step.subject)
        spec = self._told()[step.subject]["Spec"]
        if op_in(spec) != plan.op:
            return f"{one.name} has no mark of {plan.op}"
        if mark_of(spec) not in (mark_of(one.carrier), mark_of(one.back)):
            raise _other(one)
        return ""

    def _write(
        self, plan: Plan, one: Write, spec: Mapping[str, Any], step: Step
    ) -> None:
        """Write *spec*, at the scale of now, over what *step* is made for.

        Whoever deploys does so service by service: what they did to another one is in
        the same answer, and what they do to this one after it refuses ours.
        """
        starts = step.do is Do.START
        over = _over(one, step) if starts else (mark_of(_under(one, spec)),)
        ends = _ends(one, step) if starts else (mark_of(spec),)
        for number in range(1, _TRIES + 1):
            found = self._told()
            service = found[one.service]
            if mark_of(service["Spec"]) in ends:
                return  # an answer that was lost was a yes
            if mark_of(service["Spec"]) not in over:
                raise _other(one)
            if starts and step.which is Which.NEW:
                _must_be_ours(plan, found)
            now = scaled_as(spec, service["Spec"])
            try:
                id_, version = str(service["ID"]), int(service["Version"]["Index"])
                self._swarm.write(id_, version, now)
            except Stale:
                if number == _TRIES:
                    raise
            else:
                return

    # -- what it needs -------------------------------------------------------------

    def _in_registry(self, target: Record, step: Step) -> str:
        held = next(
            one
            for one in target.each_image
            if one.ref == step.subject and one.image == step.to
        )
        seen = self._swarm.in_registry(held.repo_digests[0])
        if seen != step.to:
            raise Foreign(f"the registry answers {seen[:19]}, asked for {step.to[:19]}")
        return f"the registry has {held.repo_digests[0]}"


def _write_of(plan: Plan, service: str) -> Write:
    return next(one for one in plan.writes if one.service == service)


def _ends(one: Write, step: Step) -> tuple[str, ...]:
    """Give the marks that *step* is done with."""
    if step.which is Which.NEW:
        return mark_of(one.home), mark_of(one.carrier)
    return mark_of(one.before), mark_of(one.back)


def _over(one: Write, step: Step) -> tuple[str, ...]:
    """Give the marks that *step* may be written over: those of the other way."""
    other = Which.OLD if step.which is Which.NEW else Which.NEW
    return _ends(one, Step(step.do, step.subject, other))


def _under(one: Write, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give what carries *spec*, which takes the mark away."""
    return one.back if spec is one.before else one.carrier


def _must_be_ours(plan: Plan, found: Mapping[str, Mapping[str, Any]]) -> None:
    """See that nobody deployed another service over what we had written there.

    Raises:
        Foreign: somebody did.
    """
    for one in plan.writes:
        service = found[one.service]
        seen = mark_of(service["Spec"])
        before, ours = mark_of(one.before), (mark_of(one.home), mark_of(one.carrier))
        was_ours = op_in(service.get("PreviousSpec")) == plan.op
        if seen not in ours and (seen != before or was_ours):
            raise _other(one)


def _other(one: Write) -> Foreign:
    return Foreign(
        f"{one.name} is told neither what it was nor what the rollback meant: somebody "
        "deployed it",
        "wait for that deployment; then look what runs: `watchdog status`",
    )
