"""One container of the stack as it is shown: whole, or as far as it can be read."""

from collections.abc import Mapping
from typing import Any

from watchdog.decide.alike import number_of
from watchdog.facts.pair import Found, Part
from watchdog.facts.problem import Problem
from watchdog.observe.labelled import instant, put_aside, version_of
from watchdog.observe.made import grace_of
from watchdog.outside.engine import Engine

_OP = "io.flexli.rollback.op"
_MOST = 200  # characters of a line


def inspected(
    service: str,
    container: Mapping[str, Any],
    jobs: tuple[str, ...],
    manifests: tuple[Found, ...],
    names: tuple[str, ...],
) -> Part:
    """Give *container* of *service* as the engine shows it whole.

    *names* are the versions that its image may be of, the likeliest first.
    """
    ref, name = str(container["Config"]["Image"]), str(container["Name"])
    labels, state = container["Config"]["Labels"], container["State"]
    return Part(
        service=service,
        name=name.lstrip("/"),
        container=str(container["Id"]),
        version=names[0],
        image_ref=ref,
        image=str(container["Image"]),
        state=str(state["Status"]),
        aside=put_aside(name, container, runs=bool(state["Running"])),
        manifests=manifests,
        number=number_of(labels),
        op=str(labels.get(_OP, "")),
        made=instant(container["Created"]),
        jobs=jobs,
        names=names,
        grace=grace_of(container["Config"]),
    )


def as_listed(
    service: str,
    listed: Mapping[str, Any],
    jobs: tuple[str, ...],
    names: tuple[str, ...],
    unread: str,
) -> Part:
    """Give a container of *service* as it is *listed*, and why no more is known."""
    ref, state = str(listed.get("Image", "")), str(listed.get("State", ""))
    labels, name = listed.get("Labels") or {}, str(listed["Names"][0])
    return Part(
        service=service,
        name=name.lstrip("/"),
        container=str(listed["Id"]),
        version=version_of(ref),
        image_ref=ref,
        image=str(listed.get("ImageID", "")),
        state=state or "not known",
        aside=put_aside(name, listed, runs=state == "running"),
        manifests=(),
        number=number_of(labels),
        op=str(labels.get(_OP, "")),
        jobs=jobs,
        names=names,
        unread=unread,
    )


def last_line(engine: Engine, container: str) -> str:
    """Give what *container* printed last, or why that cannot be read."""
    try:
        lines = engine.logs(container, 1).strip().splitlines()
    except Problem as problem:
        return f"its log could not be read: {problem.words}"
    return f"it printed last: {lines[-1][:_MOST]}" if lines else "it printed nothing"
