"""Writes the queries: counts per block, all parts and looks in one request.

Source: Prometheus, "Querying basics" and "Functions"; the forms were measured.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache, partial
from typing import Protocol

from watchdog.facts.selector import bucket
from watchdog.facts.selector import label as written
from watchdog.facts.trigger import Latency, Ratio, RatioQuery
from watchdog.observe.fresh import counted, fresh
from watchdog.observe.grown import Span, fallen, grown
from watchdog.observe.numbers import duration, offset, plain, seconds

# What takes an expression apart is kept: each turn asks what the turn before asked.
_MOST_KEPT = 256
_WINDOW = re.compile(r"\{\{\s*\.?window\s*\}\}")
# One name with at most one list of matchers, whose quoted text may hold anything.
# Since Prometheus 3 the name may be quoted, as the first of the list.
_LIST = r"""\{ (?: [^{}"'`] | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*` )* \}"""
_SELECTOR = re.compile(
    rf"\s* (?: [a-zA-Z_:][a-zA-Z0-9_:]* \s* (?:{_LIST})? | {_LIST} ) \s*", re.VERBOSE
)
_QUOTED_OR_BRACED = re.compile(
    r"""\#[^\n]* | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*`
    | \{ (?: [^{}"'`] | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*` )* \}""",
    re.VERBOSE,
)
_COMPARISON = re.compile(r"(?:[=!]=|[<>]=?)(?!\s*bool\b)", re.IGNORECASE)


class Part(Protocol):
    """Writes one part of an answer: the sum of what was counted in a span."""

    def __call__(self, span: Span) -> str:
        """Write it."""
        ...


def counts(
    selectors: Mapping[str, str],
    *,
    width: timedelta,
    scrape: timedelta,
    offsets: Sequence[timedelta],
    ready: Mapping[str, Part] | None = None,
    first: int = 0,
) -> str:
    """Count *selectors* per block of *width*, once for each of *offsets*.

    The looks are numbered from *first* on.
    """
    parts = _all_parts(selectors, ready)
    terms = [
        _labelled(write(Span(width, scrape, back)), part=name, look=str(number))
        for number, back in enumerate(offsets, first)
        for name, write in parts.items()
    ]
    return joined(terms)


def joined(terms: Iterable[str]) -> str:
    """Ask several questions as one."""
    return "\nor ".join(terms)


def at_once(queries: Sequence[str]) -> str:
    """Ask several questions of one look each as one: the looks are their numbers."""
    return joined(
        f'label_replace(\n{query}\n, "look", "{number}", "", "")'
        for number, query in enumerate(queries)
    )


def grouped(
    kind: Ratio | Latency,
    label: str,
    *,
    width: timedelta,
    scrape: timedelta,
    native: bool = False,
) -> str:
    """Rate the newest *width* for each value of *label*; one look, of an instant.

    By ``rate``, for a thousand groups at a tenth of what it costs to count: it is
    evidence, and nothing is decided by it.
    """
    span, by = Span(width, scrape), f" by ({written(label)}) "
    parts = _rated(kind, span, native=native)
    return joined(
        f'label_replace(sum{by}({rated}), "part", "{name}", "", "")'
        for name, rated in parts.items()
    )


def each(
    kind: Ratio | Latency,
    label: str,
    *,
    width: timedelta,
    scrape: timedelta,
    native: bool = False,
) -> str:
    """Count block by block for each value of *label*: a look of its own for each."""
    span, by = Span(width, scrape), written(label)
    if isinstance(kind, Ratio):
        bad = grown(kind.errors, span, by=by)
        every = grown(kind.good or kind.total, span, by=by)
        if kind.good:
            every = f"{every} + ({bad} or 0 * {every})"
    elif native:
        rated = _rated(kind, span, native=True)
        bad, every = (f"sum by ({by}) ({rated[part]})" for part in ("bad", "all"))
    else:
        top, fast = every_bucket(kind), slow_bucket(kind)
        every = grown(top, span, fast, by)
        bad = f"{every} - {grown(fast, span, by=by)}"
    return joined(
        f'label_replace(label_replace({one}, "look", "$1", "{label}", "(.+)"), '
        f'"part", "{part}", "", "")'
        for part, one in (("bad", bad), ("all", every))
    )


def groups_of(kind: Ratio | Latency, label: str, time: timedelta) -> str:
    """Name the values of *label* that there were in the *time* before an instant.

    Of what counts all events; a histogram may be kept as a native one.
    """
    back = f"[{duration(time)}]"
    if isinstance(kind, Ratio):
        lately = f"last_over_time({kind.must_be_there.strip()}{back})"
    else:
        lately = " or ".join(
            f"last_over_time({one}{back})"
            for one in (every_bucket(kind), kind.histogram.strip())
        )
    return f"group by ({written(label)}) ({lately})"


def _all_parts(
    selectors: Mapping[str, str], ready: Mapping[str, Part] | None
) -> dict[str, Part]:
    parts: dict[str, Part] = dict(ready or {})
    return parts | {
        name: partial(grown, selector) for name, selector in selectors.items()
    }


def floor(depth: str, block: timedelta) -> Part:
    """Write a queue's floor: the lowest depth of the block, of all series.

    A range function on purpose: a bare gauge is repeated for five minutes after
    its last sample.
    """

    def write(span: Span) -> str:
        back = offset(span.back)
        return f"sum(min_over_time({depth.strip()}[{duration(block)}]{back}))"

    return write


def beside(kind: Ratio) -> Part:
    """Write all events where the errors are counted beside the good ones.

    Without a series of good ones it is nothing: that they were renamed must not
    look as if all were bad.
    """

    def write(span: Span) -> str:
        good, bad = grown(kind.good, span), grown(kind.errors, span)
        return f"{good} + ({bad} or vector(0))"

    return write


def slow_and_all(kind: Latency, *, native: bool = False) -> tuple[Part, Part]:
    """Write the requests slower than ``over``, and all of the same series.

    Only series that have the bucket count, in both: one without it would be all
    bad in the first or all good in the second. With *native* also those that are
    kept as native histograms, where there are no buckets beside them: a server
    without such is not asked for functions that it may not have.
    """
    bound, every = slow_bucket(kind), every_bucket(kind)
    if native:
        return (
            lambda span: f"sum({_rated(kind, span, native=True)['bad']})",
            lambda span: f"sum({_rated(kind, span, native=True)['all']})",
        )

    def slow(span: Span) -> str:
        return f"{grown(every, span, bound)} - {grown(bound, span)}"

    def both(span: Span) -> str:
        return grown(every, span, bound)

    return slow, both


def _rated(kind: Ratio | Latency, span: Span, *, native: bool) -> dict[str, str]:
    """Rate each series over the span and a scrape more.

    A native histogram is not counted from sums: the interpolated shares of two of
    them cannot be taken from each other, as a bucket that is made wider would look
    like a counter that fell.
    """
    wide = f"[{duration(span.width + span.scrape)}]{offset(span.back)}"
    width = seconds(span.width)
    if isinstance(kind, Ratio):
        bad = f"rate({kind.errors.strip()}{wide}) * {width}"
        if not kind.good:
            return {"bad": bad, "all": f"rate({kind.total.strip()}{wide}) * {width}"}
        good = f"rate({kind.good.strip()}{wide}) * {width}"
        # Both may have the same labels, and `or` would keep one of them.
        both = (
            f'(label_replace({good}, "part", "good", "", "") '
            f'or label_replace({bad}, "part", "bad", "", "")) and on() count({good})'
        )
        return {"bad": bad, "all": both}
    top, fast = (
        f"rate({one}{wide})" for one in (every_bucket(kind), slow_bucket(kind))
    )
    slow = f"{top} * {width} - ignoring(le) {fast} * {width}"
    every = f"{top} * {width} and ignoring(le) {fast}"
    if native:
        grew = f"rate({kind.histogram.strip()}{wide})"
        share = f"(1 - histogram_fraction(-Inf, {plain(kind.bound)}, {grew}))"
        # Of no requests the share is not a number.
        slow += f" or {share} * (histogram_count({grew}) > 0) * {width}"
        alone = f"histogram_count({grew}) * {width} unless ignoring(le) {fast}"
        every = f"({every}) or ({alone})"
    return {"bad": slow, "all": every}


def native(kind: Latency, scrape: timedelta) -> str:
    """Count the series that are kept as native histograms, as of two scrapes.

    Of such a series Prometheus 2.42 gives 0 for ``last_over_time``, and no histogram.
    """
    back = duration(2 * scrape)
    selector = kind.histogram.strip()
    here = f"present_over_time({selector}[{back}])"
    return f"count(histogram_count({selector}) and {here})"


def is_filter(expr: str) -> bool:
    """Tell whether *expr* compares without ``bool``: what it lets through is true.

    The value that it lets through may be 0, as in ``up == 0``.
    """
    bare = _QUOTED_OR_BRACED.sub("", expr)
    return _COMPARISON.search(bare) is not None


def slow_bucket(kind: Latency) -> str:
    """Select the bucket whose bound is ``over``."""
    return bucket(kind.histogram, f'le=~"{_spellings(kind.bound)}"')


def is_selector(expr: str) -> bool:
    """Tell whether *expr* is one plain selector, without functions or a range."""
    return _SELECTOR.fullmatch(expr) is not None


def every_bucket(kind: Latency) -> str:
    """Select the bucket that counts every request."""
    return bucket(kind.histogram, 'le="+Inf"')


def bounds(kind: Latency, scrape: timedelta) -> str:
    """Ask which bounds the histogram's buckets have."""
    every = bucket(kind.histogram, 'le!=""')
    return f"group by (le) (last_over_time({every}[{duration(2 * scrape)}]))"


def any_bucket(kind: Latency, scrape: timedelta) -> tuple[str, str]:
    """Ask whether the histogram is there without the bucket, and name it.

    Looked at two scrapes back: a bare selector sees a dead target for five minutes.
    """
    every = every_bucket(kind)
    name = every.partition("{")[0].removesuffix("_bucket") or kind.histogram.strip()
    back = duration(2 * scrape)
    return _labelled(
        f"count(last_over_time({every}[{back}])) "
        f"unless count(last_over_time({slow_bucket(kind)}[{back}]))",
        part="bucket",
        look="0",
    ), name


def over(template: str, time: timedelta) -> str:
    """Write an expression of a ``{{ window }}`` out for a window of *time*."""
    return _WINDOW.sub(duration(time), template)


@lru_cache(maxsize=_MOST_KEPT)
def finished_counts(kind: RatioQuery, width: timedelta, scrape: timedelta) -> str:
    """Count with expressions that give the events of a ``{{ window }}``.

    The window handed to them is a block and one scrape; the share of the block is
    then taken of the count, for the reason that ``counts`` names.
    """
    share = f"* {seconds(width)} / {seconds(width + scrape)}"

    def term(name: str, template: str) -> str:
        # Own lines: the expression may end in a comment.
        expr = over(template, width + scrape)
        return _labelled(f"sum(\n{expr}\n) {share}", part=name, look="0")

    terms = [term("bad", kind.errors_query), term("all", kind.total_query)]
    if counters := _counters(kind.errors_query) + _counters(kind.total_query):
        fell = fallen(counters, Span(width, scrape))
        terms.append(_labelled(fell, part="fell", look="0"))
    return "\nor ".join(terms)


def _counters(template: str) -> list[str]:
    """Give what an expression takes the growth of."""
    expr = over(template, timedelta(minutes=1))
    return [
        one
        for one in counted(expr)
        if re.search(rf"\b(?:increase|i?rate)\s*\(\s*{re.escape(one)}\s*\[", expr)
    ]


@lru_cache(maxsize=_MOST_KEPT)
def worst(expr: str, *, highest: bool, scrape: timedelta) -> str:
    """Ask for the worst of an expression's series, and for their sum.

    The sum is there to see a series that is not a number, which max and min skip.
    All is looked at two scrapes back, not five minutes: a series that ended must
    not go on counting. What an expression would say of older samples is asked
    beside it: where it differs, nobody knows whether they ended or are rare.
    """
    asked = _fresh(expr, scrape)
    best = "max" if highest else "min"
    terms = [
        _labelled(f"{best}({asked})", part="worst", look="0"),
        _labelled(f"sum({asked})", part="sum", look="0"),
    ]
    if not is_selector(expr) and asked.strip() != expr.strip():
        older = f"\n{expr}\n"
        terms.append(_labelled(f"{best}({older})", part="older", look="0"))
    return joined(terms)


@lru_cache(maxsize=_MOST_KEPT)
def past(expr: str, bound: float, *, highest: bool, scrape: timedelta) -> str:
    """Ask for the series past a bound, each by its own labels: mostly none."""
    sign = ">" if highest else "<"
    asked = _fresh(expr, scrape)
    return f'label_replace(({asked}) {sign} {bound!r}, "part", "past", "", "")'


def scraped_at_all(scrape: timedelta) -> str:
    """Ask whether anything at all was scraped in two scrapes: each leaves an ``up``."""
    up = f"count(last_over_time(up[{duration(2 * scrape)}]))"
    return _labelled(up, part="up", look="0")


def count(expr: str, scrape: timedelta) -> str:
    """Count the series of an expression, as of the last two scrapes."""
    return f"count({_fresh(expr, scrape)})"


def _fresh(expr: str, scrape: timedelta) -> str:
    back = duration(2 * scrape)
    if is_selector(expr):
        return f"last_over_time({expr.strip()}[{back}])"
    return f"\n{fresh(expr, back)}\n"


def _labelled(expr: str, *, part: str, look: str) -> str:
    inner = f'label_replace({expr}, "part", "{part}", "", "")'
    return f'label_replace({inner}, "look", "{look}", "", "")'


def _spellings(value: Decimal) -> str:
    """Match a bound in every spelling of the client libraries.

    Half a second is ``0.5``, ``0.50``, ``5e-01`` or ``5.0E-1``; a second ``1``,
    ``1.0`` or ``1e+00``.
    """
    whole, _, part = plain(value).partition(".")
    usual = f"{whole}[.]{part}0*" if part else f"{whole}([.]0*)?"
    _, digits, _ = value.normalize().as_tuple()
    first, *rest = map(str, digits)
    mantissa = f"{first}[.]{''.join(rest)}0*" if rest else f"{first}([.]0*)?"
    power = value.adjusted()
    sign = "-" if power < 0 else "[+]?"
    return f"{usual}|{mantissa}[eE]{sign}0*{abs(power)}"
