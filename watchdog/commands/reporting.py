"""The command that writes the report of an incident."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from watchdog.commands.shell import HERE, Config, settings_at, write
from watchdog.record.journal import Journal
from watchdog.show.paper import markdown, page
from watchdog.wiring.chosen import place_of
from watchdog.wiring.reporting import written
from watchdog.wiring.sampling import Sampling

app = typer.Typer()


@app.command("report")
def report_command(
    which: Annotated[
        str,
        typer.Argument(help="An incident, question, order or operation; default: last"),
    ] = "",
    config: Config = HERE,
    *,
    out: Annotated[Path, typer.Option(help="Where to write; default: here.")] = Path(
        "-"
    ),
    html: Annotated[
        bool, typer.Option("--html", help="One HTML page; default: Markdown.")
    ] = False,
    plots: Annotated[
        bool, typer.Option(help="Ask Prometheus for the plots of the page.")
    ] = True,
) -> None:
    """Write the report of one incident: what, why then, who decided, what runs now.

    Reads the journal and changes nothing, whether the daemon runs or not.
    """
    settings = settings_at(config)
    with closing(Journal(place_of(settings), read_only=True)) as journal:
        sampling = Sampling(settings, asks=html and plots)
        paper = written(journal, sampling, which, name=settings.name)
    write(out, page(paper) if html else markdown(paper))
