"""Several processes that answer in turn on one target: nobody counted all events.

Each counts its own. What one has more than the other is taken for what happened since,
again and again, and a few failures become many. Two workers behind one port do so, or
the replicas of a service behind its one name.
"""

from datetime import datetime

from watchdog.facts.reading import Blind, Cause, Look
from watchdog.facts.trigger import Trigger
from watchdog.judge.words import spell

# A fall or two are a process that began and does not say when, or a clock set back.
# Measured (bench/in_turn.py): hardly a healthy time is called failing before the third.
_FALLS = 3
_HINT = (
    "let each process be a target of its own, or let one count for all "
    "(`PROMETHEUS_MULTIPROC_DIR`, prom-client's `AggregatorRegistry`)"
)


def in_turn(trigger: Trigger, look: Look, armed_from: datetime) -> Blind | None:
    """Say that what *look* counted is nobody's count, if it fell too often."""
    fell = [
        block.end
        for block in look.blocks
        if block.parts.get("fell") and block.end - trigger.block >= armed_from
    ]
    if len(fell) < _FALLS:
        return None
    words = (
        f"what only grows fell {len(fell)} times in {spell(look.at - fell[0])} though "
        "no process began: several answer in turn on one target, or it is no counter"
    )
    return Blind(Cause.NONSENSE, words, _HINT)
