"""The commands, gathered: a command loads its own room, and no other."""

import gc
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from watchdog.facts.problem import Problem

_REFUSED = 2
# The imports of all rooms take longer than what most commands do.
ROOMS: Final = {
    "watching": ("run", "demo"),
    "looking": ("status", "explain", "history"),
    "reporting": ("report",),
    "ledger": ("releases", "retention"),
    "audit": ("audit",),
    "keeping": ("backup", "restore", "uninstall"),
    "by_hand": ("hold", "resume", "rollback", "drill", "repair"),
    "by_key": ("approve", "deny", "forward-fix", "keys"),
    "pipeline": ("promotion",),
    "setting_up": ("init",),
    "examining": ("doctor",),
    "in_force": ("config",),
    "checking": ("check", "backtest", "export-rules", "schema"),
}
"""Which room of ``commands`` has which commands."""


class _Rooms(TyperGroup):
    """A group whose commands are in rooms; one is entered when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        here = super().list_commands(ctx)
        return [*here, *(name for names in ROOMS.values() for name in names)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        for room, names in ROOMS.items():
            if cmd_name in names:
                entered = import_module(f"watchdog.commands.{room}")
                # What was loaded stays; the collector need not look at it again.
                gc.freeze()
                gc.enable()
                return get_group(entered.app).get_command(ctx, cmd_name)
        return None


app = typer.Typer(
    name="watchdog",
    cls=_Rooms,
    help="Put the last known-good pair back when a release is confirmed bad.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _gathered() -> None:
    """Put the last known-good pair back when a release is confirmed bad."""


def main() -> None:
    """Run the command line: 0 done, 1 not so, 2 refused, 70 the journal failed."""
    gc.disable()  # a tenth of the time of the imports, and nothing there is garbage
    try:
        app()
    except Problem as problem:
        typer.echo(problem, err=True)
        raise SystemExit(_REFUSED) from problem


if __name__ == "__main__":
    main()
