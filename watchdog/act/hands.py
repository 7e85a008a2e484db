"""One step of a plan on the engine and the stack's folder: looked at, then done."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from watchdog.act.evidence import last_words
from watchdog.act.ground import can_start, off_networks, start
from watchdog.act.image import Images
from watchdog.act.shown import UNREAD, must_be_seen, shown
from watchdog.act.somebodys import of_the_target
from watchdog.act.stack_files import StackFiles
from watchdog.act.staging import Staging, has, reaches_nobody
from watchdog.decide.meanwhile import NEVER_RAN
from watchdog.decide.successor import remade
from watchdog.facts.pair import HeldManifest, Pair, Record, Replica
from watchdog.facts.plan import Do, Plan, Step, Swap, Which
from watchdog.facts.problem import (
    Foreign,
    NotProven,
    Undone,
)
from watchdog.outside.engine import Engine

_OP = "io.flexli.rollback.op"
_SERVICE = "io.flexli.rollback.service"
_REPLACES = "io.flexli.rollback.replaces"
_ROLE = "io.flexli.rollback.role"
_IMAGE = "io.flexli.rollback.image"


class Hands:
    """Look whether a step's end is reached, and bring it about.

    What was done is read from the world each time, so a step may be repeated after
    any crash. Containers are known by id or by the operation's label, never by name;
    which one has the label is all that is remembered.
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
        is_well: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """*blob* gives ledger bytes by sha256.

        *sealed* says why a manifest and its signature count, and raises if they
        don't. *is_well* asks a container that the engine has not asked yet.
        """
        self._engine = engine
        self._is_well = is_well
        self._folder = folder
        self._labelled: dict[tuple[str, str, Which], str] = {}
        self._images = Images(engine)
        self._staging = Staging(engine)
        self._files = StackFiles(
            folder=folder,
            env_file=env_file,
            variable=variable,
            blob=blob,
            sealed=sealed,
        )

    def is_done(self, plan: Plan, target: Record, step: Step) -> str:
        """Look; give the evidence when the step's end is reached, else nothing.

        Raises:
            Foreign: the world is neither before nor after this step.
            NotProven: what is awaited has ended, and nobody starts it again.
            Unreachable: not known.
        """
        match step.do:
            case Do.HOLD_IMAGE:
                return self._images.held(step)
            case Do.HOLD_MANIFEST:
                return self._files.manifest_held(plan, target, step.subject)
            case Do.BAR | Do.PIN:
                return self._files.pinned(plan, step)
            case Do.SWAP_MANIFEST:
                return self._files.swapped(plan, step)
            case Do.HOLD_ROOM:
                return self._files.room_held(plan)
            case Do.UNSTAGE:
                return self._staging.unstaged(step.to)
            case Do.PROVE:
                raise AssertionError("proving is the verifier's")
            case Do.AWAIT:
                return self._serves(plan, target, step)
            case Do.STAND_IN:
                return self._stood_in(plan, step)
            case _:
                return self._container_done(plan, target, step)

    def do(self, plan: Plan, target: Record, step: Step) -> None:
        """Bring the step's end about. Docker refusing raises EngineRefused."""
        match step.do:
            case Do.HOLD_IMAGE:
                self._images.hold(target, target.image_called(step.subject))
            case Do.HOLD_MANIFEST:
                self._files.hold_manifest(plan, target, step)
            case Do.CREATE:
                self._create(plan, target, step)
            case Do.BAR | Do.PIN:
                self._files.pin(plan, step)
            case Do.SWAP_MANIFEST:
                self._files.swap_manifest(plan, step)
            case Do.HOLD_ROOM:
                raise self._files.no_room(plan)
            case Do.UNSTAGE:
                self._staging.unstage(step.to)
            case Do.STAND_IN:
                self._stand_in(plan, step)
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

    def _container_done(self, plan: Plan, target: Record, step: Step) -> str:
        found = self._container(plan, step)
        if found is None:
            gone_is_done = step.do is Do.REMOVE or (
                # The way forward parks and removes the old one; the way back does
                # the same with the new one, which may never have been made.
                step.which is Which.NEW
                and step.do in (Do.STOP, Do.RENAME)
                and step in plan.way_back
            )
            # A job that is over leads nowhere back: what is gone of it stays so.
            job = step.which is Which.OLD and _swap(plan, step).job
            gone_is_done = gone_is_done or (job and step.do is Do.RENAME)
            if gone_is_done or self._is_past(plan, step):
                return "there is none"
            if step.do is Do.CREATE:
                return ""
            raise _gone(step)
        id_ = str(found["Id"])[:12]
        state = found["State"]
        must_be_seen(found, step)
        match step.do:
            case Do.CREATE:
                if step.which is Which.NEW:
                    _is_of_its_image(_swap(plan, step), found)
                return f"{id_} exists"
            case Do.CONNECT:
                on = found["NetworkSettings"].get("Networks") or {}
                return f"{id_} is on {step.to}" if step.to in on else ""
            case Do.SET_RESTART:
                if UNREAD in found:
                    return f"{id_} is left as it is: {found[UNREAD]}"
                seen = found["HostConfig"]["RestartPolicy"].get("Name") or "no"
                return f"{id_} restarts: {seen}" if seen == step.to else ""
            case Do.STOP:
                still = state["Running"] or state.get("Restarting")
                return "" if still else f"{id_} is {state['Status']}"
            case Do.RENAME:
                seen = str(found["Name"]).lstrip("/")
                return f"{id_} is {seen}" if seen == step.to else ""
            case Do.STAGE:
                return self._staging.staged(plan, found)
            case Do.HAND_OVER:
                givers, ends = self._given(plan, step)
                return self._staging.handed_over(givers, found, ends)
            case Do.START if off_networks(found, self._ends(plan, target, step)):
                return ""
            case Do.START | Do.WARM:
                up = state["Running"] or state.get("Restarting")
                if _swap(plan, step).job:
                    # Whatever it came to: it is never run twice.
                    up = state["Status"] != NEVER_RAN
                return f"{id_} is {state['Status']}" if up else ""
            case _:
                return ""

    def _serves(self, plan: Plan, target: Record, step: Step) -> str:
        """Look whether one container is up as meant, and well as far as it is asked."""
        found = self._container(plan, step)
        if found is None:
            raise _gone(step)
        id_, state, seen = str(found["Id"])[:12], found["State"], str(found["Image"])
        meant = target.image_for(_swap(plan, step).service).image
        if step.which is Which.NEW and seen != meant:
            raise NotProven(
                f"{step.subject} runs image {seen[:19]}, meant image {meant[:19]}"
            )
        if UNREAD in found:
            runs = step.which is Which.OLD and state["Running"]
            return f"{id_} is listed as running" if runs else ""
        if _swap(plan, step).job:
            return _ended_well(step.subject, state)
        if state["Status"] in ("exited", "dead"):
            raise NotProven(f"{step.subject} is {state['Status']}, meant running")
        health = (state.get("Health") or {}).get("Status", "")
        if health == "starting" and self._is_well(str(found["Id"])):
            health = "healthy, asked by us"
        known = health in ("", "none") or health.startswith("healthy")
        up = state["Status"] == "running" and known
        return f"{id_} is {health or 'running'}" if up else ""

    def _create(self, plan: Plan, target: Record, step: Step) -> None:
        made = _made_as(plan, target, step)
        if step.which is Which.OLD:
            # Somebody removed what ran; its image may have gone with it.
            self._images.hold(target, target.image_for(made.service))
            self._files.put_missing(plan)
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
            case Do.STAGE:
                self._staging.stage(plan, swap, found)
            case Do.HAND_OVER:
                givers, ends = self._given(plan, step)
                self._staging.hand_over(givers, found, ends)
            case Do.START | Do.WARM:
                start(self._engine, plan, found, self._ends(plan, target, step))
            case Do.REMOVE:
                beside = step.which is Which.STANDBY or reaches_nobody(found)
                if beside:
                    self._engine.stop(id_, swap.stop_within)
                self._engine.remove(id_)
            case _:
                raise AssertionError(f"{step.do} is not about a container")

    def _ends(
        self, plan: Plan, record: Record, step: Step
    ) -> Mapping[str, Mapping[str, Any]]:
        """Give the endpoints that what *step* starts must have: it serves by them."""
        swap, back = _swap(plan, step), step in plan.way_back
        if step.do is not Do.START or swap.is_warm or swap.job:
            return {}
        if step.which is Which.NEW:
            return swap.networks
        known = back and any(r.service == swap.service for r in record.replicas)
        return remade(plan, record, swap).networks if known else {}

    def _given(
        self, plan: Plan, step: Step
    ) -> tuple[list[dict[str, Any] | None], Mapping[str, Mapping[str, Any]]]:
        """Give who may have the place that is handed over, and its endpoints."""
        swap, back = _swap(plan, step), step.which is Which.OLD
        other = Which.NEW if back else Which.OLD
        givers = [self._of(plan, step, other), self._of(plan, step, Which.STANDBY)]
        return givers, swap.gives if back else swap.networks

    def _of(self, plan: Plan, step: Step, which: Which) -> dict[str, Any] | None:
        return self._container(plan, Step(step.do, step.subject, which))

    # -- a standby -------------------------------------------------------------

    def _stood_in(self, plan: Plan, step: Step) -> str:
        """Tell whether the standby has the place; or who has it, where it cannot."""
        swap, new = _swap(plan, step), self._of(plan, step, Which.NEW)
        if new is not None and has(new, swap.networks):
            return f"{str(new['Id'])[:12]} has the place"
        old, standby = self._stands(plan, step)
        if standby is not None:
            return self._staging.handed_over([old], standby, swap.networks)
        keeps = old is not None and has(old, swap.gives)
        if old is None or not keeps:
            return "" if old else "neither is there any more"
        return f"it is not healthy any more: {str(old['Id'])[:12]} keeps its place"

    def _stand_in(self, plan: Plan, step: Step) -> None:
        """Give the standby the place; where it fell ill, give it back to what ran."""
        swap, (old, standby) = _swap(plan, step), self._stands(plan, step)
        if standby is not None:
            self._staging.hand_over([old], standby, swap.networks)
        elif old is not None:
            ill = self._of(plan, step, Which.STANDBY)
            self._staging.hand_over([ill], old, swap.gives)

    def _stands(
        self, plan: Plan, step: Step
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Give what ran, and the standby if it may have the place, or has it."""
        old = self._of(plan, step, Which.OLD)
        standby = self._of(plan, step, Which.STANDBY)
        if standby is None or not standby["State"]["Running"]:
            return old, None
        well = (standby["State"].get("Health") or {}).get("Status") == "healthy"
        there = has(standby, _swap(plan, step).networks)
        return old, standby if well or there else None

    def _container(self, plan: Plan, step: Step) -> dict[str, Any] | None:
        swap = _swap(plan, step)
        if step.which is None:
            # Somebody's, that never ran: once it did it is not ours to touch.
            found = shown(self._engine, step.to)
            never = found is not None and found["State"]["Status"] == NEVER_RAN
            return found if never else None
        if step.which is Which.STANDBY:
            return shown(self._engine, swap.standby) if swap.standby else None
        old = step.which is Which.OLD
        if old and swap.old_id and (found := shown(self._engine, swap.old_id)):
            return found
        known = (plan.op, step.subject, step.which)
        id_ = self._labelled.pop(known, "")
        if id_ and (found := shown(self._engine, id_)):
            self._labelled[known] = id_
            return found
        mine = {_OP: plan.op, _SERVICE: swap.service, _REPLACES: swap.old_id}
        ours = self._engine.containers(mine | {_ROLE: "previous" if old else "target"})
        if len(ours) > 1:
            raise Foreign(
                f"{len(ours)} containers carry the label {_OP}={plan.op}",
                "remove those that do not serve, then let the watchdog go on",
            )
        if ours:
            self._labelled[known] = str(ours[0]["Id"])
            return shown(self._engine, self._labelled[known])
        return None if old else of_the_target(self._engine, plan, swap, step)

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


def _ended_well(job: str, state: Mapping[str, Any]) -> str:
    """Give the evidence that a job ended with 0; nothing while it has not ended."""
    if state["Status"] not in ("exited", "dead"):
        return ""
    if code := int(state.get("ExitCode") or 0):
        raise NotProven(f"job {job} ended with {code}, meant 0")
    return f"job {job} ended with 0"


def _is_of_its_image(swap: Swap, made: Mapping[str, Any]) -> None:
    """Raise unless *made* is of the image that is meant: its name may have moved."""
    meant = str((swap.new.get("Labels") or {}).get(_IMAGE, ""))
    if meant and made["Image"] != meant:
        raise NotProven(
            f"{swap.subject} was made of image {str(made['Image'])[:19]}, meant image "
            f"{meant[:19]}: somebody gave its name to another image",
            "roll back again: the name is given back first",
        )


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
