"""Is all of it measured? Errors that were renamed, replicas that nobody scrapes."""

import math
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias

from watchdog.facts import selector
from watchdog.facts.reading import Blind, Measured, Reading
from watchdog.facts.trigger import (
    Latency,
    Queue,
    Ratio,
    RatioQuery,
    Traffic,
    Trigger,
)
from watchdog.observe import fresh, promql
from watchdog.observe.numbers import duration

# One scrape may be missed, and the next is under way.
_SCRAPES = 2.5
_LATELY = timedelta(days=1)
_AN_HOUR = timedelta(hours=1)
# Whether errors that match nothing were renamed is asked once in so many seconds.
_ASKED_AGAIN = 30.0
_MOST_TOLD = 256

# The service and the id of a container, by what only that is reached by.
Hosts: TypeAlias = Mapping[str, tuple[str, str]]
# Asks for one instant.
Ask: TypeAlias = Callable[[str], list[tuple[dict[str, str], float]] | Blind]


class Names:
    """Whether errors that match nothing were renamed; asked now and then.

    *scrape* is how far apart the samples are.
    """

    def __init__(self, scrape: timedelta) -> None:
        self._scrape = scrape
        self._told: dict[str, tuple[float, str]] = {}

    def held_against(
        self, trigger: Trigger, reading: Reading, since: datetime | None, ask: Ask
    ) -> Reading:
        """Say in *reading* why no errors' series is there while the total grows.

        Only in the newest window, and of the pair that runs *since* then: a look
        reaches further back, to errors under the names that they had before.
        """
        kind = trigger.kind
        if not isinstance(kind, Ratio | RatioQuery) or not isinstance(
            reading, Measured
        ):
            return reading
        # An expression may say nought of no series: `… or vector(0)`.
        nought = 0.0 if isinstance(kind, RatioQuery) else -math.inf
        first = None if since is None else since + trigger.block
        for look in reading.looks:
            for block in reversed(look.blocks):
                if block.end <= look.at - trigger.window:
                    break
                is_own = first is None or block.end >= first
                if is_own and block.parts.get("bad", -math.inf) > nought:
                    return reading
        own = (
            block.parts.get("all", 0.0)
            for look in reading.looks
            for block in look.blocks
            if first is None or block.end >= first
        )
        if sum(own) < 1:
            return reading
        age = timedelta() if since is None else reading.looks[0].at - since
        query = errors_question(kind, self._scrape, age)
        if not query:
            return reading
        asked_at, words = self._told.get(query, (-math.inf, ""))
        if time.monotonic() >= asked_at + _ASKED_AGAIN:
            answer = ask(query)
            if isinstance(answer, Blind):
                return answer
            counted = {labels.get("part", ""): value for labels, value in answer}
            words = errors_words(kind, counted)
            if len(self._told) >= _MOST_TOLD:
                self._told.clear()
            self._told[query] = (time.monotonic(), words)
        return replace(reading, renamed=words)


def errors_question(kind: Ratio | RatioQuery, scrape: timedelta, age: timedelta) -> str:
    """Ask whether the errors matched lately, and whether they could match now.

    Lately is a day before what runs, whatever *age* that has: by then it would be
    forgotten that they ever matched. They could where what runs has series of that name
    and with those labels: then there was no error yet. Empty where the selectors are no
    plain ones.
    """
    kin = _kin(kind)
    if not kin or not all(kin.values()):
        return ""
    hours = -(-max(age, timedelta()) // _AN_HOUR)
    lately, now = duration(_LATELY + hours * _AN_HOUR), duration(2 * scrape)
    counted: dict[str, str] = {}
    for number, (errors, like) in enumerate(kin.items()):
        counted[f"lately{number}"] = f"count(last_over_time({errors}[{lately}]))"
        counted[f"kin{number}"] = f"count(last_over_time({like}[{now}]))"
    return promql.joined(
        f'label_replace({what}, "part", "{part}", "", "")'
        for part, what in counted.items()
    )


def errors_words(kind: Ratio | RatioQuery, counted: Mapping[str, float]) -> str:
    """Say that the errors were renamed, all that they are made of, or nothing."""
    kin = _kin(kind)
    each = [counted.get(f"lately{number}", 0.0) for number in range(len(kin))]
    if not all(each) or any(counted.get(f"kin{n}", 0.0) for n in range(len(kin))):
        return ""
    lately, named = sum(each), " and ".join(f"`{errors}`" for errors in kin)
    series = "1 series" if lately == 1 else f"{lately:.0f} series"
    return (
        f"{named} matched {series} in the day before and nothing of "
        "what runs now, while the total grows: was its name or a label renamed? If it "
        "is born with its first error, start it at 0"
    )


def _kin(kind: Ratio | RatioQuery) -> dict[str, str]:
    """Select what has the errors' names and labels, whatever the labels say.

    What the total asks for too, such as the job, stays as it is. By what the errors are
    made of; empty for what is no plain selector.
    """
    if isinstance(kind, Ratio):
        errors, totals = [kind.errors.strip()], [kind.must_be_there]
    else:
        errors, totals = (
            fresh.counted(promql.over(template, timedelta(minutes=1)))
            for template in (kind.errors_query, kind.total_query)
        )
    wholes = [selector.read(one) for one in totals]
    matchers = {one for whole in wholes if whole for one in whole.matchers}
    return {
        one: _like(selector.read(one), matchers) if all(wholes) else ""
        for one in errors
    }


def _like(found: selector.Selector | None, whole: Collection[selector.Matcher]) -> str:
    if found is None:
        return ""
    kept: list[selector.Matcher] = []
    for one in found.matchers:
        if one in whole:
            kept.append(one)
        elif one.how in ("=", "=~"):
            kept.append(selector.Matcher(one.label, "!=", '""'))
    return str(selector.Selector(found.name, tuple(kept)))


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
