"""A plan in which the target's image is asked first whether it takes its manifests."""

from dataclasses import replace

from watchdog.facts.pair import Record
from watchdog.facts.plan import Do, Plan, Step

_HELD = (Do.HOLD_ROOM, Do.HOLD_IMAGE, Do.HOLD_MANIFEST)


def asking_first(plan: Plan, target: Record) -> Plan:
    """Add the question once image and manifests are held, before anything is made."""
    place = sum(step.do in _HELD for step in plan.steps[: plan.prepared])
    ask = Step(Do.VALIDATE, target.image_ref)
    return replace(
        plan,
        steps=(*plan.steps[:place], ask, *plan.steps[place:]),
        prepared=plan.prepared + 1,
    )
