"""A decision spelled out as ordered steps, with the way back beside it."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import groupby
from typing import Any

from watchdog.decide.leading_back import way_back
from watchdog.decide.needed import healthy_first, in_layers
from watchdog.decide.standby import standing_in
from watchdog.decide.successor import again_of, job_of, like, matched, swap_of
from watchdog.decide.warm import Around, memory_of, weighed
from watchdog.facts.pair import Record
from watchdog.facts.plan import (
    Deployed,
    Do,
    FileSwap,
    Plan,
    Step,
    Swap,
    Wanted,
    Which,
    bar,
    holds_of,
    in_words,
    pins_of,
    proof_of,
    staging_of,
    unstaged,
)
from watchdog.facts.problem import Problem
from watchdog.facts.swapping import Swapping


@dataclass(frozen=True, slots=True)
class Replay:
    """Plans for the engine: the target's containers are made again from its record.

    *deployed* tells by service what a plan must know of the containers that run, in
    the order of their numbers, or raises a Problem when they cannot be put back
    faithfully; *pinned* gives what the env file says of the variables of a record,
    or of the settings' one where it has none. *again* names the jobs that a rollback to
    a version runs again; all others are left as they are. *swapping* says which
    services are to be swapped warm; *beside* gives the standbys that are healthy by
    what they are made as, and is asked where one is wanted. *network* shows a network.
    """

    deployed: Callable[[tuple[str, ...]], Mapping[str, tuple[Deployed, ...]]]
    pinned: Callable[[Mapping[str, str]], Mapping[str, str]]
    services: tuple[str, ...]
    stop_within: timedelta
    again: Callable[[str], Collection[str]] = lambda _: ()
    swapping: Swapping = field(default_factory=Swapping)
    beside: Callable[[], Mapping[str, str]] = dict
    network: Callable[[str], Mapping[str, Any] | None] = lambda _: None

    def plan(self, wanted: Wanted) -> Plan:
        """Spell it out for what runs now; see ``spell``."""
        jobs = [job.service for job in wanted.seen.jobs]
        again = again_of(wanted.target, jobs, self.again(wanted.target.pair.version))
        over = [j for j in wanted.seen.jobs if j.container and j.service in again]
        olds = (*wanted.seen.containers, *(job.container for job in over))
        deployed = self.deployed(olds)
        stay = any(
            self.swapping.wishes(service, old.wishes)["standby"]
            for service, several in deployed.items()
            for old in several
        )
        plan = spell(
            incident=wanted.incident,
            running=wanted.running,
            running_sha=wanted.running_sha,
            target=wanted.target,
            target_sha=wanted.target_sha,
            deployed=deployed,
            services=self.services,
            stop_within=self.stop_within,
            pinned=self.pinned(wanted.target.pins),
            jobs=jobs,
            again=again,
            swapping=self.swapping,
            beside=self.beside() if stay else {},
        )
        on = [s.networks for s in plan.swaps]
        on += [replica.networks for replica in wanted.running.replicas]
        names = dict.fromkeys(name for one in on for name in one)
        seen = {name: like(self.network(name)) for name in names}
        return replace(plan, networks={name: one for name, one in seen.items() if one})


def spell(
    *,
    incident: str,
    running: Record,
    running_sha: str,
    target: Record,
    target_sha: str,
    deployed: Mapping[str, tuple[Deployed, ...]],
    services: tuple[str, ...],
    stop_within: timedelta,
    pinned: Mapping[str, str],
    jobs: Collection[str] = (),
    again: Collection[str] = (),
    swapping: Swapping | None = None,
    beside: Mapping[str, str] | None = None,
) -> Plan:
    """Spell the rollback from *running* to *target* out.

    The order is what keeps the pair whole whatever dies: everything is made ready
    beside what runs; the stack's variable is pinned first, so that an operator's
    ``up -d`` moves toward the target from then on; a shared manifest is swapped
    only while no container that reads it runs, and no ``up -d`` could start one.
    Several containers of one service are changed one after another, each only once
    the one before it serves; with a shared manifest they are all down at once.
    *services* gives the order; *pinned* is what the env file says now, by variable.
    *jobs* of the services are run to their ends and no part of the pair: those of
    *again* are run once more before anything of it starts, as Compose does; the way
    back never runs one. Where all of the pair is healthy *beside* already, as
    standbys by what they are made as, these have the places while it boots.

    Raises:
        Problem: the target was recorded with other services than run now.
    """
    # An earlier build recorded jobs among the others.
    had = {replica.service for replica in target.replicas} - set(jobs)
    serving = tuple(service for service in services if service not in jobs)
    if not had:
        raise Problem(
            f"it is not recorded how the containers of {target.pair.version} were made",
            "`executor: compose` can put it up; replaying needs a pair that ran here",
        )
    if not had == set(serving) == set(deployed) - set(jobs):
        now = {*serving, *deployed} - set(jobs)
        raise Problem(
            f"{target.pair.version} ran with the services {', '.join(sorted(had))}, "
            f"now it is {', '.join(sorted(now))}",
            "roll back by hand; pairs that start from now on are recorded with all",
        )
    op = op_of(incident, *(old.id for service in serving for old in deployed[service]))
    files = files_of(running, target)
    whole = (target, target_sha)
    swaps = tuple(
        swap_of(
            op, replica, whole, old, stop_within, several=len(deployed[service]) > 1
        )
        for service in serving
        for old, replica in matched(service, deployed[service], target)
    )
    ran = tuple(
        job_of(op, service, whole, deployed.get(service, ()), stop_within)
        for service in services
        if service in again
    )
    swaps = _warmed(
        swaps, deployed, swapping or Swapping(), Around(running, target, again)
    )
    swaps = standing_in(swaps, beside or {})
    warm = [s for s in swaps if s.is_warm]
    stand = [s for s in warm if s.standby]
    # What fails among these costs nobody a gap, as long as nothing else is stopped.
    early = {s.service for s in swaps if s.is_warm or s.number}
    named = in_layers(serving, target, running, stay=early)
    layers = [[swap for swap in swaps if swap.service in layer] for layer in named]
    waits = [
        [swap for swap in swaps if swap.service in first and not swap.is_warm]
        for first in healthy_first(named, target)
    ]
    after, pins = target.pair.version, pins_of(target, pinned)
    prepare = [
        Step(Do.HOLD_ROOM, "folder"),
        *holds_of(target),
        *(Step(Do.HOLD_MANIFEST, m.tenant, to=m.sha256) for m in target.manifests),
        *(
            Step(Do.CREATE, s.subject, Which.NEW, to=f"{s.name}.rb-{op}")
            for s in (*ran, *swaps)
        ),
        *(
            Step(Do.CONNECT, s.subject, Which.NEW, to=name)
            for s in (*ran, *swaps)
            for name in list(s.networks)[1:]
            if not s.is_warm  # each is connected when it takes over
        ),
        *_staged(op, warm),
        *([] if stand else _booted_beside(warm)),
    ]
    pin = Step(Do.PIN, "variable", to=in_words(pins))
    if files:
        # One file for all: nothing may run between the first stop and the swap. The
        # version and the file cannot change in one instant, so that an `up -d`
        # between the two would start one half of each: it must find no image.
        middle = [bar(after), *(step for s in swaps for step in _quiet(s))]
        middle += [Step(Do.STOP, s.subject, Which.OLD) for s in swaps]
        middle += [Step(Do.SWAP_MANIFEST, f.tenant, to=f.after) for f in files]
        middle += [pin, *(step for s in ran for step in _is_run(op, s))]
        change = _take_over
    else:
        middle = [pin, *(step for s in ran for step in _is_run(op, s))]
        middle += [
            Step(Do.STAND_IN, s.subject, Which.STANDBY)
            for layer in layers
            for s in layer
            if s.standby
        ]
        middle += _booted_beside(stand)
        change = _swapped
    for first, layer in zip(waits, layers, strict=True):
        asked = [Step(Do.AWAIT, s.subject, Which.NEW) for s in first]
        middle += [step for step in asked if step not in middle]
        middle += change(op, layer)
    steps = (
        *prepare,
        *middle,
        proof_of(target.pair, Which.NEW),
        *(Step(Do.REMOVE, s.subject, Which.OLD) for s in (*ran, *swaps) if s.old_id),
        *(Step(Do.REMOVE, s.subject, Which.STANDBY) for s in stand),
        *unstaged(op, warm),
    )
    return Plan(
        op=op,
        kind=kind_of(running, target),
        from_record=running_sha,
        to_record=target_sha,
        swaps=(*ran, *swaps),
        files=files,
        variable_before=in_words(pinned),
        variable_after=in_words(pins),
        steps=steps,
        prepared=len(prepare),
        way_back=way_back(
            op,
            (*ran, *swaps),
            layers,
            files=files,
            running=running,
            pinned=in_words(pinned),
        ),
        pins_before=dict(pinned),
        pins_after=pins,
    )


def op_of(incident: str, *running: str) -> str:
    """Name the operation, by what runs too.

    Two stacks on one engine may have incidents of one name, and must never take
    each other's containers for their own. Two watchdogs on one stack never have:
    an incident's name holds whose it is, and an order's is drawn by lot.
    """
    name = "/".join([incident, *running])
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def _warmed(
    swaps: tuple[Swap, ...],
    deployed: Mapping[str, tuple[Deployed, ...]],
    swapping: Swapping,
    around: Around,
) -> tuple[Swap, ...]:
    """Say of each which endpoints are handed over, or why they are not."""
    olds = {old.id: old for several in deployed.values() for old in several}
    told: list[Swap] = []
    taken = 0  # all of them boot side by side
    for swap in swaps:
        old = olds[swap.old_id]
        if old.free is not None:
            old = replace(old, free=old.free - taken)
        wishes = swapping.wishes(swap.service, old.wishes)
        told.append(replace(swap, **weighed(swap, old, wishes, around)))
        taken += memory_of(swap) if told[-1].is_warm else 0
    return tuple(told)


def _staged(op: str, warm: list[Swap]) -> list[Step]:
    """Have all of *warm* on nobody's network, before they are ever started."""
    return [Step(Do.STAGE, s.subject, Which.NEW, to=staging_of(op)) for s in warm]


def _booted_beside(warm: list[Swap]) -> list[Step]:
    """Have all of *warm* healthy, side by side: each waits for itself alone."""
    return [
        *(Step(Do.WARM, s.subject, Which.NEW) for s in warm),
        *(Step(Do.AWAIT, s.subject, Which.NEW) for s in warm),
    ]


def _is_given_over(op: str, swap: Swap) -> list[Step]:
    """Give the new one the place of the old one, which runs on and reaches nobody."""
    return [
        Step(Do.HAND_OVER, swap.subject, Which.NEW),
        Step(Do.RENAME, swap.subject, Which.OLD, to=f"{swap.name}.rb-old-{op}"),
        Step(Do.RENAME, swap.subject, Which.NEW, to=swap.name),
    ]


def _quiet(swap: Swap) -> list[Step]:
    """Keep the engine from starting what will be stopped."""
    again = swap.old_restart.get("Name") in ("always", "on-failure")
    quiet = Step(Do.SET_RESTART, swap.subject, Which.OLD, to="no")
    return [quiet] if again else []


def _take_over(op: str, swaps: list[Swap]) -> list[Step]:
    """Start those that are to serve, and give them their names."""
    # The names last: nothing is found by them, and they would lengthen the gap.
    return [
        *(Step(Do.START, s.subject, Which.NEW) for s in swaps),
        *(
            Step(Do.RENAME, s.subject, Which.OLD, to=f"{s.name}.rb-old-{op}")
            for s in swaps
        ),
        *(Step(Do.RENAME, s.subject, Which.NEW, to=s.name) for s in swaps),
    ]


def _swapped(op: str, swaps: list[Swap]) -> list[Step]:
    """Change services that do not need each other: side by side, as far as may be.

    Not those that are given a place: two addresses that are free at once could be
    given crosswise. They come first, and then those of which another one serves: what
    fails among them costs nobody a gap.
    """
    steps = [step for s in swaps if s.is_warm for step in _is_given_over(op, s)]
    scaled = [s for s in swaps if s.number and not s.is_warm]
    for _, several in groupby(scaled, key=lambda s: s.service):
        steps += _one_by_one(op, [*several])
    alone = [s for s in swaps if not (s.number or s.is_warm)]
    steps += [step for s in alone for step in _quiet(s)]
    steps += [Step(Do.STOP, s.subject, Which.OLD) for s in alone]
    return steps + _take_over(op, alone)


def _is_run(op: str, job: Swap) -> list[Step]:
    """Run *job* to its end, in the place of the one before it."""
    parks = Step(Do.RENAME, job.subject, Which.OLD, to=f"{job.name}.rb-old-{op}")
    return [
        *([parks] if job.old_id else ()),
        Step(Do.RENAME, job.subject, Which.NEW, to=job.name),
        Step(Do.START, job.subject, Which.NEW),
        Step(Do.AWAIT, job.subject, Which.NEW),
    ]


def _one_by_one(op: str, several: list[Swap]) -> list[Step]:
    """Change the containers of one service, each once the one before it serves."""
    steps: list[Step] = []
    for swap in several:
        # Not before its turn: until then it serves, and is started again if it dies.
        steps += _quiet(swap)
        steps += [Step(Do.STOP, swap.subject, Which.OLD), *_take_over(op, [swap])]
        steps.append(Step(Do.AWAIT, swap.subject, Which.NEW))
    return steps[:-1]  # the last one is the proof's


def kind_of(running: Record, target: Record) -> str:
    """Name the runbook's type of this rollback: code, config or both."""
    code = running.pair.image != target.pair.image
    config = running.pair.manifests != target.pair.manifests
    return "both" if code and config else "code" if code else "config"


def files_of(running: Record, target: Record) -> tuple[FileSwap, ...]:
    """Find the manifests that both pairs hold at one path, with different bytes."""
    now = {m.tenant: m for m in running.manifests}
    return tuple(
        FileSwap(m.tenant, m.path, now[m.tenant].sha256, m.sha256)
        for m in target.manifests
        if m.tenant in now
        and now[m.tenant].path == m.path
        and now[m.tenant].sha256 != m.sha256
    )
