"""A release file as it is written, and how each of its values is read.

No key is required here: what is missing is found together with all that is wrong.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from watchdog.config.notation import (
    RETENTION,
    RETENTION_MEANT,
    Number,
    OneLine,
    Prose,
    Said,
    Share,
    SomeTime,
    Whole,
    YesOrNo,
    duration,
    number,
    one_line,
    prose,
    seen,
    written,
)
from watchdog.facts import selector
from watchdog.facts.trigger import Action, Missing, Sickness

_WEEK = timedelta(weeks=1)

# A release is named as its image's tag is; see facts/reference.
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"

_PLAIN_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE]\+?[0-9]{1,2})?", re.ASCII)
_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")


def _selector(value: object) -> str:
    got = prose(value)
    found = selector.read(got)
    if found is None:
        hint = 'write `name{label="v"}`; for more use errors_query and total_query'
        raise Said(f"{seen(got)} is not a plain selector", hint)
    # With dots and no quotes: Prometheus would not read what is meant.
    return str(found) if found.is_quoted else got


def _histogram(value: object) -> str:
    got = _selector(value)
    found = selector.read(got) or selector.Selector(got)
    if re.search(r"_(bucket|sum|count)$", found.name):
        hint = f"write `{found.name.rpartition('_')[0]}`"
        raise Said(f"{seen(found.name)} is a part of a histogram", hint)
    if "le" in [one.label for one in found.matchers]:
        raise Said("selects buckets by `le`", "leave `le` out; `over` is the bucket")
    return got


def _over(value: object) -> timedelta | Decimal:
    """Read a bound: a duration, or a plain number of the histogram's own unit."""
    if isinstance(value, timedelta | Decimal):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number or (isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value)):
        got = number(value)
        if got <= 0:
            raise Said(f"{seen(value)} is no bound", "write more than 0")
        return Decimal(str(value)).normalize()
    time = duration(value)
    if time <= timedelta():
        raise Said(f"{written(time)} is no time at all", "write more than `0s`")
    return time


def _sicknesses(value: object) -> tuple[Sickness, ...]:
    known = ", ".join(Sickness)
    given = value if isinstance(value, list | tuple) else [value]
    if not given:
        raise Said("is empty", f"write some of: {known}")
    found: list[Sickness] = []
    for one in given:
        if one not in list(Sickness):
            words = f"{seen(one)} is nothing that the engine says of a container"
            raise Said(words, f"write some of: {known}")
        if one in found:
            raise Said(f"{seen(one)} is there twice", "leave one out")
        found.append(Sickness(str(one)))
    return tuple(found)


def _query(value: object) -> str:
    got = prose(value)
    places = {place.strip() for place in _PLACEHOLDER.findall(got)}
    hint = "write `{{ window }}` where the range goes: `rate(x[{{ window }}])`"
    if "window" not in places:
        raise Said("has no `{{ window }}`, so it cannot be counted in blocks", hint)
    if others := sorted(places - {"window"}):
        raise Said(f"`{{{{ {others[0]} }}}}` is filled in by nobody", hint)
    return got


def _shaped(pattern: str, what: str) -> BeforeValidator:
    def shaped(value: object) -> str:
        got = one_line(value)
        if not re.fullmatch(pattern, got):
            raise Said(f"{seen(got)} is not {what}")
        return got

    return BeforeValidator(shaped)


def _between(
    low: float, high: float, *, low_too: bool, high_too: bool
) -> AfterValidator:
    def between(value: float) -> float:
        above = value >= low if low_too else value > low
        below = value <= high if high_too else value < high
        if above and below:
            return value
        one = "at least" if low_too else "more than"
        two = "at most" if high_too else "less than"
        raise Said(
            f"{value:g} cannot be meant", f"write {one} {low:,.9g}, {two} {high:,.9g}"
        )

    return AfterValidator(between)


def _at_most_a_week(value: timedelta) -> timedelta:
    # 10,080 blocks of a minute; Prometheus answers with 11,000 points at most.
    if value > _WEEK:
        raise Said(f"{written(value)} is too long to look at", "write `7d` or less")
    return value


Window = Annotated[SomeTime, AfterValidator(_at_most_a_week)]
Selector = Annotated[str, BeforeValidator(_selector)]
Query = Annotated[str, BeforeValidator(_query)]
Version = Annotated[str, _shaped(_TAG, "a version like v1.3.0")]
Count = Annotated[Whole, _between(1, 1_000_000, low_too=True, high_too=True)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RatioForm(_Part):
    """Bad events of all events, as selectors or as queries."""

    errors: Selector | None = None
    total: Selector | None = None
    good: Selector | None = None
    errors_query: Query | None = None
    total_query: Query | None = None


class LatencyForm(_Part):
    """Events past a bound, out of a histogram."""

    histogram: Annotated[str, BeforeValidator(_histogram)]
    over: Annotated[timedelta | Decimal, BeforeValidator(_over)]
    unit: Annotated[str, _shaped(r"[a-z][a-z_]{0,30}", "a unit like `ms`")] | None = (
        None
    )
    quantile: Annotated[Share, _between(0, 1, low_too=False, high_too=False)]


class QueueForm(_Part):
    """How many wait, came and went."""

    depth: Selector
    enqueued: Selector
    drained: Selector


class BaselineForm(_Part):
    """What was before the release, and how much worse a breach must be."""

    window: Annotated[SomeTime, AfterValidator(_at_most_a_week)] | None = None
    worse_by: (
        Annotated[Number, _between(1, 1000, low_too=True, high_too=True)] | None
    ) = None
    confidence: (
        Annotated[Share, _between(0.5, 1, low_too=True, high_too=False)] | None
    ) = None
    missing: Missing | None = None


class CareForm(_Part):
    """How much must be seen: in ``defaults`` for all triggers, or in one."""

    min_samples: Count | None = None
    min_events: Count | None = None
    min_growth: (
        Annotated[Number, _between(0, 1e9, low_too=False, high_too=True)] | None
    ) = None
    coverage: Annotated[Share, _between(0, 1, low_too=False, high_too=True)] | None = (
        None
    )
    baseline: BaselineForm | None = None


class RuleForm(CareForm):
    """One trigger."""

    alert: (
        Annotated[str, _shaped(r"[A-Za-z][A-Za-z0-9_-]*", "a name like Http5xxRate")]
        | None
    ) = None
    ratio: RatioForm | None = None
    latency: LatencyForm | None = None
    queue: QueueForm | None = None
    value: Prose | None = None
    traffic: Selector | None = None
    of: Window | None = None
    container: Annotated[tuple[Sickness, ...], BeforeValidator(_sicknesses)] | None = (
        None
    )
    above: Number | None = None
    below: Number | None = None
    for_: Window | None = Field(default=None, alias="for")
    window: Window | None = None
    growing_for: Window | None = None
    block: SomeTime | None = None
    action: Action | None = None
    mode: Literal["act", "observe"] = "act"
    by: Annotated[str, _shaped(r"[a-zA-Z][a-zA-Z0-9_.]*", "a label's name")] | None = (
        None
    )
    any_: YesOrNo | None = Field(default=None, alias="any")
    unless: Prose | None = None
    labels: Mapping[OneLine, Prose] | None = None
    annotations: Mapping[OneLine, Prose] | None = None


class FileForm(_Part):
    """The whole file; its triggers are read one by one."""

    release: Version | None = None
    image: OneLine | None = None
    images: Mapping[OneLine, OneLine] | None = None
    manifests: Mapping[OneLine, OneLine] | None = None
    rollback_to: Version | None = None
    rollback_safe: YesOrNo = True
    deployment: Literal["cloud", "on-prem"] = "cloud"
    mttr: SomeTime | None = None
    dri: tuple[OneLine, ...] | None = None
    secondary: tuple[OneLine, ...] = ()
    required_approvals: Whole = 1
    on_no_answer: Literal["hold", "roll-back"] = "hold"
    approved_by: OneLine | None = None
    watch_for: SomeTime = timedelta(hours=24)
    retention: Annotated[str, _shaped(RETENTION, RETENTION_MEANT)] | None = None
    jobs: dict[OneLine, Literal["once", "again"]] | None = None
    defaults: CareForm = CareForm()
    triggers: tuple[Any, ...] | None = None
