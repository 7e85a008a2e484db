"""Whether it is a counter, of all events, and each event is counted once.

Source: Prometheus HTTP API, ``GET /api/v1/metadata`` and ``GET /api/v1/targets``.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from watchdog.facts.selector import read
from watchdog.facts.trigger import Ratio
from watchdog.observe.numbers import duration, seconds

_QUOTED = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`"""
_EQUALS = re.compile(rf"([a-zA-Z_]\w*)\s*=\s*({_QUOTED})", re.ASCII)
_MATCHER = re.compile(rf"[a-zA-Z_]\w*\s*(?:=~|!~|!=|=)\s*(?:{_QUOTED})", re.ASCII)
# What only good events are called: a word of the name, or the whole of a label.
_GOOD = r"success(?:es|ful)?|succeeded|successfully|good|ok"
_GOOD_NAME = re.compile(rf"(?:^|_)(?:{_GOOD})(?:_|$)", re.IGNORECASE)
_GOOD_LABEL = re.compile(
    rf"""[a-z_]\w*\s*=~?\s*["'`](?:{_GOOD}|2\.\.|2xx|2\.[*+]|200)["'`]""",
    re.IGNORECASE,
)
_HOUR = timedelta(hours=1)
# A target that is started again falls too, and so often no target is.
_FALLS = 5
# Series of one event differ in these alone: two jobs, or two servers of one store.
_COPIES = (
    "job",
    "replica",
    "prometheus",
    "prometheus_replica",
    "receive_replica",
    "monitor",
)
_MOST_QUOTED = 200


def name_of(selector: str) -> str:
    """Give a selector's metric; empty where it has none of its own."""
    found = read(selector)
    return found.name if found else selector.partition("{")[0].strip()


def is_recorded(selector: str) -> bool:
    """Tell a recording rule by its name: ``level:metric:operations``."""
    return ":" in name_of(selector)


def is_gauge(metadata: Any, selector: str) -> bool:
    """Tell whether who exports it says that it is a gauge, and nobody a counter."""
    told = metadata.get(name_of(selector)) if isinstance(metadata, dict) else None
    types = {
        one.get("type")
        for one in (told if isinstance(told, list) else ())
        if isinstance(one, dict)
    }
    return "gauge" in types and "counter" not in types


def is_of(metadata: Any, name: str) -> bool:
    """Tell whether somebody exports a metric of that name."""
    return isinstance(metadata, dict) and bool(metadata.get(name))


def falls(selector: str) -> str:
    """Ask how often a series fell in the last hour, if that is no start of a target.

    A counter falls when its target starts; a gauge at every third change or more.
    """
    hour = duration(_HOUR)
    fell, changed = f"resets({selector}[{hour}])", f"changes({selector}[{hour}])"
    return f"max({fell} > {_FALLS} and {fell} * 3 > {changed})"


def outnumbered(kind: Ratio, width: timedelta) -> str:
    """Ask in how many blocks of the last hour there were more errors than events.

    By a tenth and five: what two targets are scraped apart is less.
    """
    over = duration(width)
    errors, total = (f"sum(rate({one.strip()}[{over}]))" for one in _both(kind))
    more = f"({errors} - 1.1 * {total}) * {seconds(width)} > 5"
    return f"count_over_time(({more})[{duration(_HOUR)}:{over}])"


def _both(kind: Ratio) -> tuple[str, str]:
    return kind.errors, kind.total


def is_named_good(kind: Ratio) -> bool:
    """Tell whether the total is called after good events, of which errors are none."""
    name, total = name_of(kind.total), kind.total.partition("{")[2]
    own = set(_matchers(total))
    if name == name_of(kind.errors) and own <= set(_matchers(kind.errors)):
        return False
    return bool(_GOOD_NAME.search(name) or any(map(_GOOD_LABEL.fullmatch, own)))


def _matchers(text: str) -> Iterator[str]:
    return (found.group() for found in _MATCHER.finditer(text.partition("}")[0] + "}"))


def copies(selector: str) -> Iterator[tuple[str, str, str]]:
    """Ask whether the same events are there more than once.

    Each with words of how, and the label that tells them apart. Copies differ in one
    label alone and grow by the same within a twentieth; or a server federates another
    one, whose names it keeps as ``exported_…``; or a process is scraped under several
    names, by when it started, which no two do in the same hundredth of a second.
    """
    grows = f"(rate({selector.strip()}[10m]) > 0)"
    for label in _COPIES:
        most, least = f"max without ({label}) {grows}", f"min without ({label}) {grows}"
        many = f"count without ({label}) {grows} > 1"
        moved = f"count(({many}) and ({most} - {least} <= 0.05 * {most}))"
        yield f"that differ in `{label}` only and move together", label, moved
    named = selector.strip()
    for label in ("job", "instance"):
        named = f'label_replace({named}, "{label}", "$1", "exported_{label}", "(.+)")'
    again = f"count(count without (exported_job, exported_instance) ({named}) > 1)"
    yield "that are federated too", "job", again
    starts = f"process_start_time_seconds and on (job, instance) {selector.strip()}"
    several = f'max(count_values("start", {starts})) > 1'
    yield "of one process under several names, by when it started", "job", several


def ended(selector: str) -> str:
    """Ask for the minute of the newest sample of the last day.

    Not by ``timestamp`` of it, which reads each series anew at each step.
    """
    there = f"group(present_over_time({selector.strip()}[1m]))"
    return f"max_over_time(({there} * time())[1d:1m])"


def ended_words(at: datetime, seconds_since: float) -> str:
    """Say when it ended: the time of the day, by UTC as everywhere."""
    last = datetime.fromtimestamp(seconds_since, at.tzinfo)
    return f"ended at {last:%H:%M}"


def alike(selector: str) -> str:
    """Ask for metrics of the same name but for its dots, as Prometheus 3 keeps it."""
    name = name_of(selector)
    pattern = "[._]".join(map(re.escape, re.split("[_.]", name))).replace("\\", "\\\\")
    return f'group by (__name__) ({{__name__=~"{pattern}",__name__!="{name}"}})'


def down(targets: Any, selector: str) -> str:
    """Quote what Prometheus says of a target that it cannot scrape; empty if none.

    Only targets that the selector's own labels, such as its job, do not leave out.
    """
    wanted = {key: text[1:-1] for key, text in _EQUALS.findall(selector)}
    listed = targets.get("activeTargets") if isinstance(targets, dict) else None
    for one in listed if isinstance(listed, list) else ():
        labels = one.get("labels", {}) if isinstance(one, dict) else {}
        error = one.get("lastError", "") if isinstance(one, dict) else ""
        if not error or not isinstance(labels, dict):
            continue
        if all(labels.get(key, text) == text for key, text in wanted.items()):
            where = f"{labels.get('instance', '?')} of job {labels.get('job', '?')}"
            words = " ".join(str(error).split())[:_MOST_QUOTED]
            return f"Prometheus cannot scrape {where}: {words}"
    return ""
