"""The command that takes away what the watchdog left on the engine."""

from contextlib import ExitStack
from typing import Annotated

import typer

from watchdog.act.leaving import left_on, take_away
from watchdog.commands.shell import HERE, Config, settings_at
from watchdog.facts.problem import Problem
from watchdog.outside.engine import Engine
from watchdog.record.memory import standing_in
from watchdog.record.opening import NAME
from watchdog.record.state_folder import StateFolder

app = typer.Typer()


@app.command()
def uninstall(
    config: Config = HERE,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
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
        if (state / NAME).exists() and standing_in(state).rollback:
            raise Problem(
                "a rollback is under way, and needs what it holds",
                "start the watchdog: it carries it to its end",
            )
        door = Engine(settings.engine.url, settings.engine.timeout, to_act=True)
        after.callback(door.close)
        by_git = settings.executor == "git"
        found = () if by_git else left_on(door, settings.stack.project)
        for one in found:
            typer.echo(one)
        if not found:
            typer.echo("nothing of it is on the engine")
        elif not yes and not typer.confirm("take these away?"):
            raise typer.Exit(1)
        for one in found:
            typer.echo(take_away(door, one))
    typer.echo(
        f"left: the state folder {state}, with all that was decided, and the files "
        "that you wrote; they are yours to keep or to delete"
    )
