"""The commands that keep on: the daemon, and the show of its main job."""

from pathlib import Path
from typing import Annotated

import typer

from watchdog import __version__
from watchdog.commands.shell import HERE, Config, settings_at
from watchdog.wiring.node import run

app = typer.Typer()


@app.command("run")
def run_command(config: Config = HERE) -> None:
    """Watch, until told to stop.

    Where another watchdog of the same database leads, it is followed: the doors are
    open, and nothing is done.
    """
    run(settings_at(config), __version__, follows=_follows)


def _follows(words: str) -> None:
    typer.echo(words, err=True)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="The demo's checkout.")] = Path(),
) -> None:
    """Show the main job on real parts: a bad release, and its proven rollback."""
    # Only the demo drives Docker from outside; the daemon never loads it.
    from watchdog.commands.demo import show  # noqa: PLC0415

    show(folder.resolve())
