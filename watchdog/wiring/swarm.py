"""What ``executor: swarm`` is made of: who sees, who plans and who does."""

from collections.abc import Callable

from watchdog.act.on_swarm import HeldOnSwarm, OnSwarm
from watchdog.act.swarm import SwarmHands
from watchdog.config.settings import Settings
from watchdog.decide.swarm import WriteSpecs
from watchdog.facts.pair import HeldManifest, Pair, Record
from watchdog.facts.smoke import Asks, SmokeCheck
from watchdog.observe.health import ask
from watchdog.observe.swarm import SwarmStack
from watchdog.outside.stack_folder import StackFolder
from watchdog.outside.swarm import Swarm
from watchdog.turn.roles import Executor
from watchdog.verify.proof import Answer

Named = Callable[[str, str], tuple[str, ...]]
May = Callable[[], None]  # raises before a change that must not be


def swarm_of(settings: Settings) -> Swarm:
    """Open a socket to look; a short patience, for who asks a dead leader hangs."""
    return Swarm(settings.engine.url, settings.swarm.timeout)


def _acting(settings: Settings, may: May) -> Swarm:
    return Swarm(settings.engine.url, settings.swarm.timeout, to_act=True, may=may)


def swarm_stack_of(settings: Settings, swarm: Swarm, named: Named) -> SwarmStack:
    """Make the eyes on the stack of *settings*, through *swarm*."""
    stack = settings.stack
    return SwarmStack(
        swarm,
        project=stack.project,
        services=tuple(stack.services),
        inside=stack.manifest_in_container,
        manifests=stack.manifests,
        files=StackFolder(stack.directory),
        named=named,
    )


def swarm_executor_of(
    settings: Settings,
    *,
    blob: Callable[[str], bytes],
    sealed: Callable[[Pair, HeldManifest, bytes, bytes], str],
    named: Named,
    may: May,
) -> Executor:
    """Make the executor that writes specs; see ``executor_of``."""
    eyes = swarm_stack_of(settings, swarm_of(settings), named)

    def held(target: Record, tenant: str) -> str:
        it = next(m for m in target.manifests if m.tenant == tenant)
        data, signature = blob(it.sha256), blob(it.signature_sha256)
        why = sealed(target.pair, it, data, signature)
        eyes.fitted(target)  # or it raises: the config is gone, or another
        return f"config {it.path} holds {it.sha256[:12]}, {why}"

    plans = WriteSpecs(eyes.specs, eyes.fitted, tuple(settings.stack.services))
    hands = SwarmHands(_acting(settings, may), eyes.found, eyes.serving, held)
    return Executor(eyes, plans, hands, over_http, eyes.agrees)


def swarm_keeper_of(
    settings: Settings, identity: str, may: May = lambda: None
) -> HeldOnSwarm:
    """Make what holds configs; its own socket, for it works beside the turns."""
    swarm = _acting(settings, may)
    return HeldOnSwarm(swarm, settings.stack.project, identity)


def swarm_claims_of(
    settings: Settings, identity: str, may: May = lambda: None
) -> OnSwarm:
    """Make what holds the stack for the watchdog of *identity*; its own socket too."""
    swarm = _acting(settings, may)
    return OnSwarm(swarm, settings.stack.project, identity)


def over_http(check: SmokeCheck, containers: tuple[str, ...]) -> Answer:
    """Carry out a smoke check; the settings refuse what would run in a container."""
    del containers
    if not isinstance(check, Asks):
        return Answer(fine=False, words=f"{check} needs a container")
    return ask(check)
