"""How each container is by the engine's word, and how it ended before.

Source: Docker Engine API, ``GET /containers/{id}/json`` and ``GET /events``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from watchdog.facts.container import Container, End, Health, Probe
from watchdog.facts.problem import EngineRefused, Unreachable
from watchdog.observe.labelled import instant, service_of
from watchdog.outside.engine import Engine

# Whoever stops a container sends it a signal, and kills it after its time to stop.
_STOPS_WITHIN = timedelta(seconds=10)
_SLACK = timedelta(seconds=30)
# The engine notes that it ended a moment after it did.
_NOTED = timedelta(seconds=1.5)
_MOST_ENDS = 50
_EPOCH = datetime.fromtimestamp(0, UTC)
_DOWN = ("exited", "dead")
# Docker's own, where nothing is said.
_EVERY, _RETRIES = 30 * 10**9, 3
_KILLED = 137


@dataclass(slots=True)
class _Known:
    """The *ends* of one container that were found so far, and which are *settled*."""

    restarts: int = 0
    ends: list[End] = field(default_factory=list)
    settled: set[datetime] = field(default_factory=set)


class Condition:
    """Reads it out of what was inspected; asks *engine* only about what ended.

    The engine remembers its last 256 events. What they said of an end is kept here.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, _Known] = {}
        self._unhealthy: dict[str, tuple[int, datetime]] = {}
        self._last: tuple[Container, ...] = ()
        self._before: tuple[Container, ...] | None = None
        # Why the events cannot be read; None before it was tried.
        self._untold: str | None = None

    def of(
        self, found: Sequence[Mapping[str, Any]]
    ) -> tuple[tuple[Container, ...], tuple[Container, ...] | None]:
        """Give each container of *found*, and those that were seen before they were."""
        if self._untold is None:
            self._events(_EPOCH + timedelta(seconds=1))
        seen = tuple(self._one(one) for one in found)
        ids = {one.id for one in seen}
        gone = tuple(one for one in self._last if one.id not in ids)
        if gone:
            self._before = gone
        self._last = seen
        for kept in (self._known, self._unhealthy):
            for id_ in kept.keys() - ids:
                del kept[id_]
        return seen, self._before

    def _one(self, found: Mapping[str, Any]) -> Container:
        state, policy = found["State"], found["HostConfig"].get("RestartPolicy") or {}
        return Container(
            service=service_of(found),
            name=str(found["Name"]).lstrip("/"),
            id=str(found["Id"]),
            state=str(state["Status"]),
            started=_time(state.get("StartedAt")),
            restarts=int(found.get("RestartCount") or 0),
            ends=self._ends(found),
            health=self._health(found),
            is_restarted=policy.get("Name", "no") not in ("", "no"),
            untold=self._untold or "",
        )

    def _health(self, found: Mapping[str, Any]) -> Health | None:
        """Read its health, and remember which probe made it unhealthy.

        The engine keeps five of them, and forgets that one soon.
        """
        health, id_ = _health(found), str(found["Id"])
        before = self._unhealthy.pop(id_, None)
        if health is None or str(found["State"]["Status"]) != "running":
            return health
        past = health.streak - max(1, health.retries)
        if past < 0:
            return health
        since = before[1] if before and before[0] <= health.streak else None
        if since is None and past < len(health.probes):
            since = health.probes[-1 - past].end
        if since is not None:
            self._unhealthy[id_] = health.streak, since
        return replace(health, since=since)

    def _ends(self, found: Mapping[str, Any]) -> tuple[End, ...]:
        """Give how it ended, by what the engine counts and remembers.

        The engine starts again only what ended by itself; whoever starts it by hand
        sets its count back to none.
        """
        state, id_ = found["State"], str(found["Id"])
        restarts = int(found.get("RestartCount") or 0)
        known = self._known.get(id_)
        if known is None or restarts < known.restarts:
            known = self._known[id_] = _Known()
        known.restarts = restarts
        at, down = _time(state.get("FinishedAt")), state["Status"] in _DOWN
        if at is None or not (restarts or down):
            return ()
        if at not in known.settled:
            told = self._events(at + _NOTED)
            ends = [*_told(found, told or [])]
            here = next((one for one in ends if abs(one.at - at) <= _NOTED), None)
            if here is None:
                here = End(at, _code(state), by=None if down else "")
                ends.append(here)
            if not state.get("Running"):
                oom = bool(state.get("OOMKilled")) or here.out_of_memory
                is_it = replace(here, code=_code(state), out_of_memory=oom)
                ends[ends.index(here)] = is_it
            if not down:  # what the engine starts again, nobody stopped
                ends = [replace(e, by=e.by or "") for e in ends]
            known.ends = _merged(known.ends, ends)
            if told is not None:
                known.settled.add(at)
        return tuple(known.ends)

    def _events(self, until: datetime) -> list[dict[str, Any]] | None:
        """Ask what the engine remembers; None if it does not answer now."""
        try:
            found = self._engine.events(until)
        except EngineRefused as refused:
            self._untold = refused.words
            return []
        except Unreachable:
            return None
        self._untold = ""
        return found


def _told(
    found: Mapping[str, Any], events: Sequence[Mapping[str, Any]]
) -> Iterator[End]:
    """Give each end that *events* tell of, and who brought it about.

    Nobody did, where no signal was sent to it and that would be remembered: its start
    is, or something that happened before any signal to stop it.
    """
    id_, oldest = str(found["Id"]), _when(events[0]) if events else None
    grace = found["Config"].get("StopTimeout")
    within = _SLACK + (_STOPS_WITHIN if grace is None else timedelta(seconds=grace))
    started, out_of_memory = False, False
    signals: list[tuple[datetime, str]] = []
    for event in events:
        actor = event.get("Actor") or {}
        if actor.get("ID") != id_:
            continue
        at, said = _when(event), actor.get("Attributes") or {}
        what = str(event.get("Action"))
        if what == "start":
            started, out_of_memory, signals = True, False, []
        elif what == "kill":
            signals.append((at, str(said.get("signal", "?"))))
        elif what == "oom":
            out_of_memory = True
        elif what == "die":
            whole = started or (oldest is not None and oldest < at - within)
            by = "" if whole else None
            for sent, signal in signals:
                if sent >= at - within:
                    by = f"somebody sent it signal {signal} at {sent:%H:%M:%S} UTC"
            code = str(said.get("exitCode", ""))
            number = int(code) if code.isdigit() else None
            yield End(at, number, by, out_of_memory and number == _KILLED)


def _merged(known: Sequence[End], told: Sequence[End]) -> list[End]:
    """Put together what was known and what is told; of one end the newer word."""
    kept = [e for e in known if all(abs(e.at - one.at) > _NOTED for one in told)]
    return sorted([*kept, *told], key=lambda end: end.at)[-_MOST_ENDS:]


def _health(found: Mapping[str, Any]) -> Health | None:
    seen, check = found["State"].get("Health"), found["Config"].get("Healthcheck") or {}
    if not seen or seen.get("Status") in (None, "none"):
        return None
    probes = [
        Probe(begin, end, failed=bool(one.get("ExitCode")))
        for one in seen.get("Log") or ()
        if (begin := _time(one.get("Start"))) and (end := _time(one.get("End")))
    ]
    return Health(
        word=str(seen["Status"]),
        streak=int(seen.get("FailingStreak") or 0),
        retries=int(check.get("Retries") or _RETRIES),
        probes=tuple(probes),
        every=timedelta(microseconds=int(check.get("Interval") or _EVERY) / 1000),
        patience=timedelta(microseconds=int(check.get("Timeout") or _EVERY) / 1000),
    )


def _code(state: Mapping[str, Any]) -> int | None:
    """Give what it exited with; while it runs again the engine says 0 for it."""
    return None if state.get("Running") else int(state.get("ExitCode") or 0)


def _time(text: Any) -> datetime | None:
    return None if not text or str(text).startswith("0001-") else instant(str(text))


def _when(event: Mapping[str, Any]) -> datetime:
    nanos = int(event.get("timeNano") or int(event.get("time") or 0) * 10**9)
    return _EPOCH + timedelta(microseconds=nanos // 1000)
