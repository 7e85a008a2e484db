"""One step of a plan on the engine and the stack's folder: looked at, then done."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from watchdog.act.evidence import last_words
from watchdog.act.files import exchange, put
from watchdog.act.ground import can_start, room
from watchdog.decide.alike import number_of
from watchdog.decide.meanwhile import NEVER_RAN
from watchdog.decide.plan import remade
from watchdog.facts.pair import HeldManifest, Pair, Record, Replica
from watchdog.facts.plan import Do, Plan, Step, Swap, Which
from watchdog.facts.problem import (
    EngineRefused,
    Foreign,
    NotProven,
    Problem,
    Undone,
)
from watchdog.facts.reference import parse
from watchdog.outside.engine import Engine
from watchdog.outside.stack_folder import StackEnv, StackFolder

_OP = "io.flexli.rollback.op"
_SERVICE = "io.flexli.rollback.service"
_REPLACES = "io.flexli.rollback.replaces"
_ASIDE = ".rb-"
_ROLE = "io.flexli.rollback.role"
_IMAGE = "io.flexli.rollback.image"
_PROJECT = "com.docker.compose.project"
_COMPOSE_SERVICE = "com.docker.compose.service"
_ONEOFF = "com.docker.compose.oneoff"


class Hands:
    """Look whether a step's end is reached, and bring it about.

    Nothing here remembers: what was done is read from the world each time, so a
    step may be repeated after any crash. Containers are known by id or by the
    operation's label, never by name.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        folder: Path,
        env_file: str,
        variable: str,
        blob: Callable[[str], bytes],
        sealed: Callable[[Pair, HeldManifest, bytes, bytes], str],
    ) -> None:
        """*blob* gives ledger bytes by sha256.

        *sealed* says why a manifest and its signature count, and raises if they
        don't.
        """
        self._engine = engine
        self._folder = folder
        self._files = StackFolder(folder)
        self._env = StackEnv(folder, env_file)
        self._variable = variable
        self._blob = blob
        self._sealed = sealed

    def is_done(self, plan: Plan, target: Record, step: Step) -> str:
        """Look; give the evidence when the step's end is reached, else nothing.

        Raises:
            Foreign: the world is neither before nor after this step.
            NotProven: what is awaited has ended, and nobody starts it again.
            Unreachable: not known.
        """
        match step.do:
            case Do.HOLD_IMAGE:
                return self._image_held(step)
            case Do.HOLD_MANIFEST:
                return self._manifest_held(plan, target, step.subject)
            case Do.BAR | Do.PIN:
                return self._pinned(plan, step)
            case Do.SWAP_MANIFEST:
                file = next(f for f in plan.files if f.tenant == step.subject)
                seen = self._files.sha_of(file.path)
                if seen not in (file.before, file.after, ""):
                    raise Foreign(
                        f"{file.path} is {seen[:12]}, meant "
                        f"{file.before[:12]} or {file.after[:12]}",
                        "somebody else changed the manifest; put one of the two back",
                    )
                return f"{file.path} is {seen[:12]}" if seen == step.to else ""
            case Do.HOLD_ROOM:
                return self._room_held(plan)
            case Do.PROVE:
                raise AssertionError("proving is the verifier's")
            case Do.AWAIT:
                return self._serves(plan, target, step)
            case _:
                return self._container_done(plan, step)

    def do(self, plan: Plan, target: Record, step: Step) -> None:
        """Bring the step's end about. Docker refusing raises EngineRefused."""
        match step.do:
            case Do.HOLD_IMAGE:
                self._hold_image(target)
            case Do.HOLD_MANIFEST:
                self._hold_manifest(_manifest(target, step.subject))
            case Do.CREATE:
                self._create(plan, target, step)
            case Do.BAR | Do.PIN:
                self._pin(self._meant(plan, step), back=step in plan.way_back)
            case Do.SWAP_MANIFEST:
                self._swap_manifest(plan, step)
            case Do.HOLD_ROOM:
                raise self._no_room(plan)
            case Do.PROVE | Do.AWAIT:
                raise AssertionError("proving and waiting is not ours")
            case _:
                self._do_container(plan, target, step)

    def evidence_of(self, plan: Plan, step: Step) -> str:
        """Give what is worth keeping of a container before it is removed."""
        found = self._container(plan, step)
        if found is None:
            return ""
        return last_words(self._engine, found)

    # -- containers ------------------------------------------------------------

    def _container_done(self, plan: Plan, step: Step) -> str:
        found = self._container(plan, step)
        if found is None:
            gone_is_done = step.do is Do.REMOVE or (
                # The way forward parks and removes the old one; the way back does
                # the same with the new one, which may never have been made.
                step.which is Which.NEW
                and step.do in (Do.STOP, Do.RENAME)
                and step in plan.way_back
            )
            if gone_is_done or self._is_past(plan, step):
                return "there is none"
            if step.do is Do.CREATE:
                return ""
            raise _gone(step)
        id_ = str(found["Id"])[:12]
        state = found["State"]
        match step.do:
            case Do.CREATE:
                return f"{id_} exists"
            case Do.CONNECT:
                on = found["NetworkSettings"].get("Networks") or {}
                return f"{id_} is on {step.to}" if step.to in on else ""
            case Do.SET_RESTART:
                seen = found["HostConfig"]["RestartPolicy"].get("Name") or "no"
                return f"{id_} restarts: {seen}" if seen == step.to else ""
            case Do.STOP:
                still = state["Running"] or state.get("Restarting")
                return "" if still else f"{id_} is {state['Status']}"
            case Do.RENAME:
                seen = str(found["Name"]).lstrip("/")
                return f"{id_} is {seen}" if seen == step.to else ""
            case Do.START:
                up = state["Running"] or state.get("Restarting")
                return f"{id_} is {state['Status']}" if up else ""
            case _:
                return ""

    def _serves(self, plan: Plan, target: Record, step: Step) -> str:
        """Look whether one container is up as meant, and well as far as it is asked."""
        found = self._container(plan, step)
        if found is None:
            raise _gone(step)
        id_, state, seen = str(found["Id"])[:12], found["State"], str(found["Image"])
        if step.which is Which.NEW and seen != target.pair.image:
            raise NotProven(
                f"{step.subject} runs image {seen[:19]}, meant {target.pair.code}"
            )
        if state["Status"] in ("exited", "dead"):
            raise NotProven(f"{step.subject} is {state['Status']}, meant running")
        health = (state.get("Health") or {}).get("Status", "")
        up = state["Status"] == "running" and health in ("", "none", "healthy")
        return f"{id_} is {health or 'running'}" if up else ""

    def _create(self, plan: Plan, target: Record, step: Step) -> None:
        made = _made_as(plan, target, step)
        if step.which is Which.OLD:
            # Somebody removed what ran; its image may have gone with it.
            self._hold_image(target)
            for file in plan.files:
                if self._files.read(file.path) is None:
                    _is_a_folder((self._folder / file.path).parent)
                    put(self._files, file.path, self._blob(file.after))
        can_start(self._engine, self._folder, made.name, made.body, made.networks)
        self._engine.create(step.to, made.body, made.networks)

    def _do_container(self, plan: Plan, target: Record, step: Step) -> None:
        swap = _swap(plan, step)
        found = self._container(plan, step)
        if found is None:
            return
        id_ = str(found["Id"])
        match step.do:
            case Do.CONNECT:
                ends = _made_as(plan, target, step).networks
                self._engine.connect(id_, step.to, ends[step.to])
            case Do.SET_RESTART:
                whole = swap.old_restart if step.to != "no" else {"Name": "no"}
                self._engine.set_restart(id_, whole)
            case Do.STOP:
                self._engine.stop(id_, swap.stop_within)
            case Do.RENAME:
                self._engine.rename(id_, step.to)
            case Do.START:
                self._engine.start(id_)
            case Do.REMOVE:
                self._engine.remove(id_)
            case _:
                raise AssertionError(f"{step.do} is not about a container")

    def _container(self, plan: Plan, step: Step) -> dict[str, Any] | None:
        swap = _swap(plan, step)
        if step.which is None:
            # Somebody's, that never ran: once it did it is not ours to touch.
            found = self._engine.container(step.to)
            never = found is not None and found["State"]["Status"] == NEVER_RAN
            return found if never else None
        old = step.which is Which.OLD
        if old and (found := self._engine.container(swap.old_id)):
            return found
        mine = {_OP: plan.op, _SERVICE: swap.service, _REPLACES: swap.old_id}
        ours = self._engine.containers(mine | {_ROLE: "previous" if old else "target"})
        if len(ours) > 1:
            raise Foreign(
                f"{len(ours)} containers carry the label {_OP}={plan.op}",
                "remove those that do not serve, then let the watchdog go on",
            )
        if ours:
            return self._engine.container(str(ours[0]["Id"]))
        return None if old else self._theirs(plan, swap, step)

    def _theirs(self, plan: Plan, swap: Swap, step: Step) -> dict[str, Any] | None:
        """Find what somebody's ``up -d`` started of the target in ours' place.

        It leads where we go, so that it counts as ours, but to remove it while it
        runs.
        """
        labels = swap.new.get("Labels") or {}
        wanted = {_PROJECT: str(labels.get(_PROJECT, "")), _ONEOFF: "False"}
        wanted[_COMPOSE_SERVICE] = swap.service
        for listed in self._engine.containers(wanted):
            found = self._engine.container(str(listed["Id"]))
            if found is None or found["Id"] == swap.old_id:
                continue
            has, state = found["Config"].get("Labels") or {}, found["State"]
            name = str(found["Name"])
            # Put aside by this very way back it is still the one that failed.
            aside = _ASIDE in name and not name.endswith(f".rb-failed-{plan.op}")
            aside = aside and not state["Running"]
            if (
                not aside
                and _OP not in has
                and found["Image"] == labels.get(_IMAGE)
                and state["Status"] != NEVER_RAN
                and swap.number in (0, number_of(has))
                and not (step.do is Do.REMOVE and state["Running"])
            ):
                return found
        return None

    def _is_past(self, plan: Plan, step: Step) -> bool:
        """Tell whether the old container is gone because its time is over.

        After a crash in the last steps every earlier one is looked at again. And an
        operator's ``up -d`` removes the old one and starts ours: it leads where we
        go, so that it is no reason to stop as long as ours is there.
        """
        if step.which is not Which.OLD or step not in plan.steps:
            return False
        new = Step(Do.START, step.subject, Which.NEW)
        return self._container(plan, new) is not None

    # -- room --------------------------------------------------------------------

    def _room_held(self, plan: Plan) -> str:
        """Look whether all that is still to be written fits; nothing when it doesn't.

        Once all is written no room is needed: a disk that fills up then must not
        turn a rollback around.
        """
        env, (_, after) = self._env.read(), self._pins(plan)
        pinned = {name: env.value_of(name) for name in after}
        if pinned == after and self._all_swapped(plan, ahead=True):
            return "all is written"
        short = [where for where, needs, has in self._room(plan) if has < needs]
        return "" if short else "there is room for the env file and the manifests"

    def _no_room(self, plan: Plan) -> Problem:
        short = [
            f"{where} has room for {has} bytes, {needs} are needed"
            for where, needs, has in self._room(plan)
            if has < needs
        ]
        return Problem(
            "; ".join(short) or "there was no room a moment ago",
            "make room there, and let the watchdog's user write to it",
        )

    def _room(self, plan: Plan) -> list[tuple[Path, int, int]]:
        """Give by folder how many bytes will be written, and how many can be."""
        place = self._env.place()
        writes: list[tuple[Path, int]] = []
        if place is not None:
            # The version that is written may be longer than the one that is there.
            writes.append((place[0].root, len(self._env.read().data) + 80))
        for file in plan.files:
            path = self._folder / file.path
            if not path.parent.is_dir():
                continue  # somebody moved it away; it is made again
            # Its backup, and the new bytes beside the old ones.
            writes.append((path.parent, path.stat().st_size if path.exists() else 0))
            writes.append((path.parent, len(self._blob(file.after))))
        return room(writes)

    # -- image and manifests -----------------------------------------------------

    def _image_held(self, step: Step) -> str:
        seen = self._id_of(step.subject)
        return f"{step.subject} is {seen[:19]}" if seen == step.to else ""

    def _hold_image(self, target: Record) -> None:
        """Make the name mean the recorded image again: from here, or by digest."""
        named = parse(target.image_ref)
        meant = target.pair.image
        if named is None:
            raise EngineRefused(
                f"{target.image_ref} is no image's name",
                "roll back by Compose: pin the version, and `docker compose up -d`",
            )
        # A name with a digest is found by the digest alone, and no tag can give it.
        here = self._id_of(target.image_ref if named.digest else meant)
        if here != meant:
            digests = [d for d in target.repo_digests if named.names(d)]
            if named.digest:
                digests = [f"{named.name}@{named.digest}"]
            if not digests:
                raise EngineRefused(
                    f"image {meant[:19]} of {target.pair.version} is not "
                    "here, and the record names no registry that has it",
                    "load it again, or vouch for another version",
                )
            self._engine.pull(named.name, digests[0].partition("@")[2])
            if self._id_of(meant) != meant:
                raise EngineRefused(
                    f"image {meant[:19]} of {target.pair.version} is not in this "
                    f"engine's store; {digests[0]} is {self._id_of(digests[0])[:19]} "
                    "here: the image store was changed since the record was made",
                    f"roll back by Compose: pin {target.pair.version}, and `docker "
                    "compose up -d`; pairs that start from now on are recorded anew",
                )
        if not named.digest:
            self._engine.tag(meant, named.name, named.tag or "latest")

    def _id_of(self, ref: str) -> str:
        return str((self._engine.image(ref) or {}).get("Id", ""))

    def _manifest_held(self, plan: Plan, target: Record, tenant: str) -> str:
        """Hold the files against the ledger, and the ledger against who signs.

        The manifest is the ledger's, byte for byte. Its signature may be a newer
        one, made when a key was given up: then that one has to count.
        """
        held = _manifest(target, tenant)
        data = self._blob(held.sha256)
        # What was changed under its version is put right by the swap.
        swapped = {file.path: file.before for file in plan.files}
        seen = self._files.sha_of(held.kept_at)
        if seen and seen not in (held.sha256, swapped.get(held.kept_at)):
            raise Foreign(
                f"{held.kept_at} is {seen[:12]}, the ledger says {held.sha256[:12]}",
                "a manifest never changes under its version; put the bytes back",
            )
        beside = self._files.read(f"{held.kept_at}.sig")
        recorded = self._blob(held.signature_sha256)
        signature = recorded if beside is None else beside
        words = self._sealed(target.pair, held, data, signature)
        if not seen or (beside is None and recorded):
            return ""
        again = "" if signature == recorded else ", signed again since"
        return f"{held.kept_at} is {held.sha256[:12]}{again}, {words}"

    def _hold_manifest(self, held: HeldManifest) -> None:
        """Put the missing bytes back from the ledger."""
        for path, meant in (
            (held.kept_at, held.sha256),
            (f"{held.kept_at}.sig", held.signature_sha256),
        ):
            data = self._blob(meant)
            if data and self._files.read(path) is None:
                _is_a_folder((self._folder / path).parent)
                put(self._files, path, data)

    def _swap_manifest(self, plan: Plan, step: Step) -> None:
        file = next(f for f in plan.files if f.tenant == step.subject)
        now = self._files.read(file.path)
        if now is not None and _sha(now) not in (file.before, file.after):
            raise Foreign(
                f"{file.path} changed just before it was replaced",
                "somebody else changed the manifest; put one of the two back",
            )
        # This runs only while the file still holds the bytes from before, so a
        # repeated step can't back the new bytes up over the old ones.
        bak, meant = f"{file.path}.bak", self._blob(step.to)
        if now is None:
            _is_a_folder((self._folder / file.path).parent)
        elif step.to == file.before and self._files.sha_of(bak) == step.to:
            # On the way back it is there already: that needs no room.
            exchange(self._files, file.path, bak)
            return
        else:
            put(self._files, bak, now)
        put(self._files, file.path, meant)

    def _pinned(self, plan: Plan, step: Step) -> str:
        """Look at the variables; what a bar was for may be over already."""
        env, before, after = self._env.read(), *self._pins(plan)
        seen = {name: env.value_of(name) for name in after}
        said = ", ".join(f"{name}={value}" for name, value in seen.items())
        bars = {s.to for s in (*plan.steps, *plan.way_back) if s.do is Do.BAR}
        barred = len(set(seen.values())) == 1 and set(seen.values()) <= bars
        if seen not in (before, after) and not barred:
            raise Foreign(
                f"{env.name} says {said}, meant {plan.variable_before or 'nothing'} or "
                f"{plan.variable_after}",
                "somebody pinned another version meanwhile; deploy it, or pin one back",
            )
        if seen == self._meant(plan, step) or (step.do is Do.BAR and barred):
            return said
        ahead = step in plan.steps
        end = after if ahead else before
        over = step.do is Do.BAR and seen == end and self._all_swapped(plan, ahead)
        return f"{said}, and the manifests with it" if over else ""

    def _pins(self, plan: Plan) -> tuple[dict[str, str], dict[str, str]]:
        """Give what the variables are before and after *plan*."""
        if plan.pins_after:
            return dict(plan.pins_before), dict(plan.pins_after)
        ends = (plan.variable_before, plan.variable_after)
        before, after = ({self._variable: value} for value in ends)
        return before, after

    def _meant(self, plan: Plan, step: Step) -> dict[str, str]:
        """Give what *step* has the variables say."""
        before, after = self._pins(plan)
        if step.do is Do.BAR:
            return dict.fromkeys(after, step.to)
        return after if step.to == plan.variable_after else before

    def _all_swapped(self, plan: Plan, ahead: bool) -> bool:  # noqa: FBT001 # which way
        return all(
            self._files.sha_of(file.path) == (file.after if ahead else file.before)
            for file in plan.files
        )

    def _pin(self, values: Mapping[str, str], *, back: bool) -> None:
        """Have the variables say *values*, in the lines where they stand.

        On the way *back* a full disk is no reason to leave the service down.

        A plan of an earlier build had put the line in itself, where there was none;
        its way back takes it out.
        """
        place, env = self._env.place(), self._env.read()
        if place is None:
            raise env.lacking(self._variable)
        kept = {name: value for name, value in values.items() if value}
        for name in values.keys() - kept.keys():
            env = env.without(name)
        put(*place, env.with_values(kept).data, anyhow=back)


def _is_a_folder(path: Path) -> None:
    """Make the folder again that somebody moved away."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(
            f"could not make {path}: {error.strerror}",
            "the watchdog's user needs to write the stack's folder",
        ) from error


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _gone(step: Step) -> Undone:
    return Undone(
        f"the container for `{step.words}` is gone",
        "somebody removed it; `watchdog status` shows what is left",
    )


def _made_as(plan: Plan, record: Record, step: Step) -> Replica:
    """Give how a step's container is made; *record* is its pair's."""
    swap = _swap(plan, step)
    if step.which is Which.OLD:
        return remade(plan, record, swap)
    return Replica(swap.service, swap.name, swap.new, swap.networks)


def _swap(plan: Plan, step: Step) -> Swap:
    return next(s for s in plan.swaps if s.subject == step.subject)


def _manifest(record: Record, tenant: str) -> HeldManifest:
    return next(m for m in record.manifests if m.tenant == tenant)
