"""How each container is by the engine's word, and how it ended before.

Source: Docker Engine API, ``GET /containers/{id}/json`` and ``GET /events``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from signal import Signals
from typing import Any

from watchdog.facts.container import Container, End, Health, Probe
from watchdog.facts.problem import EngineRefused, Unreachable
from watchdog.observe.labelled import instant, service_of
from watchdog.outside.engine import Engine

# Signals that are sent to end a container: INT, QUIT, KILL, TERM; others may by chance.
_STOPS = frozenset({"2", "3", "9", "15"})
_SOON = timedelta(seconds=40)
# If this much is remembered before an end, a signal that brought it about is too.
_REMEMBERED = timedelta(minutes=2)
# The engine notes that it ended a moment after it did; a busy one notes the signal
# later still. So nobody is said not to have stopped it before it was asked so often.
_NOTED, _NOTED_AT_LAST = timedelta(seconds=1.5), timedelta(seconds=10)
_LOOKS = 3
_MOST_ENDS = 50
_EPOCH = datetime.fromtimestamp(0, UTC)
_DOWN = ("exited", "dead")
# Docker's own, where nothing is said.
_EVERY, _RETRIES = 30 * 10**9, 3
_KILLED = 137


@dataclass(slots=True)
class _Known:
    """The *ends* of one container that were found so far.

    *asked* is how often each was asked about: what is sure is asked no more.
    """

    restarts: int = 0
    ends: list[End] = field(default_factory=list)
    asked: dict[datetime, int] = field(default_factory=dict)


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
            hosts=tuple(_hosts(found)),
        )

    def _health(self, found: Mapping[str, Any]) -> Health | None:
        """Read its health, and remember which probe made it unhealthy.

        The engine keeps five of them, and forgets that one soon.
        """
        health, id_ = health_of(found), str(found["Id"])
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
        asked = known.asked.get(at, 0)
        if asked < _LOOKS:
            is_last = asked == _LOOKS - 1
            told = self._events(at + (_NOTED_AT_LAST if down and is_last else _NOTED))
            ends = [*_told(found, told or [])]
            here = next((one for one in ends if abs(one.at - at) <= _NOTED), None)
            if here is None:
                here = End(at, _code(state), by=None)
                ends.append(here)
            if not state.get("Running"):
                oom = bool(state.get("OOMKilled")) or here.out_of_memory
                is_it = replace(here, code=_code(state), out_of_memory=oom)
                ends[ends.index(here)] = here = is_it
            if not down:  # what the engine starts again, nobody stopped
                ends = [replace(e, by=e.by or "") for e in ends]
            elif not here.by and not is_last:
                ends[ends.index(here)] = replace(here, by=None)
            known.ends = _merged(known.ends, ends)
            if told is not None:
                known.asked[at] = asked + 1 if down and not here.by else _LOOKS
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


def _hosts(found: Mapping[str, Any]) -> Iterator[str]:
    """Give what only this container is reached by; aliases are the whole service's."""
    yield str(found["Id"])[:12]
    yield str(found["Name"]).lstrip("/")
    networks = (found.get("NetworkSettings") or {}).get("Networks") or {}
    for endpoint in networks.values():
        for key in ("IPAddress", "GlobalIPv6Address"):
            if (endpoint or {}).get(key):
                yield str(endpoint[key])


def _told(
    found: Mapping[str, Any], events: Sequence[Mapping[str, Any]]
) -> Iterator[End]:
    """Give each end that *events* tell of, and who brought it about.

    Nobody did, where no signal was sent to it and that would be remembered: its start
    is, or something that happened well before. Which signal stops it, it stops for as
    long as it likes; any other counts for what happens soon.
    """
    id_, oldest = str(found["Id"]), _when(events[0]) if events else None
    stops = _STOPS | {_signal(found["Config"].get("StopSignal"))}
    own = [e for e in events if (e.get("Actor") or {}).get("ID") == id_]
    started: datetime | None = None
    for place, event in enumerate(own):
        if event.get("Action") == "start":
            started = _when(event)
        if event.get("Action") != "die":
            continue
        at, by = _when(event), None
        if started or (oldest is not None and oldest < at - _REMEMBERED):
            by = ""
        said = str(_said(event).get("exitCode", ""))
        code = int(said) if said.isdigit() else None
        out_of_memory = False
        for other in _of_one_run(own, place):
            what, when = str(other.get("Action")), _when(other)
            out_of_memory |= what == "oom" and code == _KILLED
            signal = str(_said(other).get("signal", ""))
            soon = at - _SOON <= when
            if what == "stop" or (what == "kill" and (signal in stops or soon)):
                sent = f"sent it signal {signal}" if signal else "stopped it"
                by = f"somebody {sent} at {when:%H:%M:%S} UTC"
        yield End(at, code, by, out_of_memory)


def _of_one_run(
    own: Sequence[Mapping[str, Any]], died: int
) -> Iterator[Mapping[str, Any]]:
    """Give what happened to one that *died*, from its start before to its next.

    The engine notes a signal when it was sent: the end that it brings about may be
    noted first.
    """
    first = last = died
    while first and own[first - 1].get("Action") not in ("start", "die"):
        first -= 1
    while last + 1 < len(own) and own[last + 1].get("Action") not in ("start", "die"):
        last += 1
    yield from own[last:first:-1] if last > first else ()
    yield own[first]


def _said(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return (event.get("Actor") or {}).get("Attributes") or {}


def _signal(name: Any) -> str:
    """Give a signal's number, as the events have it."""
    text = str(name or "").upper()
    if text.isdigit():
        return text
    known = {one.name: one.value for one in Signals}
    return str(known.get(text if text.startswith("SIG") else f"SIG{text}", ""))


def _merged(known: Sequence[End], told: Sequence[End]) -> list[End]:
    """Put together what was known and what is told; of one end the newer word."""
    kept = [e for e in known if all(abs(e.at - one.at) > _NOTED for one in told)]
    return sorted([*kept, *told], key=lambda end: end.at)[-_MOST_ENDS:]


def health_of(found: Mapping[str, Any]) -> Health | None:
    """Give what the engine says of its health check; None where it has none."""
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
