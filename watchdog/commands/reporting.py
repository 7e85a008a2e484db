"""The command that writes the report of an incident."""

from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from watchdog.commands.shell import HERE, Config, settings_at, write
from watchdog.config.settings import Settings
from watchdog.facts.event import BreachConfirmed
from watchdog.record.journal import Journal
from watchdog.show import plot
from watchdog.show.backtest import rule_words
from watchdog.show.paper import Drawing, markdown, page
from watchdog.show.report import Draws, report
from watchdog.show.threads import Threads
from watchdog.wiring.chosen import releases_of
from watchdog.wiring.measuring import drawing_of

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
    with closing(Journal(settings.state, read_only=True)) as journal:
        threads = Threads()
        for entry in journal.stream():
            threads.hear(entry)
        first, last = threads.span(which)
        entries = journal.entries(first - 1, last - first + 1)
    draws = _draws_of(settings) if html and plots else None
    paper = report(entries, threads, which, name=settings.name, draws=draws)
    write(out, page(paper) if html else markdown(paper))


def _draws_of(settings: Settings) -> Draws:
    asks, releases = drawing_of(settings), releases_of(settings)

    def draw(
        breach: BreachConfirmed, since: datetime, until: datetime
    ) -> Drawing | str:
        release = releases.for_version(breach.release)
        triggers = release.triggers if release else ()
        trigger = next((t for t in triggers if t.name == breach.trigger), None)
        if trigger is None:
            return f"no release file has {breach.trigger} any more"
        track = asks(trigger, since, until)
        if isinstance(track, str):
            return track
        mark = (breach.onset, "onset") if breach.onset else None
        figure = plot.figure(track, since, until, breach.words, mark=mark)
        unseen = "; hatched: not measured" if track.of("blind") else ""
        return Drawing(figure, f"{trigger.name}: {rule_words(trigger)}{unseen}")

    return draw
