"""What Prometheus has of a stack into triggers: a proposal, to be tried and read.

None of them rolls back by itself: that is for who owns a release to agree to.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from watchdog.facts.surroundings import Exported, Metric, Service, Target

STATUS_LABELS = (
    "code",
    "status",
    "status_code",
    "http_status",
    "http_status_code",
    "http_response_status_code",
    "response_code",
)
_STATUS = re.compile(r"[1-5](?:[0-9]{2}|xx|XX)")
_FAILED = re.compile(
    r"_(?:failures|failed|errors|error|failure|rejected|dropped|exceptions)"
    r"(?:_total|$)"
)
_WAITS = re.compile(
    r"_(?:pending|depth|queue_length|queue_size|queue_depth|backlog|waiting|queued|"
    r"in_queue|unpublished)(?:_(?:events|jobs|messages|tasks|items))?$"
)
_ENTERS = ("enqueued", "added", "submitted", "received", "created", "queued", "put")
_LEAVES = (
    "published",
    "processed",
    "completed",
    "dequeued",
    "drained",
    "consumed",
    "finished",
    "sent",
    "handled",
    "acked",
)
_TIMED = re.compile(r"_(?P<unit>seconds|milliseconds|ms)$")
_IN_A_SECOND = {"seconds": 1, "milliseconds": 1000, "ms": 1000}
_OF_THE_RUNTIME = re.compile(
    r"(?:go|process|python|jvm|nodejs|dotnet|promhttp|prometheus|scrape|up|ALERTS)"
    r"(?:_|$)"
)
_HALF_A_SECOND = 0.5
_TO_COMPARE = 40
"""Events in the time of a traffic trigger: twice what it needs to compare at all."""
_SCRAPES = 10
"""In a window: more than a trigger needs, which is 4, of a queue 5 blocks of 2."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One trigger as a release file has it, and where it came from."""

    raw: Mapping[str, Any]
    why: str

    @property
    def alert(self) -> str:
        """Give its name."""
        return str(self.raw["alert"])


@dataclass(frozen=True, slots=True)
class Proposed:
    """The triggers that were found, and a sentence for each kind that was not."""

    triggers: tuple[Proposal, ...]
    lacking: tuple[str, ...]


def jobs_of(services: Sequence[Service], targets: Sequence[Target]) -> tuple[str, ...]:
    """Name the jobs whose targets are containers of *services*."""
    ours = {
        name.lower()
        for service in services
        for name in (service.name, *service.names, *service.addresses)
    }
    ports = {str(port) for service in services for port in service.published}
    found = [
        target.job
        for target in targets
        if _host(target.host) in ours
        # A Prometheus outside of the stack's network comes by a published port.
        or _port(target.host) in ports
    ]
    return tuple(dict.fromkeys(found))


def _host(address: str) -> str:
    return address.rpartition(":")[0].lower() or address.lower()


def _port(address: str) -> str:
    return address.rpartition(":")[2]


def is_worth_a_look(name: str) -> bool:
    """Tell whether a metric of that name could be of a trigger."""
    return _OF_THE_RUNTIME.match(name) is None


def proposed(jobs: Sequence[Exported]) -> Proposed:
    """Find what of *jobs* can be watched: of each kind the likeliest."""
    found: list[Proposal] = []
    lacking: list[str] = []
    named = f"job {', '.join(job.job for job in jobs)}"
    for kind, of_a_job in (
        ("counter of requests by status, for a share of errors", _by_status),
        ("histogram of seconds, for latency", _latency),
        ("counter of failures beside one of all events", _failures),
        ("gauge of what waits beside counters in and out, for a queue", _queue),
        (
            "counter of requests, a day old and busy, for their fall",
            _traffic,
        ),
    ):
        here = [one for job in jobs for one in of_a_job(job)]
        found += here
        if not here:
            lacking.append(f"{named} has no {kind}")
    found += [_up(job, alone=len(jobs) == 1) for job in jobs]
    return Proposed(tuple(_distinct(found)), tuple(lacking))


def _distinct(found: Sequence[Proposal]) -> Iterator[Proposal]:
    taken: set[str] = set()
    for one in found:
        name, nth = one.alert, 2
        while name in taken:
            name, nth = f"{one.alert}{nth}", nth + 1
        taken.add(name)
        yield Proposal({**one.raw, "alert": name}, one.why)


def _counters(job: Exported) -> list[Metric]:
    return [
        m
        for m in job.metrics
        if is_worth_a_look(m.name)
        and (m.kind == "counter" or (not m.kind and m.name.endswith("_total")))
    ]


def _counts_status(metric: Metric) -> bool:
    return bool(metric.statuses) and all(map(_STATUS.fullmatch, metric.statuses))


def _requests(job: Exported) -> Metric | None:
    """Choose what counts requests by their status: the likeliest, if any does."""
    counts = [m for m in job.metrics if _counts_status(m)]
    return min(
        counts,
        key=lambda m: ("http" not in m.name, "client" in m.name, m.name),
        default=None,
    )


def _traffic(job: Exported) -> Iterator[Proposal]:
    best = _requests(job)
    if best is None or best.lately is None:
        return
    an_hour = min(best.lately)
    least = int(_for(job, minutes=5)[:-1])
    # A longer one would need more than the hour that it is held against.
    for minutes in (m for m in (least, 10, 15) if least <= m <= 15):
        if an_hour * minutes / 60 >= _TO_COMPARE:
            raw = {
                "alert": "TrafficFell",
                "traffic": f"{best.name}{_braces(job)}",
                "below": "50%",
                "for": f"{minutes}m",
                "action": "pause-and-alert",
            }
            now, then = (f"{count:,.0f}" for count in best.lately)
            yield Proposal(
                raw,
                f"{now} came in the last hour, {then} in this hour yesterday; fewer "
                f"than half for {minutes}m is a fall, unless it was so before too",
            )
            return


def on_the_engine(services: Sequence[Service]) -> Proposal:
    """Watch the containers by the engine's own word, which needs no Prometheus."""
    checked = [s.name for s in services if s.healths]
    of = ["unhealthy"] if checked else []
    who = f"the health check of {', '.join(checked)}" if checked else "no health check"
    raw = {
        "alert": "ContainerSick",
        "container": [*of, "exited", "restarting", "oom"],
        "for": "2m",
        "action": "pause-and-alert",
    }
    why = f"the engine says it, also where Prometheus is not; there is {who}"
    return Proposal(raw, why)


def _by_status(job: Exported) -> Iterator[Proposal]:
    best = _requests(job)
    if best is None:
        return
    name = best.name
    fives = "5.." if any(s.isdigit() for s in best.statuses) else "5(xx|XX)"
    failed = f'{best.label}=~"{fives}"'
    raw = {
        "alert": "Http5xxRate",
        "ratio": {
            "errors": f"{name}{_braces(job, failed)}",
            "total": f"{name}{_braces(job)}",
        },
        "above": "5%",
        "for": _for(job, minutes=5),
        "action": "pause-and-alert",
    }
    seen = ", ".join(sorted(best.statuses)[:6])
    yield Proposal(raw, f"{name} counts by {best.label}: {seen}")


def _latency(job: Exported) -> Iterator[Proposal]:
    timed = [m for m in job.metrics if m.bounds and _TIMED.search(m.name)]
    timed = [m for m in timed if is_worth_a_look(m.name)]
    if not timed:
        return
    best = min(timed, key=lambda m: ("http" not in m.name, "client" in m.name, m.name))
    unit = _TIMED.search(best.name)
    each = _IN_A_SECOND[unit["unit"]] if unit else 1
    bounds = sorted(bound / each for bound in best.bounds)
    slow = None if best.slow is None else best.slow / each
    least = max(_HALF_A_SECOND, 2 * (slow or 0.0))
    over = next((bound for bound in bounds if bound >= least), bounds[-1])
    now = "nothing was observed in the last hour"
    if slow is not None:
        now = f"the p95 of the last hour was {_seconds(slow)}"
    raw = {
        "alert": "LatencyP95",
        "latency": {
            "histogram": f"{best.name}{_braces(job)}",
            "over": _seconds(over),
            "quantile": 0.95,
        },
        "for": _for(job, minutes=10),
        "action": "pause-and-investigate",
    }
    yield Proposal(
        raw, f"{now}; `over` is a bucket's end, of 500ms and twice that the next"
    )


def _failures(job: Exported) -> Iterator[Proposal]:
    counters = _counters(job)
    queue = {
        name for one in _queue(job) for name in _named_in(str(one.raw["queue"]), job)
    }
    failed = [m for m in counters if _FAILED.search(m.name) and m.name not in queue]
    others = [
        m
        for m in counters
        if m not in failed
        and m.name not in queue
        and not _counts_status(m)
        and not m.label
    ]
    for bad in failed:
        total, why = _all_of(bad.name, [m.name for m in others])
        if not total:
            continue
        raw = {
            "alert": f"{_camel(_FAILED.sub('', bad.name))}Failures",
            "ratio": {
                "errors": f"{bad.name}{_braces(job)}",
                "total": f"{total}{_braces(job)}",
            },
            "above": "1%",
            "window": _for(job, minutes=5),
            "action": "pause-and-alert",
        }
        yield Proposal(raw, why)


def _named_in(text: str, job: Exported) -> Iterator[str]:
    return (m.name for m in job.metrics if m.name in text)


def _all_of(bad: str, others: Sequence[str]) -> tuple[str, str]:
    """Find what counts all events of which *bad* counts the failed ones."""
    stem = _FAILED.sub("", bad)
    for other in others:
        # orders_failed_total beside orders_total.
        if other.removesuffix("_total") in (stem, f"{stem}s", f"{stem}_attempts"):
            return other, f"{bad} beside {other}, by their names"
    space = bad.partition("_")[0]
    near = [other for other in others if other.partition("_")[0] == space]
    if len(near) == 1:
        return near[0], (
            f"{near[0]} is the only other counter of {space}_: does it count all "
            f"events of which {bad} counts the failed ones?"
        )
    return "", ""


def _queue(job: Exported) -> Iterator[Proposal]:
    names = {m.name for m in job.metrics}
    for gauge in sorted(names):
        found = _WAITS.search(gauge)
        if not found:
            continue
        stem = gauge[: found.start()]
        enters = _first(names, stem, _ENTERS)
        leaves = _first(names, stem, _LEAVES)
        if not (enters and leaves):
            continue
        raw = {
            "alert": f"{_camel(stem)}DrainFailure",
            "queue": {
                "depth": f"{gauge}{_braces(job)}",
                "enqueued": f"{enters}{_braces(job)}",
                "drained": f"{leaves}{_braces(job)}",
            },
            "growing_for": _for(job, minutes=15),
            "action": "pause-and-alert",
        }
        yield Proposal(raw, f"{gauge} between {enters} and {leaves}, by their names")


def _first(names: set[str], stem: str, words: Sequence[str]) -> str:
    tried = (f"{stem}_{word}{end}" for word in words for end in ("_total", ""))
    return next((name for name in tried if name in names), "")


def _up(job: Exported, *, alone: bool) -> Proposal:
    name = "TargetDown" if alone else f"{_camel(job.job)}Down"
    raw = {
        "alert": name,
        "value": f"count(up{_braces(job)} == 1) or vector(0)",
        "below": 1,
        "for": _for(job, minutes=2),
        "action": "pause-and-alert",
    }
    return Proposal(raw, f"without job {job.job} the others are blind")


def _braces(job: Exported, more: str = "") -> str:
    name = job.job.replace("\\", "\\\\").replace('"', '\\"')
    return "{" + ",".join([f'job="{name}"', *([more] if more else [])]) + "}"


def _for(job: Exported, *, minutes: int) -> str:
    """Give a window: so many minutes, or longer where it is scraped too rarely."""
    seconds = max(minutes * 60, int((_SCRAPES * job.every).total_seconds()))
    whole = timedelta(seconds=seconds)
    return f"{-(-whole // timedelta(minutes=1))}m"


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f}ms" if value < 1 else f"{value:g}s"


def _camel(name: str) -> str:
    words = re.split(r"[^A-Za-z0-9]+", name)
    whole = "".join(word[:1].upper() + word[1:] for word in words)
    return whole if whole[:1].isalpha() else f"The{whole}"
