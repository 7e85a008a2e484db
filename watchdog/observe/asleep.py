"""While a server was down it scraped nothing, whatever an expression makes of that.

``absent`` and ``or vector(0)`` make a number of no series, as they are meant to where a
target is no longer listed; of a time in which nobody scraped they make one as well.
Source: Prometheus HTTP API, ``GET /api/v1/status/runtimeinfo``.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from watchdog.facts.reading import Blind, Block, Cause, Look
from watchdog.facts.trigger import Trigger, Value
from watchdog.observe import promql
from watchdog.observe.envelope import NotSeen
from watchdog.observe.samples import Ask, Samples, millis

_SECOND = timedelta(seconds=1)
# What did not answer once is left alone for a minute: by then it was asked again.
_UNHEARD = timedelta(minutes=3)
_NOT_NOW = frozenset({Cause.UNREACHABLE, Cause.TIMEOUT})


class Server(Protocol):
    """Who is asked: one Prometheus server."""

    def told(self, path: str, **parameters: str) -> Any | Blind:
        """Ask what it knows of itself."""
        ...

    def samples(self, ask: Ask) -> Samples:
        """Ask for a stretch of samples; NotSeen where it fails."""
        ...


class Asleep:
    """Leaves out the points at which *server*, of samples *scrape* apart, was down."""

    def __init__(self, server: Server, scrape: timedelta) -> None:
        self._server = server
        self._scrape = scrape
        self._known = False
        self._began: datetime | None = None
        self._unheard_since: datetime | None = None

    def unsure(self) -> None:
        """Note that it did not answer: it may have been started anew meanwhile."""
        self._known, self._unheard_since = False, None

    def awake(
        self, trigger: Trigger, looks: tuple[Look, ...], ask: Ask, at: datetime
    ) -> tuple[Look, ...]:
        """Leave out of *looks*, the answer to *ask* as of *at*, what nobody scraped.

        From its start until every target was scraped once, nothing is known either. A
        server that does not say when it started, or answers all but that for three
        minutes, is taken at its word.

        Raises:
            NotSeen: it did not answer in time.
        """
        kind = trigger.kind
        if not isinstance(kind, Value) or promql.is_selector(kind.expr):
            return looks  # of no series there is no value
        began = self._since(at)
        if began is None or began > at:
            return looks  # it is asked about the past
        whole = began + self._scrape + _SECOND
        if all(look.blocks[0].end >= whole for look in looks):
            return looks
        there = self._server.samples(
            replace(ask, query=promql.scraped_at_all(self._scrape))
        )

        def known(block: Block) -> bool:
            scraped = ("0", millis(block.end)) in there
            return block.end >= whole or (block.end < began and scraped)

        return tuple(
            replace(
                look,
                blocks=tuple(
                    one if known(one) else Block(one.end, {}) for one in look.blocks
                ),
            )
            for look in looks
        )

    def _since(self, at: datetime) -> datetime | None:
        if self._known:
            return self._began
        told = self._server.told("/api/v1/status/runtimeinfo")
        if isinstance(told, Blind) and told.cause in _NOT_NOW:
            self._unheard_since = self._unheard_since or at
            if at - self._unheard_since < _UNHEARD:
                raise NotSeen(told.cause, told.words)
        self._began = None if isinstance(told, Blind) else _start_in(told)
        self._known = True
        return self._began


def _start_in(told: Any) -> datetime | None:
    try:
        began = datetime.fromisoformat(told["startTime"])
    except (LookupError, TypeError, ValueError):
        return None
    return began.astimezone(UTC) if began.tzinfo else None
