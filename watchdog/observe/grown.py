"""What counters grew by in a block: whole events, each of them once.

Not ``rate``: it stretches what it sees to the ends of its range, so ranges that overlap
by a scrape count a birth in pieces, and it never counts the first value of a series.
Here a block holds what the newest sample of each series in it is more than the last one
before it: blocks tile time without loss, and what a missing scrape did not tell comes
with the next one.

A value that fell began anew and counts whole. So does the first value of a series if
its events cannot be older than the scrape before: the target was up then without it, or
its process has started since. A zero that Prometheus puts before it, with
``created-timestamp-zero-ingestion``, is a value before it like any other.

Sums are taken from each other, not series: that costs a tenth where there are many.
Source: Prometheus, "Querying basics": ranges and ``offset``; 2.42 and 3.5.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from watchdog.observe.numbers import duration, offset

# How old the last value before a block may be; a longer silence is a hole.
_REACH = timedelta(minutes=5)
_SCRAPES_OF_REACH = 5
# One scrape may be missed or late.
_SCRAPES = 2
# A process that began so many scrapes ago is found late, and counts from its beginning:
# a release is not charged before two of them are over.
_SCRAPES_OF_A_START = 3
_TARGETS = ("job", "instance")
_ONE_TARGETS = re.compile(r"""\b(?:job|instance)\s*=\s*["']""")
# Which targets a selector is of, in the matchers of its list.
_OF_TARGETS = re.compile(
    r"""\b(?:job|instance)\s*(?:=~|!~|!=|=)\s*(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
)


@dataclass(frozen=True, slots=True)
class Span:
    """A time that is counted: *width* of it, *back* from the instant that is asked.

    *scrape* is how far apart the samples are.
    """

    width: timedelta
    scrape: timedelta
    back: timedelta = timedelta()


def reach(scrape: timedelta) -> timedelta:
    """Give how old the last value before a block may be."""
    return max(_REACH, _SCRAPES_OF_REACH * scrape)


def grown(selector: str, span: Span, beside: str = "", by: str = "") -> str:
    """Write the sum of what the series of *selector* grew by in *span*.

    Of those alone that have a series of *beside* that differs in ``le``, if given.
    One sum for each value of the label *by*, if given.
    """
    now = _last(selector, duration(span.width), offset(span.back))
    before = offset(span.back + span.width)
    was = _last(selector, duration(reach(span.scrape)), before)
    if beside:
        own = _last(beside, duration(span.width), offset(span.back))
        now = f"({now} and ignoring (le) {own})"
    own_label = f", {by}" if by and by not in _TARGETS else ""
    born = f"sum by (job, instance{own_label}) ({now} unless {was})"
    old = f"{born} unless on (job, instance) {_may_count(selector, span)}"
    each = f" by ({by}) " if by else ""
    none = f"0 * sum{each}({now})" if by else "vector(0)"
    return (
        f"(sum{each}({now}) - (sum{each}({was} <= {now}) or {none}) "
        f"- (sum{each}({old}) or {none}))"
    )


def fallen(selectors: Sequence[str], span: Span) -> str:
    """Write how many series fell in *span* though no process began, if any did.

    And at how many targets an older process answered than the one before: several
    answer in turn there, each of which counts its own events only.
    """
    over, back = duration(span.width + span.scrape), offset(span.back)
    whole = selectors[-1].partition("{")[2]
    targets = ",".join(_OF_TARGETS.findall(whole))
    process = f"process_start_time_seconds{{{targets}}}[{over}]{back}"
    older = f"resets({process}) > 0"
    if not _ONE_TARGETS.search(whole):
        older = f"({older} and on (job, instance) {_last(selectors[-1], over, back)})"
    fell = " or ".join(f"resets({one.strip()}[{over}]{back}) > 0" for one in selectors)
    return (
        f"count({older} or ({fell}) unless on (job, instance) changes({process}) > 0)"
    )


def _may_count(selector: str, span: Span) -> str:
    """Write which targets' new series count: up before, or begun since."""
    lately = duration(_SCRAPES * span.scrape)
    targets = ",".join(_OF_TARGETS.findall(selector.partition("{")[2]))
    up = _last(f"up{{{targets}}}", lately, offset(span.back + span.width))
    process = f"process_start_time_seconds{{{targets}}}"
    late = (_SCRAPES_OF_A_START - 1) * span.scrape + span.width + span.back
    begun = f"{_last(process, lately, offset(span.back))} > time()"
    return f"({up} == 1 or {begun} - {late.total_seconds():g})"


def _last(selector: str, over: str, back: str) -> str:
    return f"last_over_time({selector.strip()}[{over}]{back})"
