"""Tells whether a release calls its errors otherwise, or what went well.

Errors that match nothing may be none yet; what counts all but the good may count that.
"""

import math
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias, TypeVar

from watchdog.facts.reading import Blind, Cause, Measured, Reading
from watchdog.facts.trigger import Ratio, RatioQuery, Trigger
from watchdog.facts.vocabulary import others_for_bad, others_for_good
from watchdog.observe.spoken import (
    Errors,
    Told,
    bad_question,
    before_question,
    errors_of,
    lately_question,
    now_question,
    read,
    well_question,
)

# Whether errors that match nothing were renamed is asked once in so many seconds.
_ASKED_AGAIN = 30.0
# What was before does not change: it is asked once, and again where that failed.
_LEARNED_AGAIN = 600.0
_MOST_TOLD = 256
# A label of more values names things, and not how they ended.
_MOST_VALUES = 100

_Held = TypeVar("_Held")
# Asks for one instant.
Ask: TypeAlias = Callable[[str], list[tuple[dict[str, str], float]] | Blind]


class Names:
    """Whether errors that match nothing were renamed; asked now and then.

    *scrape* is how far apart the samples are.
    """

    def __init__(self, scrape: timedelta) -> None:
        self._scrape = scrape
        self._told: dict[object, tuple[float, str]] = {}
        self._before: dict[object, tuple[float, tuple[Told, ...]]] = {}

    def held_against(
        self,
        trigger: Trigger,
        reading: Reading,
        since: datetime | None,
        at: datetime,
        ask: Ask,
    ) -> Reading:
        """Say in *reading* why no errors' series is there while the total grows.

        Blind where what is counted went well. Only in the newest window, and of the
        pair that runs *since* then: a look reaches further back, to errors under the
        names that they had before.
        """
        kind = trigger.kind
        if not isinstance(kind, Ratio | RatioQuery) or not isinstance(
            reading, Measured
        ):
            return reading
        # An expression may say nought of no series: `… or vector(0)`.
        nought = 0.0 if isinstance(kind, RatioQuery) else -math.inf
        first = None if since is None else since + trigger.block
        for look in reading.looks:
            for block in reversed(look.blocks):
                if block.end <= look.at - trigger.window:
                    break
                is_own = first is None or block.end >= first
                if is_own and block.parts.get("bad", -math.inf) > nought:
                    return self._of_failures(kind, trigger.window, since, at, ask) or (
                        reading
                    )
        own = (
            block.parts.get("all", 0.0)
            for look in reading.looks
            for block in look.blocks
            if first is None or block.end >= first
        )
        errors = errors_of(kind)
        if sum(own) < 1 or not errors:
            return reading
        key = (kind, since)
        asked_at, words = self._told.get(key, (-math.inf, ""))
        if time.monotonic() >= asked_at + _ASKED_AGAIN:
            age = timedelta() if since is None else at - since
            said = self._words(key, errors, age, at, ask)
            if isinstance(said, Blind):
                return said
            words = said
            _kept(self._told)[key] = (time.monotonic(), words)
        return replace(reading, renamed=words)

    def _of_failures(
        self,
        kind: Ratio | RatioQuery,
        window: timedelta,
        since: datetime | None,
        at: datetime,
        ask: Ask,
    ) -> Blind | None:
        """Say that half of what is counted as bad went well, under another name."""
        errors, key = errors_of(kind), (kind, since, "well")
        if since is None or len(errors) != 1 or not errors[0].but:
            return None
        asked_at, words = self._told.get(key, (-math.inf, ""))
        if time.monotonic() >= asked_at + _ASKED_AGAIN:
            age = at - since
            question = well_question(errors[0], age + 2 * self._scrape)
            before = self._learned(key, errors, question, ask)
            if isinstance(before, Blind):
                return before
            answer = ask(bad_question(errors[0], min(window, age))) if before else []
            if isinstance(answer, Blind):
                return None  # a breach does not wait for it
            now = read(answer, errors)
            words = why_well(errors[0], before[0], now[0]) if before else ""
            _kept(self._told)[key] = (time.monotonic(), words)
        return Blind(Cause.NONSENSE, words) if words else None

    def _words(
        self,
        key: object,
        errors: tuple[Errors, ...],
        age: timedelta,
        at: datetime,
        ask: Ask,
    ) -> str | Blind:
        """Say that the errors were renamed, all that they are made of, or nothing."""
        answer = ask(now_question(errors, self._scrape, age))
        if isinstance(answer, Blind):
            return answer
        now = read(answer, errors)
        if any(one.of("here") or one.of("own") for one in now):
            return ""
        matched = self._matched(key, errors, age, ask)
        if isinstance(matched, Blind):
            return matched
        if not all(one.of("lately") for one in matched):
            return ""
        lately = sum(one.of("lately") for one in matched)
        series = "1 series" if lately == 1 else f"{lately:.0f} series"
        said = (
            f"{' and '.join(f'`{one.text}`' for one in errors)} matched {series} in "
            "the day before and nothing of what runs now, while the total grows"
        )
        if not any(one.of("kin") for one in now):
            return (
                f"{said}: was its name or a label renamed? If it is born with its "
                "first error, start it at 0"
            )
        back = [age, *(_gone(one, at) for one in matched if one.of("last"))]
        back_then = max(back) + 2 * self._scrape
        question = before_question(errors, self._scrape, back_then)
        before = self._learned(key, errors, question, ask)
        if isinstance(before, Blind):
            return before
        whys = [
            why_other(one, was, is_now)
            for one, was, is_now in zip(errors, before, now, strict=False)
            if is_now.of("kin")
        ]
        # Of several one that is as it was may tell of no error yet.
        return f"{said}; {'; '.join(whys)}" if whys and all(whys) else ""

    def _matched(
        self, key: object, errors: tuple[Errors, ...], age: timedelta, ask: Ask
    ) -> tuple[Told, ...] | Blind:
        """Tell whether the errors matched in the day before what runs.

        Asked once, when nothing of before runs beside it any more.
        """
        until, matched = self._before.get((key, "lately"), (-math.inf, ()))
        if time.monotonic() < until:
            return matched
        answer = ask(lately_question(errors, age))
        if isinstance(answer, Blind):
            return answer
        matched = read(answer, errors)
        is_over = age.total_seconds() > _LEARNED_AGAIN
        until = math.inf if is_over else time.monotonic() + _ASKED_AGAIN
        _kept(self._before)[key, "lately"] = (until, matched)
        return matched

    def _learned(
        self, key: object, errors: tuple[Errors, ...], question: str, ask: Ask
    ) -> tuple[Told, ...] | Blind:
        """Give what there was before; nothing where it is not told."""
        until, before = self._before.get(key, (-math.inf, ()))
        if time.monotonic() < until:
            return before
        answer = ask(question)
        if isinstance(answer, Blind) and answer.cause is Cause.UNREACHABLE:
            return answer
        for_good = not isinstance(answer, Blind)
        before = () if isinstance(answer, Blind) else read(answer, errors)
        until = math.inf if for_good else time.monotonic() + _LEARNED_AGAIN
        _kept(self._before)[key] = (until, before)
        return before


def _gone(told: Told, at: datetime) -> timedelta:
    """Tell how long its errors have not been there."""
    return at - datetime.fromtimestamp(told.of("last"), UTC)


def why_well(errors: Errors, before: Told, now: Told) -> str:
    """Say that half of the errors went well, by what a label says; or nothing."""
    for label, counted in now.values.items():
        was = before.values.get(label, {})
        well = others_for_good(was, counted)
        whole = sum(counted.values())
        if len(was) > _MOST_VALUES or whole <= 0:
            continue
        if sum(counted[one] for one in well) >= whole / 2:
            said = ", ".join(one or "nothing" for one in well)
            return (
                f"`{errors.text}` counts as bad what went well: `{label}` says {said} "
                "now, which it did not say before: was it renamed?"
            )
    return ""


def why_other(errors: Errors, before: Told, now: Told) -> str:
    """Say why errors may have another value now; nothing where there is none yet."""
    for label, pattern in errors.by.items():
        was = before.values.get(label, {})
        said = now.values.get(label, {})
        is_there = any(_matches(pattern, one) for one in said)
        if is_there or max(len(was), len(said)) > _MOST_VALUES:
            continue
        bad = [one for one in was if _matches(pattern, one)]
        others = others_for_bad(was, said, bad)
        if others:
            return (
                f"`{label}` says {', '.join(others)} now, which it did not say before: "
                "was a value renamed?"
            )
    if before.of("zeros"):
        return (
            "before they were there at 0, without an error: was a value renamed? If "
            "not, start it at 0 as before"
        )
    return ""


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value, re.DOTALL) is not None
    except re.error:
        return False


def _kept(known: dict[object, _Held]) -> dict[object, _Held]:
    """Give *known* with room for one more."""
    if len(known) >= _MOST_TOLD:
        known.clear()
    return known
