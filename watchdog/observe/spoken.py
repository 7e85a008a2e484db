"""What the errors of a ratio are made of, and what their labels say, asked at once."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from watchdog.facts import selector
from watchdog.facts.trigger import Ratio, RatioQuery
from watchdog.observe import fresh, promql
from watchdog.observe.numbers import duration, offset

_LATELY = timedelta(days=1)
# What a label may say is learned of so long before, not to take the rare for new.
_LEARNED = timedelta(days=7)
_AN_HOUR = timedelta(hours=1)
# Within the look-back of Prometheus no series is missed that lasts so long.
_APART = timedelta(minutes=5)
# What ran before may go on for so long beside what runs now.
_BESIDE = timedelta(minutes=10)
# So many scrapes at 0 are a series that was there before its first error.
_AT_NOUGHT = 3


@dataclass(frozen=True, slots=True)
class Errors:
    """One selector of errors: *like* has its name and labels, whatever these say.

    *by* are the conditions that tell errors from the rest, by their labels; *but* are
    the labels of which it leaves something out. *whole* has only what the total asks
    for as well.
    """

    text: str
    like: str
    by: Mapping[str, str] = field(default_factory=dict)
    but: tuple[str, ...] = ()
    whole: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What was answered of one selector of errors: counts, and each label's values.

    Of each value how much it counted, where that was asked.
    """

    counts: Mapping[str, float]
    values: Mapping[str, Mapping[str, float]]

    def of(self, what: str) -> float:
        """Give a count; nothing is none."""
        return self.counts.get(what, 0.0)


def errors_of(kind: Ratio | RatioQuery) -> tuple[Errors, ...]:
    """Give what the errors are made of; nothing where that is no plain selector.

    What the total asks for too, such as the job, stays as it is.
    """
    if isinstance(kind, Ratio):
        errors, totals = [kind.errors.strip()], [kind.must_be_there]
    else:
        errors, totals = (
            fresh.counted(promql.over(template, timedelta(minutes=1)))
            for template in (kind.errors_query, kind.total_query)
        )
    wholes = [selector.read(one) for one in totals]
    found = [selector.read(one) for one in errors]
    if not all(wholes) or not all(found):
        return ()
    matchers = {one for whole in wholes if whole for one in whole.matchers}
    return tuple(
        _errors(text, one, matchers)
        for text, one in zip(errors, found, strict=True)
        if one is not None
    )


def _errors(
    text: str, found: selector.Selector, whole: Collection[selector.Matcher]
) -> Errors:
    kept: list[selector.Matcher] = []
    by: dict[str, str] = {}
    but = tuple(
        one.label
        for one in found.matchers
        if one not in whole and one.how.startswith("!") and one.said
    )
    for one in found.matchers:
        if one in whole:
            kept.append(one)
        elif one.how in ("=", "=~"):
            kept.append(selector.Matcher(one.label, "!=", '""'))
            by[one.label] = one.said if one.how == "=~" else re.escape(one.said)
    both = tuple(one for one in kept if one in whole)
    return Errors(
        text,
        str(selector.Selector(found.name, tuple(kept))),
        by,
        but,
        str(selector.Selector(found.name, both)),
    )


def now_question(errors: Iterable[Errors], scrape: timedelta, age: timedelta) -> str:
    """Ask whether the errors match, or could match now.

    They could where what runs has series of that name and with those labels. What runs
    had some itself if they matched well after it began, which is *age* ago.
    """
    now = duration(2 * scrape)
    terms = []
    for number, one in enumerate(errors):
        asked = {
            "here": f"count(last_over_time({one.text}[{now}]))",
            "kin": f"count(last_over_time({one.like}[{now}]))",
        }
        if age > _BESIDE:
            own = duration(age - _BESIDE)
            asked["own"] = f"count(last_over_time({one.text}[{own}]))"
        terms += [_part(what, part, number) for part, what in asked.items()]
        terms += [
            _part(f"last_over_time({one.like}[{now}])", label, number, of=label)
            for label in one.by
        ]
    return promql.joined(terms)


def lately_question(errors: Iterable[Errors], age: timedelta) -> str:
    """Ask whether the errors matched in the day before what runs, and when last.

    Whatever *age* that has: by then it would be forgotten that they ever matched. When,
    to five minutes: ``timestamp`` of a series in a range within a range reads it anew
    from its beginning at each step.
    """
    hours = -(-max(age, timedelta()) // _AN_HOUR)
    lately = duration(_LATELY + hours * _AN_HOUR)
    terms = []
    for number, one in enumerate(errors):
        count = f"count(last_over_time({one.text}[{lately}]))"
        terms.append(_part(count, "lately", number))
        if one.by:
            seen = f"(group({one.text}) * time())[{lately}:{duration(_APART)}]"
            terms.append(_part(f"max_over_time({seen})", "last", number))
    return promql.joined(terms)


def before_question(
    errors: Iterable[Errors], scrape: timedelta, back: timedelta
) -> str:
    """Ask what the errors' labels said *back* from now, and of errors at nought."""
    then = offset(back)
    apart = duration(max(2 * scrape, timedelta(minutes=1)))
    terms = []
    for number, one in enumerate(errors):
        nought = f"({one.text} == 0)[{duration(_LATELY)}:{apart}]{then}"
        zeros = f"count(count_over_time({nought}) >= {_AT_NOUGHT})"
        terms.append(_part(zeros, "zeros", number))
        terms += [
            _part(said, label, number, of=label)
            for label in one.by
            for said in _said_before(one.like, label, then)
        ]
    return promql.joined(terms)


def _said_before(like: str, label: str, then: str) -> tuple[str, str]:
    """Ask what *label* said in the week before, and in the hour before.

    By its few values at each step: so that the week costs half as much.
    """
    by = f"group by ({selector.label(label)}) ({like})"
    week = f"({by})[{duration(_LEARNED)}:{duration(_APART)}]{then}"
    hour = f"{like}[{duration(_AN_HOUR)}]{then}"
    return f"last_over_time({week})", f"last_over_time({hour})"


def well_question(one: Errors, back: timedelta) -> str:
    """Ask what the labels that errors leave something out of said *back* from now."""
    then = offset(back)
    return promql.joined(
        _part(said, label, 0, of=label)
        for label in one.but
        for said in _said_before(one.whole, label, then)
    )


def bad_question(one: Errors, window: timedelta) -> str:
    """Ask how much of what is counted as bad was of each value of those labels."""
    return promql.joined(
        _part(f"increase({one.text}[{duration(window)}])", label, 0, of=label, by="sum")
        for label in one.but
    )


def _part(what: str, part: str, number: int, *, of: str = "", by: str = "group") -> str:
    """Name what is asked; *of* a label, once for each of its values."""
    look = f"{number}"
    if of:
        grouped = f"{by} by ({selector.label(of)}) ({what})"
        what = f'label_replace({grouped}, "value", "$1", "{of}", "(.+)")'
        part = f"={of}"
    return (
        f'label_replace(label_replace({what}, "part", "{part}", "", ""), '
        f'"look", "{look}", "", "")'
    )


def read(
    answer: Iterable[tuple[dict[str, str], float]], errors: tuple[Errors, ...]
) -> tuple[Told, ...]:
    """Take an answer to one of these questions apart, for each of *errors*."""
    counts: list[dict[str, float]] = [{} for _ in errors]
    values: list[dict[str, dict[str, float]]] = [{} for _ in errors]
    for labels, value in answer:
        number, part = int(labels.get("look", "0")), labels.get("part", "")
        if part.startswith("="):
            said = values[number].setdefault(part[1:], {})
            said[labels.get("value", "")] = value
        else:
            counts[number][part] = value
    return tuple(Told(*each) for each in zip(counts, values, strict=True))
