"""The main job on real parts, played for people, with its timeline."""

import shutil
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from watchdog.commands.stage import Stage


@dataclass
class Timeline:
    """Prints what happens, in seconds from a beginning."""

    console: Console
    began: float = field(default_factory=time.monotonic)

    def say(self, words: str) -> None:
        """Print one line with its time."""
        at = time.monotonic() - self.began
        self.console.print(f"[dim]{at:6.1f} s[/dim]  {words}", highlight=False)


def show(checkout: Path) -> None:
    """Play the main job, and print the timeline of what happened."""
    console = Console()
    folder = Path(tempfile.gettempdir()) / "dms-watchdog-demo"
    stage = Stage(folder, checkout, project="dms-demo")
    if folder.exists():
        # What an earlier demo left to look at.
        stage.strike()
        shutil.rmtree(folder)
    folder.mkdir(mode=0o755)
    timeline = Timeline(console)
    _play(stage, timeline)
    _tell(stage, console)


def _play(stage: Stage, timeline: Timeline) -> None:
    timeline.say("making a DMS stack with signed manifests, windows made short")
    stage.make()
    stage.settings_for_container()
    stage.compose("up", "-d", "--no-build", "--wait")
    timeline.say(f"[green]v1.2.0 serves[/green] at {stage.dms}; couriers scan")
    with stage.scanning():
        stage.watch_in_container()
        timeline.say("the watchdog runs beside it; waiting until v1.2.0 is known good")
        good = stage.until("decide.pair_known_good", 120)
        timeline.say(f"[green]{good['words']}[/green]")
        timeline.say("deploying v1.3.0, which cannot route 8% of its scans")
        stage.deploy("v1.3.0")
        breach = stage.until("judge.breach_confirmed", 90)
        timeline.say(f"[red]{breach['trigger']}[/red]: {breach['words']}")
        ended = stage.until("record.rollback_audited", 90)
        timeline.say(f"[bold]rolled back to {ended['target']}: {ended['how']}[/bold]")
        timeline.say("waiting for the metric to prove it")
        clear = stage.until("verify.recovery_seen", 90)
        timeline.say(f"[green]{clear['words']}[/green]")


def _tell(stage: Stage, console: Console) -> None:
    story = stage.story()
    bad = next(
        i
        for i, line in enumerate(story)
        if line["event"] == "observe.pair_started" and line["pair"].startswith("v1.3.0")
    )
    since = datetime.fromisoformat(story[bad]["since"])
    console.print("\n[bold]What happened[/bold], in seconds from the start of v1.3.0:")
    for line in story[bad:]:
        seconds = (datetime.fromisoformat(line["at"]) - since).total_seconds()
        console.print(
            f"{seconds:7.2f}  {line['event']:<26} {_in_short(line)}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    audit = next(line for line in story if line["event"] == "record.rollback_audited")
    console.print("\n[bold]For the incident thread[/bold]")
    for name, key in (
        ("Time rollback started", "started"),
        ("Time rollback completed", "at"),
        ("Previous version", "previous"),
        ("Rollback target", "target"),
        ("Root cause", "root_cause"),
        ("On-call owner", "owner"),
    ):
        console.print(f"  {name}: {audit[key]}", highlight=False, soft_wrap=True)
    console.print("\n[bold]Who met whom[/bold], by the DMS's own log of its starts:")
    for start in stage.starts():
        console.print(
            f"  {start['at']}  image {start['image']}, manifest {start['manifest']}",
            highlight=False,
        )
    console.print(f"\n{stage.in_container('status')}", highlight=False, soft_wrap=True)
    names = f"{stage.project}-watchdog-watchdog-1"
    run = "examples/sandbox/sandbox run"
    console.print(
        "[bold]Look further[/bold]\n"
        f"  {run} docker logs {names}\n"
        f"  {run} docker exec {names} watchdog status\n"
        f"  {run} curl -s {stage.dms}/version\n"
        f"  {run} docker compose --project-directory {stage.stack} up -d\n"
        "  make sandbox-down        # when you have seen enough",
        highlight=False,
        soft_wrap=True,
    )


def _in_short(line: dict[str, Any]) -> str:
    """Say one line of the log in as few words as a timeline needs."""
    said = line.get("words") or line.get("evidence") or line.get("cause") or ""
    first = said.splitlines()[0] if said else ""
    match line["event"]:
        case "observe.pair_started":
            by = f", by rollback {line['by']}" if line["by"] else ""
            return f"{line['pair']}{by}"
        case "judge.verdict_changed":
            cause = f" ({line['cause']})" if line["cause"] else ""
            return f"{line['trigger']} {line['kind']}{cause}: {first}"
        case "judge.breach_confirmed":
            return f"{line['trigger']}: {first}"
        case "act.rollback_started":
            return f"{line['from_pair']} -> {line['to_pair']}"
        case "act.step_done":
            return f"{line['step']}: {first}"
        case "record.rollback_audited":
            return f"{line['previous']} -> {line['target']} {line['how']}"
        case _:
            return first
