"""The stack as Compose will find it: what keeps it from putting a pair up."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from watchdog.facts.problem import Problem
from watchdog.observe.obstacles import nameless, restarted_with
from watchdog.observe.pin import other_env_file
from watchdog.observe.running import Stack
from watchdog.outside.command import Commands
from watchdog.outside.engine import Engine

_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
_ONEOFF = "com.docker.compose.oneoff"
_FOLDER = "com.docker.compose.project.working_dir"
_FILES = "com.docker.compose.project.config_files"
_ENV_FILE = "com.docker.compose.project.environment_file"
_JOINED = ("NetworkMode", "IpcMode", "PidMode")


class Composed(Stack):
    """One Compose project whose containers Compose itself makes.

    What replaying could not put back is no obstacle. In its place stand Compose's own
    needs: its command line, and the project's files at the very paths that it was
    deployed with.
    """

    def __init__(
        self, engine: Engine, commands: Commands, command: Sequence[str], **more: Any
    ) -> None:
        """*command* is the Compose CLI; *more* is as for ``Stack``.

        Raises:
            Problem: it does not answer.
        """
        super().__init__(engine, **more)
        self._commands = commands
        self._command = command
        self._version = version_of(commands, command, self._folder)

    def obstacles(self) -> tuple[str, ...]:
        """Say why Compose could not put a pair of this stack up."""
        found = [*self._of_compose(), *self.foreign()]
        for container in self._all():
            if _label(container, _SERVICE) in self._services:
                found += [*self._of_one(container), *nameless(container)]
        return tuple(dict.fromkeys(found))

    def joined(self, containers: tuple[str, ...]) -> tuple[str, ...]:
        """Name the services that must come up with those of *containers*.

        They live in them, or Compose restarts them whenever it replaces one: which
        it does for those only that it is told to bring up.
        """
        whole = self._all()
        found = {
            _label(other, _SERVICE)
            for other in whole
            if other["Id"] not in containers and _sources(other) & set(containers)
        }
        models = self._written.models_of(whole, filled_in=False)
        found |= set(restarted_with(self._services, whole, models))
        return tuple(sorted(found - set(self._services)))

    def _all(self) -> list[dict[str, Any]]:
        listed = self._engine.containers({_PROJECT: self._project, _ONEOFF: "False"})
        found = [self._engine.container(str(one["Id"])) for one in listed]
        return [c for c in found if c is not None]

    def _of_compose(self) -> Iterator[str]:
        """Say that Compose is not the one that was here when the watchdog started.

        It knows its own containers again by a hash that changes with its version.
        """
        try:
            version = version_of(self._commands, self._command, self._folder)
        except Problem as problem:
            yield f"Compose is not here any more: {problem.words}"
            return
        if version != self._version:
            yield (
                f"Compose is {version}, and was {self._version} when the watchdog "
                "started: restart the watchdog if that is meant"
            )

    def _of_one(self, container: Mapping[str, Any]) -> Iterator[str]:
        there = _label(container, _FOLDER)
        if Path(there) != self._folder:
            # Relative paths in the files would lead elsewhere, and the engine makes
            # an empty folder of every mount that it does not find.
            yield (
                f"Compose was run in {there}, and the watchdog sees that folder as "
                f"{self._folder}: mount it at {there}, and set stack.directory to it"
            )
            return
        for file in _label(container, _FILES).split(","):
            if not Path(file).is_file():
                yield f"the Compose file {file} is not there for the watchdog: mount it"
        named = [Path(one) for one in _label(container, _ENV_FILE).split(",") if one]
        if self._env not in (named or [self._folder / ".env"]):
            lack = other_env_file(named or [self._folder / ".env"], self._env)
            yield f"{lack.words}: {lack.hint}"


def version_of(commands: Commands, command: Sequence[str], folder: Path) -> str:
    """Ask Compose for its version.

    Raises:
        Problem: it does not answer.
    """
    argv = [*command, "version", "--short"]
    code, said = commands.look(argv, folder)
    if code:
        raise Problem(f"`{' '.join(argv)}` ended with {code}: {said[:200]}")
    return said.strip()


def _sources(container: Mapping[str, Any]) -> set[str]:
    """Give the ids of the containers whose namespaces or volumes this one uses."""
    host = container["HostConfig"]
    modes = [str(host.get(mode)) for mode in _JOINED]
    found = {m.partition(":")[2] for m in modes if m.startswith("container:")}
    return found | {one.split(":")[0] for one in host.get("VolumesFrom") or ()}


def _label(container: Mapping[str, Any], key: str) -> str:
    return str((container["Config"].get("Labels") or {}).get(key, ""))
