"""The commands: run, check, status, demo."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from watchdog import __version__
from watchdog.decide.standing import stand
from watchdog.facts.problem import Problem
from watchdog.record.journal import Journal
from watchdog.schedule import RealClock
from watchdog.settings import Settings, load
from watchdog.show.status import picture, words
from watchdog.show.trials import as_json as trials_json
from watchdog.show.trials import words as trials_words
from watchdog.wiring import releases_of, rules_of, run, tried, wire

_REFUSED = 2
app = typer.Typer(
    name="watchdog",
    help="Put the last known-good pair back when a release is confirmed bad.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Config = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="WATCHDOG_CONFIG", help="The settings file."),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
_HERE = Path("config/watchdog.yaml")


def main() -> None:
    """Run the command line: 0 done, 1 not so, 2 refused, 70 the journal failed."""
    try:
        app()
    except Problem as problem:
        typer.echo(problem, err=True)
        raise SystemExit(_REFUSED) from problem


@app.command("run")
def run_command(config: Config = _HERE) -> None:
    """Watch, until told to stop."""
    run(wire(_settings(config), __version__))


@app.command()
def check(
    config: Config = _HERE,
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Try every trigger on Prometheus, now.")
    ] = False,
    release: Annotated[
        str, typer.Option(help="Whose triggers; default: every release file's.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Name every fault of the settings and the release files, at once.

    With --live, ends with 1 when a trigger cannot be relied on.
    """
    settings = _settings(config)
    releases = releases_of(settings)
    if live:
        trials = tried(settings, releases, release)
        typer.echo(trials_json(trials) if as_json else trials_words(trials))
        raise typer.Exit(0 if all(t.is_proven for _, t in trials) else 1)
    count = len(releases.by_version) + (releases.default is not None)
    typer.echo(f"{config} and {count} release files in {settings.releases}: no fault")


@app.command()
def status(config: Config = _HERE, *, as_json: AsJson = False) -> None:
    """Say what runs, whether it is watched, and what could be done now.

    Reads the journal, so it answers whether the daemon runs or not.
    """
    settings = _settings(config)
    journal = Journal(settings.state, read_only=True)
    standing = stand(journal.entries())
    turn = journal.last_turn()
    journal.close()
    running = standing.running.pair.version if standing.running else ""
    whole = picture(
        standing,
        releases_of(settings).for_version(running),
        rules_of(settings),
        turn,
        poll=settings.poll,
        at=RealClock().now(),
    )
    typer.echo(json.dumps(whole, indent=2) if as_json else words(whole))
    raise typer.Exit(0 if whole["watching"] else 1)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="The demo's checkout.")] = Path(),
) -> None:
    """Show the main job on real parts: a bad release, and its proven rollback."""
    # Only the demo drives Docker from outside; the daemon never loads it.
    from watchdog.demo import show  # noqa: PLC0415

    show(folder.resolve())


def _settings(path: Path) -> Settings:
    # Where the settings are is not itself a setting.
    env = {key: text for key, text in os.environ.items() if key != "WATCHDOG_CONFIG"}
    return load(path, env)


if __name__ == "__main__":
    main()
