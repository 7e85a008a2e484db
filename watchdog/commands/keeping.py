"""The commands that keep the watchdog's memory elsewhere, and put it back."""

from pathlib import Path
from typing import Annotated

import typer

from watchdog.commands.shell import HERE, AsJson, Config, say, settings_at
from watchdog.record.backup import back_up, put_back

app = typer.Typer()


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="A new file: NAME.tar.gz.")],
    config: Config = HERE,
    *,
    as_json: AsJson = False,
) -> None:
    """Write the state folder to one file, beside a running watchdog.

    Every link of the journal is checked in the copy. It holds how containers are made,
    with their environment, and the key of the checkpoints: keep it as such.
    """
    done = back_up(settings_at(config).state, file)
    say(f"{file}: {done}; every link holds", as_json=as_json, file=str(file))


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `watchdog backup` wrote.")],
    config: Config = HERE,
    *,
    as_json: AsJson = False,
) -> None:
    """Put a backup into a state folder that has no journal, while no watchdog runs."""
    state = settings_at(config).state
    done = put_back(file, state)
    words = (
        f"{state}: {done}; every link holds\n"
        "What was seen, decided and answered after that is not known to it: a release "
        "that was deployed since is a new one, and no older answer is asked for again."
    )
    say(words, as_json=as_json, state=str(state))
