"""The commands that read the journal and change nothing, daemon or no daemon."""

import json
import sys
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Protocol

import typer

from watchdog.commands.ends import End
from watchdog.commands.shell import (
    HERE,
    AsJson,
    Config,
    say_refused,
    settings_at,
)
from watchdog.config.settings import Settings
from watchdog.decide.standing import Standing
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release
from watchdog.record.journal import Journal
from watchdog.record.memory import recalled
from watchdog.show import explain as explained
from watchdog.show import history as happened
from watchdog.show.history import history
from watchdog.show.leading import led_by
from watchdog.show.status import picture, words
from watchdog.turn.roles import Led, Turn
from watchdog.wiring.chosen import files_as_found, place_of, rules_of, untold_of
from watchdog.wiring.clock import RealClock

app = typer.Typer()
_CLEARED = "\x1b[2J\x1b[H"
_AGAIN = 2.0  # s; a turn is 5 s, and a rollback's steps come faster


@app.command()
def status(
    config: Config = HERE,
    *,
    watch: Annotated[
        bool, typer.Option("--watch", help="Say it again every 2 s, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what runs, whether it is watched, and what could be done now.

    Reads the journal, so it answers whether the daemon runs or not.
    """
    settings = settings_at(config)
    while True:
        whole = looked(partial(picture, untold=untold_of(settings)), settings)
        said = json.dumps(whole, indent=2) if as_json else words(whole)
        if whole["leader"] and not as_json:
            since = f" since {whole['leader_since']}" if whole["leader_since"] else ""
            said += f"\nleads          {whole['leader']}{since}"
        if not watch:
            typer.echo(said)
            raise typer.Exit(End.DONE if whole["watching"] else End.NOT_WATCHING)
        if sys.stdout.isatty():
            typer.echo(_CLEARED, nl=False)
        typer.echo(f"{said}\n", nl=not as_json)
        RealClock().pause(_AGAIN)


@app.command("explain")
def explain_command(config: Config = HERE, *, as_json: AsJson = False) -> None:
    """Say why it is not rolling back, what it waits for, and what would have to be.

    Reads the journal and changes nothing, whether the daemon runs or not.
    """
    whole = looked(explained.explain, settings_at(config))
    typer.echo(json.dumps(whole, indent=2) if as_json else explained.words(whole))
    raise typer.Exit(End.DONE if whole["watching"] else End.NOT_WATCHING)


@app.command("history")
def history_command(
    config: Config = HERE,
    *,
    most: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    of: Annotated[
        str, typer.Option(help="Only release, rollback, drill, question, hold, …")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Tell what happened here, who did it and why; the newest first.

    Reads the whole journal and changes nothing, whether the daemon runs or not.
    """
    with closing(Journal(place_of(settings_at(config)), read_only=True)) as journal:
        told = [one for one in history(journal.stream()) if of in ("", one.what)]
    shown = told[:most]
    if as_json:
        typer.echo(json.dumps(happened.picture(shown), indent=2))
        return
    typer.echo(happened.words(shown))
    if len(told) > most:
        typer.echo(f"and {len(told) - most} before; --most {len(told)} shows them all")


class _Looks(Protocol):
    """Puts where we stand into one plain value."""

    def __call__(
        self,
        s: Standing,
        release: Release | None,
        rules: Rules,
        turn: Turn | None,
        *,
        poll: timedelta,
        at: datetime,
    ) -> dict[str, Any]: ...


def looked(look: _Looks, settings: Settings) -> dict[str, Any]:
    """Give what *look* makes of the journal, and of the files as they are now."""
    with closing(Journal(place_of(settings), read_only=True)) as journal:
        standing = recalled(journal)
        turn, leader = journal.last_turn(), journal.leader
    running = standing.running.pair.version if standing.running else ""
    files = files_as_found(settings)
    whole = look(
        standing,
        files.for_version(running),
        rules_of(settings),
        turn,
        poll=settings.poll,
        at=RealClock().now(),
    )
    say_refused(files)
    led = led_by(Led(leader), standing)
    return whole | {name: led[name] for name in ("leader", "leader_since")}
