"""Calls that do not wait for each other, a few at once, each in a thread of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from watchdog.facts.plan import AT_ONCE
from watchdog.facts.problem import Problem


def side_by_side(calls: Sequence[Callable[[], str]]) -> list[str | Problem]:
    """Make *calls*; once all are over give what each gave, or how it failed."""
    with ThreadPoolExecutor(AT_ONCE, "side-by-side") as pool:
        return list(pool.map(_outcome, calls))


def _outcome(call: Callable[[], str]) -> str | Problem:
    try:
        return call()
    except Problem as problem:
        return problem
