"""One step of a plan by the Compose CLI; what it shares with a replay is Hands'."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from watchdog.act.evidence import last_words
from watchdog.facts.pair import Record, Running
from watchdog.facts.plan import Do, Plan, Step, Swap, Which
from watchdog.outside.command import Commands
from watchdog.outside.engine import Engine
from watchdog.turn.roles import Doer, Eyes

_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
_ONEOFF = "com.docker.compose.oneoff"
_HASH = "com.docker.compose.config-hash"
_FOLDER = "com.docker.compose.project.working_dir"
_FILES = "com.docker.compose.project.config_files"
_ENV_FILE = "com.docker.compose.project.environment_file"
_JOINED = ("NetworkMode", "IpcMode", "PidMode")
_LEFT_OVER = re.compile(r"[0-9a-f]{12}_(.+)")
_NAME = "compose"  # one lock for all that it does


class ComposeHands:
    """Looks through the engine, and lets Compose make the containers.

    Image, manifests and the env file are *hands*' as in a replay. Containers are
    known by Compose's labels, and those that ran before by their ids.
    """

    def __init__(
        self,
        hands: Doer,
        eyes: Eyes,
        engine: Engine,
        *,
        commands: Commands,
        command: Sequence[str],
        recorded: Callable[[str], Record],
    ) -> None:
        """*command* is the CLI; *recorded* gives a release record by its name."""
        self._hands = hands
        self._eyes = eyes
        self._engine = engine
        self._commands = commands
        self._command = command
        self._recorded = recorded

    def is_done(self, plan: Plan, target: Record, step: Step) -> str:
        """Look; give the evidence when the step's end is reached, else nothing."""
        match step.do:
            case Do.KEEP_LOGS:
                kept = [self._evidence(c) for c in self._meant(plan, step)]
                return "\n".join(kept) or "there is none"
            case Do.SET_RESTART:
                seen = {_restart(c) for c in self._meant(plan, step)}
                return f"restarts: {step.to}" if seen <= {step.to} else ""
            case Do.STOP:
                up = [_name(c) for c in self._meant(plan, step) if _is_up(c)]
                return "" if up else "nothing of it runs"
            case Do.UP:
                return self._all_up(plan, target, step)
            case Do.REMOVE:
                return "Compose removes what it replaces"
            case _:
                return self._hands.is_done(plan, target, step)

    def do(self, plan: Plan, target: Record, step: Step) -> None:
        """Bring the step's end about. Compose failing raises a Problem."""
        match step.do:
            case Do.SET_RESTART:
                for swap in _swaps(plan, step):
                    if self._engine.container(swap.old_id):
                        whole = swap.old_restart if step.to != "no" else {"Name": "no"}
                        self._engine.set_restart(swap.old_id, whole)
            case Do.STOP:
                within = plan.swaps[0].stop_within
                for found in self._meant(plan, step):
                    self._engine.stop(str(found["Id"]), within)
            case Do.UP:
                self._up(plan, step)
            case _:
                self._hands.do(plan, target, step)

    def evidence_of(self, plan: Plan, step: Step) -> str:
        """Give nothing: the logs are kept by a step of their own, before ``up``."""
        del plan, step
        return ""

    # -- up ----------------------------------------------------------------------

    def _up(self, plan: Plan, step: Step) -> None:
        labels = self._labels(plan)
        folder = Path(labels[_FOLDER])
        counts = _counts(step)
        argv = [*self._command, "--project-name", labels[_PROJECT]]
        argv += ["--project-directory", str(folder)]
        for option, key in (("--file", _FILES), ("--env-file", _ENV_FILE)):
            named = [one for one in labels.get(key, "").split(",") if one]
            argv += [word for one in named for word in (option, one)]
        argv += ["up", "--detach", "--no-build", "--no-deps", "--pull", "never"]
        seconds = int(plan.swaps[0].stop_within.total_seconds())
        argv += ["--timeout", str(seconds)]
        for service, count in counts.items():
            if count > 1:
                argv += ["--scale", f"{service}={count}"]
        self._commands.run(_NAME, [*argv, *counts], folder)
        for service in counts:
            for found in self._of(labels[_PROJECT], service):
                self._mend_name(found)

    def _mend_name(self, container: Mapping[str, Any]) -> None:
        """Take off what a Compose that was killed put before a name for a moment."""
        left = _LEFT_OVER.fullmatch(_name(container))
        if left and self._engine.container(left[1]) is None:
            self._engine.rename(str(container["Id"]), left[1])

    def _all_up(self, plan: Plan, target: Record, step: Step) -> str:
        """Look whether the whole pair runs as Compose makes it, and all of it.

        Image and manifests are read back, so that containers of the other pair are
        never taken for it, whatever they are called.
        """
        before = self._recorded(plan.from_record).pair
        meant = target.pair if step.which is Which.NEW else before
        tenants = tuple(tenant for tenant, _ in meant.manifests)
        seen = self._eyes.running(lambda _: tenants)
        if not isinstance(seen, Running) or seen.pair.key != meant.key:
            return ""
        if any(state not in ("running", "restarting") for state in seen.states):
            return ""
        found: list[Mapping[str, Any]] = []
        for service, count in _counts(step).items():
            there = self._of(self._labels(plan)[_PROJECT], service)
            whole = len(there) == count and all(
                _is_up(c) and _label(c, _HASH) and not _LEFT_OVER.fullmatch(_name(c))
                for c in there
            )
            if not whole or not all(self._is_joined(c) for c in there):
                return ""
            found += there
        return ", ".join(f"{_name(c)} is {str(c['Id'])[:12]}" for c in found)

    def _is_joined(self, container: Mapping[str, Any]) -> bool:
        """Tell whether the container whose namespaces it shares is still there."""
        modes = [str(container["HostConfig"].get(mode)) for mode in _JOINED]
        others = [m.partition(":")[2] for m in modes if m.startswith("container:")]
        return all(self._engine.container(other) for other in others)

    # -- which containers ----------------------------------------------------------

    def _meant(self, plan: Plan, step: Step) -> list[Mapping[str, Any]]:
        """Find the containers that *step* is about, those that exist.

        New are those of the target's image that did not run before.
        """
        ids = {swap.old_id for swap in _swaps(plan, step)}
        if step.which is Which.OLD:
            found = [self._engine.container(id_) for id_ in sorted(ids)]
            return [c for c in found if c is not None]
        project = self._labels(plan)[_PROJECT]
        # Not of what is put up now: the way back stops and keeps the target's too.
        image = self._recorded(plan.to_record).pair.image_of(step.subject)
        there = self._of(project, step.subject)
        return [c for c in there if c["Id"] not in ids and c["Image"] == image]

    def _of(self, project: str, service: str) -> list[dict[str, Any]]:
        labels = {_PROJECT: project, _SERVICE: service, _ONEOFF: "False"}
        listed = self._engine.containers(labels)
        found = [self._engine.container(str(one["Id"])) for one in listed]
        return [c for c in found if c is not None]

    def _labels(self, plan: Plan) -> Mapping[str, str]:
        """Give what Compose wrote on what ran: its project, folder and files."""
        labels: Mapping[str, str] = (
            self._recorded(plan.from_record).replicas[0].body["Labels"]
        )
        return labels

    def _evidence(self, container: Mapping[str, Any]) -> str:
        return f"{_name(container)} {last_words(self._engine, container)}"


def _counts(step: Step) -> dict[str, int]:
    """Read how many containers of which service: ``dms=2 relay``."""
    parts = [word.partition("=") for word in step.subject.split(" ")]
    return {service: int(count or 1) for service, _, count in parts}


def _swaps(plan: Plan, step: Step) -> list[Swap]:
    return [swap for swap in plan.swaps if swap.service == step.subject]


def _is_up(container: Mapping[str, Any]) -> bool:
    state = container["State"]
    return bool(state["Running"] or state.get("Restarting"))


def _restart(container: Mapping[str, Any]) -> str:
    return str(container["HostConfig"]["RestartPolicy"].get("Name") or "no")


def _label(container: Mapping[str, Any], key: str) -> str:
    return str((container["Config"].get("Labels") or {}).get(key, ""))


def _name(container: Mapping[str, Any]) -> str:
    return str(container["Name"]).lstrip("/")
