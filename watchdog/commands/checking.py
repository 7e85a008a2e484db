"""The commands for what people write: is it right, what would it have done."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from watchdog.commands.ends import End
from watchdog.commands.shell import (
    HERE,
    AsJson,
    Config,
    given,
    settings_at,
    write,
)
from watchdog.config.all_files import all_files
from watchdog.config.notation import Said, duration, share
from watchdog.config.release_file import AllRefused, load_release
from watchdog.config.roster_file import load_roster
from watchdog.config.settings import Settings
from watchdog.facts.problem import Problem, Refused, Unreachable
from watchdog.facts.reading import Blind
from watchdog.facts.trial import cure
from watchdog.facts.trigger import Release
from watchdog.judge.starts import Lay
from watchdog.observe.history import moment
from watchdog.show import backtest as shown
from watchdog.show.faults import files_json
from watchdog.show.progress import bars
from watchdog.show.rules import rules
from watchdog.show.schema import schema
from watchdog.show.trials import as_json as trials_json
from watchdog.show.trials import words as trials_words
from watchdog.wiring.channels import button_secret, channels_of, github_secrets
from watchdog.wiring.chosen import releases_of, rules_of
from watchdog.wiring.looking import Looking
from watchdog.wiring.looks import check_pin, held, tried
from watchdog.wiring.measuring import access_of, past_of

app = typer.Typer()
# Starts where only what is injected is asked for.
_MOMENTS = 50
Which = Annotated[
    str, typer.Argument(help="A version with a release file, or the file's path.")
]
Out = Annotated[Path, typer.Option(help="Where to write; default: standard output.")]


@app.command()
def check(
    config: Config = HERE,
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Try every trigger on Prometheus, now.")
    ] = False,
    files_only: Annotated[
        bool,
        typer.Option(
            "--files-only", help="Without the stack's folder and secrets, as in CI."
        ),
    ] = False,
    release: Annotated[
        str, typer.Option(help="Whose triggers; default: every release file's.")
    ] = "",
    queries: Annotated[
        bool, typer.Option("--queries", help="Show what is asked, with --live.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Name every fault of the settings, the roster and the release files, at once.

    Where the stack's folder is not there, as in a pipeline, files alone are read, and
    it is said what was not checked. With --live, ends with 1 when a trigger cannot be
    relied on, or when what proves a pair does not hold for what runs now.
    """
    if live and files_only:
        raise Problem("--live and --files-only are two questions", "ask one of them")
    found = all_files(config, given(), at_home=False)
    there = found.settings
    away = there is not None and not there.stack.directory.is_dir() and not live
    if not (files_only or away):
        found = all_files(config, given())
    refused = [*found.refused]
    if found.settings and not (files_only or away):
        refused += _refused(found.settings, config)
    left = _UNCHECKED if files_only or away else ()
    if as_json and not live:
        typer.echo(files_json(refused, left))
        raise typer.Exit(End.BAD_INPUT if refused else End.DONE)
    if refused:
        raise AllRefused(str(config), refused)
    settings = settings_at(config, at_home=live)
    if live:
        releases = releases_of(settings)
        trials = tried(settings, releases, release)
        holds = held(settings, releases)
        typer.echo(
            trials_json(trials, holds)
            if as_json
            else trials_words(trials, holds, queries=queries)
        )
        # Of no trigger nothing is proven.
        proven = bool(trials) and all(trial.is_proven for _, trial in trials)
        raise typer.Exit(End.DONE if proven and not holds.faults else End.NO)
    count = found.releases.count
    typer.echo(f"{config} and {count} release files of {settings.releases}: no fault")
    if away and not files_only:
        typer.echo(f"there is no folder {settings.stack.directory} here, so that:")
    for what in left:
        typer.echo(f"not checked: {what}")


_UNCHECKED = (
    "the stack's folder, and the variable with the version in its env file",
    "files with secrets: channels, Prometheus, the roster's shared ones",
)


def _refused(settings: Settings, config: Path) -> Iterator[Refused]:
    """Look at what is only there where the watchdog runs."""
    looks: tuple[Callable[[], object], ...] = (
        lambda: channels_of(settings),
        lambda: button_secret(settings),
        lambda: Looking(settings),
        lambda: github_secrets(settings),
        lambda: access_of(settings),
        lambda: check_pin(settings, str(config)),
    )
    for look in looks:
        try:
            look()
        except Refused as refused:
            yield refused


@app.command()
def backtest(
    release: Which,
    config: Config = HERE,
    *,
    since: Annotated[str, typer.Option(help="`30d` ago, or a time.")] = "30d",
    until: Annotated[str, typer.Option(help="`1d` ago, or a time.")] = "now",
    step: Annotated[
        str, typer.Option(help="How far apart: block, poll or a duration.")
    ] = "block",
    started: Annotated[
        str, typer.Option(help="When the release started; default: long before.")
    ] = "",
    starts: Annotated[
        int,
        typer.Option(
            min=0, max=10_000, help="Lay so many starts over it: who is rolled back?"
        ),
    ] = 0,
    inject: Annotated[
        str,
        typer.Option(help="Let `10%` more fail from starts on: how soon is it found?"),
    ] = "",
    seed: Annotated[int, typer.Option(help="Which moments are drawn.")] = 1,
    as_json: AsJson = False,
    page: Annotated[
        Path | None, typer.Option("--html", help="Write a page with plots here.")
    ] = None,
) -> None:
    """Say what a release's triggers would have done in the past.

    Ends with 1 when nothing at all was measured.
    """
    settings = settings_at(config, at_home=False)
    filed, careful = _filed(settings, release, alone=True), rules_of(settings)
    lay = _laid(
        starts=starts,
        inject=inject,
        started=started,
        seed=seed,
        settle=careful.settle,
        watched=filed.watch_for,
    )
    with closing(past_of(settings)) as past, bars(len(filed.triggers)) as tell:
        now = past.now()
        if isinstance(now, Blind):
            raise Unreachable(now.words, cure(now))
        done = past.backtest(
            filed,
            moment(since, now, "--since"),
            moment(until, now, "--until"),
            step=_apart(step, settings),
            started=moment(started, now, "--started") if started else None,
            settle=careful.settle,
            lay=lay,
            progress=tell,
        )
    if page:
        write(page, shown.page(done, careful))
    if as_json:
        typer.echo(json.dumps(shown.picture(done, careful), indent=2))
    else:
        typer.echo(shown.words(done, careful))
    seen = any(track.measured for track in done.tracks)
    raise typer.Exit(End.DONE if seen else End.NO)


@app.command("export-rules")
def export_rules(
    release: Which, config: Config = HERE, *, out: Out = Path("-")
) -> None:
    """Write a release's triggers as Prometheus alerting rules, for dashboards."""
    write(out, rules(_filed(settings_at(config, at_home=False), release)))


@app.command("schema")
def schema_command(*, out: Out = Path("-")) -> None:
    """Write the JSON Schema of a release file, for editors."""
    write(out, json.dumps(schema(), indent=2) + "\n")


def _laid(
    *,
    starts: int,
    inject: str,
    started: str,
    seed: int,
    settle: timedelta,
    watched: timedelta,
) -> Lay | None:
    """Say what is laid over the past, if anything is."""
    if not starts and not inject:
        return None
    if started:
        raise Problem("--started is one start", "take it out, or --starts and --inject")
    fails = 0.0
    if inject:
        try:
            fails = share(inject)
        except Said as said:
            raise Problem(f"--inject: {said.words}", said.hint) from None
        if not 0 < fails <= 1:
            raise Problem(f"--inject: {inject} is no share", "write it like `10%`")
    drawn = random.Random
    return Lay(starts or _MOMENTS, bool(starts), fails, seed, drawn, settle, watched)


def _filed(settings: Settings, release: str, *, alone: bool = False) -> Release:
    """Load one release file: of a version in the settings' folder, or by its path.

    *alone*: without a roster nobody is checked against it.
    """
    path = settings.releases / f"{release}.yaml"
    if release.endswith((".yaml", ".yml")):
        path = Path(release)
    elif not path.is_file():
        known = sorted(file.stem for file in settings.releases.glob("[!.]*.yaml"))
        raise Problem(
            f"no release file for {release} in {settings.releases}",
            f"known: {', '.join(known) or 'none'}",
        )
    names = None
    if not alone or settings.approvers.exists():
        names = load_roster(settings.approvers, has_secrets=False).names
    return load_release(
        path,
        settings.prometheus.scrape_interval,
        names,
        services=settings.stack.services,
        bare=not settings.stack.has_manifests,
    )


def _apart(step: str, settings: Settings) -> timedelta | None:
    if step == "block":
        return None
    try:
        apart = settings.poll if step == "poll" else duration(step)
    except Said as said:
        raise Problem(f"--step: {said.words}", said.hint) from None
    if not apart:
        raise Problem("--step: 0s is no step", "write `poll`, `block` or `1m`")
    return apart
