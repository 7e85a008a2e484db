"""Writes the queries: counts per block, all parts and looks in one request.

Source: Prometheus, "Querying basics" and "Functions"; the forms were measured.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Protocol

from watchdog.facts.trigger import Latency, Ratio, RatioQuery
from watchdog.observe.fresh import fresh

_MILLISECOND = timedelta(milliseconds=1)
_WINDOW = re.compile(r"\{\{\s*\.?window\s*\}\}")
# One name with at most one list of matchers, whose quoted text may hold anything.
# Since Prometheus 3 the name may be quoted, as the first of the list.
_LIST = r"""\{ (?: [^{}"'`] | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*` )* \}"""
_SELECTOR = re.compile(
    rf"\s* (?: [a-zA-Z_:][a-zA-Z0-9_:]* \s* (?:{_LIST})? | {_LIST} ) \s*", re.VERBOSE
)
# A quoted name, or one that is matched by its label.
_NAMED = re.compile(
    r"""(?P<before>(?:^|,)\s*(?:__name__\s*=\s*)?)(?P<quote>["'`])(?P<name>[^"'`\\]*)
    (?P=quote)(?P<after>\s*(?:,|$))""",
    re.VERBOSE,
)


_QUOTED_OR_BRACED = re.compile(
    r"""\#[^\n]* | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*`
    | \{ (?: [^{}"'`] | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*` )* \}""",
    re.VERBOSE,
)
_COMPARISON = re.compile(r"(?:[=!]=|[<>]=?)(?!\s*bool\b)", re.IGNORECASE)


class Part(Protocol):
    """Writes one part of an answer, for blocks that *offset* moves back."""

    def __call__(self, *, over: str, width: str, offset: str, by: str = "") -> str:
        """Write it: *over* is the range to rate, *width* the block in seconds.

        *by* is what follows the sum: empty, or `` by (label) ``.
        """
        ...


def duration(time: timedelta) -> str:
    """Write a duration as PromQL takes it: whole seconds, else milliseconds."""
    millis = round(time / _MILLISECOND)
    return f"{millis // 1000}s" if millis % 1000 == 0 else f"{millis}ms"


def seconds(time: timedelta) -> str:
    """Write a duration as a plain number of seconds: ``60``, ``1.5``."""
    return plain(Decimal(round(time / _MILLISECOND)) / 1000)


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

    A rate over the block and one scrape more, times the block, tiles time without
    loss: ``increase`` over disjoint blocks never sees one of their intervals.
    The looks are numbered from *first* on.
    """
    parts = _all_parts(selectors, ready)
    terms = [
        _labelled(
            write(
                over=duration(width + scrape),
                width=seconds(width),
                offset=f" offset {duration(offset)}" if offset else "",
            ),
            part=name,
            look=str(number),
        )
        for number, offset in enumerate(offsets, first)
        for name, write in parts.items()
    ]
    return joined(terms)


def joined(terms: Iterable[str]) -> str:
    """Ask several questions as one."""
    return "\nor ".join(terms)


def grouped(
    selectors: Mapping[str, str],
    label: str,
    *,
    width: timedelta,
    scrape: timedelta,
    ready: Mapping[str, Part] | None = None,
) -> str:
    """Count the newest *width* for each value of *label*; one look, of an instant."""
    return joined(
        'label_replace({}, "part", "{}", "", "")'.format(
            write(
                over=duration(width + scrape),
                width=seconds(width),
                offset="",
                by=f" by ({label}) ",
            ),
            name,
        )
        for name, write in _all_parts(selectors, ready).items()
    )


def groups_of(selector: str, label: str, over: timedelta) -> str:
    """Name the values of *label* that there were in the time before an instant."""
    return f"group by ({label}) (last_over_time({selector.strip()}[{duration(over)}]))"


def _all_parts(
    selectors: Mapping[str, str], ready: Mapping[str, Part] | None
) -> dict[str, Part]:
    parts: dict[str, Part] = dict(ready or {})
    return parts | {
        name: partial(_counted, selector) for name, selector in selectors.items()
    }


def floor(depth: str, block: timedelta) -> Part:
    """Write a queue's floor: the lowest depth of the block, of all series.

    A range function on purpose: a bare gauge is repeated for five minutes after
    its last sample.
    """

    def write(*, over: str, width: str, offset: str, by: str = "") -> str:
        del over, width
        return f"sum{by}(min_over_time({depth.strip()}[{duration(block)}]{offset}))"

    return write


def beside(kind: Ratio) -> Part:
    """Write all events where the errors are counted beside the good ones.

    Without a series of good ones it is nothing: that they were renamed must not
    look as if all were bad.
    """

    def write(*, over: str, width: str, offset: str, by: str = "") -> str:
        good = f"rate({kind.good.strip()}[{over}]{offset}) * {width}"
        bad = f"rate({kind.errors.strip()}[{over}]{offset}) * {width}"
        # Both may have the same labels, and `or` would keep one of them.
        return (
            f'sum{by}(label_replace({good}, "part", "good", "", "") '
            f'or label_replace({bad}, "part", "bad", "", "")) '
            f"and on() count({good})"
        )

    return write


def slow_and_all(kind: Latency, *, native: bool = False) -> tuple[Part, Part]:
    """Write the requests slower than ``over``, and all of the same series.

    Only series that have the bucket count, in both: one without it would be all
    bad in the first or all good in the second. With *native* also those that are
    kept as native histograms, where there are no buckets beside them: a server
    without such is not asked for functions that it may not have.
    """
    bound = slow_bucket(kind)
    every = every_bucket(kind)
    most = plain(kind.bound)

    def slow(*, over: str, width: str, offset: str, by: str = "") -> str:
        top, fast = f"{every}[{over}]{offset}", f"{bound}[{over}]{offset}"
        counted = f"rate({top}) * {width} - ignoring(le) rate({fast}) * {width}"
        if native:
            grew = f"rate({kind.histogram.strip()}[{over}]{offset})"
            share = f"(1 - histogram_fraction(-Inf, {most}, {grew}))"
            # Of no requests the share is not a number.
            busy = f"(histogram_count({grew}) > 0)"
            counted = f"{counted} or {share} * {busy} * {width}"
        return f"sum{by}({counted})"

    def both(*, over: str, width: str, offset: str, by: str = "") -> str:
        top, fast = f"{every}[{over}]{offset}", f"{bound}[{over}]{offset}"
        counted = f"rate({top}) * {width} and ignoring(le) rate({fast})"
        if native:
            grew = f"rate({kind.histogram.strip()}[{over}]{offset})"
            alone = (
                f"histogram_count({grew}) * {width} unless ignoring(le) rate({fast})"
            )
            counted = f"({counted}) or ({alone})"
        return f"sum{by}({counted})"

    return slow, both


def native(kind: Latency, scrape: timedelta) -> str:
    """Count the series that are kept as native histograms, as of two scrapes."""
    back = duration(2 * scrape)
    selector = kind.histogram.strip()
    return f"count(histogram_count(last_over_time({selector}[{back}])))"


def is_filter(expr: str) -> bool:
    """Tell whether *expr* compares without ``bool``: what it lets through is true.

    The value that it lets through may be 0, as in ``up == 0``.
    """
    bare = _QUOTED_OR_BRACED.sub("", expr)
    return _COMPARISON.search(bare) is not None


def slow_bucket(kind: Latency) -> str:
    """Select the bucket whose bound is ``over``."""
    return _bucket(kind, f'le=~"{_spellings(kind.bound)}"')


def is_selector(expr: str) -> bool:
    """Tell whether *expr* is one plain selector, without functions or a range."""
    return _SELECTOR.fullmatch(expr) is not None


def every_bucket(kind: Latency) -> str:
    """Select the bucket that counts every request."""
    return _bucket(kind, 'le="+Inf"')


def bounds(kind: Latency, scrape: timedelta) -> str:
    """Ask which bounds the histogram's buckets have."""
    every = _bucket(kind, 'le!=""')
    return f"group by (le) (last_over_time({every}[{duration(2 * scrape)}]))"


def any_bucket(kind: Latency, scrape: timedelta) -> tuple[str, str]:
    """Ask whether the histogram is there without the bucket, and name it.

    Looked at two scrapes back: a bare selector sees a dead target for five minutes.
    """
    every = every_bucket(kind)
    name = every.partition("{")[0].removesuffix("_bucket") or kind.histogram.strip()
    over = duration(2 * scrape)
    return _labelled(
        f"count(last_over_time({every}[{over}])) "
        f"unless count(last_over_time({slow_bucket(kind)}[{over}]))",
        part="bucket",
        look="0",
    ), name


def finished_counts(kind: RatioQuery, width: timedelta, scrape: timedelta) -> str:
    """Count with expressions that give the events of a ``{{ window }}``.

    The window handed to them is a block and one scrape; the share of the block is
    then taken of the count, for the reason that ``counts`` names.
    """
    over = duration(width + scrape)
    share = f"* {seconds(width)} / {seconds(width + scrape)}"

    def term(name: str, template: str) -> str:
        # Own lines: the expression may end in a comment.
        expr = _WINDOW.sub(over, template)
        return _labelled(f"sum(\n{expr}\n) {share}", part=name, look="0")

    terms = [term("bad", kind.errors_query), term("all", kind.total_query)]
    return "\nor ".join(terms)


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


def past(expr: str, bound: float, *, highest: bool, scrape: timedelta) -> str:
    """Ask for the series past a bound, each by its own labels: mostly none."""
    sign = ">" if highest else "<"
    asked = _fresh(expr, scrape)
    return f'label_replace(({asked}) {sign} {bound!r}, "part", "past", "", "")'


def count(expr: str, scrape: timedelta) -> str:
    """Count the series of an expression, as of the last two scrapes."""
    return f"count({_fresh(expr, scrape)})"


def _fresh(expr: str, scrape: timedelta) -> str:
    back = duration(2 * scrape)
    if is_selector(expr):
        return f"last_over_time({expr.strip()}[{back}])"
    return f"\n{fresh(expr, back)}\n"


def _counted(selector: str, *, over: str, width: str, offset: str, by: str = "") -> str:
    return f"sum{by}(rate({selector.strip()}[{over}]{offset}) * {width})"


def _labelled(expr: str, *, part: str, look: str) -> str:
    inner = f'label_replace({expr}, "part", "{part}", "", "")'
    return f'label_replace({inner}, "look", "{look}", "", "")'


def _bucket(kind: Latency, matcher: str) -> str:
    """Add *matcher* to the histogram's own, and ``_bucket`` to its name."""
    name, _, rest = kind.histogram.strip().partition("{")
    name = name.strip()
    own = rest.rpartition("}")[0].strip().rstrip(",").strip()
    if not name:
        own = _NAMED.sub(_as_bucket, own, count=1)
    elif not name.endswith("_bucket"):
        name += "_bucket"
    return f"{name}{{{own},{matcher}}}" if own else f"{name}{{{matcher}}}"


def _as_bucket(found: re.Match[str]) -> str:
    before, quote, name, after = found.group("before", "quote", "name", "after")
    name = f"{name.removesuffix('_bucket')}_bucket"
    return f"{before}{quote}{name}{quote}{after}"


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


def plain(value: Decimal) -> str:
    """Write a number without an exponent, and without zeros at its end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
