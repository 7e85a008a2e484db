"""The commands with which a watchdog is set up: init."""

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from watchdog.adopt.pair import Enrolled, Unclear, enrolled
from watchdog.adopt.written import Adopted
from watchdog.commands.ends import End
from watchdog.commands.shell import AsJson, say
from watchdog.facts.problem import Fault, Problem
from watchdog.facts.surroundings import Person, Project
from watchdog.outside.new_folder import refuse_taken
from watchdog.sign.signing_key import line_in
from watchdog.wiring import adopting

app = typer.Typer()
_CHECKOUT = "dms-rollback-watchdog"


@app.command()
def init(
    *,
    into: Annotated[
        Path | None,
        typer.Option(
            envvar="WATCHDOG_CONFIG_DIR",
            help="The new folder; default: PROJECT-watchdog, here.",
        ),
    ] = None,
    project: Annotated[str, typer.Option(help="Which Compose project.")] = "",
    service: Annotated[
        list[str] | None,
        typer.Option(help="A service of the release, in the order of the swap."),
    ] = None,
    prometheus: Annotated[
        str, typer.Option(help="Where Prometheus answers, as a URL.")
    ] = "",
    dri: Annotated[
        list[str] | None,
        typer.Option(help="NAME=KEYFILE: who decides, and a half of their key."),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="The engine's socket; default: as Docker's CLI.")
    ] = "",
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing: take what was found.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look at a running stack, and write the files with which it is watched.

    Nothing is changed but the new folder, and nothing is written over. Ends with 1
    when something could not be found: `watchdog check` names it.
    """
    asks = not yes and sys.stdin.isatty()
    if into is not None:
        _refuse_here(into)
    box = adopting.box_of(adopting.engine_url(engine))
    if project and project not in (one.name for one in box.projects):
        box.refuse_stack(project)
    chosen = _project(box.projects, project, asks=asks)
    folder = into or Path(f"{chosen.name}-watchdog")
    _refuse_here(folder)
    if chosen.unread:
        raise Problem(
            chosen.unread,
            "run this where the stack is; in a container, mount its folder at its own "
            f"path: -v {chosen.folder}:{chosen.folder}:ro",
        )
    pair = _pair(chosen, service or (), asks=asks)
    people = tuple(_people(dri or (), asks=asks))
    found = adopting.look_closer(box, chosen, pair, people, prometheus)
    faults = adopting.write(found, folder)
    words = "\n".join(_told(found, folder, faults))
    say(words, as_json=as_json, **_picture(found, folder, faults))
    raise typer.Exit(End.NO if faults else End.DONE)


def _refuse_here(folder: Path) -> None:
    """Refuse a folder that is taken, or in a checkout of the watchdog itself."""
    refuse_taken(folder)
    for above in folder.absolute().parents:
        mark = above / "pyproject.toml"
        if mark.is_file() and _CHECKOUT in mark.read_text("utf-8", "replace"):
            raise Problem(
                f"{folder} would be in the checkout of the watchdog, {above}",
                "what is yours outlives it: name a folder elsewhere with --into",
            )


def _project(known: Sequence[Project], named: str, *, asks: bool) -> Project:
    by_name = {one.name: one for one in known}
    if named:
        if named not in by_name:
            raise Problem(
                f"no Compose project {named} has containers here",
                f"known: {', '.join(by_name)}",
            )
        return by_name[named]
    own = [one for one in known if not isinstance(enrolled(one), Unclear)]
    likely = own or list(known)
    if len(likely) == 1:
        return likely[0]
    names = [one.name for one in likely]
    return by_name[
        _choice("Which project is to be watched", names, "--project", asks=asks)
    ]


def _pair(project: Project, named: Sequence[str], *, asks: bool) -> Enrolled:
    found = enrolled(project, named)
    if isinstance(found, Unclear) and asks and not named:
        typer.echo(found.words)
        choices = [" ".join(one) for one in found.choices]
        chosen = _choice(
            "Which services are one release", choices, "--service", asks=asks
        )
        found = enrolled(project, chosen.split())
    if isinstance(found, Enrolled):
        return found
    each = (" ".join(f"--service {name}" for name in one) for one in found.choices)
    raise Problem(found.words, f"say which are one release: {', or '.join(each)}")


def _choice(what: str, choices: Sequence[str], flag: str, *, asks: bool) -> str:
    if not asks:
        raise Problem(f"{what}: {', or '.join(choices)}?", f"say it with {flag}")
    for place, one in enumerate(choices, 1):
        typer.echo(f"  {place}  {one}")
    while True:
        place = int(typer.prompt(f"{what} (1 to {len(choices)})", type=int))
        if 1 <= place <= len(choices):
            return choices[place - 1]


def _people(given: Sequence[str], *, asks: bool) -> list[Person]:
    if not given and asks:
        name = typer.prompt("Who decides about a release (an address)", default="")
        return [Person(name, _key_asked())] if name else []
    found: list[Person] = []
    for one in given:
        name, _, key = one.partition("=")
        line = line_in(Path(key), _asked if asks else _nobody) if key else ""
        found.append(Person(name, line))
    return found


def _key_asked() -> str:
    """Ask for their key until there is one, or none is given."""
    while key := typer.prompt("A file with their key (empty: later)", default=""):
        try:
            return line_in(Path(key), _asked)
        except Problem as problem:
            typer.echo(problem, err=True)
    return ""


def _asked() -> str:
    return str(typer.prompt("Passphrase", hide_input=True))


def _nobody() -> NoReturn:
    raise Problem("the key is encrypted", "give the file with its public half")


def _told(found: Adopted, folder: Path, faults: Sequence[Fault]) -> list[str]:
    """Say what was found, what was not, and what comes next."""
    pair = found.pair
    services = ", ".join(service.name for service in pair.services)
    rows = [
        ("release", f"{pair.version}: {services}"),
        ("version in", f"{pair.variable or '?'}: {pair.why}"),
        ("health", found.health.url if found.health else "?"),
        ("prometheus", found.prometheus.url if found.prometheus else "?"),
        ("triggers", ", ".join(one.alert for one in found.triggers) or "?"),
        ("manifests", ", ".join(one.tenant for one in found.manifests) or "none"),
        ("answers", ", ".join(one.name for one in found.people) or "?"),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"{found.project.name} in {found.project.folder}"]
    lines += [f"  {name:<{width}}  {words}" for name, words in rows]
    lines += [f"  {'':<{width}}  {note}" for note in found.notes]
    lines += ["", f"written: {folder}{os.sep}"]
    if faults:
        lines += ["", "not found, and to be written there by you:"]
        lines += [
            f"  {one.path}  {'; '.join(filter(None, (one.words, one.hint)))}"
            for one in faults
        ]
    first, *then = _next(folder)
    return [*lines, "", f"next:  {first}", *(f"       {one}" for one in then)]


def _next(folder: Path) -> tuple[str, ...]:
    return (
        f"cd {folder}",
        "docker compose run --rm watchdog check --live",
        "docker compose up -d",
    )


def _picture(
    found: Adopted, folder: Path, faults: Sequence[Fault]
) -> dict[str, object]:
    pair = found.pair
    return {
        "written": str(folder),
        "project": found.project.name,
        "services": [service.name for service in pair.services],
        "version": pair.version,
        "variable": pair.variable,
        "health": found.health.url if found.health else "",
        "prometheus": found.prometheus.url if found.prometheus else "",
        "triggers": [one.alert for one in found.triggers],
        "manifests": [one.tenant for one in found.manifests],
        "answers": [one.name for one in found.people],
        "notes": list(found.notes),
        "missing": [asdict(one) for one in faults],
        "next": list(_next(folder)),
    }
