"""What is ours on the engine: the stack, while we may act on it, and held images."""

import threading
from collections.abc import Callable

from watchdog.act.standby import Standby
from watchdog.config.release_folder import ReleaseFolder
from watchdog.config.settings import Settings
from watchdog.facts.rules import Rules
from watchdog.observe.memory import free_memory
from watchdog.observe.standbys import Standbys
from watchdog.record.database import Server
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory
from watchdog.turn.claiming import Claiming
from watchdog.turn.keeping import Keeping
from watchdog.turn.roles import Plans
from watchdog.turn.standing_by import StandingBy
from watchdog.turn.yielding import LOOKED_EVERY, Yielding
from watchdog.wiring.chosen import place_of
from watchdog.wiring.clock import RealClock
from watchdog.wiring.executors import acting, claims_of, keeper_of
from watchdog.wiring.schedule import Beside
from watchdog.wiring.swarm import swarm_of


def claiming_of(
    settings: Settings,
    journal: Journal,
    memory: Memory,
    clock: RealClock,
    rules: Rules,
) -> Claiming:
    """Make what sees to it that one watchdog acts on the stack."""
    return Claiming(
        claims_of(settings, rules.identity, journal.must_lead),
        memory,
        clock,
        rules.identity,
        threading.RLock(),
        only_looks=rules.observe_only,
        leads=journal.must_lead,
    )


def keeping_of(
    settings: Settings,
    may: Callable[[], None],
    claiming: Claiming,
    memory: Memory,
    *,
    releases: ReleaseFolder,
    rules: Rules,
) -> tuple[Beside, ...]:
    """Make what holds images, beside the turns; *may* raises where we must not."""
    if settings.executor == "git":  # there a commit stands where an image does
        return ()
    keeper = keeper_of(settings, rules.identity, may)
    keeping = Keeping(keeper, memory, releases, rules, claiming.check)
    return ((keeping.turn, settings.readiness_every),)


def standing_by_of(
    settings: Settings,
    may: Callable[[], None],
    claiming: Claiming,
    memory: Memory,
    *,
    plans: Plans,
    rules: Rules,
) -> StandingBy | None:
    """Make what keeps standbys; nothing where no executor of ours moves endpoints."""
    if settings.executor != "engine":
        return None
    engine, stack = acting(settings, may), settings.stack
    return StandingBy(
        plans,
        memory,
        rules,
        stack.swapping,
        Standbys(engine, stack.project, RealClock().now).seen,
        Standby(engine, stack.project, stack.directory),
        free_memory,
        claiming.check,
    )


def yielding_of(
    settings: Settings, journal: Journal, memory: Memory, clock: RealClock
) -> tuple[Beside, ...]:
    """Make what lets another node lead where no manager can be asked from this one."""
    if settings.executor != "swarm" or not isinstance(place_of(settings), Server):
        return ()
    trouble = swarm_of(settings).trouble
    yielding = Yielding(trouble, journal.database.offer, memory, clock)
    return ((yielding.look, LOOKED_EVERY),)
