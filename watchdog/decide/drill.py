"""When a drill is due, what it would be in the way of, and how the last one ended."""

from datetime import UTC, datetime

from watchdog.decide.ready import answer
from watchdog.decide.standing import Drilled, Standing
from watchdog.facts.lack import Lack
from watchdog.facts.rules import DrillRule, Rules
from watchdog.facts.trigger import Release

GOOD = ("proved", "rehearsed")
"""How a drill ends that did what it was for."""


def is_due(s: Standing, rule: DrillRule, at: datetime) -> bool:
    """Tell whether the last one is *every* ago, and it is the time of day for one.

    Without any, the first is due *every* after the oldest pair that is known ran
    here: a box that was just set up has nothing to rehearse.
    """
    since = (
        s.last_drill.at
        if s.last_drill
        else min((known.first_seen for known in s.pairs.values()), default=None)
    )
    if since is None or at - since < rule.every:
        return False
    return rule.opens <= at.astimezone(UTC).time() < rule.closes


def why_not(
    s: Standing,
    release: Release | None,
    looked: datetime | None,
    rules: Rules,
    at: datetime,
) -> str:
    """Say what is not green; empty when a drill would be in nobody's way."""
    if s.rollback or s.order:
        return "something is under way"
    if s.incident:
        return f"the incident {s.incident.id} is open"
    if s.hold:
        return s.hold.words
    if s.question and not s.question.closed:
        return "people are being asked"
    if s.claimed or s.unclear or s.lost:
        return "not everything can be seen"
    could = answer(s, release, looked, rules, at)
    if not could.ready:
        return could.words
    names = [trigger.name for trigger in release.triggers] if release else []
    kinds = {n: s.verdicts[n].changed.kind for n in names if n in s.verdicts}
    dark = [name for name in names if kinds.get(name) != "clear"]
    if dark or not names:
        return f"not clear: {', '.join(dark) or 'nothing is watched'}"
    return ""


def lacks(s: Standing) -> tuple[Lack, ...]:
    """Say that the last drill failed, until one ends well."""
    if s.last_drill is None or s.last_drill.how in (*GOOD, "overtaken"):
        return ()
    words = f"the last drill ended: {words_of(s.last_drill)}"
    return (Lack(words, "mend what it found; `watchdog drill --dry` tries again"),)


def words_of(drill: Drilled) -> str:
    """Say how one ended and how long it took."""
    what = "dry, " if drill.what == "dry-drill" else ""
    return f"{what}{drill.how} after {drill.took:.1f} s ({drill.words})"
