"""How a service of a swarm is: by its tasks, and by no word of its update."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from watchdog.facts.spec import is_made_from, replicas_of

_OVER = ("complete", "shutdown", "failed", "rejected", "orphaned", "remove")
# A task may fail once and find another node: two of one spec say something.
_ENOUGH = 2
# Of one that failed before anything of the image ran, as where its node has no network.
_NOT_STARTED = "starting container failed"
# A node has taken it on: whatever becomes of it now is not that node's refusal.
_BEGUN = ("starting", "running")


@dataclass(frozen=True, slots=True)
class Serving:
    """What the tasks of a service come to.

    *state* is ``running`` once each of them is of the spec that holds now, and none of
    another is left; ``up`` when only those are still ending. Else it is what Docker
    would call a container: ``created``, ``restarting``, ``exited``. *words* say more.
    *failed* is what the newest of them came to that failed, where several did;
    *rejected* the same of those that nodes would not start, while none has taken one
    in their place. *ids* are those that run of those that are wanted. *unseen* are the
    ids of nodes that are down and had one of another spec.
    """

    state: str
    words: str
    failed: str = ""
    ids: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    rejected: str = ""

    @property
    def is_up(self) -> bool:
        """Whether all that are wanted run, whatever of before is still ending."""
        return self.state in ("running", "up")


def serving(
    spec: Mapping[str, Any],
    tasks: Sequence[Mapping[str, Any]],
    down: Collection[str],
    since: str = "",
) -> Serving:
    """Weigh *tasks*, of the one service that *spec* is of.

    A task on a node that is *down* is listed as running for ever, and nobody can
    tell: it is not waited for. What failed before *since*, when the service was last
    told another thing, says nothing of this time.
    """
    want = replicas_of(spec)
    wanted = [one for one in tasks if one.get("DesiredState") == "running"]
    mine = [one for one in wanted if is_made_from(one, spec)]
    up = [one for one in mine if _state(one) == "running"]
    up = [one for one in up if one.get("NodeID") not in down]
    others = [
        one
        for one in tasks
        if one not in mine and _state(one) not in _OVER and not is_made_from(one, spec)
    ]
    lost = sorted({str(o["NodeID"]) for o in others if o.get("NodeID") in down})
    others = [one for one in others if one.get("NodeID") not in down]
    # Where each node has one, so many are wanted as the swarm gave out.
    want = (len(wanted) or 1) if want is None else want
    said = f"{len(up)} of {want} tasks run"
    ids = tuple(sorted(str(one.get("ID", "")) for one in up))
    tried = [
        one
        for one in tasks
        if _at(one.get("CreatedAt")) >= _at(since) and is_made_from(one, spec)
    ]
    failed = _failed(tried)
    rejected = "" if failed else _rejected(tried, mine)
    if not want:
        return Serving("exited", "it is scaled to zero")
    if len(up) >= want and len(mine) == len(wanted):
        if not others:
            return Serving("running", said, ids=ids, unseen=tuple(lost))
        words = f"{said}, and {len(others)} of before are still ending"
        return Serving("up", words, ids=ids)
    why = failed or rejected
    words = "; ".join(part for part in (said, why or _waits(mine)) if part)
    state = "restarting" if why else "created"
    return Serving(state, words, failed, ids, rejected=rejected)


def up_of(services: Collection[Serving]) -> tuple[str, ...]:
    """Give the ids of all tasks, once those of each service are up."""
    if not all(one.is_up for one in services):
        return ()
    return tuple(id_ for one in services for id_ in one.ids)


def _failed(tasks: Sequence[Mapping[str, Any]]) -> str:
    """Say what the newest failure of *tasks* was, if several of them failed."""
    bad = [one for one in tasks if _state(one) == "failed" and not _ran_nowhere(one)]
    return f"{len(bad)} tasks failed, {_newest(bad)}" if len(bad) >= _ENOUGH else ""


def _rejected(
    tasks: Sequence[Mapping[str, Any]], mine: Sequence[Mapping[str, Any]]
) -> str:
    """Say why nodes would start none of *tasks*, if that is how it still is.

    Nothing of the image ran then: the node has it not, or has not its network yet, as
    where it just came back. The swarm tries it again; *mine* are those that it wants to
    run now.
    """
    bad = [one for one in tasks if _state(one) in ("failed", "rejected")]
    taken = {_place(one) for one in mine if _state(one) in _BEGUN}
    left = [one for one in bad if _ran_nowhere(one) and _place(one) not in taken]
    if len(bad) < _ENOUGH or not left:
        return ""
    return f"{len(bad)} tasks were not started by their nodes, {_newest(left)}"


def _ran_nowhere(task: Mapping[str, Any]) -> bool:
    said = str((task.get("Status") or {}).get("Err") or "")
    return _state(task) == "rejected" or said.startswith(_NOT_STARTED)


def _newest(tasks: Sequence[Mapping[str, Any]]) -> str:
    newest = max(tasks, key=lambda one: _at(one.get("CreatedAt")))
    status = newest.get("Status") or {}
    return f"the newest: {status.get('Err') or status.get('Message') or 'no reason'}"


def _place(task: Mapping[str, Any]) -> object:
    """Name what *task* is one try of: a replica, or the one of its node."""
    return task.get("Slot") or task.get("NodeID")


def _waits(mine: Sequence[Mapping[str, Any]]) -> str:
    """Say why a task is placed nowhere, where the swarm says it."""
    said = [(one.get("Status") or {}).get("Err") for one in mine]
    return next((str(err) for err in said if err), "")


def _at(said: object) -> tuple[str, str]:
    """Make a time of the engine's comparable: it leaves zeros at the end out."""
    seconds, _, rest = str(said or "").rstrip("Z").partition(".")
    return seconds, rest.ljust(9, "0")


def _state(task: Mapping[str, Any]) -> str:
    return str((task.get("Status") or {}).get("State", ""))
