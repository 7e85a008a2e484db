"""Whether Compose would make of the env file what the record holds: its word on it.

A pin is worth what the next ``docker compose up -d`` makes of it. Where Compose is at
hand it renders the stack; else the image lines are read as far as that goes.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from watchdog.facts.env_file import EnvFile
from watchdog.facts.lack import Lack
from watchdog.facts.pair import Record
from watchdog.facts.problem import Problem, Unreachable
from watchdog.facts.rendering import Rendering
from watchdog.observe.its_lines import env_files, filled, line_of, lines_of
from watchdog.observe.made import replica_of
from watchdog.observe.obstacles import compose_files
from watchdog.observe.referee import Deployed, Referee
from watchdog.outside.stack_folder import StackEnv
from watchdog.verify.rendering import Difference, differences, followers

_SERVICE = "com.docker.compose.service"
_COMPOSE = "com.docker.compose.version"
_WHAT = {"image": "the image", "mount": "what is mounted", "service": "that it is"}
_MEND = "`docker compose up -d` would not put back what a rollback puts back"


class Agreeing:
    """Asks *referee* about *services*; says *unasked* where there is none to ask.

    *variable* is the one that chooses the version by the settings.
    """

    def __init__(
        self,
        referee: Referee | None,
        unasked: str,
        *,
        folder: Path,
        env_file: str,
        services: tuple[str, ...],
        variable: str,
    ) -> None:
        self._referee = referee
        self._unasked = unasked
        self._folder = folder
        self._name = env_file
        self._env = StackEnv(folder, env_file)
        self._services = services
        self._variable = variable

    @property
    def can_ask(self) -> bool:
        """Tell whether Compose is at hand."""
        return self._referee is not None

    def pins(self, containers: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
        """Give the values that chose what *containers* are made of, by variable.

        Empty where that cannot be known: nobody is there to ask, or the env file
        chooses something else by now.
        """
        if self._referee is None or not containers:
            return {}
        deployed = _deployed(containers)
        try:
            env = self._env.read()
            if self._differs(containers, self._referee.render(deployed, {})):
                return {}
            names = self._referee.choosers(deployed, self._services, env)
            return {name: env.pinnable(name) for name in names if _is_plain(env, name)}
        except Problem:
            return {}

    def astray(self, containers: Sequence[Mapping[str, Any]]) -> tuple[str, ...] | None:
        """Say where ``up -d`` would now make something else of what runs.

        None when nobody could be asked.
        """
        if self._referee is None or not containers:
            return None
        try:
            made = self._referee.render(_deployed(containers), {})
            return tuple(d.words for d in self._differs(containers, made))
        except Problem:
            return None

    def unlike(self, containers: Sequence[Mapping[str, Any]], target: Record) -> str:
        """Say what ``up -d`` would now make otherwise of *target*, which runs."""
        if self._referee is None or not containers:
            return ""
        try:
            made = self._referee.render(_deployed(containers), {})
        except Unreachable:
            return ""  # not asked; the env file was looked at on its own
        except Problem as problem:
            return problem.words
        found = [
            d.words for d in differences(target.replicas, made) if d.parts_the_pair
        ]
        if not found:
            return ""
        return f"`docker compose up -d` would change what was put back: {found[0]}"

    def lacks(
        self,
        containers: Sequence[Mapping[str, Any]],
        beside: Mapping[str, bool],
        target: Record,
        pins: Mapping[str, str],
    ) -> tuple[Lack, ...]:
        """Say what ``up -d`` would make otherwise than *target*, were *pins* pinned.

        *containers* are those that run, *beside* names all services of the
        project that have containers.
        """
        if not containers:
            return ()
        if self._referee is None:
            return tuple(
                self._by_its_lines(containers, beside, target, pins, self._unasked)
            )
        deployed = _deployed(containers)
        try:
            now = self._referee.render(deployed, {})
            then = self._referee.render(deployed, pins)
        except Unreachable as silent:
            return tuple(
                self._by_its_lines(containers, beside, target, pins, silent.words)
            )
        except Problem as problem:
            return (Lack(problem.words, problem.hint),)
        return tuple(self._of(containers, (now, then), beside, target, deployed))

    def _of(
        self,
        containers: Sequence[Mapping[str, Any]],
        made: tuple[Rendering, Rendering],
        beside: Mapping[str, bool],
        target: Record,
        deployed: Deployed,
    ) -> Iterator[Lack]:
        now, then = made
        before = {
            d.service for d in self._whole(containers, now) if not d.parts_the_pair
        }
        for one in differences(target.replicas, then):
            if one.parts_the_pair:
                yield Lack(
                    f"{_MEND}: {one.words} at {target.pair.version}",
                    self._cure(one, now, then, deployed),
                )
            elif one.service not in before:
                yield Lack(
                    f"`docker compose up -d` after a rollback would make {one.service} "
                    f"anew: the stack's files changed since {target.pair.version} ran",
                    "image and manifests would be the same",
                    doubt=True,
                )
        yield from _moving(containers, target, then)
        yield from _built(target, then)
        if before:
            which = str(_labels(containers[0]).get(_COMPOSE, "")) or "an unknown one"
            yield Lack(
                f"Compose here would make {', '.join(sorted(before))} anew as it runs: "
                f"the stack's files changed since it was deployed, the shell that "
                f"deployed it had more variables, or it is another Compose than the "
                f"{which} that did",
                "deploy once more with the files as they are, by the same Compose",
                doubt=True,
            )
        for name, by_image in followers(now, then, self._services):
            if name not in beside:
                continue
            if by_image and beside[name]:
                yield Lack(
                    f"{name} follows the same version, is not enrolled and has ended: "
                    f"the next `docker compose up -d` runs it as {target.pair.version}",
                    "know that, or run it by hand only (a profile)",
                    doubt=True,
                )
            elif by_image:
                yield _unenrolled(name)
            else:
                yield _reads(name, self._name)

    def _differs(
        self, containers: Sequence[Mapping[str, Any]], made: Rendering
    ) -> tuple[Difference, ...]:
        return tuple(d for d in self._whole(containers, made) if d.parts_the_pair)

    def _whole(
        self, containers: Sequence[Mapping[str, Any]], made: Rendering
    ) -> tuple[Difference, ...]:
        return differences([replica_of(c, frozenset()) for c in containers], made)

    # -- why, and what to do -----------------------------------------------------

    def unset(
        self, problem: Problem, containers: Sequence[Mapping[str, Any]]
    ) -> Problem:
        """Give *problem*, of a version that is not set, with the line that wants it.

        That is one that names an image of *containers* without any variable.
        """
        for one in containers:
            deployed, service = _deployed([one]), _labels(one).get(_SERVICE, "")
            names = ",".join(deployed.files)
            files = compose_files(self._folder, deployed.there, names)
            for name, number, line, image in lines_of(files, service, "image"):
                if "$" not in image:
                    hint = (
                        f"{name}, line {number}: `{line}`: write ${{{self._variable}}} "
                        f"there, and `{self._variable}=` and the version into "
                        f"{self._name}"
                    )
                    return Problem(problem.words, hint)
                break  # what a file further on says counts less
        return problem

    def _cure(
        self, one: Difference, now: Rendering, then: Rendering, deployed: Deployed
    ) -> str:
        """Name the line that decides, and what to write there."""
        there = Path(deployed.there)
        given = [there / name for name in deployed.env_files]
        here = there / self._name
        if given and here not in given:
            return (
                f"Compose reads the version from {', '.join(map(str, given))}, and "
                f"stack.env_file is {self._name}: set one to the other"
            )
        for name in reversed(given[given.index(here) + 1 :] if here in given else ()):
            if self._sets(name, deployed):
                return (
                    f"{name}, which Compose reads after {self._name}, sets "
                    f"{self._variable}: set stack.env_file to it"
                )
        line = self._line(one, deployed)
        where = f"{line}: " if line else ""
        try:
            self._env.read().pinnable(self._variable)
        except Problem as unfit:
            return f"{where}{unfit.words}; {unfit.hint}"
        if now.get(one.service) == then.get(one.service):
            at = "there" if line else f"where the files say {_WHAT[one.what]}"
            return (
                f"{where}nothing in {self._name} chooses it; write "
                f"${{{self._variable}}} {at}, and the version into {self._name}"
            )
        return (
            f"{where}{self._variable} alone does not choose it; have every variable of "
            f"it in {self._name} with a plain value, and deploy once more"
        )

    def _sets(self, path: Path, deployed: Deployed) -> bool:
        """Tell whether the env file at *path* on the box says anything of it."""
        if not path.is_relative_to(deployed.there):
            return False
        name = str(path.relative_to(deployed.there))
        try:
            said = StackEnv(self._folder, name).read().said
        except Problem:
            return False
        return self._variable in [one.name for one in said]

    def _line(self, one: Difference, deployed: Deployed) -> str:
        """Say where the line stands that decides about *one*; empty when not found."""
        files = compose_files(self._folder, deployed.there, ",".join(deployed.files))
        for name, number, line, _ in lines_of(files, one.service, one.what):
            return f"{name}, line {number}: `{line}`"
        return ""

    # -- without a referee -------------------------------------------------------

    def _by_its_lines(
        self,
        containers: Sequence[Mapping[str, Any]],
        beside: Mapping[str, bool],
        target: Record,
        pins: Mapping[str, str],
        why: str,
    ) -> Iterator[Lack]:
        """Say what can be seen without Compose: the image lines, filled in."""
        if not why:
            return
        yield Lack(
            f"nobody is here to say what Compose will make of the pin: {why}",
            "run an image that holds Compose, see docs/how-to/choose-an-executor.md",
            doubt=True,
        )
        yield from _moving(containers, target, {})
        deployed = _deployed(containers)
        files = compose_files(self._folder, deployed.there, ",".join(deployed.files))
        try:
            env = self._env.read()
        except Problem:
            return  # said by the pin
        for replica in target.replicas:
            for name, number, line, image in lines_of(files, replica.service, "image"):
                made, ran = filled(image, env, pins), str(replica.body.get("Image"))
                if made is not None and made != ran:
                    yield Lack(
                        f"{_MEND}: {replica.service} would be {made}, and ran {ran} at "
                        f"{target.pair.version}",
                        f"{name}, line {number}: `{line}`: let "
                        f"${{{self._variable}}} alone choose it",
                    )
                break  # what a file further on says counts less
        for name in sorted(beside.keys() - {*self._services}):
            yield from self._follows(name, files, env, pins)

    def _follows(
        self,
        service: str,
        files: Mapping[str, str],
        env: EnvFile,
        pins: Mapping[str, str],
    ) -> Iterator[Lack]:
        """Say that *service*, which is not enrolled, follows what is pinned."""
        for text in files.values():
            found = line_of(text, service, "image")
            image = found[2] if found else ""
            if filled(image, env, {}) != filled(image, env, pins):
                yield _unenrolled(service)
            elif self._name in env_files(text, service):
                yield _reads(service, self._name)


def _moving(
    containers: Sequence[Mapping[str, Any]], target: Record, then: Rendering
) -> Iterator[Lack]:
    """Say that what runs has the image's name that *target* had, and another image."""
    for service in sorted({_labels(one).get(_SERVICE, "") for one in containers}):
        held = target.image_for(service)
        of_it = [one for one in containers if _labels(one).get(_SERVICE) == service]
        if all(
            one["Config"]["Image"] != held.ref or one.get("Image") == held.image
            for one in of_it
        ):
            continue
        anew = service in then and then[service].pulls
        how = "`docker compose up -d` pulls it anew" if anew else "a pull of it"
        yield Lack(
            f"{held.ref} of {service} was the name of another image when "
            f"{target.pair.version} ran, so that which release it means changes with "
            f"time: {how}{', and' if anew else ''} brings back what was rolled back",
            "write the version as its tag",
            doubt=not anew,
        )


def _built(target: Record, then: Rendering) -> Iterator[Lack]:
    for service in dict.fromkeys(replica.service for replica in target.replicas):
        if service in then and then[service].builds:
            yield Lack(
                f"`docker compose up -d` builds {service} anew (`pull_policy: build`), "
                "out of whatever source is there, and puts that in the place of what a "
                "rollback puts back",
                f"take `pull_policy` away from {service}, and build a release by "
                "`docker compose build`",
            )


def _unenrolled(service: str) -> Lack:
    return Lack(
        f"{service} follows the same version and is not enrolled: a rollback "
        "would be half of one",
        "name it in stack.services too",
    )


def _reads(service: str, env_file: str) -> Lack:
    return Lack(
        f"{service} is not enrolled, and `docker compose up -d` after a "
        f"rollback makes it anew: it reads {env_file}",
        f"let it read another file than {env_file}, or know that",
        doubt=True,
    )


def _deployed(containers: Sequence[Mapping[str, Any]]) -> Deployed:
    return Deployed.of(_labels(containers[0]))


def _labels(container: Mapping[str, Any]) -> Mapping[str, str]:
    labels: Mapping[str, str] = container["Config"].get("Labels") or {}
    return labels


def _is_plain(env: EnvFile, name: str) -> bool:
    try:
        env.pinnable(name)
    except Problem:
        return False
    return True
