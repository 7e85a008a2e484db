"""Looks at a box and at Prometheus for ``watchdog init``; nothing is set up yet."""

import socket
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files as package
from pathlib import Path
from urllib.parse import urlsplit

from watchdog import __version__
from watchdog.adopt import counted, places
from watchdog.adopt.counted import proposed
from watchdog.adopt.pair import Enrolled
from watchdog.adopt.sidecar import Sidecar
from watchdog.adopt.written import Adopted, files
from watchdog.config.all_files import all_files
from watchdog.config.notation import Said
from watchdog.config.sections.executors import engine_url as engine_at
from watchdog.facts.problem import Fault, Problem, Refused, Unreachable
from watchdog.facts.reading import Blind
from watchdog.facts.surroundings import (
    Person,
    Project,
    Sealed,
    Service,
    Target,
)
from watchdog.facts.trial import cure
from watchdog.observe.exported import targets
from watchdog.observe.surroundings import (
    image_of_ours,
    projects,
    socket_of_ours,
    stacks,
)
from watchdog.outside.contexts import engine_in_use
from watchdog.outside.engine import Engine
from watchdog.outside.new_folder import make
from watchdog.outside.stack_folder import StackFolder
from watchdog.wiring.finding import (
    exported_of,
    health_of,
    prometheus_of,
    tried,
    version_of,
)
from watchdog.wiring.looks import check_pin

SOCKET = "unix:///var/run/docker.sock"
_A_CALL = timedelta(seconds=10)
_A_QUERY = timedelta(seconds=8)
_SECONDS = 1.5  # for one question to a service; on this box it answers at once
_USUAL_SCRAPE = timedelta(seconds=15)
_NOWHERE = "/there-is-no-such-page"
_VERSION = "stack.version_variable"
_PROXY = "haproxy:3.2-alpine"


@dataclass(frozen=True, slots=True)
class Box:
    """What the engine has: projects, and how we are run ourselves."""

    projects: tuple[Project, ...]
    image: str
    socket: str
    group: int
    stacks: tuple[str, ...] = ()

    def refuse_stack(self, name: str = "") -> None:
        """Say that a stack of a swarm, any or the one of *name*, is not written down.

        Raises:
            Problem: it runs here.
        """
        found = [one for one in self.stacks if name in ("", one)]
        if found:
            raise Problem(
                f"stack {', '.join(found)} runs on a swarm, and init writes files for "
                "Compose projects only",
                "write its settings by docs/how-to/roll-back-a-swarm.md, as "
                "examples/swarm has them",
            )

    @property
    def services(self) -> tuple[Service, ...]:
        """Give the services of all projects."""
        return tuple(s for project in self.projects for s in project.services)


def box_of(url: str) -> Box:
    """Look at the engine at *url*.

    Raises:
        Problem: it does not answer, or has no Compose project.
    """
    with closing(Engine(url, _A_CALL)) as engine:
        found, on_swarm = projects(engine), stacks(engine)
        image = image_of_ours(engine, socket.gethostname())
        path = url.removeprefix("unix://") if url.startswith("unix://") else ""
        there = socket_of_ours(engine, socket.gethostname(), path) if path else ""
    try:
        group = Path(path).stat().st_gid if path else 0
    except OSError:
        group = 0
    ours = image or f"dms-rollback-watchdog:{__version__}"
    default = SOCKET.removeprefix("unix://")
    box = Box(found, ours, there or path or default, group, on_swarm)
    if not found:
        box.refuse_stack()
        raise Problem(
            f"the engine at {url} has no container of a Compose project",
            "bring the stack up with `docker compose up -d`; what was started "
            "otherwise has no file that says how",
        )
    return box


def look_closer(
    box: Box,
    project: Project,
    pair: Enrolled,
    people: tuple[Person, ...],
    prometheus_url: str,
) -> Adopted:
    """Find out what *pair* is asked and measured by.

    Raises:
        Problem: there is no Prometheus, or it does not know the services.
    """
    _needs_a_release(project, pair)
    lacking: dict[str, str] = {}
    health = health_of(pair, lacking)
    far = prometheus_of(project, box.services, prometheus_url)
    with closing(far.asked):
        seen = targets(far.asked, far.now)
        if isinstance(seen, Blind):
            raise Unreachable(seen.words, cure(seen))
        jobs = counted.jobs_of(pair.services, seen)
        ours = [target for target in seen if target.job in jobs]
        _needs_targets(pair, seen, ours, far.answer.url)
        found = [
            exported_of(far, job, [one for one in ours if one.job == job])
            for job in jobs
        ]
        every = max(one.every for one in found)
        offer = proposed(found)
        kept, notes = tried(far, offer.triggers, every)
    said = "its targets are scraped so often" if ours[0].every else "usual; not told"
    lacking["scrape_interval"] = said
    manifests, signers, namespace = _manifests(project, pair, lacking)
    beside = [far.service] if far.service else []
    joined = places.networks_of([*pair.services, *beside])
    asked = [far.answer.url, *([health.url] if health else [])]
    return Adopted(
        project=project,
        pair=pair,
        sidecar=Sidecar(
            project.name,
            project.folder,
            box.image,
            _PROXY,
            box.socket,
            box.group,
            project.owner,
            joined,
            needs_host=any(urlsplit(url).hostname == places.HOST for url in asked),
        ),
        health=health,
        version=version_of(pair, health, lacking),
        prometheus=far.answer,
        every=every,
        triggers=(*kept, counted.on_the_engine(pair.services)),
        notes=(*(f"not found: {words}" for words in offer.lacking), *notes),
        manifests=manifests,
        signers=signers,
        namespace=namespace,
        people=people,
        lacking=lacking,
    )


def write(adopted: Adopted, into: Path) -> tuple[Fault, ...]:
    """Write the new folder; give what ``check`` names in it.

    Raises:
        Problem: it could not be written; nothing of it is there.
    """
    named: list[Fault] = []

    def checked(beside: Path) -> None:
        found = all_files(beside / "watchdog.yaml", {})
        named.extend(fault for one in found.refused for fault in one.faults)
        if found.settings and _VERSION not in (fault.path for fault in named):
            try:
                check_pin(found.settings, "watchdog.yaml")
            except Refused as refused:
                named.extend(refused.faults)

    proxy = (package("watchdog.adopt") / "haproxy.cfg").read_text("utf-8")
    make(into, files(adopted, proxy), checked)
    return tuple(named)


def _needs_a_release(project: Project, pair: Enrolled) -> None:
    still = [s for s in pair.services if "running" not in s.states]
    if still:
        each = ", ".join(f"{s.name} is {s.states[0]}" for s in still)
        raise Problem(
            f"{project.name} does not run whole: {each}",
            "`docker compose up -d` first: what runs well now is written down",
        )


def _needs_targets(
    pair: Enrolled, seen: Sequence[Target], ours: Sequence[Target], url: str
) -> None:
    if ours:
        return
    names = ", ".join(service.name for service in pair.services)
    there = ", ".join(sorted({f"{one.job} ({one.host})" for one in seen})[:10])
    raise Problem(
        f"Prometheus at {url} scrapes nothing of {names}, but {there or 'nothing'}",
        "let it scrape what they export (`scrape_configs`, with their names as "
        "targets), and run this again",
    )


# -- what is mounted as a manifest ----------------------------------------------------


def _manifests(
    project: Project, pair: Enrolled, lacking: dict[str, str]
) -> tuple[tuple[Sealed, ...], str, str]:
    """Find the tenants' manifests, and the file of those whose seals count."""
    folder = StackFolder(Path(project.folder))
    found: list[Sealed] = []
    at = ""
    for place in places.manifests_of(pair.services, project.folder):
        names = (*places.files_of(place, pair.version), place.path)
        held = {name: data for name in names if (data := _read(folder, name))}
        found.append(places.sealed(place, pair.version, held))
        at = found[0].folder
    lacking["manifests"] = "nothing that is mounted is named TENANT.manifest.json"
    lacking["signatures"] = "not found: no .sig lies beside them; the default"
    lacking["allowed_signers"] = (
        "not found: write whose signatures count into a file of the stack's folder "
        "(ssh-keygen's allowed signers), and its name here"
    )
    for name in dict.fromkeys((f"{at}/allowed_signers", "allowed_signers")):
        text = _read(folder, name.lstrip("/")) if found else b""
        if text:
            said = text.decode("utf-8", "replace")
            return tuple(found), name.lstrip("/"), places.namespace_in(said)
    return tuple(found), "", ""


def _read(folder: StackFolder, name: str) -> bytes:
    try:
        return folder.read(name) or b""
    except Problem:
        return b""


def engine_url(given: str) -> str:
    """Give where the engine is: as *given*, as the Docker CLI has it, or as usual.

    Raises:
        Problem: no engine can be asked there.
    """
    url = given or engine_in_use() or SOCKET
    try:
        return engine_at(url)
    except Said as said:
        raise Problem(said.words, said.hint) from None
