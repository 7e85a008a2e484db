"""The ways to put a pair back: who sees, who plans and who does, of one kind."""

from collections.abc import Callable

from watchdog.act.hands import Hands
from watchdog.decide.plan import Replay
from watchdog.engine import Engine
from watchdog.observe.running import Stack
from watchdog.roles import Executor
from watchdog.settings import Settings


def executor_of(
    settings: Settings,
    blob: Callable[[str], bytes],
    sealed: Callable[[str, bytes, bytes], None],
) -> Executor:
    """Make the executor of *settings*; nothing is opened yet.

    *blob* gives ledger bytes by sha256; *sealed* raises on a bad signature.
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
    return Executor(eyes, plans, hands)
