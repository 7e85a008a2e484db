"""``config/releases/*.yaml`` into what is watched, or a refusal with every fault."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from watchdog.config.notation import (
    RETENTION,
    RETENTION_MEANT,
    WHOLE_FILE,
    Filled,
    Number,
    OneLine,
    Place,
    Prose,
    Said,
    Share,
    SomeTime,
    Whole,
    YesOrNo,
    duration,
    fill,
    in_words,
    mapping_in,
    number,
    one_line,
    one_of,
    prose,
    seen,
    written,
)
from watchdog.facts.pair import is_named
from watchdog.facts.problem import Fault, Problem, Refused
from watchdog.facts.reference import parse
from watchdog.facts.trigger import (
    UNITS_OF_TIME,
    Action,
    Baseline,
    Dispersion,
    Kind,
    Latency,
    Missing,
    Queue,
    Ratio,
    RatioQuery,
    Release,
    Trigger,
    Value,
)

DEFAULT = "default"
MTTR = {"cloud": timedelta(hours=1), "on-prem": timedelta(days=1)}

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_WEEK = timedelta(weeks=1)
_LEAST_BLOCKS = 5
_BLOCKS_OF_A_WINDOW = 10
_MANIFEST_END = ".manifest.json"
_VERSION_HERE = "{version}"
_GIT_SHA = re.compile(r"-[0-9a-f]{7,40}$")

# A release is named as its image's tag is; see facts/reference.
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"

# Source: Prometheus, "Querying basics", instant vector selectors.
_QUOTED = r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`"""
_MATCHER = rf"[a-zA-Z_]\w*\s*(?:=~|!~|!=|=)\s*(?:{_QUOTED})"
_MATCHERS = rf"\{{\s*(?:{_MATCHER}(?:\s*,\s*{_MATCHER})*\s*,?\s*)?\}}"
_SELECTOR = re.compile(
    rf"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?P<matchers>{_MATCHERS})?", re.ASCII
)
_PLAIN_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE]\+?[0-9]{1,2})?", re.ASCII)
# The units that metrics' names end in, and how they are written here.
_UNIT_NAMED = {
    "seconds": "s",
    "milliseconds": "ms",
    "millis": "ms",
    "ms": "ms",
    "microseconds": "us",
    "us": "us",
    "nanoseconds": "ns",
    "ns": "ns",
    "bytes": "bytes",
}
_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")


# The file as it is written. No key is required here: what is missing is found
# together with all that is wrong.


def _selector(value: object) -> str:
    got = prose(value)
    if not _SELECTOR.fullmatch(got):
        hint = 'write `name{label="v"}`; for more use errors_query and total_query'
        raise Said(f"{seen(got)} is not a plain selector", hint)
    return got


def _histogram(value: object) -> str:
    got = _selector(value)
    found = _SELECTOR.fullmatch(got)
    name, matchers = found.group("name", "matchers") if found else (got, None)
    if re.search(r"_(bucket|sum|count)$", name):
        hint = f"write `{name.rpartition('_')[0]}`"
        raise Said(f"{seen(name)} is a part of a histogram", hint)
    if "le" in re.findall(r"\w+", re.sub(_QUOTED, "", matchers or "")):
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


class _Ratio(_Part):
    errors: Selector | None = None
    total: Selector | None = None
    good: Selector | None = None
    errors_query: Query | None = None
    total_query: Query | None = None


class _Latency(_Part):
    histogram: Annotated[str, BeforeValidator(_histogram)]
    over: Annotated[timedelta | Decimal, BeforeValidator(_over)]
    unit: Annotated[str, _shaped(r"[a-z][a-z_]{0,30}", "a unit like `ms`")] | None = (
        None
    )
    quantile: Annotated[Share, _between(0, 1, low_too=False, high_too=False)]


class _Queue(_Part):
    depth: Selector
    enqueued: Selector
    drained: Selector


def _dispersion(value: object) -> Dispersion:
    # YAML reads a 1 as a number.
    for known in Dispersion:
        if str(value) == known and not isinstance(value, bool):
            return known
    hint = "write `auto` to measure batches, `1` if events never come in any"
    raise Said(f"{seen(value)} is not one of: auto, 1", hint)


class _Baseline(_Part):
    window: Annotated[SomeTime, AfterValidator(_at_most_a_week)] | None = None
    worse_by: (
        Annotated[Number, _between(1, 1000, low_too=True, high_too=True)] | None
    ) = None
    confidence: (
        Annotated[Share, _between(0.5, 1, low_too=True, high_too=False)] | None
    ) = None
    missing: Missing | None = None


class _Care(_Part):
    """How sure a breach must be: in ``defaults`` for all triggers, or in one."""

    confidence: (
        Annotated[Share, _between(0.5, 1, low_too=True, high_too=False)] | None
    ) = None
    min_samples: Count | None = None
    min_events: Count | None = None
    min_blocks_hit: Count | None = None
    min_growth: (
        Annotated[Number, _between(0, 1e9, low_too=False, high_too=True)] | None
    ) = None
    coverage: Annotated[Share, _between(0, 1, low_too=False, high_too=True)] | None = (
        None
    )
    confirm_polls: (
        Annotated[Whole, _between(1, 10, low_too=True, high_too=True)] | None
    ) = None
    dispersion: Annotated[Dispersion, BeforeValidator(_dispersion)] | None = None
    baseline: _Baseline | None = None


class _Rule(_Care):
    alert: (
        Annotated[str, _shaped(r"[A-Za-z][A-Za-z0-9_-]*", "a name like Http5xxRate")]
        | None
    ) = None
    ratio: _Ratio | None = None
    latency: _Latency | None = None
    queue: _Queue | None = None
    value: Prose | None = None
    above: Number | None = None
    below: Number | None = None
    for_: Window | None = Field(default=None, alias="for")
    window: Window | None = None
    growing_for: Window | None = None
    block: SomeTime | None = None
    action: Action | None = None
    mode: Literal["act", "observe"] = "act"
    by: Annotated[str, _shaped(r"[a-zA-Z][a-zA-Z0-9_]*", "a label's name")] | None = (
        None
    )
    unless: Prose | None = None
    labels: Mapping[OneLine, Prose] | None = None
    annotations: Mapping[OneLine, Prose] | None = None


class _File(_Part):
    release: Version | None = None
    image: OneLine | None = None
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
    defaults: _Care = _Care()
    triggers: tuple[Any, ...] | None = None


# What may stand beside a kind: which times, which bounds.
_TIMES = {
    "ratio": ("for", "window"),
    "latency": ("for", "window"),
    "queue": ("growing_for",),
    "value": ("for",),
}
_BOUNDS: dict[str, tuple[str, ...]] = {
    "ratio": ("above",),
    "latency": (),
    "queue": (),
    "value": ("above", "below"),
}
_NO_BOUND = {
    "latency": "leave it out; `quantile: 0.95` means 5% may be slower",
    "queue": "leave it out; a queue is judged by its growth",
    "ratio": "write `above`",
}


# What a kind does not ask for; in ``defaults`` it may stand for the others.
_COUNTS_ONLY = (
    "confidence",
    "min_samples",
    "min_events",
    "min_blocks_hit",
    "dispersion",
    "by",
)
_MEANS_NOTHING: dict[str, tuple[str, ...]] = {
    "ratio": ("min_growth",),
    "latency": ("min_growth",),
    "queue": (*_COUNTS_ONLY, "coverage"),
    "value": (*_COUNTS_ONLY, "min_growth", "block"),
}
# Only counts are compared by how much worse they are.
_COMPARED = ("worse_by", "confidence")
# Labels that the queries use themselves.
_OWN_LABELS = ("le", "look", "part")


# What is handed out.


@dataclass(frozen=True, slots=True)
class Releases:
    """All release files of a folder: by version, and the one for all others."""

    by_version: Mapping[str, Release]
    default: Release | None = None

    @property
    def one_way(self) -> tuple[str, ...]:
        """The versions whose files say ``rollback_safe: false``."""
        return tuple(v for v, one in self.by_version.items() if not one.rollback_safe)

    def for_version(self, version: str) -> Release | None:
        """Find the file for what runs: its own, its release's, or the default.

        ``v1.3.0-4f9c2ab`` without a file of its own has that of ``v1.3.0``. In the
        default's manifests ``{version}`` becomes *version*.
        """
        for name in (version, _GIT_SHA.sub("", version)):
            if name in self.by_version:
                return self.by_version[name]
        if self.default is None:
            return None
        manifests = {
            tenant: file.replace(_VERSION_HERE, version)
            for tenant, file in self.default.manifests.items()
        }
        return replace(self.default, manifests=manifests)


class AllRefused(Refused):
    """Some files of a folder are wrong: each one's faults under its name.

    *faults* holds them all, with the file's name before the path.
    """

    def __init__(self, folder: str, refusals: list[Refused]) -> None:
        self.file = folder
        self.refusals = tuple(refusals)
        self.faults = tuple(
            Fault(f"{Path(one.file).name}: {fault.path}", fault.words, fault.hint)
            for one in refusals
            for fault in one.faults
        )
        Problem.__init__(self, "\n".join(one.words for one in refusals))


def load_releases(
    folder: Path, scrape_interval: timedelta, approvers: Collection[str]
) -> Releases:
    """Read every ``*.yaml`` of a folder; hidden and other files are not ours.

    Raises:
        AllRefused: every fault of every file; nothing changed.
    """
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fault = Fault("folder", f"cannot be read: {reason}", "see `releases`")
        raise AllRefused(str(folder), [Refused(str(folder), [fault])]) from None
    releases: dict[str, Release] = {}
    default: Release | None = None
    refusals: list[Refused] = []
    for path in files:
        if path.name.startswith(".") or path.suffix.lower() not in (".yaml", ".yml"):
            continue
        try:
            release = load_release(path, scrape_interval, approvers)
        except Refused as refused:
            refusals.append(refused)
            continue
        if release.is_default:
            default = release
        else:
            releases[release.version] = release
    if refusals:
        raise AllRefused(str(folder), refusals)
    return Releases(releases, default)


def load_release(
    path: Path,
    scrape_interval: timedelta,
    approvers: Collection[str] | None = None,
) -> Release:
    """Read one release file, every default filled in.

    *approvers* are the names that have a key; None leaves that unchecked.

    Raises:
        Refused: every fault of the file.
    """
    faults: list[Fault] = []
    if path.suffix != ".yaml":
        faults.append(Fault(WHOLE_FILE, f"ends in {path.suffix}", "name it `….yaml`"))
    raw = mapping_in(path)
    filled = fill(_File, raw)
    file = filled.value
    faults += filled.faults
    triggers: list[Trigger] = []
    for place, rule in enumerate(file.triggers or ()):
        trigger = _trigger(
            rule, ("triggers", place), file.defaults, scrape_interval, faults
        )
        triggers += [trigger] if trigger else []
    if path.stem == DEFAULT:
        faults += _faults_of_default(file)
    else:
        faults += _faults_of_release(filled, path.stem)
    faults += _faults_of_manifests(filled, path.stem)
    faults += _faults_of_people(filled, approvers, is_default=path.stem == DEFAULT)
    faults += _faults_of_triggers(filled, triggers)
    if faults:
        raise Refused(str(path), faults)
    return Release(
        version=file.release or "",
        image=file.image or "",
        manifests=dict(file.manifests or {}),
        triggers=tuple(triggers),
        dri=file.dri or (),
        approved_by=file.approved_by or "",
        rollback_to=file.rollback_to or "",
        rollback_safe=file.rollback_safe,
        mttr=file.mttr or MTTR[file.deployment],
        watch_for=file.watch_for,
        secondary=file.secondary,
        required_approvals=file.required_approvals,
        on_no_answer=file.on_no_answer,
        retention=file.retention or "",
    )


# The release.


def _faults_of_default(file: _File) -> Iterator[Fault]:
    for key, value in (
        ("release", file.release),
        ("image", file.image),
        ("approved_by", file.approved_by),
    ):
        if value is not None:
            yield Fault(
                key, "cannot stand in the file for all versions", "leave it out"
            )


def _faults_of_release(filled: Filled[_File], stem: str) -> Iterator[Fault]:
    file = filled.value
    if filled.is_right("release"):
        if file.release is None:
            yield Fault("release", "is missing", f"write `release: {stem}`")
        elif file.release != stem:
            yield Fault(
                "release",
                f"{seen(file.release)} is not the file's name, {seen(stem)}",
                "name the file after its release",
            )
    if filled.is_right("image"):
        found = parse(file.image) if file.image else None
        if file.image is None:
            yield Fault("image", "is missing", "write `image: …:<release>`")
        elif not found:
            yield Fault(
                "image", f"{seen(file.image)} is not name:tag, or with @sha256:…"
            )
        elif not found.tag:
            yield Fault(
                "image", f"{seen(file.image)} has no tag", f"end it in `:{stem}`"
            )
        elif found.tag != (file.release or stem):
            yield Fault(
                "image",
                f"the tag is {seen(found.tag)}, the release"
                f" {seen(file.release or stem)}",
                "one file is about one image",
            )
    if file.rollback_to is not None and file.rollback_to == file.release:
        yield Fault("rollback_to", "is this release itself", "name an older one")


def _faults_of_manifests(filled: Filled[_File], stem: str) -> Iterator[Fault]:
    file = filled.value
    if not filled.is_right("manifests"):
        return
    if not file.manifests:
        yield Fault("manifests", "is missing", "name the manifest of every tenant")
        return
    version = _VERSION_HERE if stem == DEFAULT else (file.release or stem)
    tenants: dict[str, str] = {}
    for tenant, name in file.manifests.items():
        at = in_words(("manifests", tenant))
        hint = f"write `{tenant}.{version}{_MANIFEST_END}`"
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", tenant):
            yield Fault(at, f"{seen(tenant)} is not a tenant's name")
        elif not re.fullmatch(r"[A-Za-z0-9{][A-Za-z0-9._{}+-]*", name) or ".." in name:
            yield Fault(at, f"{seen(name)} is not a plain file name", hint)
        elif not name.endswith(_MANIFEST_END):
            yield Fault(at, f"{seen(name)} does not end in {_MANIFEST_END}", hint)
        elif not is_named(name, tenant, version):
            lost = version if is_named(name, tenant, tenant) else tenant
            yield Fault(at, f"{seen(name)} does not name {lost}", hint)
        elif re.search(r"[{}]", name.replace(version, "")):
            yield Fault(
                at, f"{seen(name)} has a placeholder that nobody fills in", hint
            )
        elif tenants.setdefault(name, tenant) != tenant:
            yield Fault(at, f"{seen(name)} is {tenants[name]}'s too", hint)


def _faults_of_people(
    filled: Filled[_File], approvers: Collection[str] | None, *, is_default: bool
) -> Iterator[Fault]:
    file = filled.value
    actions = {
        action
        for rule in file.triggers or ()
        if isinstance(rule, dict) and isinstance(action := rule.get("action"), str)
    }
    dri = file.dri or ()
    if not dri and filled.is_right("dri"):
        yield Fault("dri", "is missing", "name who decides about this release")
    eligible = [
        *(("dri", place, name) for place, name in enumerate(dri)),
        *(("secondary", place, name) for place, name in enumerate(file.secondary)),
    ]
    names = [name for _, _, name in eligible]
    for nth, (key, place, name) in enumerate(eligible):
        at = in_words((key, place))
        if name in names[:nth]:
            yield Fault(at, f"{seen(name)} is listed twice")
        elif approvers is not None and name not in approvers:
            yield Fault(
                at,
                f"nobody with the name {seen(name)} in approvers; who could answer?",
                one_of(name, approvers) or "list their key in the roster",
            )
    if not 1 <= file.required_approvals <= 2:
        yield Fault(
            "required_approvals", f"{file.required_approvals} is not 1 or 2", "write 1"
        )
    elif dri and len(set(names)) < file.required_approvals:
        yield Fault(
            "required_approvals",
            f"{file.required_approvals} people must agree, and only {len(set(names))} "
            "may answer",
            "list another one under `secondary`",
        )
    if file.on_no_answer != "hold" and is_default:
        yield Fault(
            "on_no_answer",
            "says roll-back in the file for all versions, which nobody approved",
            "leave it out",
        )
    elif file.on_no_answer != "hold" and file.approved_by is None:
        yield Fault(
            "approved_by",
            "is missing, and silence rolls back",
            "name who of dri agreed to that",
        )
    if not (dri and filled.is_right("approved_by") and filled.is_right("dri")):
        return
    if file.approved_by is not None and file.approved_by not in dri:
        yield Fault(
            "approved_by",
            f"{seen(file.approved_by)} is not in dri",
            f"one of: {', '.join(dri)}",
        )
    if file.approved_by is None and Action.ROLLBACK in actions and not is_default:
        yield Fault(
            "approved_by",
            "is missing, and a trigger rolls back at once",
            "name who of dri agreed to that",
        )


def _faults_of_triggers(
    filled: Filled[_File], triggers: list[Trigger]
) -> Iterator[Fault]:
    file = filled.value
    if not filled.is_right("triggers"):
        return
    if not file.triggers:
        yield Fault("triggers", "is missing; nothing would be watched")
    names: dict[object, int] = {}
    for place, rule in enumerate(file.triggers or ()):
        name = rule.get("alert") if isinstance(rule, dict) else None
        if isinstance(name, str) and names.setdefault(name, place) != place:
            yield Fault(
                in_words(("triggers", place, "alert")),
                f"{seen(name)} is triggers[{names[name]}] too",
                "give each its own name",
            )
    longest = max(triggers, key=lambda trigger: trigger.window, default=None)
    if longest and filled.is_right("watch_for") and file.watch_for < longest.window:
        yield Fault(
            "watch_for",
            f"{written(file.watch_for)} is over before {longest.name} could be judged",
            f"write `{written(longest.window)}` or more",
        )


# One trigger.


def _trigger(
    raw: Any,
    at: Place,
    defaults: _Care,
    scrape_interval: timedelta,
    faults: list[Fault],
) -> Trigger | None:
    """Read one trigger; its faults are added to *faults*, and then it is None."""
    if not isinstance(raw, dict):
        faults.append(Fault(in_words(at), f"{seen(raw)} is not a mapping"))
        return None
    filled = fill(_Rule, raw, at)
    given = {key for key, value in raw.items() if value is not None}
    found = [*filled.faults, *_faults_of_rule(filled, given, at)]
    rule = filled.value
    window = rule.for_ or rule.window or rule.growing_for
    kinds = [kind for kind in _TIMES if kind in given]
    trigger: Trigger | None = None
    if window and len(kinds) == 1:
        own = rule.model_dump(include=set(_Care.model_fields), exclude_none=True)
        care = defaults.model_dump(exclude_none=True)
        baseline = Baseline(**(care.pop("baseline", {}) | own.pop("baseline", {})))
        care |= own
        time = next((key for key in _TIMES[kinds[0]] if key in given), "for")
        block = rule.block or _block(kinds[0], window, time, scrape_interval)
        wrong = _fault_of_block(
            kinds[0],
            (time, window),
            block,
            scrape_interval,
            is_written=rule.block is not None,
        )
        if wrong and filled.is_right("block"):
            found.append(
                Fault(in_words((*at, "block" if rule.block else time)), *wrong)
            )
        hit = care.get("min_blocks_hit", 1)
        if not wrong and hit > window // block and kinds[0] in ("ratio", "latency"):
            words = f"{hit} is more than the {window // block} blocks that there are"
            found.append(Fault(in_words((*at, "min_blocks_hit")), words))
        kind = _kind(rule)
        if kind and rule.alert and rule.action and not found:
            trigger = Trigger(
                name=rule.alert,
                kind=kind,
                action=rule.action,
                window=window,
                sustained=rule.window is None,
                block=block,
                above=_above(rule),
                below=rule.below,
                baseline=baseline,
                unless=rule.unless or "",
                by=rule.by or "",
                observe_only=rule.mode == "observe",
                labels=dict(rule.labels or {}),
                annotations=dict(rule.annotations or {}),
                **care,
            )
    faults += found
    return trigger


def _above(rule: _Rule) -> float | None:
    # 12 digits: 1 - 0.95 is 0.05, not 0.050000000000000044.
    return round(1 - rule.latency.quantile, 12) if rule.latency else rule.above


def _kind(rule: _Rule) -> Kind | None:
    if rule.ratio and rule.ratio.errors and rule.ratio.total:
        return Ratio(rule.ratio.errors, rule.ratio.total)
    if rule.ratio and rule.ratio.errors and rule.ratio.good:
        return Ratio(rule.ratio.errors, "", rule.ratio.good)
    if rule.ratio and rule.ratio.errors_query and rule.ratio.total_query:
        return RatioQuery(rule.ratio.errors_query, rule.ratio.total_query)
    if rule.latency:
        got = rule.latency
        return Latency(got.histogram, got.over, got.quantile, _unit(got))
    if rule.queue:
        return Queue(rule.queue.depth, rule.queue.enqueued, rule.queue.drained)
    return Value(rule.value) if rule.value else None


def _unit(latency: _Latency) -> str:
    """Say what a histogram counts in: as the file says, or as its name ends.

    A time of a name that says nothing is of seconds, as Prometheus asks for.
    """
    if latency.unit:
        return latency.unit
    named = _unit_of_name(latency.histogram)
    return named or ("s" if isinstance(latency.over, timedelta) else "")


def _unit_of_name(histogram: str) -> str:
    name = histogram.partition("{")[0].strip()
    return _UNIT_NAMED.get(name.rpartition("_")[2], "") if "_" in name else ""


def _faults_of_latency(latency: _Latency | None, at: Place) -> Iterator[Fault]:
    if latency is None:
        return
    over, unit = latency.over, _unit(latency)
    is_time = isinstance(over, timedelta)
    if is_time and latency.unit and unit not in UNITS_OF_TIME:
        words = f"{seen(unit)} is no unit of time, and `over` is one"
        known = ", ".join(UNITS_OF_TIME)
        yield Fault(
            in_words((*at, "unit")), words, f"write {known}, or `over` as a number"
        )
    elif is_time and unit not in UNITS_OF_TIME:
        yield Fault(
            in_words((*at, "over")),
            f"is a time, and the histogram is one of {unit}",
            "write a plain number",
        )
    elif not is_time and unit in UNITS_OF_TIME and not latency.unit:
        yield Fault(
            in_words((*at, "over")),
            f"{over:f} has no unit",
            f"write `{over:f}{unit}`" if unit in ("s", "ms") else f"add `unit: {unit}`",
        )


def _faults_of_rule(
    filled: Filled[_Rule], given: Collection[str], at: Place
) -> Iterator[Fault]:
    def fault(key: str, words: str, hint: str = "") -> Fault:
        return Fault(in_words((*at, key)), words, hint)

    for key in ("alert", "action"):
        if key not in given:
            yield fault(key, "is missing")
    kinds = [kind for kind in _TIMES if kind in given]
    if len(kinds) != 1:
        has = f"is {' and '.join(kinds)} at once" if kinds else "has no kind"
        yield Fault(in_words(at), has, f"write one of: {', '.join(_TIMES)}")
        return
    kind = kinds[0]
    if kind == "ratio" and filled.is_right("ratio"):
        yield from _faults_of_ratio(filled.value.ratio, (*at, "ratio"))
    if kind == "latency" and filled.is_right("latency"):
        yield from _faults_of_latency(filled.value.latency, (*at, "latency"))
    for key in _MEANS_NOTHING[kind]:
        if key in given:
            yield fault(key, f"means nothing to a {kind}", "leave it out")
    if kind in ("queue", "value") and filled.is_right("baseline"):
        for key in _COMPARED:
            if getattr(filled.value.baseline, key, None) is not None:
                yield fault(
                    f"baseline.{key}", f"means nothing to a {kind}", "leave it out"
                )
    yield from _faults_of_by(filled.value, at)
    for key in ("for", "window", "growing_for"):
        if key in given and key not in _TIMES[kind]:
            hint = " or ".join(f"`{time}`" for time in _TIMES[kind])
            yield fault(key, f"means nothing to a {kind}", f"write {hint}")
    yield from _one_of_these(kind, given, _TIMES[kind], at)
    for key in ("above", "below"):
        if key in given and key not in _BOUNDS[kind]:
            yield fault(key, f"means nothing to a {kind}", _NO_BOUND[kind])
    yield from _one_of_these(kind, given, _BOUNDS[kind], at)
    above = filled.value.above
    if kind == "ratio" and above is not None and not 0 <= above < 1:
        is_percent = above == int(above) and 1 <= above < 100
        hint = f"write `{above:g}%`" if is_percent else "write `0%` to `99%`"
        yield fault("above", f"{above:g} is no share of all events", hint)


def _faults_of_by(rule: _Rule, at: Place) -> Iterator[Fault]:
    place = in_words((*at, "by"))
    if rule.by in _OWN_LABELS:
        yield Fault(place, f"cannot count by the label {seen(rule.by)}")
    elif (
        rule.by
        and rule.ratio
        and any((rule.ratio.errors_query, rule.ratio.total_query))
    ):
        hint = "write errors and total, or leave `by` out"
        yield Fault(place, "needs plain selectors", hint)


def _faults_of_ratio(ratio: _Ratio | None, at: Place) -> Iterator[Fault]:
    if ratio is None:
        return
    plain = (ratio.errors, ratio.total or ratio.good)
    queries = (ratio.errors_query, ratio.total_query)
    if any(plain) and any(queries):
        yield Fault(in_words(at), "has selectors and queries at once", "keep one pair")
    elif ratio.total and ratio.good:
        hint = "keep total if it counts the errors too, else good"
        yield Fault(in_words((*at, "good")), "total or good, not both", hint)
    elif not all(plain) and not all(queries):
        hint = "write errors with total or good, or errors_query and total_query"
        yield Fault(in_words(at), "is half a ratio", hint)


def _one_of_these(
    kind: str, given: Collection[str], keys: tuple[str, ...], at: Place
) -> Iterator[Fault]:
    here = [key for key in keys if key in given]
    choices = " or ".join(f"`{key}`" for key in keys)
    if keys and not here:
        place = (*at, keys[0])
        yield Fault(in_words(place), "is missing", f"a {kind} needs {choices}")
    if len(here) > 1:
        yield Fault(in_words((*at, here[1])), f"{choices}, not both", "keep one")


# Blocks: a window is counted in 5 or more, each of 2 scrapes or more.


def _block(
    kind: str, window: timedelta, time: str, scrape_interval: timedelta
) -> timedelta:
    """Choose the block that the file left open."""
    if kind == "value":
        return max(scrape_interval, _SECOND)
    if kind == "queue":
        return window / _LEAST_BLOCKS
    if time == "window":
        return window / _BLOCKS_OF_A_WINDOW
    # A minute, or what divides the window evenly below it.
    least = max(_LEAST_BLOCKS, -(-window // max(_MINUTE, 2 * scrape_interval)))
    for blocks in range(least, 2 * least):
        block = window / blocks
        if window % (blocks * _SECOND) == timedelta() and block >= 2 * scrape_interval:
            return block
    return window / least


def _fault_of_block(
    kind: str,
    time: tuple[str, timedelta],
    block: timedelta,
    scrape_interval: timedelta,
    *,
    is_written: bool,
) -> tuple[str, str] | None:
    """Say what is wrong with a block, and what to write instead."""
    key, window = time
    least = 2 * scrape_interval
    if kind == "value":
        words = f"a block of {written(block)} does not fit into {written(window)}"
        cure = f"write `{key}: {written(block)}` or more"
        return (words, cure) if block > window else None
    blocks = window // block
    if block < least:
        words = f"blocks of {written(block)} are under two scrapes, {written(least)}"
    elif blocks * block != window:
        words = f"{written(window)} is not made of whole blocks of {written(block)}"
    elif blocks < _LEAST_BLOCKS:
        words = (
            f"{written(window)} holds {blocks} blocks of {written(block)},"
            f" meant {_LEAST_BLOCKS} or more"
        )
    else:
        return None
    return words, f"write {_cure(time, block, least, is_written=is_written)}"


def _cure(
    time: tuple[str, timedelta], block: timedelta, least: timedelta, *, is_written: bool
) -> str:
    """Name a longer window that fits, and a block that fits the window if any does."""
    key, window = time
    near = max(block, least)
    near = _SECOND * -(-near // _SECOND)
    is_tenth = key == "window" and not is_written
    fewest = _BLOCKS_OF_A_WINDOW if is_tenth else _LEAST_BLOCKS
    longer = near * max(fewest, -(-window // near))
    cures = [f"`{key}: {written(longer)}`"]
    if is_written and near != block:
        cures = [f"{cures[0]} with `block: {written(near)}`"]
    fitting = [
        window / blocks
        for blocks in range(_LEAST_BLOCKS, window // max(least, _SECOND) + 1)
        if window % (blocks * _SECOND) == timedelta()
    ]
    if fitting:
        fits = min(fitting, key=lambda one: abs(one - block))
        cures.append(f"`block: {written(fits)}`")
    return " or ".join(cures)
