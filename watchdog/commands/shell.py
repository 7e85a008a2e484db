"""What every command takes: where the settings are, and for whom it answers."""

import os
from pathlib import Path
from typing import Annotated

import typer

from watchdog.config.settings import Settings
from watchdog.config.settings_file import load

Config = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="WATCHDOG_CONFIG", help="The settings file."),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
HERE = Path("config/watchdog.yaml")


def settings_at(path: Path) -> Settings:
    """Load the settings, or refuse with every fault in them."""
    # Where the settings are is not itself a setting.
    env = {key: text for key, text in os.environ.items() if key != "WATCHDOG_CONFIG"}
    return load(path, env)
