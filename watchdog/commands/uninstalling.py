"""The command that takes away what the watchdog left on the engine."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Annotated

import typer

from watchdog.act.leaving import left_on, take_away
from watchdog.act.on_swarm import left_on_swarm, take_from_swarm
from watchdog.commands.shell import HERE, AsJson, Config, confirmed, say, settings_at
from watchdog.config.settings import Settings
from watchdog.facts.problem import NotConfirmed, Problem
from watchdog.outside.engine import Engine
from watchdog.outside.swarm import Swarm
from watchdog.record.memory import standing_in
from watchdog.record.opening import NAME
from watchdog.record.state_folder import StateFolder
from watchdog.wiring.chosen import place_of

app = typer.Typer()


@app.command()
def uninstall(
    config: Config = HERE,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what the watchdog left on the engine, and after a yes take it away.

    Nothing of the stack is touched. The images that were held for a rollback are not
    deleted, and neither is the state folder: both are said.
    """
    settings = settings_at(config)
    state = settings.state
    if not state.is_dir():
        raise Problem(
            f"there is no state folder {state}",
            "where it ran: `docker compose run --rm watchdog uninstall`",
        )
    folder = StateFolder(state)
    with ExitStack() as after:
        folder.hold()  # who runs would make it anew
        after.callback(folder.let_go)
        place = place_of(settings)
        there = place is not state or (state / NAME).exists()
        if there and standing_in(place).rollback:
            raise Problem(
                "a rollback is under way, and needs what it holds",
                "start the watchdog: it carries it to its end",
            )
        found = _left(settings, after)
        for one in found:
            typer.echo(one, err=as_json)
        if not found:
            typer.echo("nothing of it is on the engine", err=as_json)
        elif not yes and not confirmed("take these away?", as_json=as_json):
            raise NotConfirmed("nothing was taken away")
        taken = []
        for take in found.values():
            taken.append(take())
            typer.echo(taken[-1], err=as_json)
    words = (
        f"left: the state folder {state}, with all that was decided, and the files "
        "that you wrote; they are yours to keep or to delete"
    )
    say(words, as_json=as_json, taken=taken, state=str(state))


def _left(settings: Settings, after: ExitStack) -> dict[str, Callable[[], str]]:
    """Find what is left, in words, each with what takes it away and says so."""
    project = settings.stack.project
    if settings.executor == "git":
        return {}
    if settings.executor == "swarm":
        swarm = Swarm(settings.engine.url, settings.swarm.timeout, to_act=True)
        after.callback(swarm.close)
        return {
            words: partial(take_from_swarm, swarm, id_, words)
            for id_, words in left_on_swarm(swarm, project).items()
        }
    door = Engine(settings.engine.url, settings.engine.timeout, to_act=True)
    after.callback(door.close)
    return {
        str(one): partial(take_away, door, project, one)
        for one in left_on(door, project)
    }
