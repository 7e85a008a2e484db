"""Is all of it measured? Replicas that nobody scrapes."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import TypeAlias

from watchdog.facts import selector
from watchdog.facts.reading import Blind
from watchdog.facts.trigger import (
    Latency,
    Queue,
    Ratio,
    Traffic,
    Trigger,
)
from watchdog.observe import promql
from watchdog.observe.numbers import duration

# One scrape may be missed, and the next is under way.
_SCRAPES = 2.5
_AN_HOUR = timedelta(hours=1)

# The service and the id of a container, by what only that is reached by.
Hosts: TypeAlias = Mapping[str, tuple[str, str]]
# Asks for one instant.
Ask: TypeAlias = Callable[[str], list[tuple[dict[str, str], float]] | Blind]


def is_counted(trigger: Trigger) -> bool:
    """Tell whether it is asked on how many containers *trigger* is measured."""
    return bool(_counted(trigger))


def measured(
    triggers: Sequence[Trigger],
    ask: Ask,
    scrape: timedelta,
    age: timedelta,
    *,
    replicas: Mapping[str, int],
    hosts: Hosts,
) -> dict[str, tuple[int, int] | None] | Blind:
    """Tell of each trigger that counts on how many containers it is measured.

    *age* is how long the pair runs; *replicas* and *hosts* as for ``measured_on``.
    """
    counted = [(t, kind) for t in triggers for kind in _counted(t)]
    if not counted:
        return {}
    answer = ask(
        promql.joined(
            _replicas_question(number, kind, scrape, age)
            for number, (_, kind) in enumerate(counted)
        )
    )
    if isinstance(answer, Blind):
        return answer
    seen: list[dict[str, set[str]]] = [{} for _ in counted]
    for labels, _ in answer:
        parts = seen[int(labels.get("look", "0"))]
        parts.setdefault(labels.get("part", ""), set()).add(labels.get("instance", ""))
    found: dict[str, tuple[int, int] | None] = {}
    for (trigger, _), parts in zip(counted, seen, strict=True):
        on, before = measured_on(parts, replicas, hosts), found.get(trigger.name)
        found[trigger.name] = min(filter(None, (on, before)), default=None)
    return found


def _counted(trigger: Trigger) -> tuple[Ratio | Latency, ...]:
    """Give what counts events; traffic and queues as if all of it failed."""
    match trigger.kind:
        case Ratio() | Latency() as kind:
            return (kind,)
        case Traffic(events=events):
            return (Ratio(events, events),)
        case Queue(depth=depth, enqueued=enqueued, drained=drained):
            return tuple(Ratio(one, one) for one in (depth, enqueued, drained))
        case _:
            return ()


def _replicas_question(
    number: int, kind: Ratio | Latency, scrape: timedelta, age: timedelta
) -> str:
    """Ask by which instances the total is measured now, and lately of this pair.

    And which targets of the same job are down.
    """
    total = kind.must_be_there if isinstance(kind, Ratio) else promql.every_bucket(kind)
    now = _SCRAPES * scrape
    terms = [
        ("now", promql.groups_of(kind, "instance", now)),
        ("lately", promql.groups_of(kind, "instance", max(now, min(age, _AN_HOUR)))),
    ]
    found = selector.read(total)
    matchers = found.matchers if found else ()
    jobs = [str(one) for one in matchers if one.label == "job" and one.how[0] == "="]
    if jobs:
        up = f"last_over_time(up{{{','.join(jobs)}}}[{duration(now)}]) == 0"
        terms.append(("down", f"group by (instance) ({up})"))
    return promql.joined(
        f'label_replace(label_replace({what}, "part", "{part}", "", ""), '
        f'"look", "{number}", "", "")'
        for part, what in terms
    )


def measured_on(
    seen: Mapping[str, Collection[str]], replicas: Mapping[str, int], hosts: Hosts
) -> tuple[int, int] | None:
    """Say on how many of how many containers it is measured, where some are missing.

    *seen* has the instances ``now``, ``lately`` and ``down``; *replicas* counts the
    running containers by service, and *hosts* gives the service and the id of each by
    its own names and addresses. None where none is missing, or nobody can know: one
    instance may be a proxy before all of them.
    """
    now = {one for one in seen.get("now", ()) if one}
    if not now or "" in seen.get("now", ()):
        return None
    for service, count in replicas.items():
        named = {_named(one, service, hosts) for one in now} - {""}
        if named and len(named) < count:
            return len(named), count
    sums = {0}
    for count in replicas.values():
        sums |= {one + count for one in sums}
    if len(now) > 1 and len(now) not in sums:
        more = [one for one in sums if one > len(now)]
        return (len(now), min(more)) if more else None
    most = max(replicas.values(), default=0)
    known = now | set(seen.get("lately", ())) | set(seen.get("down", ()))
    if len(now) < min(len(known), most):
        return len(now), most
    return None


def _named(instance: str, service: str, hosts: Hosts) -> str:
    """Name the container of *service* that *instance* is; empty if it is none of it.

    By its own address, or as what is named after the service or one of its containers.
    """
    host = (instance.rpartition(":")[0] or instance).strip("[]")
    whose, container = hosts.get(host, ("", ""))
    if whose:
        return container if whose == service else ""
    named = rf"(?:.*[-_])?{re.escape(service)}(?:[-_]\d+)?"
    return instance if re.fullmatch(named, host) else ""
