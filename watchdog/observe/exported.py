"""What a Prometheus has of a stack: its targets, and metrics that could be watched.

Source: Prometheus HTTP API, ``GET /api/v1/targets``, ``/api/v1/targets/metadata`` and
``/api/v1/query``.
"""

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from watchdog.config.notation import Said, duration
from watchdog.facts.reading import Blind
from watchdog.facts.surroundings import Exported, Metric, Target

_MOST_METRICS = 2000
_MOST_HISTOGRAMS = 12
_MOST_COUNTED = 40
_MOST_RECALLED = 3
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_TIMES = re.compile(r"_(?:seconds|milliseconds|ms)$")
_PARTS = ("_bucket", "_count", "_sum", "_created")


class Asks(Protocol):
    """The part of Prometheus that tells what there is."""

    def instant(
        self, query: str, at: datetime
    ) -> list[tuple[dict[str, str], float]] | Blind:
        """Ask for one instant."""
        ...

    def told(self, path: str, **parameters: str) -> Any | Blind:
        """Ask what the server knows of itself."""
        ...


def targets(prometheus: Asks, at: datetime) -> tuple[Target, ...] | Blind:
    """Give all that is scraped; of a server that has no targets, what is up."""
    told = prometheus.told("/api/v1/targets", state="active")
    active = told.get("activeTargets") if isinstance(told, dict) else None
    if isinstance(active, list):
        found = [_target(one) for one in active if isinstance(one, dict)]
        return tuple(one for one in found if one is not None)
    up = prometheus.instant("group by (job, instance) (up)", at)
    if isinstance(up, Blind):
        return up
    return tuple(
        Target(labels["job"], labels.get("instance", ""))
        for labels, _ in up
        if labels.get("job")
    )


def _target(told: Mapping[str, Any]) -> Target | None:
    labels = told.get("labels") or {}
    discovered = told.get("discoveredLabels") or {}
    job = labels.get("job") or told.get("scrapePool")
    host = discovered.get("__address__") or labels.get("instance") or ""
    if not job:
        return None
    try:
        every = duration(told.get("scrapeInterval"))
    except Said:
        every = None
    health = told.get("health")
    trouble = str(told.get("lastError") or "") if health == "down" else ""
    return Target(str(job), str(host), every, trouble)


def exported(
    prometheus: Asks,
    job: str,
    every: timedelta,
    at: datetime,
    *,
    labels: Sequence[str],
    is_worth_a_look: Callable[[str], bool],
) -> Exported | Blind:
    """Give the metrics of *job* that could be watched, with what a choice needs.

    *labels* are those that may hold a status.
    """
    here = f'job="{_text(job)}"'
    counted = prometheus.instant(f"count by (__name__) ({{{here}}})", at)
    if isinstance(counted, Blind):
        return counted
    names = [one.get("__name__", "") for one, _ in counted[:_MOST_METRICS]]
    names = sorted(n for n in names if _NAME.fullmatch(n) and is_worth_a_look(n))
    kinds = _kinds(prometheus, here)
    asks = _Asking(prometheus, here, at)
    return Exported(job, every, tuple(asks.metrics(names, kinds, labels)))


@dataclass(frozen=True, slots=True)
class _Asking:
    """Asks about the metrics of one job, as of one instant."""

    prometheus: Asks
    here: str
    at: datetime

    def metrics(
        self, names: Sequence[str], kinds: Mapping[str, str], labels: Sequence[str]
    ) -> Iterator[Metric]:
        histograms = [n.removesuffix("_bucket") for n in names if n.endswith("_bucket")]
        timed = sorted(
            (name for name in histograms if _TIMES.search(name)),
            key=lambda name: ("http" not in name, name),
        )
        for name in timed[:_MOST_HISTOGRAMS]:
            buckets = f"{name}_bucket{{{self.here}}}"
            bounds, slow = self._bounds(buckets), self._slow(buckets)
            yield Metric(name, "histogram", bounds=bounds, slow=slow)
        parts = {f"{name}{part}" for name in histograms for part in _PARTS}
        parts -= {f"{name}_count" for name in timed}
        plain = [name for name in names if name not in parts]
        plain.sort(key=lambda name: ("http" not in name, name))
        asked = recalled = 0
        for name in plain:
            kind = kinds.get(name) or kinds.get(name.removesuffix("_total"), "")
            if name.endswith(("_total", "_count")) and asked < _MOST_COUNTED:
                asked += 1
                selector, lately = f"{name}{{{self.here}}}", None
                label, statuses = self._statuses(selector, labels)
                if statuses and recalled < _MOST_RECALLED:
                    recalled += 1
                    lately = self._lately(selector)
                yield Metric(name, kind, label, statuses, lately=lately)
            else:
                yield Metric(name, kind)

    def _statuses(
        self, selector: str, labels: Collection[str]
    ) -> tuple[str, tuple[str, ...]]:
        """Say which of *labels* a counter has first, and the values of that."""
        question = f"group by ({', '.join(labels)}) ({selector})"
        found = self.prometheus.instant(question, self.at)
        if isinstance(found, Blind):
            return "", ()
        for label in labels:
            values = sorted({one[label] for one, _ in found if one.get(label)})
            if values:
                return label, tuple(values)
        return "", ()

    def _lately(self, selector: str) -> tuple[float, float] | None:
        """Count the last hour, and the hour around this time yesterday."""
        hours = []
        for back in ("", " offset 1410m"):
            asked = f"sum(increase({selector}[1h]{back}))"
            found = self.prometheus.instant(asked, self.at)
            if isinstance(found, Blind) or not found or not math.isfinite(found[0][1]):
                return None
            hours.append(found[0][1])
        return hours[0], hours[1]

    def _bounds(self, selector: str) -> tuple[float, ...]:
        found = self.prometheus.instant(f"group by (le) ({selector})", self.at)
        if isinstance(found, Blind):
            return ()
        ends = (_number(labels.get("le", "")) for labels, _ in found)
        return tuple(sorted(end for end in ends if end is not None))

    def _slow(self, selector: str) -> float | None:
        question = f"histogram_quantile(0.95, sum by (le) (rate({selector}[1h])))"
        found = self.prometheus.instant(question, self.at)
        if isinstance(found, Blind) or not found or not math.isfinite(found[0][1]):
            return None
        return found[0][1]


def _kinds(prometheus: Asks, here: str) -> dict[str, str]:
    """Give what one target says of its metrics' types; nothing where nobody tells."""
    told = prometheus.told(
        "/api/v1/targets/metadata", match_target=f"{{{here}}}", limit="1000"
    )
    if not isinstance(told, list):
        return {}
    return {
        str(one.get("metric")): str(one.get("type"))
        for one in told
        if isinstance(one, dict) and one.get("type") in ("counter", "gauge")
    }


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _text(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
