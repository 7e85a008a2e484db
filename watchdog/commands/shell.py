"""What every command takes: where the settings are, and for whom it answers."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from watchdog.config.release_folder import FilesAsFound
from watchdog.config.settings import Settings
from watchdog.config.settings_file import read
from watchdog.facts.problem import NotConfirmed, Problem, Refused

Config = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="WATCHDOG_CONFIG", help="The settings file."),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
By = Annotated[str, typer.Option(help="Who says so: your name, for the record.")]
Reason = Annotated[str, typer.Option(help="Why, in one sentence, for the record.")]
As = Annotated[str, typer.Option("--as", help="Your name, as the roster has it.")]
KeyFile = Annotated[
    Path | None, typer.Option("--key", help="The file with your private key.")
]
Agent = Annotated[
    str, typer.Option(help="Or a key of your ssh-agent: its comment or fingerprint.")
]
Url = Annotated[
    str,
    typer.Option(envvar="WATCHDOG_URL", help="Where the watchdog takes decisions."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether to sign.")]
Own = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The settings file; default: as before."),
]
HERE = Path("config/watchdog.yaml")
HOME = "http://127.0.0.1:8470"


def settings_at(path: Path, *, at_home: bool = True) -> Settings:
    """Load the settings, or refuse with every fault in them.

    *at_home*: the stack's folder is to be there, as where the watchdog runs.
    """
    draft = read(path, given(), has_stack=at_home)
    if draft.faults:
        raise Refused(str(path), list(draft.faults))
    return draft.settings


def given() -> dict[str, str]:
    """Give the environment; where the settings are is not itself a setting."""
    return {key: text for key, text in os.environ.items() if key != "WATCHDOG_CONFIG"}


def say(words: str, *, as_json: bool, **more: object) -> None:
    """Say *words*; to a program as one JSON object, with *more* beside them."""
    typer.echo(json.dumps({"words": words, **more}, indent=2) if as_json else words)


def say_refused(files: FilesAsFound) -> None:
    """Say on the standard error which files were left out, and why."""
    for refused in files.refused:
        typer.echo(f"left out: {refused.words}", err=True)


def confirmed(question: str, *, as_json: bool = False) -> bool:
    """Ask for a yes; where a program reads the answer, it is asked beside it.

    Raises:
        NotConfirmed: nobody is there to be asked.
    """
    if not sys.stdin.isatty():
        raise NotConfirmed(
            "nobody is there to confirm: standard input is not a terminal",
            "add --yes if a program may say it for you",
        )
    return typer.confirm(question, err=as_json)


def write(out: Path, text: str) -> None:
    """Write *text* to *out*; ``-`` is standard output.

    Raises:
        Problem: it cannot be written.
    """
    if out == Path("-"):
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, "utf-8")
    except OSError as error:
        raise Problem(f"cannot write {out}: {error.strerror}") from error
