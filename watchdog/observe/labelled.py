"""The containers of one Compose project, known by the labels that Compose writes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from watchdog.decide.alike import number_of
from watchdog.facts.pair import NotKnown
from watchdog.facts.reference import parse
from watchdog.observe.strangers import stranger
from watchdog.outside.engine import Engine

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONEOFF = "com.docker.compose.oneoff"
FOLDER = "com.docker.compose.project.working_dir"
FILES = "com.docker.compose.project.config_files"
ENV_FILE = "com.docker.compose.project.environment_file"
# Made ready, put aside or failed: not what serves, unless somebody started it.
OURS_ASIDE = ".rb-"
_NEVER = "0001-01-01"


class Labelled:
    """Lists the containers of *project*; only *services* are enrolled."""

    def __init__(
        self, engine: Engine, *, project: str, services: tuple[str, ...]
    ) -> None:
        self._engine = engine
        self._project = project
        self._services = services

    def deployed(self) -> list[dict[str, Any]] | NotKnown:
        """Give what is deployed of the services, each number of each once."""
        found: list[dict[str, Any]] = []
        for service in self._services:
            listed = [
                c
                for c in self.listed(service)
                # Compose starts what it finds by labels, under any name.
                if c.get("State") == "running" or OURS_ASIDE not in c["Names"][0]
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
                        "deployment may be under way"
                    )
            for one in listed:
                inspected = self._engine.container(one["Id"])
                if inspected is None:
                    return NotKnown(f"a container of {service} went away while reading")
                found.append(inspected)
            if len({c["Image"] for c in found if service_of(c) == service}) > 1:
                return NotKnown(
                    f"the containers of service {service} run different images; "
                    "a deployment may be under way"
                )
        return found

    def listed(self, service: str) -> list[dict[str, Any]]:
        """List the containers of *service* in the order of their numbers."""
        labels = {PROJECT: self._project, SERVICE: service, ONEOFF: "False"}
        return sorted(
            self._engine.containers(labels),
            key=lambda c: (number_of(c.get("Labels")), str(c["Names"])),
        )

    def whole(self) -> list[dict[str, Any]]:
        """Give all of the project, but for what a rollback put aside."""
        listed = self._engine.containers({PROJECT: self._project})
        found = [
            self._engine.container(str(one["Id"]))
            for one in listed
            if OURS_ASIDE not in one["Names"][0]
        ]
        return [c for c in found if c is not None]


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
