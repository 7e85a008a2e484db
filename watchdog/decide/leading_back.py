"""The way back of a plan: the pair that ran, put up again after any part of it."""

from collections.abc import Sequence

from watchdog.decide.needed import back_in_order, healthy_first
from watchdog.facts.pair import Record
from watchdog.facts.plan import (
    Do,
    FileSwap,
    Step,
    Swap,
    Which,
    bar,
    proof_of,
    unstaged,
)


def way_back(
    op: str,
    swaps: tuple[Swap, ...],
    layers: Sequence[Sequence[Swap]],
    *,
    files: tuple[FileSwap, ...],
    running: Record,
    pinned: str,
) -> tuple[Step, ...]:
    """Spell the previous pair's return out; valid after any part of the way forward."""
    pin = Step(Do.PIN, "variable", to=pinned)
    ran, swaps = [s for s in swaps if s.job], tuple(s for s in swaps if not s.job)
    # Those of which nobody else serves meanwhile come before all waiting, but for those
    # that need what is waited for: a proxy would look up what is about to go.
    scaled = {s.service for s in swaps if s.number and not files}
    order = back_in_order(scaled, [s.service for s in swaps], running)
    alone = [s for s in swaps if s.service not in order and not s.is_warm]
    waits = healthy_first([[s.service for s in layer] for layer in layers], running)
    return (
        bar(running.pair.version) if files else pin,
        *(step for s in swaps if s.is_warm for step in _is_given_back(op, s)),
        *(step for s in ran for step in _is_given_up(op, s)),
        *(Step(Do.STOP, s.subject, Which.NEW) for s in alone),
        *(Step(Do.STOP, s.subject, Which.OLD) for s in swaps if files),
        *(Step(Do.SWAP_MANIFEST, f.tenant, to=f.before) for f in files),
        *((pin,) if files else ()),
        *(
            step
            for first, layer in zip(waits, layers, strict=True)
            for step in (
                *(
                    Step(Do.AWAIT, s.subject, Which.OLD)
                    for s in alone
                    if s.service in first
                ),
                *_are_put_back(op, [s for s in layer if s in alone]),
            )
        ),
        *(
            step
            for service in order
            for step in _back_one_by_one(
                op, [s for s in swaps if s.service == service and not s.is_warm]
            )
        ),
        proof_of(running.pair, Which.OLD),
        *(Step(Do.REMOVE, s.subject, Which.NEW) for s in (*ran, *swaps)),
        *(Step(Do.REMOVE, s.subject, Which.STANDBY) for s in swaps if s.standby),
        *unstaged(op, [s for s in swaps if s.is_warm]),
    )


def _back_one_by_one(op: str, several: list[Swap]) -> list[Step]:
    """Put the containers of one service back, the last that was changed first.

    That is the one which failed: nothing is lost with it.
    """
    steps: list[Step] = []
    for swap in reversed(several):
        steps.append(Step(Do.STOP, swap.subject, Which.NEW))
        steps += _are_put_back(op, [swap])
        steps.append(Step(Do.AWAIT, swap.subject, Which.OLD))
    return steps[:-1]  # the last one is the proof's


def _are_put_back(op: str, swaps: Sequence[Swap]) -> list[Step]:
    def restart(swap: Swap) -> str:
        return str(swap.old_restart.get("Name") or "no")

    return [
        *(
            Step(Do.RENAME, s.subject, Which.NEW, to=f"{s.name}.rb-failed-{op}")
            for s in swaps
        ),
        *(
            Step(Do.RENAME, s.subject, Which.OLD, to=s.old_name or s.name)
            for s in swaps
        ),
        *(Step(Do.SET_RESTART, s.subject, Which.OLD, to=restart(s)) for s in swaps),
        *(Step(Do.START, s.subject, Which.OLD) for s in swaps),
    ]


def _is_given_back(op: str, swap: Swap) -> list[Step]:
    return [
        Step(Do.HAND_OVER, swap.subject, Which.OLD),
        Step(Do.START, swap.subject, Which.OLD),
        Step(Do.RENAME, swap.subject, Which.NEW, to=f"{swap.name}.rb-failed-{op}"),
        Step(Do.RENAME, swap.subject, Which.OLD, to=swap.old_name or swap.name),
    ]


def _is_given_up(op: str, job: Swap) -> list[Step]:
    """Put the one before *job* in its place again, which is over and stays so."""
    to = job.old_name or job.name
    back = Step(Do.RENAME, job.subject, Which.OLD, to=to)
    return [
        Step(Do.STOP, job.subject, Which.NEW),
        Step(Do.RENAME, job.subject, Which.NEW, to=f"{job.name}.rb-failed-{op}"),
        *([back] if job.old_id else ()),
    ]
