"""What a swarm is told of a service, its spec, and how two of them are compared."""

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

OP = "io.flexli.rollback.op"
BACK = "/back"  # behind an operation, on what its way back writes
STACK = "com.docker.stack.namespace"


def canonical(value: Any) -> Any:
    """Give *value* as the engine shows it: what is empty or zero is not there."""
    if isinstance(value, Mapping):
        whole = {key: canonical(one) for key, one in value.items()}
        return {key: one for key, one in whole.items() if one not in _NOTHING}
    if isinstance(value, list | tuple):
        return [canonical(one) for one in value]
    return value


_NOTHING: tuple[Any, ...] = (None, "", 0, {}, [])


def mark_of(spec: Mapping[str, Any]) -> str:
    """Name all that *spec* says, but for its scale and for starts that were forced.

    Those are people's own: whoever scales a service, or has it started anew, deployed
    no other pair.
    """
    whole = deepcopy(dict(spec))
    (whole.get("Mode") or {}).get("Replicated", {}).pop("Replicas", None)
    whole.setdefault("TaskTemplate", {}).pop("ForceUpdate", None)
    return _hashed(whole)


def template_of(spec: Mapping[str, Any]) -> str:
    """Name what *spec* makes tasks from: another name is another start of them all.

    A swarm moves no task that its new placement allows where it is, so that is left
    out, and so is how often a start was forced.
    """
    return _hashed(_bare(spec.get("TaskTemplate") or {}))


def is_made_from(task: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    """Tell whether *task* was made from what *spec* says now."""
    made, meant = task.get("Spec") or {}, spec.get("TaskTemplate") or {}
    forced = [one.get("ForceUpdate") or 0 for one in (made, meant)]
    return forced[0] == forced[1] and _hashed(_bare(made)) == _hashed(_bare(meant))


def op_in(spec: Mapping[str, Any] | None) -> str:
    """Give the operation that wrote *spec*; nothing for anybody else's."""
    return _label(spec).removesuffix(BACK)


def put_up_by(service: Mapping[str, Any]) -> str:
    """Give the operation that put up what *service* is; nothing for its way back.

    Its mark is gone from what it wrote last, and is on the spec before that.
    """
    spec, last = service["Spec"], service.get("PreviousSpec") or {}
    for one in (spec, last):
        by = _label(one)
        if by and template_of(one) == template_of(spec):
            return "" if by.endswith(BACK) else by
    return ""


def _label(spec: Mapping[str, Any] | None) -> str:
    return str(((spec or {}).get("Labels") or {}).get(OP, ""))


def replicas_of(spec: Mapping[str, Any]) -> int | None:
    """Give how many tasks *spec* wants; None for one on each node."""
    mode = spec.get("Mode") or {}
    if "Global" in mode:
        return None
    return int((mode.get("Replicated") or {}).get("Replicas") or 0)


def kind_of_mode(spec: Mapping[str, Any]) -> str:
    """Name the mode of a service: ``Replicated``, ``Global``, or a job's."""
    return str(next(iter(spec.get("Mode") or {"Replicated": {}})))


def scaled_as(spec: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Give *spec* with the scale and the forced starts of *now*.

    Of nothing at all nothing could be proved: from a service that was scaled to zero
    the spec's own scale is kept.
    """
    whole = deepcopy(dict(spec))
    replicas = replicas_of(now)
    if replicas and replicas_of(whole) is not None:
        whole["Mode"] = {"Replicated": {"Replicas": replicas}}
    forced = (now.get("TaskTemplate") or {}).get("ForceUpdate") or 0
    if forced:
        whole.setdefault("TaskTemplate", {})["ForceUpdate"] = forced
    else:
        whole.get("TaskTemplate", {}).pop("ForceUpdate", None)
    return whole


def _bare(template: Mapping[str, Any]) -> dict[str, Any]:
    # Tasks lack the runtime that their service names.
    left_out = ("Runtime", "ForceUpdate", "Placement")
    return {key: one for key, one in template.items() if key not in left_out}


def _hashed(value: Any) -> str:
    text = json.dumps(canonical(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
