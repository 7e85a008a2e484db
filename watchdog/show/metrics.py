"""The watchdog's own metrics, for the Prometheus that it watches with.

Everything is read from the standing when it is asked for, so nothing can drift
from what the journal says. The catalogue is docs/reference/metrics.md.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from watchdog import __version__
from watchdog.decide.gate import Gate
from watchdog.decide.retention import taken
from watchdog.decide.standing import Standing
from watchdog.facts.message import Backlog
from watchdog.turn.roles import Turn

VERDICTS = ("clear", "pending", "breached", "blind")
# Born at 0: of a counter that begins with its first event, no increase is seen.
_ENDS = tuple(
    f"{kind}/{how}"
    for kind, ends in (
        ("rollback", ("proved", "unpinned", "unchanged", "put-back", "overtaken")),
        ("repair", ("proved", "unpinned", "unchanged", "put-back", "overtaken")),
        ("drill", ("proved", "unpinned", "unchanged", "put-back", "overtaken")),
        ("dry-drill", ("rehearsed", "unchanged", "put-back", "overtaken")),
    )
    for how in ends
)


@dataclass(frozen=True, slots=True)
class Pulse:
    """How the turns come: how many, how long the last one took in seconds."""

    turns: int
    took: float
    late: int
    is_fresh: bool


class Standings(Collector):
    """Turns the standing into metrics each time that somebody asks."""

    def __init__(
        self,
        standing: Callable[[], Standing],
        turn: Callable[[], Turn | None],
        pulse: Callable[[], Pulse],
        ready: Callable[[], bool | None],
        untold: Callable[[], Iterable[Backlog] | None] = tuple,
        *,
        gate: Callable[[], Gate | None] = lambda: None,
        is_asked: Callable[[], bool] = lambda: True,
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        """*ready* says whether it could be rolled back now; None: not known.

        *gate* is that of what runs, and *is_asked* tells whether its triggers are:
        without, no verdict is one any more.
        *untold* gives what the channels have not taken; None: not known either.
        """
        self._ready = ready
        self._gate = gate
        self._is_asked = is_asked
        self._leads = leads
        self._untold = untold
        self._standing = standing
        self._turn = turn
        self._pulse = pulse

    def collect(self) -> Iterator[Metric]:
        """Give every metric as of now."""
        s, pulse, turn = self._standing(), self._pulse(), self._turn()
        build = GaugeMetricFamily(
            "watchdog_build_info", "1 for the version that runs", labels=["version"]
        )
        build.add_metric([__version__], 1.0)
        yield build
        yield _gauge(
            "watchdog_leading", "1 if this one acts, 0 if it follows", self._leads()
        )
        yield _counter("watchdog_turns", "Complete turns of this process", pulse.turns)
        yield _counter(
            "watchdog_turns_late", "Turns over two polls after the last", pulse.late
        )
        yield _gauge("watchdog_turn_seconds", "How long the last turn took", pulse.took)
        yield _gauge(
            "watchdog_watching",
            "1 if a full turn ended in the last 3 polls",
            pulse.is_fresh,
        )
        if turn is not None:
            yield _gauge(
                "watchdog_last_turn_timestamp_seconds",
                "When the last full turn ended",
                turn.at.timestamp(),
            )
        verdicts = GaugeMetricFamily(
            "watchdog_verdict",
            "1 for the verdict that a trigger has now",
            labels=["trigger", "verdict"],
        )
        asked = self._is_asked()
        for name, seen in s.verdicts.items():
            for verdict in VERDICTS:
                is_it = seen.changed.kind == verdict and asked
                verdicts.add_metric([name, verdict], float(is_it))
        yield verdicts
        paused = GaugeMetricFamily(
            "watchdog_promotion_paused",
            "1 for a release whose gate is not open",
            labels=["release"],
        )
        said = self._gate()
        closed = dict.fromkeys(s.paused, 1.0)
        if said is not None and said.release:
            awake = pulse.is_fresh or s.rollback is not None
            closed[said.release] = float(bool(said.reasons) or not awake)
        for release, is_closed in closed.items():
            paused.add_metric([release], is_closed)
        yield paused
        count, size = taken(s)
        yield _gauge("watchdog_held_images", "Images held for rollbacks", count)
        yield _gauge("watchdog_held_bytes", "What they take at most", size)
        could = self._ready()
        if could is not None:
            yield _gauge("watchdog_ready", "1 if it could be rolled back now", could)
        running = GaugeMetricFamily(
            "watchdog_running_pair", "1 for what runs", labels=["release", "standing"]
        )
        known = s.running_pair
        if known is not None:
            word = (
                "quarantined"
                if known.quarantined
                else "known-good"
                if known.good
                else "candidate"
            )
            running.add_metric([known.pair.version, word], 1.0)
        yield running
        yield _gauge("watchdog_armed", "1 if every trigger was proven live", s.armed)
        yield _gauge(
            "watchdog_incident_open",
            "1 while an incident is open",
            s.incident is not None,
        )
        yield _gauge(
            "watchdog_rollback_under_way",
            "1 while a rollback is under way",
            s.rollback is not None,
        )
        yield from _ended(s)
        yield from _question(s)
        yield _gauge(
            "watchdog_rollback_stuck",
            "1 while a rollback needs a person",
            s.rollback is not None and bool(s.rollback.stuck),
        )
        open_ = [one for one in s.deployments.values() if not one.over]
        yield _gauge(
            "watchdog_deployments_waiting",
            "Deployments at GitHub that have no verdict yet",
            len(open_),
        )
        yield _gauge(
            "watchdog_deployments_untold",
            "Of those, the ones that GitHub has not taken what is due of for a while",
            sum(1 for one in open_ if one.trouble),
        )
        yield from _messages(self._untold() or ())
        lost = GaugeMetricFamily(
            "watchdog_unreachable", "1 for what cannot be reached", labels=["what"]
        )
        for what in s.lost:
            lost.add_metric([what], 1.0)
        yield lost


def _ended(s: Standing) -> Iterator[Metric]:
    kinds = ["kind", "outcome"]
    count = CounterMetricFamily(
        "watchdog_rollbacks", "Rollbacks, drills and repairs that ended", labels=kinds
    )
    when = GaugeMetricFamily(
        "watchdog_rollback_last_timestamp_seconds", "When the last ended", labels=kinds
    )
    took = GaugeMetricFamily(
        "watchdog_rollback_last_seconds", "How long the last one took", labels=kinds
    )
    for name in dict.fromkeys((*_ENDS, *s.ended)):
        labels, tally = name.split("/", 1), s.ended.get(name)
        count.add_metric(labels, float(tally.count) if tally else 0.0)
        if tally is None:
            continue
        when.add_metric(labels, tally.at.timestamp())
        took.add_metric(labels, tally.took)
    yield from (count, when, took)


def _question(s: Standing) -> Iterator[Metric]:
    question = s.question if s.question and not s.question.closed else None
    yield _gauge(
        "watchdog_question_open", "1 while a person must decide", question is not None
    )
    if question is not None:
        yield _gauge(
            "watchdog_question_asked_timestamp_seconds",
            "When the open question was asked",
            question.asked_at.timestamp(),
        )
        yield _gauge(
            "watchdog_question_expires_timestamp_seconds",
            "Until when it can be answered",
            question.deadline.timestamp(),
        )


def _messages(found: Iterable[Backlog]) -> Iterator[Metric]:
    waiting = GaugeMetricFamily(
        "watchdog_messages_waiting",
        "Messages that a channel has not taken yet",
        labels=["channel"],
    )
    oldest = GaugeMetricFamily(
        "watchdog_messages_oldest_timestamp_seconds",
        "When the oldest of them happened",
        labels=["channel"],
    )
    given_up = GaugeMetricFamily(
        "watchdog_messages_given_up",
        "Messages that a channel never took",
        labels=["channel"],
    )
    for one in found:
        waiting.add_metric([one.channel], float(one.waiting))
        given_up.add_metric([one.channel], float(one.dead))
        if one.since:
            oldest.add_metric([one.channel], one.since.timestamp())
    yield from (waiting, oldest, given_up)


def page(collector: Collector) -> bytes:
    """Write the text that Prometheus scrapes."""
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=float(value))


def _counter(name: str, words: str, value: float) -> Metric:
    return CounterMetricFamily(name, words, value=float(value))
