"""Compose itself, asked what it would make of the stack; it changes nothing.

Its ``config`` needs no engine. A hash comes of two steps: ``config --hash`` leaves out
what ``env_file:`` holds, so that the stack is rendered first, and the rendering hashed.
Paths are in the hash as absolute ones: they are turned into those of the box before.

Source: Compose v2, ``docker compose config``; tried with 2.40.3.
"""

import json
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watchdog.facts.env_file import EnvFile
from watchdog.facts.problem import Problem, Unreachable
from watchdog.facts.rendering import Rendered, Rendering, builds, joins, pulls
from watchdog.observe.obstacles import compose_files
from watchdog.outside.command import Commands
from watchdog.outside.stack_folder import StackEnv

_FOLDER = "com.docker.compose.project.working_dir"
_FILES = "com.docker.compose.project.config_files"
_ENV_FILE = "com.docker.compose.project.environment_file"
_PROJECT = "com.docker.compose.project"
_NAME = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_KINDS = ("configs", "secrets")
_ASK_AGAIN = 60.0  # s: what Compose could not render it may render later


@dataclass(frozen=True, slots=True)
class Deployed:
    """How Compose was called for what runs, by its own labels.

    *there* is the project's folder on the box; *files* and *env_files* are paths as
    the one who deployed saw them, the latter empty where it was Compose's default.
    """

    project: str
    there: str
    files: tuple[str, ...]
    env_files: tuple[str, ...]

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> "Deployed":
        """Read it from a container's labels."""
        env_files = [one for one in labels.get(_ENV_FILE, "").split(",") if one]
        return cls(
            labels.get(_PROJECT, ""),
            labels.get(_FOLDER, "/"),
            tuple(one for one in labels.get(_FILES, "").split(",") if one),
            tuple(env_files),
        )


class Referee:
    """Asks Compose about one project, whose folder is *folder* for us.

    *env_file* is the one that a rollback pins in. Answers are kept for as long as no
    file that Compose reads has changed.
    """

    def __init__(
        self,
        commands: Commands,
        command: Sequence[str],
        folder: Path,
        env_file: Path,
    ) -> None:
        self._commands = commands
        self._command = tuple(command)
        self._folder = folder
        self._env = env_file
        self._kept: dict[object, Rendering | Problem] = {}
        self._refused = 0.0
        self._files: frozenset[Path] | None = None
        self._models: dict[bool, dict[str, Any]] = {}
        self._read: tuple[Path, ...] = ()
        self._sight: object = None

    def render(self, deployed: Deployed, pins: Mapping[str, str]) -> Rendering:
        """Give what Compose would make, were *pins* what the env file says.

        Raises:
            Problem: Compose cannot make anything of it, or is not here.
        """
        self._look(deployed)
        key = tuple(sorted(pins.items()))
        if key not in self._kept:
            try:
                self._kept[key] = self._rendered(deployed, pins)
            except Problem as problem:
                self._refused = time.monotonic()
                self._kept[key] = problem
        found = self._kept[key]
        if isinstance(found, Problem):
            raise found
        return found

    def reads(self, deployed: Deployed, *, filled_in: bool) -> Mapping[str, Any]:
        """Give the stack as Compose reads it: extended, included, overridden, reset.

        Its variables are *filled_in*, or left as they are written; where a file's
        name is made of one, they are filled in all the same.

        Raises:
            Problem: Compose cannot make anything of it, or is not here.
        """
        self._look(deployed)
        if filled_in not in self._models:
            try:
                options = [] if filled_in else ["--no-interpolate"]
                self._models[filled_in] = self._model(deployed, options, {})
            except Problem:
                if filled_in:
                    raise
                self._models[filled_in] = self._model(deployed, [], {})
        return self._models[filled_in]

    def _look(self, deployed: Deployed) -> None:
        """Forget what was answered, if what it was about has changed."""
        sight = (deployed, self._stats(deployed))
        again = bool(self._refused) and time.monotonic() - self._refused > _ASK_AGAIN
        if sight != self._sight or again:
            self._files, self._refused = None, 0.0
            self._kept, self._models = {}, {}
            self._sight = (deployed, self._stats(deployed))

    def choosers(
        self, deployed: Deployed, services: Iterable[str], env: EnvFile
    ) -> tuple[str, ...]:
        """Name the variables of *env* that choose an image or a file of *services*.

        Those that such a variable is made of are among them.

        Raises:
            Problem: Compose cannot make anything of it, or is not here.
        """
        model = self._model(deployed, ["--no-interpolate"], {})
        texts = [
            text
            for service in services
            for text in _choosing(model, _mapping(model, "services").get(service) or {})
        ]
        said = {one.name: one.text for one in env.said}
        found: dict[str, None] = {}
        left = [name for text in texts for name in _NAME.findall(text)]
        while left:
            name = left.pop(0)
            if name in said and name not in found:
                found[name] = None
                left += _NAME.findall(said[name])
        return tuple(found)

    # -- asking ------------------------------------------------------------------

    def _rendered(self, deployed: Deployed, pins: Mapping[str, str]) -> Rendering:
        try:
            return self._through_files(deployed, pins)
        except OSError as error:
            # It says nothing of the stack.
            where = f" ({error.filename})" if error.filename else ""
            raise Unreachable(
                f"Compose could not be asked: {error.strerror or error}{where}",
                "it needs a folder for a while: make room in TMPDIR, or /tmp",
            ) from error

    def _through_files(self, deployed: Deployed, pins: Mapping[str, str]) -> Rendering:
        with tempfile.TemporaryDirectory() as scratch:
            env_files = self._env_files(deployed)
            extra: list[Path] = []
            readers = self._readers(deployed)
            self._read = tuple(p for paths in readers.values() for p in paths)
            if pins:
                copy = Path(scratch) / "env"
                copy.write_bytes(self._text().with_values(pins).data)
                env_files = [copy if p == self._env else p for p in env_files]
                extra = self._reading(readers, copy)
            model = self._model(deployed, [], {"env": env_files, "files": extra})
            whole = Path(scratch) / "rendered.json"
            self._elsewhere(model, deployed.there)
            whole.write_text(json.dumps(model))
            said = self._ask(
                ["-p", deployed.project, "--project-directory", deployed.there],
                ["-f", str(whole), "--env-file", "/dev/null"],
                ["--profile", "*", "config", "--hash", "*"],
            )
        hashes = dict(line.split(maxsplit=1) for line in said.splitlines() if line)
        return {
            name: Rendered(
                image=str(one.get("image") or f"{deployed.project}-{name}"),
                binds=dict(_binds(model, one)),
                environment={
                    key: str(value)
                    for key, value in _mapping(one, "environment").items()
                },
                hash=hashes.get(name, ""),
                alone=bool(one.get("profiles")),
                joins=joins(one),
                pulls=pulls(one),
                builds=builds(one),
            )
            for name, one in _mapping(model, "services").items()
        }

    def _readers(self, deployed: Deployed) -> dict[str, list[Path]]:
        """Give by service the env files that are read into its environment.

        Nothing where a file's name is made of a variable: what stands in those files is
        in the rendering, and which ones they are is not said.
        """
        try:
            model = self._model(deployed, ["--no-interpolate"], {})
        except Problem:
            return {}  # said by the rendering itself, if it is more than that
        found = {
            name: [Path(_path_of(entry)) for entry in _several(one.get("env_file"))]
            for name, one in _mapping(model, "services").items()
        }
        return {name: paths for name, paths in found.items() if paths}

    def _reading(self, readers: Mapping[str, list[Path]], copy: Path) -> list[Path]:
        """Let services that read the pinned env file read *copy* in its place."""
        lines = [
            f"  {json.dumps(name)}:\n    env_file: !override "
            + json.dumps(
                [str(copy if p == self._env else p) for p in paths if p.is_file()]
            )
            for name, paths in readers.items()
            if self._env in paths
        ]
        if not lines:
            return []
        over = copy.with_name("reading.yaml")
        over.write_text("\n".join(["services:", *lines, ""]))
        return [over]

    def _model(
        self,
        deployed: Deployed,
        options: Sequence[str],
        instead: Mapping[str, Sequence[Path]],
    ) -> dict[str, Any]:
        files = [self._here(deployed, one) for one in deployed.files]
        for name, path in zip(deployed.files, files, strict=True):
            if not path.is_file():
                raise Problem(
                    f"the Compose file {name} is not there for the watchdog",
                    "mount it where the watchdog runs, read-only",
                )
        which: list[str] = []
        for path in (*files, *instead.get("files", ())):
            which += ["-f", str(path)]
        for path in instead.get("env", self._env_files(deployed)):
            which += ["--env-file", str(path)]
        where = ["-p", deployed.project, "--project-directory", str(self._folder)]
        ask = ["config", "--format", "json", *options]
        try:
            said = self._ask(where, which, ["--profile", "*", *ask])
        except Problem as refused:
            # What nobody brings up may need what nobody has.
            try:
                said = self._ask(where, which, ask)
            except Problem:
                raise refused from None
        try:
            model = json.loads(said)
        except ValueError:
            model = None
        if not isinstance(model, dict):
            raise Problem(f"Compose's rendering is no JSON: {said[:200]!r}")
        return model

    def _ask(self, *words: Sequence[str]) -> str:
        argv = [*self._command, *(word for several in words for word in several)]
        try:
            code, said = self._commands.look(argv, self._folder)
        except Problem as silent:
            # That it did not answer says nothing of the stack.
            raise Unreachable(
                f"Compose did not answer: {silent.words}", silent.hint
            ) from silent
        if code:
            raise Problem(
                f"Compose cannot render the stack: {_first(said)}",
                "mend what it names; `docker compose config -q` says when it is fine",
            )
        return said

    # -- files -------------------------------------------------------------------

    def _here(self, deployed: Deployed, name: str) -> Path:
        path = Path(name)
        if not path.is_absolute():
            return self._folder / path
        if path.is_relative_to(deployed.there):
            return self._folder / path.relative_to(deployed.there)
        return path

    def _env_files(self, deployed: Deployed) -> list[Path]:
        named = [self._here(deployed, one) for one in deployed.env_files]
        default = self._folder / ".env"
        return named or ([default] if default.is_file() else [])

    def _text(self) -> EnvFile:
        return StackEnv(self._env.parent, self._env.name).read()

    def _stats(self, deployed: Deployed) -> tuple[object, ...]:
        """Tell the files that Compose reads apart from what they were before."""
        if self._files is None:
            # Reading them costs more than all else here, and they name each other.
            named = ",".join(deployed.files)
            found = compose_files(self._folder, deployed.there, named)
            self._files = frozenset(self._folder / name for name in found)
        names = set(self._files)
        names |= set(self._env_files(deployed)) | set(self._read) | {self._env}
        stats: list[object] = []
        for path in sorted(names):
            try:
                seen = path.stat()
            except OSError:
                stats.append((str(path), None))
                continue
            stats.append((str(path), seen.st_mtime_ns, seen.st_size, seen.st_ino))
        return tuple(stats)

    def _elsewhere(self, model: dict[str, Any], there: str) -> None:
        """Write the paths in *model* as they are on the box."""
        if Path(there) == self._folder:
            return
        for one in _mapping(model, "services").values():
            for mount in _several(one.get("volumes")):
                if mount.get("type") == "bind":
                    mount["source"] = self._there(str(mount["source"]), there)
            build = one.get("build")
            if isinstance(build, dict) and build.get("context"):
                build["context"] = self._there(str(build["context"]), there)
        for kind in _KINDS:
            for source in _mapping(model, kind).values():
                if source.get("file"):
                    source["file"] = self._there(str(source["file"]), there)

    def _there(self, path: str, there: str) -> str:
        if Path(path).is_relative_to(self._folder):
            return str(Path(there) / Path(path).relative_to(self._folder))
        return path


def _choosing(model: Mapping[str, Any], service: Mapping[str, Any]) -> Iterator[str]:
    """Give the texts of *service*, uninterpolated, that choose an image or a file."""
    yield str(service.get("image") or "")
    for mount in _several(service.get("volumes")):
        yield str(mount.get("source", "") if isinstance(mount, dict) else mount)
    for kind in _KINDS:
        for entry in _several(service.get(kind)):
            name = entry.get("source") if isinstance(entry, dict) else entry
            yield str(name)
            yield str(_mapping(_mapping(model, kind), str(name)).get("file", ""))


def _binds(
    model: Mapping[str, Any], service: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    for mount in _several(service.get("volumes")):
        if mount.get("type") == "bind":
            yield str(mount["target"]), str(mount["source"])
    for kind in _KINDS:
        for entry in _several(service.get(kind)):
            name = str(entry.get("source"))
            file = _mapping(_mapping(model, kind), name).get("file")
            root = "/run/secrets/" if kind == "secrets" else "/"
            place = str(entry.get("target") or name)
            if file:
                yield place if place.startswith("/") else f"{root}{place}", str(file)


def _path_of(entry: object) -> str:
    return str(entry.get("path", "") if isinstance(entry, dict) else entry)


def _several(found: object) -> list[Any]:
    return found if isinstance(found, list) else [found] if found else []


def _mapping(whole: Mapping[str, Any], key: str) -> dict[str, Any]:
    inner = whole.get(key)
    return inner if isinstance(inner, dict) else {}


def _first(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    told = [line for line in lines if "level=warning" not in line] or lines
    return " ".join(told)[:300] or "it said nothing"
