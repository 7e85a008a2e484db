"""Could it be rolled back right now? The answer, its age, and when to look again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from watchdog.decide.policy import choose_target
from watchdog.decide.standing import Standing
from watchdog.facts.lack import Lack
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release

MISSED = 3  # looks that may be missing before nothing is known any more


@dataclass(frozen=True, slots=True)
class Answer:
    """*ready* is None while it is not known; *words* say the answer and its age.

    *target* is the version that it could go back to, empty when there is none.
    """

    ready: bool | None
    target: str
    words: str
    lacks: tuple[Lack, ...] = ()
    since: datetime | None = None


def is_due(
    s: Standing,
    release: Release | None,
    looked: datetime | None,
    rules: Rules,
    at: datetime,
) -> bool:
    """Tell whether to look: another pair or target than last time, or it is time."""
    if looked is None or not _is_about_now(s, release):
        return True
    return not timedelta() <= at - looked < rules.readiness_every


def answer(
    s: Standing,
    release: Release | None,
    looked: datetime | None,
    rules: Rules,
    at: datetime,
) -> Answer:
    """Answer from the last look, which is no answer any more once it is too old."""
    target = choose_target(s, release)
    version = "" if isinstance(target, str) else target.pair.version
    question = f"could roll back{f' to {version}' if version else ''} now"
    if s.rollback is not None:
        what = "drill" if s.rollback.started.what.endswith("drill") else "rollback"
        how = "is stuck" if s.rollback.stuck else "is under way"
        return Answer(None, version, f"{question}: no, a {what} {how}")
    seen, since = s.readiness, s.readiness_since
    if s.claimed:
        lack = Lack(s.claimed.words, s.claimed.hint)
        return Answer(
            ready=False, target=version, words=f"{question}: no", lacks=(lack,)
        )
    if seen is None or since is None or looked is None:
        return Answer(None, version, f"{question}: not known (nobody has looked yet)")
    if why := s.unseen or s.not_whole:
        return Answer(None, version, f"{question}: not known ({why})")
    age = at - looked
    ago = f"looked {int(age.total_seconds())} s ago"
    if not timedelta() <= age <= MISSED * rules.readiness_every:
        last = f"last {ago}, at {looked:%Y-%m-%d %H:%M:%S} UTC"
        return Answer(None, version, f"{question}: not known ({last})")
    if not _is_about_now(s, release):
        return Answer(None, version, f"{question}: not known (not looked at yet)")
    short = "yes" if seen.ready else "no"
    words = f"{question}: {short} (since {since:%Y-%m-%d %H:%M:%S} UTC, {ago})"
    return Answer(seen.ready, version, words, seen.lacks, since)


def _is_about_now(s: Standing, release: Release | None) -> bool:
    target = choose_target(s, release)
    key = "" if isinstance(target, str) else target.pair.key
    seen, running = s.readiness, s.running
    if seen is None or running is None:
        return False
    return (seen.running, seen.key) == (running.pair.key, key)
