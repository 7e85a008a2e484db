"""The stack's files: the version in the env file, the manifests, and room for both."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from watchdog.act.files import exchange, put, set_aside
from watchdog.act.ground import room
from watchdog.facts.pair import HeldManifest, Pair, Record
from watchdog.facts.plan import KEPT, Do, FileSwap, Plan, Step, Which, theirs
from watchdog.facts.problem import Altered, Foreign, Problem
from watchdog.outside.stack_folder import StackEnv, StackFolder


class StackFiles:
    """Looks whether a step's end is reached in the stack's folder, and brings it about.

    Nothing here remembers: what was done is read from the files each time.
    """

    def __init__(
        self,
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
        self._folder = folder
        self._files = StackFolder(folder)
        self._env = StackEnv(folder, env_file)
        self._variable = variable
        self._blob = blob
        self._sealed = sealed

    def room_held(self, plan: Plan) -> str:
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

    def no_room(self, plan: Plan) -> Problem:
        """Say where room is short, and for how much."""
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

    def manifest_held(self, plan: Plan, target: Record, tenant: str) -> str:
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
            raise Altered(
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

    def hold_manifest(self, plan: Plan, record: Record, step: Step) -> None:
        """Put the missing bytes back from the ledger.

        Of what is put up again others give way, where it has them mounted: nothing
        would ever start with them. They are kept beside.
        """
        held = _manifest(record, step.subject)
        if step.which is Which.OLD and held.path == held.kept_at:
            try:
                other = self._files.sha_of(held.path) not in (held.sha256, "")
            except Altered:
                other = True
            if other:
                set_aside(self._files, held.path, theirs(plan, held.path))
                put(self._files, held.path, self._blob(held.sha256))
        for path, meant in (
            (held.kept_at, held.sha256),
            (f"{held.kept_at}.sig", held.signature_sha256),
        ):
            data = self._blob(meant)
            if data and self._files.read(path) is None:
                _is_a_folder((self._folder / path).parent)
                put(self._files, path, data)

    def swapped(self, plan: Plan, step: Step) -> str:
        """Look; give the evidence when the tenant's file holds what *step* says.

        On the way back, whatever somebody put there gives way, and is kept beside.

        Raises:
            Altered: it holds neither what was there nor what is to be there.
        """
        file = next(f for f in plan.files if f.tenant == step.subject)
        if step in plan.way_back and self._is_theirs(file):
            return ""
        seen = self._files.sha_of(file.path)
        if seen not in (file.before, file.after, ""):
            raise Altered(
                f"{file.path} is {seen[:12]}, meant "
                f"{file.before[:12]} or {file.after[:12]}",
                "somebody else changed the manifest; put one of the two back",
            )
        if seen != step.to:
            return ""
        beside, said = theirs(plan, file.path), f"{file.path} is {seen[:12]}"
        is_beside = os.path.lexists(self._folder / beside)
        return f"{said}; {KEPT} {beside}" if is_beside else said

    def _is_theirs(self, file: FileSwap) -> bool:
        """Tell whether somebody put something else at a shared manifest's place."""
        try:
            seen = self._files.sha_of(file.path)
        except Altered:
            return True
        return seen not in (file.before, file.after, "")

    def swap_manifest(self, plan: Plan, step: Step) -> None:
        """Put the step's bytes in the place of those before, which are kept beside."""
        file = next(f for f in plan.files if f.tenant == step.subject)
        if step in plan.way_back and self._is_theirs(file):
            set_aside(self._files, file.path, theirs(plan, file.path))
            put(self._files, file.path, self._blob(step.to))
            return
        now = self._files.read(file.path)
        if now is not None and _sha(now) not in (file.before, file.after):
            raise Altered(
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

    def put_missing(self, plan: Plan) -> None:
        """Put back the files that somebody removed, as they are after *plan*."""
        for file in plan.files:
            if self._files.read(file.path) is None:
                _is_a_folder((self._folder / file.path).parent)
                put(self._files, file.path, self._blob(file.after))

    def pinned(self, plan: Plan, step: Step) -> str:
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

    def pin(self, plan: Plan, step: Step) -> None:
        """Have the variables say what *step* says, in the lines where they stand.

        On the way back a full disk is no reason to leave the service down.

        A plan of an earlier build had put the line in itself, where there was none;
        its way back takes it out.
        """
        values, back = self._meant(plan, step), step in plan.way_back
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


def _manifest(record: Record, tenant: str) -> HeldManifest:
    return next(m for m in record.manifests if m.tenant == tenant)
