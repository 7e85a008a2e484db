"""A container as the engine shows it; as it lists it, where it refuses to show it.

What cannot be looked at may still have to be stopped, or started again: a way back
never waits for a single container's words.
"""

from collections.abc import Mapping
from typing import Any

from watchdog.facts.plan import Do, Step, Which
from watchdog.facts.problem import EngineRefused
from watchdog.outside.engine import Engine

UNREAD = "Unread"
"""The key under which it says why no more is known of it."""
_RUNS = ("running", "paused", "restarting")


def shown(engine: Engine, id_: str) -> dict[str, Any] | None:
    """Give the container *id_*, or what is listed of it; None when there is none.

    Raises:
        EngineRefused: it is neither shown nor listed.
        Unreachable: not known.
    """
    try:
        return engine.container(id_)
    except EngineRefused as refused:
        for listed in engine.containers({}):
            if listed["Id"] == id_:
                return _as_listed(listed, refused.words)
        raise


def must_be_seen(found: Mapping[str, Any], step: Step) -> None:
    """Raise EngineRefused where *step* is the last before what serves is touched.

    What is not seen until then leaves everything as it is.
    """
    made = step.do is Do.CREATE and step.which is Which.NEW
    runs = step.do is Do.STOP and step.which is Which.OLD and found["State"]["Running"]
    if UNREAD in found and (made or runs):
        raise EngineRefused(str(found[UNREAD]))


def _as_listed(listed: Mapping[str, Any], why: str) -> dict[str, Any]:
    state = str(listed.get("State", ""))
    return {
        UNREAD: why,
        "Id": listed["Id"],
        "Name": listed["Names"][0],
        "Image": listed.get("ImageID", ""),
        "Config": {
            "Image": listed.get("Image", ""),
            "Labels": listed.get("Labels") or {},
        },
        "HostConfig": listed.get("HostConfig") or {},
        "NetworkSettings": listed.get("NetworkSettings") or {},
        "State": {
            "Status": state,
            "Running": state in _RUNS,
            "Restarting": state == "restarting",
        },
    }
