"""The commands that ask whether all is set up: doctor."""

from pathlib import Path
from typing import Annotated

import typer

from watchdog.commands.ends import End
from watchdog.commands.looking import looked
from watchdog.commands.shell import HERE, AsJson, Config, given, settings_at
from watchdog.facts.finding import Finding, Mark
from watchdog.facts.problem import Problem
from watchdog.show.findings import as_json, words
from watchdog.show.status import picture
from watchdog.wiring.examining import examined

app = typer.Typer()


@app.command()
def doctor(
    config: Config = HERE,
    *,
    send: Annotated[
        bool, typer.Option("--send", help="Post a test message to every channel.")
    ] = False,
    json_too: AsJson = False,
) -> None:
    """Ask everything once, and say of each thing that is wrong what to do.

    Changes nothing. Ends with 1 when anything keeps the watchdog from its work.
    """
    found = list(examined(config, given(), send=send))
    if not any(one.mark is Mark.UNASKED for one in found):
        found += _remembered(config)
    typer.echo(as_json(found) if json_too else words(found))
    raise typer.Exit(
        End.NO if any(one.mark is Mark.FAULT for one in found) else End.DONE
    )


def _remembered(config: Path) -> list[Finding]:
    """Say whether the daemon watches, and could roll back, by what it found last."""
    try:
        whole = looked(picture, settings_at(config))
    except Problem as problem:
        return [
            Finding(
                "watch",
                Mark.DOUBT,
                f"no watchdog ran here yet: {problem.words}",
                "`docker compose up -d`",
            )
        ]
    found: list[Finding] = []
    if whole["watching"]:
        found.append(Finding("watch", Mark.OK, "a watchdog turns"))
    else:
        last = whole["last_turn"]
        words_ = f"nobody watches; the last turn ended {last['at']}" if last else ""
        hint = "`docker compose up -d`, and look at its log"
        found.append(
            Finding("watch", Mark.FAULT, words_ or "nobody ever watched", hint)
        )
    if whole["claimed"]:
        claim = whole["claimed"]
        found.append(Finding("watch", Mark.FAULT, claim["words"], claim["hint"]))
    could = whole["readiness"]
    mark = Mark.OK if could["ready"] else Mark.DOUBT
    found.append(Finding("readiness", mark, could["words"]))
    found += [
        Finding("readiness", Mark.DOUBT, lack["words"], lack["hint"])
        for lack in could["lacks"]
    ]
    return found
