"""One look, for a command: at what runs, at the triggers, at what would be pinned."""

import contextlib
from collections.abc import Callable

from watchdog.config.release_file import DEFAULT
from watchdog.config.release_folder import FilesAsFound, ReleaseFolder
from watchdog.config.settings import Settings
from watchdog.facts.container import Containers
from watchdog.facts.lack import Lack
from watchdog.facts.pair import HeldManifest, NotKnown, Pair, Part, Record, Running
from watchdog.facts.problem import Fault, Problem, Refused, Unreachable
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.rules import Rules
from watchdog.facts.smoke import Asks, SmokeCheck
from watchdog.facts.trial import Held, Trial, cure
from watchdog.facts.trigger import Release, Sick, Trigger
from watchdog.judge.sick import tried as by_the_engine_tried
from watchdog.observe.arming import Arming
from watchdog.observe.health import ask, ask_stack
from watchdog.observe.holding import HINT, Question, as_a_lack, by_the_engine
from watchdog.observe.pin import Pin
from watchdog.observe.running import Stack
from watchdog.observe.swarm import SwarmStack
from watchdog.observe.unseen import found
from watchdog.observe.work_tree import WorkTree
from watchdog.outside.engine import Engine
from watchdog.outside.stack_folder import StackFolder
from watchdog.verify.proof import Answer
from watchdog.wiring.chosen import jobs_of, rules_of
from watchdog.wiring.clock import RealClock
from watchdog.wiring.executors import stack_of, there_of
from watchdog.wiring.measuring import prometheus_of


def questions_of(
    settings: Settings,
    rules: Rules,
    smoke: Callable[[SmokeCheck, tuple[str, ...]], Answer],
    seen: Running,
) -> dict[str, Question]:
    """Give what may be asked of *seen* at any time: all but what runs inside it."""
    stack = settings.stack

    def of_the_stack() -> tuple[Answer, ...]:
        return ask_stack(stack.health, stack.version or "", seen.pair.version)

    def of(check: SmokeCheck) -> Question:
        return lambda: (smoke(check, seen.containers),)

    return {"the stack": of_the_stack} | {
        f"smoke check {place}": of(check)
        for place, check in enumerate(rules.smoke, 1)
        if isinstance(check, Asks)
    }


def check_pin(settings: Settings, file: str) -> None:
    """See whether the version could be pinned, where the stack's folder is at hand.

    A stack whose version only the shell of who deploys knows may have no env file.

    Raises:
        Refused: *file*, the settings, name a variable that is not in it.
    """
    stack = settings.stack
    if settings.executor in ("git", "swarm") or not stack.directory.is_dir():
        return
    try:
        Pin(stack.directory, stack.env_file, stack.version_variable).values()
    except Problem as problem:
        fault = Fault("stack.version_variable", problem.words, problem.hint)
        raise Refused(file, [fault]) from problem


def what_is_there(
    settings: Settings, files: FilesAsFound
) -> tuple[tuple[Part, ...], Callable[[str], tuple[Lack, ...]], str]:
    """Look at every part of what runs, as far as it can be read, and say what cannot.

    The second tells how the env file is not as it should be.
    """
    there = there_of(settings, jobs_of(files), files.naming)
    try:
        parts = there.parts(files.tenants_of, anyhow=True)
    except Problem as problem:
        return (), there.astray, problem.words
    return parts, there.astray, ""


def tried(
    settings: Settings, releases: ReleaseFolder, version: str
) -> list[tuple[str, Trial]]:
    """Try the triggers of *version* live, or of every file; each with its release.

    Raises:
        Problem: Prometheus cannot be asked at all, or nothing is known of *version*.
    """
    prometheus = prometheus_of(settings)
    try:
        at = prometheus.now()
        if isinstance(at, Blind):
            raise Unreachable(at.words, cure(at))
        if version and releases.for_version(version) is None:
            raise Problem(
                f"no release file for {version} in {settings.releases}",
                f"known: {', '.join(releases.versions) or 'none'}",
            )
        # A folder with a default alone is one whose every version it watches.
        names = [version] if version else releases.versions or [DEFAULT]
        arming = Arming(prometheus, settings.prometheus.scrape_interval)
        files = [(name, releases.for_version(name)) for name in names]
        found = [(n, t) for n, one in files if one is not None for t in one.triggers]
        sick = any(isinstance(trigger.kind, Sick) for _, trigger in found)
        shown = _containers(settings, releases) if sick else Containers(at, ())
        return [
            (
                name,
                _on_containers(trigger, trigger.kind, shown)
                if isinstance(trigger.kind, Sick)
                else arming.try_out(trigger, at),
            )
            for name, trigger in found
        ]
    finally:
        prometheus.close()


def _containers(settings: Settings, releases: ReleaseFolder) -> Containers | Blind:
    """Look at the containers that run; or say why they cannot be seen from here."""
    if settings.executor in ("git", "swarm"):  # none that could be seen from here
        return Containers(RealClock().now(), ())
    engine = Engine(settings.engine.url, settings.engine.timeout)
    with contextlib.closing(engine):
        there = stack_of(settings, engine, jobs_of(releases), releases.naming)
        try:
            seen = there.running(releases.tenants_of)
        except Problem as problem:
            return Blind(Cause.UNREACHABLE, problem.words, problem.hint)
    if isinstance(seen, NotKnown):
        return Blind(Cause.PARTIAL, seen.words, "deploy it, then try again")
    return Containers(RealClock().now(), seen.seen)


def _on_containers(trigger: Trigger, kind: Sick, shown: Containers | Blind) -> Trial:
    """Try a trigger on them; where they are not seen, it may be fine elsewhere."""
    if not isinstance(shown, Blind):
        return by_the_engine_tried(trigger, kind, shown)
    words = f"the engine was not asked from here: {shown.words}"
    return Trial(
        trigger.name, 0, shown, doubts=(Fault("container", words, shown.hint),)
    )


def held(settings: Settings, releases: ReleaseFolder) -> Held:
    """Ask of what runs now what would prove it, once; nothing that runs inside it."""
    there = there_of(settings, jobs_of(releases), releases.naming)
    try:
        seen = there.running(releases.tenants_of)
        in_the_way = _in_the_way(settings, there)
        if isinstance(seen, NotKnown):
            said = f"what proves a pair was not asked: {seen.words}"
            return Held("", said, in_the_way)
        about = there.about_the_engine() if isinstance(there, Stack) else ()
        about += _astray(settings, there, seen.pair.version)
    except Problem as problem:
        return Held("", f"what proves a pair was not asked: {problem.words}")
    rules = rules_of(settings)
    at = RealClock().now()
    is_young = at - seen.since < rules.prove_within
    wrong = list(by_the_engine(seen, at, is_young=is_young).values())

    def smoke(check: SmokeCheck, _: tuple[str, ...]) -> Answer:
        return ask(check) if isinstance(check, Asks) else Answer(fine=True, words="")

    fine: list[str] = []
    for question in questions_of(settings, rules, smoke, seen).values():
        for answer in question():
            (fine if answer.fine else wrong).append(answer.words)
    faults = tuple(Fault("stack", as_a_lack(words), HINT) for words in wrong if words)
    doubts = [lack.sentence for lack in about if lack.doubt or lack.mendable]
    red = [lack for lack in about if not (lack.doubt or lack.mendable)]
    said = "; ".join([*fine, *doubts]) or "nothing answered"
    return Held(
        seen.pair.version,
        f"what proves {seen.pair.version}: {said}",
        (
            *faults,
            *in_the_way,
            *(Fault("env file", lack.words, lack.hint) for lack in red),
        ),
    )


def _astray(
    settings: Settings, there: Stack | SwarmStack | WorkTree, version: str
) -> tuple[Lack, ...]:
    """Say how the env file is not as it should be, where the stack's folder is."""
    if not (isinstance(there, Stack) and settings.stack.directory.is_dir()):
        return ()
    return there.astray(version)


def _in_the_way(
    settings: Settings, there: Stack | SwarmStack | WorkTree
) -> tuple[Fault, ...]:
    """Say what of the stack could not be put back, whatever the release is."""
    if isinstance(there, SwarmStack):
        hint = "see docs/how-to/roll-back-a-swarm.md"
        return tuple(Fault("stack", words, hint) for words in there.obstacles())
    if not isinstance(there, Stack):
        return ()
    # Compose puts back what replaying cannot.
    by_compose = settings.executor == "compose"
    found = there.foreign() if by_compose else there.obstacles()
    hint = "see docs/reference/fidelity.md"
    return tuple(Fault("stack", words, hint) for words in found)


def unseen_pair(
    settings: Settings,
    release: Release,
    like: Record,
    sealed: Callable[[Pair, HeldManifest, bytes, bytes], str],
) -> tuple[Record, dict[str, bytes]]:
    """Find the pair of a *release* that never ran here, to be recorded.

    Raises:
        Problem: this executor cannot put back what was not recorded as it ran.
    """
    if settings.executor != "compose":
        raise Problem(
            f"{release.version} never ran here, and `executor: {settings.executor}` "
            "puts back only what was recorded when it ran",
            f"deploy {release.version} once, and it is recorded; `executor: compose` "
            "needs no more than its image and its manifests",
        )
    engine = Engine(settings.engine.url, settings.engine.timeout)
    files = StackFolder(settings.stack.directory)
    with contextlib.closing(engine):
        return found(
            engine, files, settings.stack.manifests, release, like, sealed=sealed
        )
