"""What somebody's own ``docker compose up -d`` started of what we were putting up."""

from typing import Any

from watchdog.act.shown import shown
from watchdog.decide.alike import number_of
from watchdog.decide.meanwhile import NEVER_RAN
from watchdog.decide.successor import OP
from watchdog.facts.plan import Do, Plan, Step, Swap
from watchdog.outside.engine import Engine

_ASIDE = ".rb-"
_IMAGE = "io.flexli.rollback.image"
_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
_ONEOFF = "com.docker.compose.oneoff"


def of_the_target(
    engine: Engine, plan: Plan, swap: Swap, step: Step
) -> dict[str, Any] | None:
    """Find what somebody's ``up -d`` started of the target in ours' place.

    It leads where we go, so that it counts as ours, but to remove it while it runs.
    """
    labels = swap.new.get("Labels") or {}
    wanted = {_PROJECT: str(labels.get(_PROJECT, "")), _ONEOFF: "False"}
    wanted[_SERVICE] = swap.service
    for listed in engine.containers(wanted):
        if listed["Id"] == swap.old_id:
            continue
        found = shown(engine, str(listed["Id"]))
        if found is None:
            continue
        has, state = found["Config"].get("Labels") or {}, found["State"]
        name = str(found["Name"])
        # Put aside by this very way back it is still the one that failed.
        aside = _ASIDE in name and not name.endswith(f".rb-failed-{plan.op}")
        aside = aside and not state["Running"]
        if (
            not aside
            and OP not in has
            and found["Image"] == labels.get(_IMAGE)
            and state["Status"] != NEVER_RAN
            and swap.number in (0, number_of(has))
            and not (step.do is Do.REMOVE and state["Running"])
        ):
            return found
    return None
