"""The ways to put a pair back: who sees, who plans and who does, of one kind."""

from collections.abc import Callable

from watchdog.act.hands import Hands
from watchdog.act.smoke import run
from watchdog.decide.plan import Replay
from watchdog.engine import Engine
from watchdog.facts.pair import HeldManifest, Pair
from watchdog.facts.smoke import Asks, Runs, SmokeCheck
from watchdog.observe.health import ask
from watchdog.observe.running import Stack
from watchdog.roles import Clock, Executor
from watchdog.settings import Settings
from watchdog.verify.proof import Answer


def executor_of(
    settings: Settings,
    blob: Callable[[str], bytes],
    sealed: Callable[[Pair, HeldManifest, bytes, bytes], str],
    clock: Clock,
) -> Executor:
    """Make the executor of *settings*; nothing is opened yet.

    *blob* gives ledger bytes by sha256; *sealed* says why a manifest and its
    signature count, and raises if they don't.
    """
    stack = settings.stack
    services = tuple(stack.services)
    to_look = Engine(settings.engine.url, settings.engine.timeout)
    to_act = Engine(settings.engine.url, settings.engine.timeout, to_act=True)
    eyes = Stack(
        to_look,
        project=stack.project,
        services=services,
        folder=stack.directory,
        env_file=stack.env_file,
        variable=stack.version_variable,
        manifests=stack.manifests,
        inside=stack.manifest_in_container,
    )
    hands = Hands(
        to_act,
        folder=stack.directory,
        env_file=stack.env_file,
        variable=stack.version_variable,
        blob=blob,
        sealed=sealed,
    )
    plans = Replay(eyes.deployed, eyes.pinned, services, settings.stop_within)
    return Executor(eyes, plans, hands, smoke_of(to_act, clock))


def smoke_of(
    to_act: Engine, clock: Clock
) -> Callable[[SmokeCheck, tuple[str, ...]], Answer]:
    """Give what carries out one smoke check among the given containers."""

    def smoke(check: SmokeCheck, containers: tuple[str, ...]) -> Answer:
        match check:
            case Asks():
                return ask(check)
            case Runs():
                return run(to_act, clock, check, containers)

    return smoke
