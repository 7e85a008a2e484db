"""The commands, gathered: a command loads its own room, and no other."""

import gc
import traceback
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from watchdog import __version__
from watchdog.commands.ends import ENDS, End, end_of
from watchdog.facts.problem import NotConfirmed, Problem

# The imports of all rooms take longer than what most commands do.
ROOMS: Final = {
    "watching": ("run", "demo"),
    "looking": ("status", "explain", "history"),
    "reporting": ("report",),
    "ledger": ("releases", "retention"),
    "audit": ("audit",),
    "keeping": ("backup", "restore", "move"),
    "uninstalling": ("uninstall",),
    "by_hand": ("hold", "resume", "rollback", "drill", "repair"),
    "by_key": ("approve", "deny", "forward-fix", "keys"),
    "pipeline": ("promotion",),
    "setting_up": ("init",),
    "examining": ("doctor",),
    "in_force": ("config",),
    "checking": ("check", "backtest", "export-rules", "schema"),
}
"""Which room of ``commands`` has which commands."""


_GROUPS: Final = {
    "Look": ("status", "explain", "history", "report", "releases", "retention"),
    "Order": ("hold", "resume", "rollback", "drill", "repair"),
    "Answer": ("approve", "deny", "forward-fix", "keys"),
    "Pipeline": ("promotion", "check", "backtest", "export-rules", "schema"),
    "Prove": ("audit",),
    "Set up": ("init", "doctor", "config", "backup", "restore", "move", "uninstall"),
    "Run": ("run", "demo"),
}
"""Under which head each command is listed."""
_EXAMPLES: Final = {
    "Look": "watchdog status --watch",
    "Order": "watchdog rollback --by asha --reason 'scans look wrong'",
    "Answer": "watchdog approve --as asha@flexli.example --key asha.pem",
    "Pipeline": "watchdog promotion wait v1.3.0 --timeout 30m",
    "Prove": "watchdog audit verify",
    "Set up": "watchdog init --dri asha@flexli.example=asha.pem",
    "Run": "watchdog run --config /etc/watchdog/watchdog.yaml",
}


class _Rooms(TyperGroup):
    """A group whose commands are in rooms; one is entered when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        here = super().list_commands(ctx)
        listed = [name for names in _GROUPS.values() for name in names]
        every = [name for names in ROOMS.values() for name in names]
        return [*here, *listed, *(name for name in every if name not in listed)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        for room, names in ROOMS.items():
            if cmd_name in names:
                entered = import_module(f"watchdog.commands.{room}")
                # What was loaded stays; the collector need not look at it again.
                gc.freeze()
                gc.enable()
                return _plain(get_group(entered.app).get_command(ctx, cmd_name), "")
        return None

    def invoke(self, ctx: Any) -> Any:
        """Enter the command; who is asked and does not answer has said no."""
        try:
            return super().invoke(ctx)
        except (typer.Abort, EOFError) as gone:
            raise NotConfirmed("nobody answered; nothing was done") from gone

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands under their heads, each head with an example."""
        for head, names in _GROUPS.items():
            rows = [
                (name, self.get_command(ctx, name).get_short_help_str(limit=400))
                for name in names
            ]
            with formatter.section(head):
                formatter.write_dl(rows)
                formatter.write_text(f"$ {_EXAMPLES[head]}")


def _plain(command: Any, under: str) -> Any:
    """Let help be plain text, and end with what the command may end with.

    In boxes, long flags are cut at 80 columns.
    """
    command.rich_markup_mode = None
    words = f"{under} {command.name}".strip()
    if words in ENDS:
        ends = (f"{int(end):>3}  {end.words}" for end in sorted(ENDS[words]))
        command.epilog = "\b\nEnds with\n" + "\n".join(ends)
    for inner in getattr(command, "commands", {}).values():
        _plain(inner, words)
    return command


app = typer.Typer(
    name="watchdog",
    cls=_Rooms,
    help="Put the last known-good pair back when a release is confirmed bad.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - as Typer calls it
    if wanted:
        typer.echo(f"watchdog {__version__}")
        raise typer.Exit


@app.callback()
def _gathered(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Say which and exit."
        ),
    ] = False,
) -> None:
    """Put the last known-good pair back when a release is confirmed bad."""


def main() -> None:
    """Run the command line; `commands/ends.py` says what it ends with."""
    gc.disable()  # a tenth of the time of the imports, and nothing there is garbage
    try:
        app()
    except Problem as problem:
        typer.echo(problem, err=True)
        raise SystemExit(int(end_of(problem))) from problem
    except Exception as error:
        traceback.print_exc()
        raise SystemExit(int(End.BROKEN)) from error


if __name__ == "__main__":
    main()
