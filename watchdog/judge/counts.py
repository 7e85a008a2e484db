"""Ratio and latency: bad events out of all events, scrape by scrape.

At once: breached when what was counted since some moment of the release is some
thousand times likelier from a failing release than from one at its bound, and two
scrapes apart say so. With ``for``: when the evidence has not been nil for so long.
Research: a test of one window is wrong once in so many looks, and a day has 17,280.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from watchdog.facts.reading import Blind, Cause, Look
from watchdog.facts.trigger import Latency, Trigger
from watchdog.facts.verdict import Breached, Clear, Pending, Verdict
from watchdog.judge.odds import Bound, Odds
from watchdog.judge.scrapes import Scrape, Scrapes, scrapes_of
from watchdog.judge.words import age, exact_percent, percent, spell

# Two bad scrapes are apart by this, or half of a shorter window: one burst falls into
# two that are neighbours.
_APART = timedelta(seconds=15)
# Where more are bad, every scrape has some: three must be over by themselves, or two
# hardly anything but bad. No burst of less than 24 s does that to two scrapes of 15 s.
_FEW_BAD = 64
_OVER_BY_THEMSELVES = 3
_BAD_AMONG_SEVERAL = 4
_HARDLY_ELSE = 0.8
# With `for`: evidence by half more than the bound, full at fifty to one, and so much
# of the odds that one without `for` needs.
_HALF_MORE = 1.5
_FULL = math.log(50)
_SHARE_OF_ODDS = 0.4
# What was counted over a longer gap, as one, may have been fine in between.
_LONGEST_GAP, _MISSED = timedelta(minutes=1), 2


@dataclass(frozen=True, slots=True)
class Tally:
    """What the window adds up to, in whole events."""

    bad: int
    every: int
    bound: float
    how: str = "bad"

    @property
    def is_over(self) -> bool:
        """True when the share is past the bound, sure or not."""
        return self.bad > self.bound * self.every

    @property
    def words(self) -> str:
        """Say the counts and their share."""
        share = self.bad / self.every
        return f"{self.bad} of {self.every} ({percent(share)}) were {self.how}"

    @property
    def limit(self) -> str:
        """Say the bound."""
        return f"bound {exact_percent(self.bound)}"


def judge_counts(
    trigger: Trigger, look: Look, armed_from: datetime, among: int = 1
) -> Verdict:
    """Judge bad events of all events as of ``look.at``.

    *among* so many looks any one breach would do: each must be so much surer.
    """
    scrapes = _needed_scrapes(trigger, look, armed_from)
    if isinstance(scrapes, Blind):
        return scrapes
    bound = bound_of(trigger)
    tally = _tally(trigger, scrapes)
    if not tally.every:
        cause = Cause.TOO_FEW_SAMPLES if scrapes.young else Cause.NO_TRAFFIC
        young = f"; {age(trigger, look.at, armed_from)}" if scrapes.young else ""
        words = f"no events in {scrapes.measured} measured scrapes{young}"
        return Blind(cause, words)
    if not tally.is_over:
        return _inside(trigger, tally, scrapes, look.at, armed_from)
    held = _held(scrapes.all, bound, trigger.block) if trigger.sustained else None
    if held and not held.evidence:
        return _inside(trigger, tally, scrapes, look.at, armed_from)
    limit = Bound(bound, trigger.block, among)
    needed = _needed(trigger, limit)
    odds = _odds(limit, scrapes.all)
    said = f"{tally.words}; {tally.limit}; {_likelier(odds, needed)}"
    why_not = _too_few_bad(trigger, tally)
    if not why_not and held:
        why_not = _not_for_long(trigger, held, scrapes, look.at, armed_from)
    elif not why_not:
        why_not = _not_apart(scrapes.window, bound, min(_APART, trigger.window / 2))
    if not why_not and among > 1:
        why_not = _seldom(scrapes.window)
    if not why_not and odds >= needed:
        lasted = f"; without a break for {spell(held.time)}" if held else ""
        onset = held.since if held else _onset(scrapes.all, tally)
        return Breached(
            said + lasted, value=tally.bad / tally.every, bound=bound, onset=onset
        )
    if tally.every < trigger.min_samples and tally.bad < trigger.min_events:
        return _too_few(trigger, tally, scrapes, look.at, armed_from)
    return Pending(f"suspected: {said}" + (f"; {why_not}" if why_not else ""))


def tally(trigger: Trigger, look: Look, armed_from: datetime) -> Tally:
    """Add up what is charged to the release in *look*."""
    scrapes = scrapes_of(trigger, look, armed_from)
    if isinstance(scrapes, Blind):
        return Tally(0, 0, bound_of(trigger))
    return _tally(trigger, scrapes)


def bound_of(trigger: Trigger) -> float:
    """Give the share of bad events that is not yet too many."""
    if trigger.above is not None:
        return trigger.above
    if isinstance(trigger.kind, Latency):
        return 1 - trigger.kind.quantile
    raise ValueError(f"{trigger.name} counts events but has no bound `above`")


def _needed_scrapes(
    trigger: Trigger, look: Look, armed_from: datetime
) -> Scrapes | Blind:
    """Give those of the window where they are all there and not over, else all."""
    near = scrapes_of(trigger, look, armed_from, older=False)
    if isinstance(near, Scrapes) and not (near.holes or _tally(trigger, near).is_over):
        return near
    return scrapes_of(trigger, look, armed_from)


def _tally(trigger: Trigger, scrapes: Scrapes) -> Tally:
    how = trigger.kind.words if isinstance(trigger.kind, Latency) else "bad"
    return Tally(scrapes.bad, scrapes.every, bound_of(trigger), how)


def _needed(trigger: Trigger, limit: Bound) -> float:
    return _SHARE_OF_ODDS * limit.needed if trigger.sustained else limit.needed


def _odds(limit: Bound, scrapes: Sequence[Scrape]) -> float:
    odds = Odds(limit)
    for one in scrapes:
        odds.take(one.bad, one.every)
    return odds.value


def _likelier(odds: float, needed: float) -> str:
    """Say the odds as a person would, and no digits that mean nothing."""
    if odds >= 2 * needed:
        return (
            f"more than {2 * needed:,.0f} times likelier from a failing release than "
            f"from one at its bound, {needed:,.0f} needed"
        )
    return (
        f"{max(1.0, odds):,.0f} times likelier from a failing release than from one "
        f"at its bound, {needed:,.0f} needed"
    )


def _too_few_bad(trigger: Trigger, tally: Tally) -> str:
    if tally.bad < trigger.min_events:
        return f"fewer than {trigger.min_events} bad events"
    return ""


def _seldom(window: Sequence[Scrape]) -> str:
    """Say that too few scrapes of one among several have any bad.

    Each has but a part of the traffic: two batches of failures are soon neighbours.
    """
    bad = sum(one.bad > 0 for one in window)
    if bad >= _BAD_AMONG_SEVERAL:
        return ""
    return f"only {bad} scrapes have any, {_BAD_AMONG_SEVERAL} needed"


def _not_apart(window: Sequence[Scrape], bound: float, apart: timedelta) -> str:
    """Say why the scrapes of a window may be one burst; empty if they agree.

    The newest must be bad, and one before it, far enough that no burst of a moment
    falls into both. Where there are so many that each has some, being bad says
    nothing: then three must be over by themselves, or those two all but wholly bad.
    """
    newest = window[-1] if window else None
    if newest is None or not newest.bad:
        return "none in the newest scrape"
    others = [one for one in window if newest.end - one.end >= apart]
    if not any(one.bad for one in others):
        return f"no other scrape {spell(apart)} before has any"
    wholly = max(bound, _HARDLY_ELSE)
    if newest.bad > wholly * newest.every and any(
        one.bad > wholly * one.every for one in others
    ):
        return ""
    if sum(one.bad for one in window) > _FEW_BAD:
        over = sum(one.bad > bound * one.every for one in window)
        if over < _OVER_BY_THEMSELVES:
            return f"only {over} scrapes over, {_OVER_BY_THEMSELVES} needed"
    return ""


@dataclass(frozen=True, slots=True)
class _Held:
    """Since when the *evidence* has not been nil, and how much there is now."""

    since: datetime
    time: timedelta
    evidence: float


def _held(scrapes: Sequence[Scrape], bound: float, apart: timedelta) -> _Held | None:
    """Follow the evidence that more than the bound fails, as far as it is full.

    Since the last long gap: one count does not tell that it was so all along.
    """
    if not scrapes:
        return None
    longest = max(_LONGEST_GAP, _MISSED * apart)
    for place in reversed(range(len(scrapes))):
        if scrapes[place].end - scrapes[place].begin > longest:
            scrapes = scrapes[place + 1 :] or scrapes[-1:]
            break
    more = min(_HALF_MORE * bound, (1 + bound) / 2) if bound else _HALF_MORE * 1e-6
    since, evidence = _followed(scrapes, max(bound, 1e-6), more, _FULL)
    return _Held(since, scrapes[-1].end - since, evidence)


def _followed(
    scrapes: Sequence[Scrape], bound: float, share: float, most: float
) -> tuple[datetime, float]:
    """Say since when it has been likelier that *share* fails, and how much now.

    E. S. Page (1954): what speaks against it is taken off, but never below none.
    """
    worse, better = math.log(share / bound), math.log((1 - share) / (1 - bound))
    since, evidence = scrapes[0].begin, 0.0
    for one in scrapes:
        if not evidence:
            since = one.begin
        says = one.bad * worse + (one.every - one.bad) * better
        evidence = min(most, max(0.0, evidence + says))
    return since, evidence


def _not_for_long(
    trigger: Trigger,
    held: _Held,
    scrapes: Scrapes,
    at: datetime,
    armed_from: datetime,
) -> str:
    if held.time < trigger.window:
        so_far = f"for {spell(held.time)} of {spell(trigger.window)} so far"
        return so_far + (f"; {age(trigger, at, armed_from)}" if scrapes.young else "")
    if held.evidence < _FULL:
        return "less so in the newest scrapes"
    return ""


def _onset(scrapes: Sequence[Scrape], tally: Tally) -> datetime:
    """Say since when the window's share is likelier than the bound: MTTR begins."""
    bound = max(tally.bound, 1e-6)
    share = min(0.99, max(tally.bad / tally.every, _HALF_MORE * bound))
    if share <= bound:
        return scrapes[0].begin
    return _followed(scrapes, bound, share, math.inf)[0]


def _inside(
    trigger: Trigger,
    tally: Tally,
    scrapes: Scrapes,
    at: datetime,
    armed_from: datetime,
) -> Verdict:
    """Clear, if enough of the window was measured to say so."""
    if tally.every < trigger.min_samples:
        return _too_few(trigger, tally, scrapes, at, armed_from)
    if scrapes.measured < trigger.coverage * scrapes.asked:
        words = (
            f"{tally.words}, but only {scrapes.measured} of {scrapes.asked} scrapes "
            "measured"
        )
        if scrapes.young:
            words += f": {age(trigger, at, armed_from)}"
        return Blind(Cause.TOO_FEW_SAMPLES, words)
    if tally.is_over:
        return Clear(f"recovered: {tally.words}, but not any more; {tally.limit}")
    return Clear(f"{tally.words}; {tally.limit}")


def _too_few(
    trigger: Trigger,
    tally: Tally,
    scrapes: Scrapes,
    at: datetime,
    armed_from: datetime,
) -> Blind:
    """Blind while there is less traffic than a clear verdict needs."""
    young = f"; {age(trigger, at, armed_from)}" if scrapes.young else ""
    words = f"{tally.words}, {trigger.min_samples} events needed{young}"
    return Blind(Cause.TOO_FEW_SAMPLES, words)
