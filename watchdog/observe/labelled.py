"""The containers of one Compose project, known by the labels that Compose writes."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from watchdog.decide.alike import number_of
from watchdog.facts.job import Job
from watchdog.facts.lack import Lack
from watchdog.facts.pair import NotKnown
from watchdog.facts.plan import staging_of
from watchdog.facts.problem import EngineRefused
from watchdog.facts.reference import parse
from watchdog.observe.strangers import stranger
from watchdog.outside.engine import Engine

Labels: TypeAlias = Mapping[str, Any]
Listed: TypeAlias = list[dict[str, Any]]  # as the engine lists them

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONEOFF = "com.docker.compose.oneoff"
FOLDER = "com.docker.compose.project.working_dir"
FILES = "com.docker.compose.project.config_files"
ENV_FILE = "com.docker.compose.project.environment_file"
# Made ready, put aside or failed: not what serves, unless somebody started it.
OURS_ASIDE = ".rb-"
ENDED_WELL = "service_completed_successfully"
_DEPENDS_ON = "com.docker.compose.depends_on"
_NEVER = "0001-01-01"


class Labelled:
    """Lists the containers of *project*; only *services* are enrolled."""

    def __init__(
        self,
        engine: Engine,
        *,
        project: str,
        services: tuple[str, ...],
        named_jobs: Callable[[], Collection[str]] = tuple,
        awaited: Callable[[Sequence[Labels]], Collection[str]] = lambda _: (),
    ) -> None:
        """*named_jobs* are services that somebody says are jobs.

        *awaited* says of containers' labels which jobs the files await, that they came
        from.
        """
        self._awaited = awaited
        self._named_jobs = named_jobs
        self._engine = engine
        self._project = project
        self._services = services

    def deployed(
        self, jobs: Collection[str] | None = None, project: Listed | None = None
    ) -> list[dict[str, Any]] | NotKnown:
        """Give what is deployed of the services, each number of each once.

        Its *jobs*, where they are known already, are not deployed: they ran.
        """
        found: list[dict[str, Any]] = []
        chosen: list[tuple[str, dict[str, Any]]] = []
        project = self.project() if project is None else project
        jobs = self.jobs(project) if jobs is None else jobs
        for service in self._services:
            if service in jobs:
                continue
            listed = [
                c
                for c in listed_of(service, project)
                # Compose starts what it finds by labels, under any name.
                if not put_aside(c["Names"][0], c, runs=c.get("State") == "running")
            ]
            if not listed:
                there = self._engine.containers({})
                return NotKnown(
                    stranger(self._project, service, there)
                    or f"service {service} of {self._project} has no container"
                )
            numbers = [number_of(c.get("Labels")) for c in listed]
            for number in numbers:
                # Compose makes the next one beside the one that it replaces.
                if numbers.count(number) > 1:
                    return NotKnown(
                        f"service {service} of {self._project} has "
                        f"{numbers.count(number)} containers of number {number}; a "
                        f"deployment may be under way{_half_made(listed, number)}"
                    )
            chosen += [(service, one) for one in listed]
        shown = self._engine.each([str(one["Id"]) for _, one in chosen])
        for (service, _), inspected in zip(chosen, shown, strict=True):
            if inspected is None:
                return NotKnown(f"a container of {service} went away while reading")
            if isinstance(inspected, EngineRefused):
                raise inspected
            found.append(inspected)
        for service in dict.fromkeys(service for service, _ in chosen):
            if len({c["Image"] for c in found if service_of(c) == service}) > 1:
                return NotKnown(
                    f"the containers of service {service} run different images; "
                    "a deployment may be under way"
                )
        return found

    def project(self) -> Listed:
        """List all containers of the project, in one question."""
        return self._engine.containers({PROJECT: self._project})

    def jobs(self, project: Listed | None = None) -> tuple[str, ...]:
        """Name the services that are run to their ends.

        Somebody says so, or another service awaits it, as Compose wrote on it. With
        ``--no-deps`` it writes nothing: then the files are asked about what has ended.
        """
        project = self.project() if project is None else project
        awaited = {
            service
            for one in project
            for service, condition in awaits(one.get("Labels") or {})
            if condition == ENDED_WELL
        }
        awaited |= set(self._named_jobs())
        over = {service for service in self._services if _is_over(service, project)}
        if over - awaited:
            awaited |= set(self._awaited([one.get("Labels") or {} for one in project]))
        return tuple(service for service in self._services if service in awaited)

    def ended(self, jobs: Collection[str], project: Listed) -> tuple[Job, ...]:
        """Say of each of *jobs* how the container of it that is there was found."""
        found: list[Job] = []
        for service in jobs:
            listed = listed_of(service, project)
            there = [c for c in listed if OURS_ASIDE not in c["Names"][0]]
            inspected = [self._engine.container(str(c["Id"])) for c in there]
            known = [_job(service, c) for c in inspected if c is not None]
            found += known or [Job(service)]
        return tuple(found)

    def whole(self) -> list[dict[str, Any]]:
        """Give all of the project, but for what a rollback put aside."""
        found: list[dict[str, Any]] = []
        ids = [
            str(one["Id"])
            for one in self.project()
            if not put_aside(one["Names"][0], one, runs=one.get("State") == "running")
        ]
        for inspected in self._engine.each(ids):
            if isinstance(inspected, EngineRefused):
                raise inspected
            found += [inspected] if inspected is not None else []
        return found


def listed_of(service: str, project: Listed) -> Listed:
    """Give of *project* the containers of *service* in the order of their numbers."""
    meant = (service, "False")
    labels = [(one.get("Labels") or {}, one) for one in project]
    found = [one for has, one in labels if (has.get(SERVICE), has.get(ONEOFF)) == meant]
    return sorted(found, key=lambda c: (number_of(c.get("Labels")), str(c["Names"])))


def begun(
    services: Iterable[str],
    project: Listed,
    names: Callable[[str, str], Iterable[str]],
) -> tuple[str, ...]:
    """Give the versions of all containers that people had started once.

    *names* gives the versions that a service's image may be of.
    """
    found = [
        name
        for service in services
        for one in listed_of(service, project)
        if OURS_ASIDE not in one["Names"][0] and one.get("State") != "created"
        for name in names(service, str(one.get("Image") or ""))
    ]
    return tuple(dict.fromkeys(found))


def put_aside(name: str, container: Mapping[str, Any], *, runs: bool) -> bool:
    """Tell whether a rollback made *container* ready, or put it aside, by its *name*.

    One that *runs* serves again, since somebody started it; but not where it reaches
    nobody, as what is booted for a warm swap and what has given its place.
    """
    networks = (container.get("NetworkSettings") or {}).get("Networks") or ()
    mode = str((container.get("HostConfig") or {}).get("NetworkMode") or "")
    reaches = mode.startswith("container:") or any(
        not one.startswith(staging_of("")) for one in networks
    )
    return OURS_ASIDE in name and not (runs and reaches)


def misnamed(deployed: Iterable[Mapping[str, Any]]) -> Iterator[Lack]:
    """Say which of what is *deployed* serves by a name that only a rollback uses.

    What had its own name was in the way, or somebody started what was made ready.
    """
    for one in deployed:
        name, aside, _ = str(one["Name"]).lstrip("/").partition(OURS_ASIDE)
        if aside:
            now = str(one["Name"]).lstrip("/")
            yield Lack(
                f"{service_of(one)} runs as {now}, the name that a rollback gave it",
                f"`docker rename {now} {name}`, once nothing else is called so",
                doubt=True,
                pin=True,
            )


def _half_made(listed: Listed, number: int) -> str:
    """Say how one of *number* that was never started goes, if Compose left any."""
    names = " ".join(
        str(one["Names"][0]).lstrip("/")
        for one in listed
        if number_of(one.get("Labels")) == number and one.get("State") == "created"
    )
    return f"; if none is, `docker rm {names}`, which never ran" if names else ""


def awaits(labels: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Read Compose's label: ``migrate:service_completed_successfully:false``."""
    for one in str(labels.get(_DEPENDS_ON, "")).split(","):
        service, _, rest = one.partition(":")
        yield service, rest.partition(":")[0]


def _is_over(service: str, project: list[dict[str, Any]]) -> bool:
    there = [c for c in project if (c.get("Labels") or {}).get(SERVICE) == service]
    return all(c.get("State") == "exited" for c in there)


def _job(service: str, container: Mapping[str, Any]) -> Job:
    state = container["State"]
    ended = state["Status"] in ("exited", "dead")
    return Job(
        service,
        str(container["Id"]),
        version_of(str(container["Config"]["Image"])),
        str(state["Status"]),
        int(state.get("ExitCode") or 0) if ended else None,
    )


def service_of(container: Mapping[str, Any]) -> str:
    """Name the service of a container that Compose made."""
    return str(container["Config"]["Labels"][SERVICE])


def label_of(container: Mapping[str, Any]) -> str:
    """Name the service of *container*; empty where it is none of Compose's."""
    return str((container["Config"].get("Labels") or {}).get(SERVICE, ""))


def version_of(ref: str) -> str:
    """Give the version that an image's name says; the name itself if it is none."""
    named = parse(ref)
    return named.version if named else ref


def began(container: Mapping[str, Any]) -> datetime:
    """Tell when *container* first ran.

    After Docker restarted it, its last start is not its first: what it did before
    is its doing too, so its creation counts.
    """
    state = container["State"]
    if container.get("RestartCount") or str(state["StartedAt"]).startswith(_NEVER):
        return instant(container["Created"])
    return instant(state["StartedAt"])


def instant(text: str) -> datetime:
    """Read the engine's time."""
    # Docker gives nanoseconds, which fromisoformat cuts only since 3.11.
    return datetime.fromisoformat(text).astimezone(UTC)
