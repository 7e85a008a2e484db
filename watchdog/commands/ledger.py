"""The commands that list what ran here and what stays restorable, or say so."""

import json
from contextlib import closing
from typing import Annotated, Any

import typer

from watchdog.commands.ends import End
from watchdog.commands.shell import (
    HERE,
    AsJson,
    By,
    Config,
    Own,
    Reason,
    say,
    say_refused,
    settings_at,
)
from watchdog.config.settings import Settings
from watchdog.decide.standing import Standing
from watchdog.decide.under_way import under_way
from watchdog.record.journal import Journal
from watchdog.record.memory import Memory, recalled
from watchdog.show import releases as ledger
from watchdog.show import retention as stays
from watchdog.show.status import stamp
from watchdog.turn.roles import Turn
from watchdog.wiring.chosen import files_as_found, place_of, rules_of
from watchdog.wiring.clock import RealClock

app = typer.Typer()
_releases = typer.Typer()
app.add_typer(
    _releases,
    name="releases",
    help="List every pair that ran here; or vouch for one.",
    invoke_without_command=True,
)
_retention = typer.Typer()
app.add_typer(
    _retention,
    name="retention",
    help="List what stays restorable; or release what may go.",
    invoke_without_command=True,
)


@_releases.callback()
def releases_command(
    context: typer.Context, config: Config = HERE, *, as_json: AsJson = False
) -> None:
    """List every pair that ran here, and what is known of it; the newest first."""
    context.obj = config
    if context.invoked_subcommand:
        return
    settings = settings_at(config)
    with closing(Journal(place_of(settings), read_only=True)) as journal:
        standing = recalled(journal)
        stale = _stale(settings, standing, journal.last_turn())
    running = standing.running.pair.version if standing.running else ""
    files = files_as_found(settings)
    listed = ledger.picture(standing, files.for_version(running))
    say_refused(files)
    typer.echo(json.dumps(listed, indent=2) if as_json else ledger.words(listed))
    if stale:
        typer.echo(stale, err=as_json)


@_releases.command()
def vouch(
    context: typer.Context,
    which: Annotated[
        str, typer.Argument(help="A version, or the start of a pair's id.")
    ],
    by: By,
    reason: Reason = "",
    config: Own = None,
    *,
    as_json: AsJson = False,
    even_though_quarantined: Annotated[
        bool, typer.Option("--even-though-quarantined", help="It breached; --reason.")
    ] = False,
) -> None:
    """Say that a pair is known to be good, so that it may be a target."""
    order: dict[str, Any] = {"which": which, "by": by, "reason": reason}
    order |= {"even_though_quarantined": even_though_quarantined}
    said = _ordered(settings_at(config or context.obj), "vouch", order)
    say(said["words"], as_json=as_json)


@_retention.callback()
def retention_command(
    context: typer.Context, config: Config = HERE, *, as_json: AsJson = False
) -> None:
    """List what stays restorable, what each still has, and what may go.

    Ends with 1 when something of a retained pair is missing, and with 6 when nobody
    is watching: what is held is what was seen last, then.
    """
    context.obj = config
    if context.invoked_subcommand:
        return
    settings = settings_at(config)
    with closing(Journal(place_of(settings), read_only=True)) as journal:
        memory = Memory(journal, lambda _: None)
        standing = memory.standing
        running = standing.running.pair.version if standing.running else ""
        files = files_as_found(settings)
        listed = stays.picture(
            standing,
            files.for_version(running),
            rules_of(settings),
            lambda known: memory.missing(known.record),
            files.for_version,
        )
        say_refused(files)
        stale = _stale(settings, standing, journal.last_turn())
    if as_json:
        typer.echo(json.dumps(listed, indent=2))
    else:
        typer.echo(stays.words(listed, red=lambda text: typer.style(text, fg="red")))
    if stale:
        typer.echo(stale, err=as_json)
    end = End.NOT_WATCHING if stale else End.DONE
    raise typer.Exit(end if stays.is_whole(listed) else End.NO)


@_retention.command("release")
def retention_release(
    context: typer.Context,
    which: Annotated[
        str, typer.Argument(help="A version, or the start of a pair's id.")
    ],
    by: By,
    reason: Reason,
    config: Own = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Say that a pair need not stay restorable; nothing is deleted."""
    order = {"which": which, "by": by, "reason": reason}
    said = _ordered(settings_at(config or context.obj), "retention-release", order)
    say(said["words"], as_json=as_json)


def _stale(settings: Settings, standing: Standing, turn: Turn | None) -> str:
    """Say that what is listed is as it was seen once; nothing while it is looked at."""
    at = RealClock().now()
    acting = under_way(standing, rules_of(settings), at)
    orderly = acting is not None and acting.is_orderly
    if orderly or (turn is not None and abs(at - turn.at) <= 3 * settings.poll):
        return ""
    seen = f"as it was seen at {stamp(turn.at)}" if turn else "as nobody looked yet"
    return f"NOT WATCHING: this is {seen}; is `watchdog run` up?"


def _ordered(settings: Settings, kind: str, order: dict[str, Any]) -> dict[str, Any]:
    # Who only lists need not load what an order may need.
    from watchdog.commands.ordering import ordered  # noqa: PLC0415

    return ordered(settings, kind, order)
