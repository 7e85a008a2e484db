"""The commands that keep the watchdog's memory elsewhere, put it back, and end it."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from watchdog.commands.shell import HERE, Config, settings_at
from watchdog.facts.problem import Problem
from watchdog.record.backup import back_up, put_back
from watchdog.record.memory import standing_in
from watchdog.record.opening import NAME
from watchdog.record.state_folder import StateFolder

app = typer.Typer()


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="A new file: NAME.tar.gz.")],
    config: Config = HERE,
) -> None:
    """Write the state folder to one file, beside a running watchdog.

    Every link of the journal is checked in the copy. It holds how containers are made,
    with their environment, and the key of the checkpoints: keep it as such.
    """
    done = back_up(settings_at(config).state, file)
    typer.echo(f"{file}: {done}; every link holds")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `watchdog backup` wrote.")],
    config: Config = HERE,
) -> None:
    """Put a backup into a state folder that has no journal, while no watchdog runs."""
    state = settings_at(config).state
    done = put_back(file, state)
    typer.echo(f"{state}: {done}; every link holds")
    typer.echo(
        "What was seen, decided and answered after that is not known to it: a release "
        "that was deployed since is a new one, and no older answer is asked for again."
    )


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
    # The engine's client is most of what a command takes to begin.
    from watchdog.act.leaving import left_on, take_away  # noqa: PLC0415
    from watchdog.outside.engine import Engine  # noqa: PLC0415

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
