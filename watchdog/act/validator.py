"""The target's image, asked by its own validator whether it takes its manifests.

It runs before anything is touched, in a container that is thrown away: without a
network or a right, with all that the target mounts of the box read-only.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from watchdog.act.evidence import printed
from watchdog.decide.standing import Rollback
from watchdog.facts.pair import Record
from watchdog.facts.plan import Do, Plan, Step, Which
from watchdog.facts.problem import Problem
from watchdog.facts.smoke import said
from watchdog.outside.engine import Engine
from watchdog.turn.roles import Clock, Doer

VALIDATES = "io.flexli.watchdog.validates"
_PROJECT = "io.flexli.watchdog.project"
_FOLDER = "com.docker.compose.project.working_dir"
_BETWEEN_LOOKS = 0.05  # s; most validators read a file and end
_HINT = (
    "roll back to another version, or sign its manifest with a key that this image "
    "knows; `stack.validator` is what was asked"
)


class Validator:
    """Hands that can ask the target's image, too; the rest is *hands*'.

    That it was asked leaves no trace in the world, so a question whose answer was not
    noted is asked again. What a crash left of it goes before the next question, and
    with the containers that were made for the target.
    """

    def __init__(
        self,
        hands: Doer,
        engine: Engine,
        *,
        argv: Sequence[str],
        within: timedelta,
        project: str,
        folder: Path,
        inside: str,
        rollback: Callable[[], Rollback | None],
        clock: Clock,
    ) -> None:
        """*argv* must exit 0 *within*; *rollback* gives what is under way.

        *folder* is the stack's where the engine knows it by no other path; *inside*
        is a manifest's place in the container, with ``{tenant}``.
        """
        self._hands = hands
        self._engine = engine
        self._argv = list(argv)
        self._within = within.total_seconds()
        self._project = project
        self._folder = folder
        self._inside = inside
        self._rollback = rollback
        self._clock = clock
        self._took: dict[str, str] = {}

    def is_done(self, plan: Plan, target: Record, step: Step) -> str:
        """Look; give the evidence when the step's end is reached, else nothing."""
        if step.do is Do.VALIDATE:
            return self._took.get(plan.op, "") or self._noted(plan, step)
        if _removes_ours(step) and self._containers():
            return ""
        return self._hands.is_done(plan, target, step)

    def do(self, plan: Plan, target: Record, step: Step) -> None:
        """Bring the step's end about. An image that refuses raises a Problem."""
        if step.do is Do.VALIDATE:
            self._ask(plan, target)
            return
        if _removes_ours(step):
            self._sweep()
        self._hands.do(plan, target, step)

    def evidence_of(self, plan: Plan, step: Step) -> str:
        """Give what is worth keeping of a container before it is removed."""
        return self._hands.evidence_of(plan, step)

    def _noted(self, plan: Plan, step: Step) -> str:
        """Give the answer of before a crash; once anything was touched it stands."""
        rollback = self._rollback()
        if rollback is None or rollback.started.plan.op != plan.op:
            return ""
        touching = {one.words for one in plan.steps[plan.prepared :]}
        if touching & set(rollback.attempts) or rollback.reopened:
            return "asked before anything was touched"
        return rollback.done.get(step.words, "")

    def _ask(self, plan: Plan, target: Record) -> None:
        self._sweep()
        version, shown = target.pair.version, f"`{' '.join(self._argv)}`"
        name = f"{self._project}-validates-{version}-{plan.op}"
        try:
            id_ = self._engine.create(name, self._body(target), {})
            self._engine.start(id_)
            code = self._ended(id_)
            told = said(printed(self._engine, id_))
        finally:
            self._sweep()
        told = f": {told}" if told else ""
        if code is None:
            raise Problem(
                f"{shown} in the image of {version} did not end within "
                f"{self._within:g} s{told}",
                "`stack.validator_timeout` is how long it may take",
            )
        if code:
            raise Problem(
                f"the image of {version} does not take its manifests: {shown} exited "
                f"{code}{told}",
                _HINT,
            )
        self._took[plan.op] = f"{shown} in the image of {version} is fine"

    def _ended(self, id_: str) -> int | None:
        """Wait for its exit code; None when it takes too long."""
        deadline = self._clock.monotonic() + self._within
        while True:
            found = self._engine.container(id_)
            if found is None:
                raise Problem("the validator's container was removed meanwhile")
            if found["State"]["Status"] in ("exited", "dead"):
                return int(found["State"]["ExitCode"])
            if self._clock.monotonic() >= deadline:
                return None
            self._clock.pause(_BETWEEN_LOOKS)

    def _containers(self) -> list[dict[str, Any]]:
        return self._engine.containers({VALIDATES: "target", _PROJECT: self._project})

    def _sweep(self) -> None:
        """Remove what is there of ours, running or not."""
        for one in self._containers():
            self._engine.stop(str(one["Id"]), timedelta())
            self._engine.remove(str(one["Id"]))

    def _body(self, target: Record) -> dict[str, Any]:
        """Make the create body: the target's own first one, without what it could do.

        No address, no right, no volume; what is mounted of the box is read-only.
        """
        first = next(iter(target.replicas), None)
        own = first.body if first else {}
        asked = target.image_for(first.service if first else "").image
        image = self._engine.image(asked) or {}
        config = image.get("Config") or {}
        labels = own.get("Labels") or {}
        mounts = {place: source for source, place in _binds(own)}
        there = Path(str(labels.get(_FOLDER, self._folder)))
        for held in target.manifests:
            place = self._inside.format(tenant=held.tenant)
            mounts[place] = str(there / held.kept_at)
        # An image that Compose built carries labels by which it finds containers.
        blank = {key: "" for key in config.get("Labels") or () if "docker." in key}
        kept = {key: own[key] for key in ("Env", "User", "WorkingDir") if key in own}
        return kept | {
            "Image": asked,
            "Entrypoint": self._argv,
            "Healthcheck": {"Test": ["NONE"]},
            "Labels": blank | {VALIDATES: "target", _PROJECT: self._project},
            "HostConfig": {
                "NetworkMode": "none",
                "ReadonlyRootfs": True,
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges"],
                "RestartPolicy": {"Name": "no"},
                "Init": True,
                "LogConfig": {"Type": "json-file"},  # else it may not be readable
                "Mounts": [
                    {"Type": "bind", "Source": source, "Target": place}
                    | {"ReadOnly": True}
                    for place, source in sorted(mounts.items())
                ],
                # Else the engine makes a volume for each that the image declares.
                "Tmpfs": {
                    place: ""
                    for place in {"/tmp", *(config.get("Volumes") or ())}  # noqa: S108 # inside the container
                    if place not in mounts
                },
            },
        }


def _removes_ours(step: Step) -> bool:
    return step.do is Do.REMOVE and step.which is Which.NEW


def _binds(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give (source, place) of what a create body mounts of the engine's machine."""
    host = body.get("HostConfig") or {}
    for bind in host.get("Binds") or ():
        source, place = str(bind).split(":")[:2]
        if source.startswith("/"):
            yield source, place
    for mount in host.get("Mounts") or ():
        if mount.get("Type") == "bind":
            yield str(mount["Source"]), str(mount["Target"])
