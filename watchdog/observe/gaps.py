"""What the counters grew by in the gaps of a look, where blocks are missing."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from watchdog.facts.reading import Look
from watchdog.facts.trigger import (
    Latency,
    Queue,
    Ratio,
    RatioQuery,
    Sick,
    Traffic,
    Trigger,
    Value,
)
from watchdog.observe import promql
from watchdog.observe.background import Asked
from watchdog.observe.grown import reach
from watchdog.observe.looks import Looks
from watchdog.observe.samples import Ask, Gap, gaps_of, millis


class Gaps:
    """Bridges them by asking *server*, for samples that are *scrape* apart."""

    def __init__(self, server: Asked, looks: Looks, scrape: timedelta) -> None:
        self._server = server
        self._looks = looks
        self._scrape = scrape

    def bridged(self, trigger: Trigger, looks: tuple[Look, ...]) -> tuple[Look, ...]:
        """Say what the counters grew by in the gaps of the looks, if there are any.

        Where the block after a gap holds it already, nothing more. Else it is asked
        over the gap and a block on either side, less those two blocks.
        """
        kind, width = trigger.kind, trigger.block
        if isinstance(kind, Queue | Value | Sick | Traffic):
            return looks
        gaps = [gap for n, look in enumerate(looks) for gap in gaps_of(n, look)]
        if not gaps:
            return looks
        if self._looks.is_exact(kind):
            most = reach(self._scrape)
            around = [
                gap.both if (gap.blocks - 1) * width <= most else {} for gap in gaps
            ]
        else:
            around = self._around(kind, width, gaps)
        found: list[dict[datetime, Mapping[str, float]]] = [{} for _ in looks]
        for gap, across in zip(gaps, around, strict=True):
            if "all" in across:
                both, end = gap.both, looks[gap.look].blocks[gap.last].end
                found[gap.look][end] = {
                    part: max(0.0, across.get(part, 0.0) - both[part]) for part in both
                }
        return tuple(
            replace(look, gaps=own) for look, own in zip(looks, found, strict=True)
        )

    def _around(
        self, kind: Ratio | RatioQuery | Latency, width: timedelta, gaps: list[Gap]
    ) -> list[Mapping[str, float]]:
        """Count over each gap with the blocks beside it, in one request."""
        scrape = self._scrape
        if isinstance(kind, RatioQuery):
            queries = [
                promql.finished_counts(kind, gap.blocks * width, scrape) for gap in gaps
            ]
            return [
                self._server.samples(Ask(query, gap.until, width, 1)).get(
                    ("0", millis(gap.until)), {}
                )
                for query, gap in zip(queries, gaps, strict=True)
            ]
        selectors, ready = self._looks.counted(kind)
        newest = max(gap.until for gap in gaps)
        query = promql.joined(
            promql.counts(
                selectors,
                width=gap.blocks * width,
                scrape=scrape,
                offsets=[newest - gap.until],
                ready=ready,
                first=number,
            )
            for number, gap in enumerate(gaps)
        )
        answer = self._server.samples(Ask(query, newest, width, 1))
        places = ((str(number), millis(newest)) for number in range(len(gaps)))
        return [answer.get(place, {}) for place in places]
