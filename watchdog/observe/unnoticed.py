"""What an expression does without, and gives no sign of it."""

from collections.abc import Iterator

from watchdog.facts.problem import Fault
from watchdog.facts.trigger import Trigger, Value
from watchdog.observe.fresh import selectors
from watchdog.observe.promql import is_selector

_NOT_YET = "right if it is born with its first event"


def beside(trigger: Trigger) -> Iterator[tuple[str, str]]:
    """Name what else the trigger reads, and gives no sign of when it is not there.

    Of no series a comparison lets nothing through, as if there were no outside cause,
    and ``or vector(0)`` makes a number.
    """
    for selector in selectors(trigger.unless):
        yield "unless", selector
    if isinstance(trigger.kind, Value) and not is_selector(trigger.kind.expr):
        for selector in selectors(trigger.kind.expr, ranged=True):
            yield "value", selector


def without(missing: Fault) -> Fault:
    """Say what it means that one of those `beside` is not there."""
    so = {
        "unless": "without it no outside cause is ever seen",
        "value": "the expression makes a number without it",
    }
    hint = missing.hint if missing.path == "unless" else f"{missing.hint}; {_NOT_YET}"
    return Fault(missing.path, f"{missing.words}: {so[missing.path]}", hint)
