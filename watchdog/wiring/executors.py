"""The ways to put a pair back: who sees, who plans and who does, of one kind."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, assert_never

from watchdog.act.claim import InWorkTree, OnEngine
from watchdog.act.compose import ComposeHands
from watchdog.act.git import GitHands
from watchdog.act.hands import Hands
from watchdog.act.keeper import Keeper
from watchdog.act.own_check import OwnChecks
from watchdog.act.smoke import run
from watchdog.act.validator import Validator
from watchdog.config.settings import Settings
from watchdog.decide.compose import Recreate
from watchdog.decide.git import CheckOut
from watchdog.decide.plan import Replay
from watchdog.decide.standing import Rollback
from watchdog.decide.validated import asking_first
from watchdog.facts.job import Jobs
from watchdog.facts.pair import HeldManifest, Pair, Record
from watchdog.facts.plan import Plan, Wanted
from watchdog.facts.problem import Problem
from watchdog.facts.smoke import Asks, Own, Runs, SmokeCheck
from watchdog.observe.compose import Composed, version_of
from watchdog.observe.health import ask
from watchdog.observe.referee import Referee
from watchdog.observe.running import Stack
from watchdog.observe.standbys import Standbys
from watchdog.observe.swarm import SwarmStack
from watchdog.observe.work_tree import WorkTree
from watchdog.outside.command import Commands
from watchdog.outside.engine import Engine
from watchdog.outside.git import Git
from watchdog.turn.roles import Claims, Clock, Executor, Plans
from watchdog.turn.roles import Keeper as Holds
from watchdog.verify.proof import Answer
from watchdog.wiring.swarm import (
    over_http,
    swarm_claims_of,
    swarm_executor_of,
    swarm_keeper_of,
    swarm_of,
    swarm_stack_of,
)

# Compose without Docker's own command line, as `docker/compose-bin` has it.
_ALONE = ("docker-compose",)
_LEAST_COMPOSE = 2
# What a program needs to run at all. Compose puts any other variable that it finds
# into the stack, and ours are not the stack's.
_PLAIN = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "DOCKER_CONFIG")


# Gives the versions whose release files name an image of a service.
Named = Callable[[str, str], tuple[str, ...]]


def stack_of(
    settings: Settings,
    engine: Engine,
    jobs: Jobs | None = None,
    named: Named = lambda *_: (),
) -> Stack:
    """Make the eyes on the Compose project of *settings*, through *engine*.

    *jobs* is what the release files say of jobs, *named* of images.
    """
    stack = settings.stack
    referee, unasked = referee_of(settings)
    return Stack(
        engine,
        referee=referee,
        unasked=unasked,
        named=named,
        project=stack.project,
        services=tuple(stack.services),
        folder=stack.directory,
        env_file=stack.env_file,
        variable=stack.version_variable,
        manifests=stack.manifests,
        inside=stack.manifest_in_container,
        jobs=jobs or Jobs(),
    )


def referee_of(settings: Settings) -> tuple[Referee | None, str]:
    """Find a Compose to ask; or say why there is none."""
    stack, commands = settings.stack, _compose_commands(settings)
    said: list[str] = []
    for command in dict.fromkeys((settings.compose.command, _ALONE)):
        try:
            version = version_of(commands, command, Path("/"))
        except Problem as problem:
            said.append(problem.words)
            continue
        if int(re.sub(r"\D.*", "", version.lstrip("v")) or 0) >= _LEAST_COMPOSE:
            env_file = stack.directory / stack.env_file
            return Referee(commands, command, stack.directory, env_file), ""
        said.append(f"`{' '.join(command)}` is {version}")
    return None, "; ".join(said)


def there_of(
    settings: Settings, jobs: Jobs | None, named: Named
) -> Stack | SwarmStack | WorkTree:
    """Make what sees every part of what is there, also where it is no whole pair."""
    if settings.executor == "swarm":
        return swarm_stack_of(settings, swarm_of(settings), named)
    if settings.executor == "git":
        return _work_tree(
            settings, Git(_git_commands(settings), settings.stack.directory)
        )
    engine = Engine(settings.engine.url, settings.engine.timeout)
    return stack_of(settings, engine, jobs, named)


def executor_of(
    settings: Settings,
    *,
    blob: Callable[[str], bytes],
    sealed: Callable[[Pair, HeldManifest, bytes, bytes], str],
    recorded: Callable[[str], Record],
    rollback: Callable[[], Rollback | None],
    clock: Clock,
    jobs: Jobs | None = None,
    named: Named = lambda *_: (),
    may: Callable[[], None] = lambda: None,
) -> Executor:
    """Make the executor that *settings* name.

    *blob* gives ledger bytes by sha256; *sealed* says why a manifest and its
    signature count, and raises if they don't; *recorded* gives a release record by
    its name, *rollback* what is under way; *jobs* is what the release files say of
    jobs, and *named* of images; *may* raises before a change that must not be.

    Raises:
        Problem: what it needs of this machine is not there.
    """
    stack, jobs = settings.stack, jobs or Jobs()
    to_look = Engine(settings.engine.url, settings.engine.timeout)
    to_act = Engine(
        settings.engine.url,
        settings.engine.timeout,
        to_act=True,
        pull_within=settings.engine.pull_within,
        may=may,
    )
    where: dict[str, Any] = {
        "folder": stack.directory,
        "env_file": stack.env_file,
        "variable": stack.version_variable,
    }
    smoke = smoke_of(to_act, clock)

    def is_well(container: str) -> bool:
        asks = settings.engine.ask_health
        return asks and smoke(Own(), (container,)).fine

    hands = Hands(to_act, **where, blob=blob, sealed=sealed, is_well=is_well)
    where |= {
        "project": stack.project,
        "services": tuple(stack.services),
        "manifests": stack.manifests,
        "inside": stack.manifest_in_container,
    }
    match settings.executor:
        case "engine":
            eyes = stack_of(settings, to_look, jobs, named)
            plans = Replay(
                eyes.deployed,
                eyes.pinned,
                tuple(stack.services),
                settings.stop_within,
                jobs.again,
                stack.swapping,
                Standbys(to_look, stack.project, clock.now).healthy,
                to_look.network,
            )
            made = Executor(eyes, plans, hands, smoke, eyes.agrees)
            return _asking(made, settings, to_act, rollback=rollback, clock=clock)
        case "compose":
            command = settings.compose.command
            commands = _compose_commands(settings)
            try:
                composed = Composed(
                    to_look,
                    commands,
                    command,
                    **where,
                    jobs=jobs,
                    named=named,
                    referee=Referee(
                        commands,
                        command,
                        stack.directory,
                        stack.directory / stack.env_file,
                    ),
                )
            except Problem as problem:
                raise Problem(
                    f"executor is compose, and Compose is not here: {problem.words}",
                    "run an image that holds it, see docs/how-to/choose-an-executor.md",
                ) from problem
            made = Executor(
                composed,
                Recreate(
                    composed.obstacles,
                    composed.joined,
                    composed.pinned,
                    settings.stop_within,
                    jobs.again,
                ),
                ComposeHands(
                    hands,
                    composed,
                    to_act,
                    commands=commands,
                    command=command,
                    recorded=recorded,
                ),
                smoke,
                composed.agrees,
            )
            return _asking(made, settings, to_act, rollback=rollback, clock=clock)
        case "swarm":
            return swarm_executor_of(
                settings, blob=blob, sealed=sealed, named=named, may=may
            )
        case "git":
            return _git(settings, hands, blob, sealed, clock=clock, rollback=rollback)
        case _ as unreachable:
            assert_never(unreachable)


def _asking(
    made: Executor,
    settings: Settings,
    to_act: Engine,
    *,
    rollback: Callable[[], Rollback | None],
    clock: Clock,
) -> Executor:
    """Let the target's image be asked first, where the settings name its validator."""
    stack = settings.stack
    if not stack.validator:
        return made
    asks = Validator(
        made.hands,
        to_act,
        argv=stack.validator,
        within=stack.validator_timeout,
        project=stack.project,
        folder=stack.directory,
        inside=stack.manifest_in_container,
        rollback=rollback,
        clock=clock,
    )
    return replace(made, plans=_AskingFirst(made.plans), hands=asks)


@dataclass(frozen=True, slots=True)
class _AskingFirst:
    """Plans that ask the target's image before anything is touched."""

    plans: Plans

    def plan(self, wanted: Wanted) -> Plan:
        """Plan as the executor does, with the question behind what is held."""
        return asking_first(self.plans.plan(wanted), wanted.target)


def _git(
    settings: Settings,
    hands: Hands,
    blob: Callable[[str], bytes],
    sealed: Callable[[Pair, HeldManifest, bytes, bytes], str],
    *,
    rollback: Callable[[], Rollback | None],
    clock: Clock,
) -> Executor:
    folder, commands = settings.stack.directory, _git_commands(settings)
    git = Git(commands, folder)
    if not git.commit("HEAD"):
        raise Problem(
            f"executor is git, and {folder} is no git work tree with a commit",
            "set stack.directory to the work tree, owned by the watchdog's user",
        )

    def held(target: Record, tenant: str) -> str:
        it = next(m for m in target.manifests if m.tenant == tenant)
        data, signature = blob(it.sha256), blob(it.signature_sha256)
        why = sealed(target.pair, it, data, signature)
        return f"the ledger holds {it.sha256[:12]}, {why}"

    return Executor(
        _work_tree(settings, git),
        CheckOut(git.branch),
        GitHands(
            hands,
            git,
            commands,
            folder=folder,
            stop=settings.git.stop,
            start=settings.git.start,
            health=settings.stack.health,
            patience=settings.git.timeout,
            held=held,
            rollback=rollback,
            clock=clock,
        ),
        over_http,
    )


def _git_commands(settings: Settings) -> Commands:
    # What a developer's shell has is what the two commands need; what git itself
    # left there would lead it into another tree.
    env = {
        k: v for k, v in os.environ.items() if not k.startswith(("WATCHDOG_", "GIT_"))
    }
    return Commands(settings.state / "commands", settings.git.timeout, env)


def _work_tree(settings: Settings, git: Git) -> WorkTree:
    stack = settings.stack
    return WorkTree(git, stack.directory, stack.manifests, stack.manifest_in_container)


def _compose_commands(settings: Settings) -> Commands:
    """Make what starts Compose: against our engine, with nothing of ours in it."""
    env = {name: os.environ[name] for name in _PLAIN if name in os.environ}
    # The CLI knows TCP by one name.
    scheme, _, rest = settings.engine.url.partition("://")
    host = f"{'tcp' if scheme in ('http', 'https') else scheme}://{rest}"
    return Commands(
        settings.state / "commands",
        settings.compose.timeout,
        env | {"DOCKER_HOST": host},
    )


def keeper_of(
    settings: Settings, identity: str, may: Callable[[], None] = lambda: None
) -> Holds:
    """Make what holds images; its own socket, for it works beside the turns."""
    if settings.executor == "swarm":
        return swarm_keeper_of(settings, identity, may)
    return Keeper(acting(settings, may), settings.stack.project, identity)


def claims_of(
    settings: Settings, identity: str, may: Callable[[], None] = lambda: None
) -> Claims:
    """Make what holds the stack for the watchdog of *identity*; its own socket too."""
    if settings.executor == "git":
        git = Git(_git_commands(settings), settings.stack.directory)
        return InWorkTree(git.own(), identity)
    if settings.executor == "swarm":
        return swarm_claims_of(settings, identity, may)
    return OnEngine(acting(settings, may), settings.stack.project, identity)


def acting(settings: Settings, may: Callable[[], None]) -> Engine:
    """Open another socket to act; *may* raises where we must not."""
    return Engine(settings.engine.url, settings.engine.timeout, to_act=True, may=may)


def smoke_of(
    to_act: Engine, clock: Clock
) -> Callable[[SmokeCheck, tuple[str, ...]], Answer]:
    """Give what carries out one smoke check among the given containers."""
    own = OwnChecks(to_act, clock)

    def smoke(check: SmokeCheck, containers: tuple[str, ...]) -> Answer:
        match check:
            case Own():
                fine = all(own.passes(id_, check.timeout) for id_ in containers)
                return Answer(fine, "well by its own health check")
            case Asks():
                return ask(check)
            case Runs():
                return run(to_act, clock, check, containers)

    return smoke
