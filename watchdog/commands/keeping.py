"""The commands that keep the watchdog's memory elsewhere, and put it back."""

from pathlib import Path
from typing import Annotated

import typer

from watchdog.commands.shell import HERE, AsJson, Config, say, settings_at
from watchdog.config.settings import Settings
from watchdog.facts.problem import Problem
from watchdog.record.backup import back_up, put_back
from watchdog.record.database import Server
from watchdog.wiring.chosen import place_of

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
    settings = settings_at(config)
    _must_be_here(settings, "pg_dump")
    done = back_up(settings.state, file)
    say(f"{file}: {done}; every link holds", as_json=as_json, file=str(file))


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `watchdog backup` wrote.")],
    config: Config = HERE,
    *,
    as_json: AsJson = False,
) -> None:
    """Put a backup into a state folder that has no journal, while no watchdog runs."""
    settings = settings_at(config)
    _must_be_here(settings, "pg_restore")
    state = settings.state
    done = put_back(file, state)
    words = (
        f"{state}: {done}; every link holds\n"
        "What was seen, decided and answered after that is not known to it: a release "
        "that was deployed since is a new one, and no older answer is asked for again."
    )
    say(words, as_json=as_json, state=str(state))


@app.command()
def move(config: Config = HERE, *, as_json: AsJson = False) -> None:
    """Copy the journal of the state folder into `database`, while no watchdog runs.

    All of it or nothing, with every link checked there; what is in the folder stays.
    Again, it only checks.
    """
    place = place_of(settings_at(config))
    if not isinstance(place, Server):
        raise Problem(
            "`database.url` is not set: there is nowhere to move the journal to",
            "see docs/how-to/several-nodes.md",
        )
    # Only who moves it loads the client of the server.
    from watchdog.record.moving import move as moved  # noqa: PLC0415

    count, is_new = moved(place)
    how = "copied" if is_new else "there already"
    words = (
        f"{place.schema} in {place.url}: events 1 to {count} {how}; every link holds\n"
        f"{place.folder} is as it was; from now on it is not the journal"
    )
    say(words, as_json=as_json, events=count, copied=is_new)


def _must_be_here(settings: Settings, instead: str) -> None:
    if settings.database.url is not None:
        raise Problem(
            "the journal is in `database`, not in the state folder",
            f"use the server's own {instead} on the schema "
            f"{settings.database.schema_name}; see docs/how-to/several-nodes.md",
        )
