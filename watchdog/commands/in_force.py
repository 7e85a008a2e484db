"""The command that shows the settings in force, and where each came from."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from watchdog.commands.shell import HERE, AsJson, Config, given
from watchdog.config.in_force import in_force
from watchdog.config.settings_file import read
from watchdog.facts.problem import Refused

app = typer.Typer()


@app.command("config")
def config_command(
    config: Config = HERE,
    *,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only what is not the default.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the settings in force, and where each of them came from.

    What a secret holds is not shown. Ends with 2 when a setting is wrong; what is
    shown then in its place is the default.
    """
    draft = read(config, given(), has_stack=False)
    found = [one for one in in_force(draft) if not (changed and one.is_default)]
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        wide = max((len(one.key) for one in found), default=0)
        for one in found:
            typer.echo(f"{one.key:<{wide}}  {one.text}  # {one.origin}")
    if draft.faults:
        raise Refused(str(config), list(draft.faults))
