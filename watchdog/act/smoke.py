"""Smoke checks that run inside a container.

They change nothing by contract, but to run one the engine is written to: so they are
here, beside what changes what runs.
"""

from watchdog.facts.problem import EngineRefused
from watchdog.facts.smoke import Runs, said
from watchdog.outside.engine import Engine
from watchdog.turn.roles import Clock
from watchdog.verify.proof import Answer

_SERVICE = "com.docker.compose.service"
_BETWEEN_LOOKS = 0.02  # s; the exit code comes a moment after the last output


def run(
    engine: Engine, clock: Clock, check: Runs, containers: tuple[str, ...]
) -> Answer:
    """Run *check* in those of *containers* that are its service's.

    One that takes too long is left to itself: the engine cannot end it. Raises
    Unreachable when the engine does not answer.
    """
    name = f"`{said(' '.join(check.argv))}` in {check.service}"
    ours = [id_ for id_ in containers if _is_of(engine, id_, check.service)]
    if not ours:
        return Answer(fine=False, words=f"{name} has no container to run in")
    for id_ in ours:
        try:
            wrong = run_in(engine, clock, check, id_)
        except EngineRefused as problem:
            wrong = f"was refused: {said(problem.words)}"
        if wrong:
            return Answer(fine=False, words=f"{name} {wrong}")
    return Answer(fine=True, words=f"{name} is fine")


def _is_of(engine: Engine, container: str, service: str) -> bool:
    found = engine.container(container)
    return found is not None and found["Config"]["Labels"].get(_SERVICE) == service


def run_in(engine: Engine, clock: Clock, check: Runs, container: str) -> str:
    """Run *check* in *container*: say what is wrong, or nothing."""
    seconds = check.timeout.total_seconds()
    deadline = clock.monotonic() + seconds
    begun = engine.prepare(container, check.argv)
    printed = engine.run(begun, check.timeout)
    code = engine.exit_code(begun)
    while code is None and clock.monotonic() < deadline:
        clock.pause(_BETWEEN_LOOKS)
        code = engine.exit_code(begun)
    told = f": {said(printed)}" if printed.strip() else ""
    if code is None:
        return f"did not end within {seconds:g} s{told}"
    if code:
        return f"exited {code}{told}"
    if check.contains not in printed:
        return f"does not say {check.contains!r}{told}"
    return ""
