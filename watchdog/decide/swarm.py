"""A rollback spelled out for a swarm: whole specs written, service by service."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from watchdog.decide.plan import kind_of, op_of
from watchdog.facts.lack import Lack
from watchdog.facts.pair import Record
from watchdog.facts.plan import (
    Do,
    Plan,
    Step,
    Wanted,
    Which,
    Write,
    holds_of,
    proof_of,
)
from watchdog.facts.problem import Problem
from watchdog.facts.spec import (
    BACK,
    OP,
    STACK,
    kind_of_mode,
    replicas_of,
    scaled_as,
)

_SECOND = 1_000_000_000  # ns, in which the engine counts
_MODES = ("Replicated", "Global")
Specs = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class WriteSpecs:
    """Plans for a swarm.

    *now* gives the specs of the *services* as they are, by service; *fitted* those of
    a record, with today's ids of what they name. Either raises a Problem.
    """

    now: Callable[[], Specs]
    fitted: Callable[[Record], Specs]
    services: tuple[str, ...]

    def plan(self, wanted: Wanted) -> Plan:
        """Spell it out for what the services are now.

        Each is written twice: first as it was recorded but with an update of our own
        (the *carrier*), and once all of them are proved, as it was recorded; that
        second write starts nothing anew.
        """
        running, target, seen = wanted.running, wanted.target, wanted.seen
        before, after = self.now(), self.fitted(target)
        if set(before) != set(after):
            raise Problem(
                f"{target.pair.version} ran with the services "
                f"{', '.join(sorted(after))}, now it is {', '.join(sorted(before))}",
                "roll back by hand; pairs that start from now on are recorded with all",
            )
        op = op_of(wanted.incident, *seen.containers)
        writes = tuple(
            write_of(op, service, before[service], after[service])
            for service in self.services
        )
        prepare = (
            *holds_of(target),
            *(Step(Do.HOLD_MANIFEST, m.tenant, to=m.sha256) for m in target.manifests),
        )
        return Plan(
            op=op,
            kind=kind_of(running, target),
            from_record=wanted.running_sha,
            to_record=wanted.target_sha,
            swaps=(),
            files=(),
            variable_before="",
            variable_after="",
            steps=(
                *prepare,
                *_written(writes, Which.NEW),
                proof_of(target.pair, Which.NEW),
                *(Step(Do.UNSTAGE, one.service) for one in writes),
            ),
            prepared=len(prepare),
            way_back=(
                *_written(tuple(reversed(writes)), Which.OLD),
                proof_of(running.pair, Which.OLD),
                *(Step(Do.UNSTAGE, one.service) for one in writes),
            ),
            writes=writes,
        )


def _written(writes: tuple[Write, ...], which: Which) -> tuple[Step, ...]:
    return tuple(
        step
        for one in writes
        for step in (
            Step(Do.START, one.service, which),
            Step(Do.AWAIT, one.service, which),
        )
    )


def write_of(
    op: str, service: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Write:
    """Spell out how *service*, that is as *before* says, comes to be as *after* says.

    Raises:
        Problem: no update of a service does that.
    """
    modes = kind_of_mode(before), kind_of_mode(after)
    if modes[0] != modes[1]:
        raise Problem(
            f"service {service} is {modes[0].lower()} and was {modes[1].lower()}: "
            "no update changes that",
            "remove the service and deploy it anew, by hand",
        )
    if modes[0] not in _MODES:
        raise Problem(
            f"service {service} is a job, which serves nobody",
            "take it out of stack.services",
        )
    home = scaled_as(after, before)
    if replicas_of(home) == 0:
        raise Problem(
            f"service {service} is scaled to zero, and was when it was recorded",
            f"scale it up: `docker service scale {after.get('Name')}=1`",
        )
    return Write(
        service=service,
        name=str(after.get("Name")),
        before=before,
        carrier=carrier_of(home, op),
        home=home,
        back=carrier_of(before, f"{op}{BACK}"),
    )


def carrier_of(spec: Mapping[str, Any], op: str) -> dict[str, Any]:
    """Give *spec* with an update of ours, which the swarm itself never takes back.

    Its own rollback would undo ours onto the bad pair, and a pause would leave it half
    done where a node is drained while a task boots there, which is no fault of the
    pair's: whether to go on we see by the tasks. What starts first may start
    all at once; what stops first keeps the pace that the user chose. Where a port of
    the node is held, the new task would wait for it for ever unless the old one stops.
    """
    whole = deepcopy(dict(spec))
    theirs = whole.get("UpdateConfig") or {}
    ports = (whole.get("EndpointSpec") or {}).get("Ports") or ()
    order = theirs.get("Order") or "stop-first"
    if any(port.get("PublishMode") == "host" for port in ports):
        order = "stop-first"
    pace = 0 if order == "start-first" else theirs.get("Parallelism", 1)
    whole["UpdateConfig"] = {
        "Parallelism": pace,
        "Delay": 0,
        "FailureAction": "continue",
        "Monitor": _SECOND,
        "MaxFailureRatio": 0,
        "Order": order,
    }
    whole["Labels"] = {**(whole.get("Labels") or {}), OP: op}
    return whole


def left_out(
    writes: Sequence[Write], specs: Iterable[Mapping[str, Any]], stack: str
) -> Iterator[Lack]:
    """Say which of *specs*, all of a name like the stack's, would stay behind.

    What runs an image that is put back, and is not enrolled, makes it half a rollback.
    Jobs, and what is started once, serve nobody.
    """
    going = {_image(one.before) for one in writes}
    going -= {_image(one.home) for one in writes}
    enrolled = {one.name for one in writes}
    for spec in specs:
        name, once = str(spec.get("Name")), _restarts(spec) == "none"
        is_its = (spec.get("Labels") or {}).get(STACK) == stack
        if name in enrolled or not is_its or once or replicas_of(spec) == 0:
            continue
        if _image(spec) in going:
            short = name.removeprefix(f"{stack}_")
            yield Lack(
                f"{short} runs the same image and is not enrolled: a rollback would be "
                "half of one",
                "name it in stack.services too",
            )


def _image(spec: Mapping[str, Any]) -> str:
    container = (spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}
    return str(container.get("Image") or "")


def _restarts(spec: Mapping[str, Any]) -> str:
    policy = (spec.get("TaskTemplate") or {}).get("RestartPolicy") or {}
    return str(policy.get("Condition") or "any")
