"""The commands with which people order by hand, through the control door."""

import json
from contextlib import closing
from typing import Annotated, Any

import typer

from watchdog import __version__
from watchdog.approve.answer import Reply
from watchdog.approve.control import knock
from watchdog.decide.standing import Standing, stand
from watchdog.facts.problem import Held, Problem
from watchdog.record.journal import Journal
from watchdog.settings import Settings
from watchdog.shell import HERE, AsJson, Config, settings_at
from watchdog.show import releases as ledger
from watchdog.wiring import releases_of, wire

app = typer.Typer()
_releases = typer.Typer()
app.add_typer(
    _releases,
    name="releases",
    help="List every pair that ran here; or vouch for one.",
    invoke_without_command=True,
)
By = Annotated[str, typer.Option(help="Who says so: your name, for the record.")]
Reason = Annotated[str, typer.Option(help="Why, in one sentence, for the record.")]


@_releases.callback()
def releases_command(
    context: typer.Context, config: Config = HERE, *, as_json: AsJson = False
) -> None:
    """List every pair that ran here, and what is known of it; the newest first."""
    context.obj = config
    if context.invoked_subcommand:
        return
    settings = settings_at(config)
    standing = _standing(settings)
    running = standing.running.pair.version if standing.running else ""
    release = releases_of(settings).for_version(running)
    listed = ledger.picture(standing, release)
    typer.echo(json.dumps(listed, indent=2) if as_json else ledger.words(listed))


@_releases.command()
def vouch(
    context: typer.Context,
    which: Annotated[
        str, typer.Argument(help="A version, or the start of a pair's id.")
    ],
    by: By,
    reason: Reason = "",
    *,
    even_though_quarantined: Annotated[
        bool, typer.Option("--even-though-quarantined", help="It breached; --reason.")
    ] = False,
) -> None:
    """Say that a pair is known to be good, so that it may be a target."""
    order: dict[str, Any] = {"which": which, "by": by, "reason": reason}
    order |= {"even_though_quarantined": even_though_quarantined}
    typer.echo(_ordered(settings_at(context.obj), "vouch", order)["words"])


@app.command()
def hold(by: By, reason: Reason, config: Config = HERE) -> None:
    """Let nothing be rolled back, and pause promotion, until `resume`."""
    words = _ordered(settings_at(config), "hold", {"by": by, "reason": reason})["words"]
    typer.echo(words)


@app.command()
def resume(by: By, reason: Reason = "", config: Config = HERE) -> None:
    """Lift the hold."""
    order = {"by": by, "reason": reason}
    typer.echo(_ordered(settings_at(config), "resume", order)["words"])


def _ordered(settings: Settings, kind: str, order: dict[str, Any]) -> dict[str, Any]:
    """Hand the order to the daemon, or journal it ourselves when there is none.

    Raises:
        Problem: it was refused.
    """
    reply = knock(settings.state, kind, order)
    if reply is None:
        reply = _alone(settings, kind, order)
    if reply.status != 200:
        body = reply.body
        raise Problem(str(body.get("words", reply.status)), str(body.get("hint", "")))
    return dict(reply.body)


def _alone(settings: Settings, kind: str, order: dict[str, Any]) -> Reply:
    """Take the order in this process, which must be the only one on the journal."""
    # The reader first: it refuses a folder in which there never was a journal.
    _standing(settings)
    try:
        watch = wire(settings, __version__, say=lambda _: None)
    except Held as held:
        raise Problem(
            f"{held.words}, and its control door does not answer",
            "it may be starting: try again; if it hangs, restart it",
        ) from held
    with closing(watch.journal):
        return watch.orders.take(kind, order, watch.clock.now())


def _standing(settings: Settings) -> Standing:
    with closing(Journal(settings.state, read_only=True)) as journal:
        return stand(journal.entries())
