"""What lies between a pair and the one to go back to: changes that go one way only."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from watchdog.decide.standing import KnownPair, Standing
from watchdog.facts.pair import Running, release_of

# Between so many looks nothing runs for long enough to be a release.
_MISSED = 3
# A watch that goes on may be late: on a busy box its looks are further apart.
_LATE = timedelta(minutes=1)
_VERSION = re.compile(r"v?([0-9]+)\.([0-9]+)\.([0-9]+)")


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known of the time before a pair arrived.

    *unseen_from*: nobody looked from then on, None when somebody did. *between* are
    the one-way releases that may have run then, by their versions, or of which
    something did.
    """

    unseen_from: datetime | None = None
    between: tuple[str, ...] = ()


def arrival(
    s: Standing,
    seen: Running,
    one_way: Iterable[str],
    *,
    looked: datetime | None,
    sighted: datetime | None,
    poll: timedelta,
    at: datetime,
) -> Arrival:
    """Say what may have run before *seen* without having been seen.

    *looked* is the last complete turn, and *sighted* when this process saw last what
    runs; *one_way* are the versions whose files say ``rollback_safe: false``. What a
    rollback put up, nobody else can have touched since it ended, and the first pair of
    all has nothing before it.
    """
    before = s.running
    if before is None or looked is None or before.containers == seen.containers:
        return Arrival()
    in_part = s.in_part - {seen.pair.version}
    if s.put_up is not None:
        looked = max(looked, s.put_up.until)
    patience = max(_MISSED * poll, _LATE)
    if s.watching_since is not None and s.watching_since > looked:
        patience = _MISSED * poll  # it was down
    away = s.away_since
    if away is not None and (s.away_until is None or s.away_until >= at):
        # An engine that comes and goes is told back late; it may have been seen since.
        known = [one for one in (sighted, s.put_up and s.put_up.until) if one]
        looked, patience = min(looked, max([away, *known])), _MISSED * poll
    if seen.since - looked <= patience:
        return Arrival(between=tuple(sorted(in_part)))
    ends = (before.pair.version, seen.pair.version)
    between = {*lying_between(one_way, *ends)}
    return Arrival(looked, tuple(sorted(between | in_part)))


def lying_between(one_way: Iterable[str], one: str, other: str) -> tuple[str, ...]:
    """Give those of *one_way* that may lie between two versions."""
    return tuple(sorted(v for v in one_way if _lies_between(v, one, other)))


def in_part(s: Standing, versions: Iterable[str]) -> Iterator[str]:
    """Give those of *versions* that were begun after what runs, though not as a pair.

    An older one was gone over before: what is left of it says nothing.
    """
    running = s.running
    if running is None:
        return
    now = running.pair.version
    for version in dict.fromkeys(versions):
        place, ours = _place(version), _place(now)
        older = place is not None and ours is not None and place <= ours
        if version != now and not older:
            yield version


def one_way_between(s: Standing, target: KnownPair) -> str:
    """Say which change that goes one way lies between *target* and what runs.

    By the order of deployment; nothing when there is none.
    """
    running = s.running_pair
    if running is None:
        return ""
    ends = f"{target.pair.version} and {running.pair.version}"
    only = "only a person may go back over it"
    if s.in_part:
        return (
            f"{', '.join(sorted(s.in_part))} says rollback_safe: false (a one-way "
            f"change) and was deployed in part since {running.pair.version} was: {only}"
        )
    if target.unwatched and target.between:
        return (
            f"{', '.join(target.between)} says rollback_safe: false (a one-way change) "
            f"and may have run between {ends}, before anybody watched: {only}"
        )
    for known in _crossed(s, target, running):
        version = known.pair.version
        if known.one_way and known is not running:
            return (
                f"{version} ran between {ends} and said rollback_safe: false "
                f"(a one-way change): {only}"
            )
        if known.between and known.unseen_from is None:
            return (
                f"{', '.join(known.between)} says rollback_safe: false (a one-way "
                f"change) and was deployed in part between {ends}: {only}"
            )
        if known.between:
            return (
                f"{', '.join(known.between)} says rollback_safe: false (a one-way "
                f"change) and may have run between {ends}, while nobody watched "
                f"({_unseen(known)}): {only}"
            )
    return ""


def unseen_between(s: Standing, target: KnownPair) -> str:
    """Say when nobody watched between *target* and what runs; nothing if never."""
    running = s.running_pair
    if running is None:
        return ""
    if target.unwatched:
        return (
            f"{target.pair.version} never ran here while anybody watched, so that what "
            f"ran between it and {running.pair.version} is not known"
        )
    for known in _crossed(s, target, running):
        if known.unseen_from is not None:
            return (
                f"nobody watched before {known.pair.version} was seen "
                f"({_unseen(known)}), so that what ran between it and "
                f"{target.pair.version} is not known"
            )
    return ""


def _crossed(s: Standing, target: KnownPair, running: KnownPair) -> Iterator[KnownPair]:
    """Give the pairs that a rollback to *target* goes back over, the newest first."""
    ordered = sorted(s.pairs.values(), key=lambda known: known.order, reverse=True)
    for known in ordered:
        if target.order < known.order <= running.order:
            yield known


def _unseen(known: KnownPair) -> str:
    since = known.unseen_from
    return f"since {since:%Y-%m-%d %H:%M:%S} UTC" if since else "not seen"


def _lies_between(version: str, one: str, other: str) -> bool:
    """Tell whether *version* lies between two others; what has no order may."""
    places = [_place(name) for name in (version, one, other)]
    if any(place is None for place in places):
        return version not in (release_of(one), release_of(other), one, other)
    middle, low, high = places[0], *sorted(p for p in places[1:] if p is not None)
    return middle is not None and low < middle < high


def _place(version: str) -> tuple[int, int, int] | None:
    found = _VERSION.match(version)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
