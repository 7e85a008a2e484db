"""Standby: whether what a rollback puts up is kept healthy beside, and what is next."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from watchdog.decide.policy import choose_target
from watchdog.decide.standing import Standing
from watchdog.decide.warm import memory_of
from watchdog.facts.event import StandbyChanged
from watchdog.facts.lack import Lack
from watchdog.facts.plan import Swap
from watchdog.facts.rules import Rules
from watchdog.facts.standby import IMAGE, MADE, PROJECT, SERVICE, Beside
from watchdog.facts.swapping import stays
from watchdog.facts.trigger import Release

BOOTING, WELL, LOST, GIVEN_UP = "booting", "healthy", "lost", "given-up"
YIELDED, REFUSED, ENDED = "yielded", "refused", "ended"
STANDBY = "standby"  # what such a lack is about
_NONE = (LOST, GIVEN_UP, YIELDED, REFUSED)
_OURS = "io.flexli.rollback."
_MOST_LOST = 5
_FIRST_WAIT = timedelta(minutes=1)
_YIELDS_FOR = timedelta(minutes=10)
_SPARE = 256 << 20  # bytes; with less than that free, the box is short


def made_as(swap: Swap) -> str:
    """Name how the container of *swap* is made, whichever operation it is made for."""
    labels = swap.new.get("Labels") or {}
    plain = {k: v for k, v in labels.items() if not k.startswith(_OURS)}
    image = str(labels.get(f"{_OURS}image", ""))
    whole = [{**swap.new, "Labels": plain}, swap.networks, image, swap.service]
    text = json.dumps(whole, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def body_of(swap: Swap, project: str) -> dict[str, Any]:
    """Give how a standby for *swap* is made: as recorded, but for who finds it.

    It is started by nobody but us.
    """
    labels = {
        PROJECT: project,
        MADE: made_as(swap),
        SERVICE: swap.service,
        IMAGE: str((swap.new.get("Labels") or {}).get(f"{_OURS}image", "")),
    }
    host = {**(swap.new.get("HostConfig") or {}), "RestartPolicy": {"Name": "no"}}
    return {**swap.new, "Labels": labels, "HostConfig": host}


def standing_in(swaps: tuple[Swap, ...], beside: Mapping[str, str]) -> tuple[Swap, ...]:
    """Let those of *beside* stand in for *swaps*, if they do for all: a pair is whole.

    *beside* are healthy containers by what they are made as.
    """
    serving = [swap for swap in swaps if not swap.job]
    whole = all(s.is_warm and made_as(s) in beside for s in serving)
    if not (beside and serving and whole):
        return swaps
    return tuple(s if s.job else replace(s, standby=beside[made_as(s)]) for s in swaps)


def why_none(
    s: Standing,
    release: Release | None,
    rules: Rules,
    asked: Mapping[str, str],
    at: datetime,
) -> tuple[str, str]:
    """Say why there is to be no standby now, as a state and words; nothing if there is.

    *asked* is what is wished of each service that serves.
    """
    running, known = s.running, s.running_pair
    if not any(asked.values()):
        return ENDED, "nobody asks for it any more"
    if rules.observe_only:
        return ENDED, "nothing is done in `mode: observe`"
    if running is None or known is None:
        return ENDED, "what runs is not known"
    version = running.pair.version
    if running.by:
        return ENDED, f"{version} was put up by a rollback"
    if s.incident is not None and s.incident.tried:
        return ENDED, "it was gone back to already"
    if known.good and s.incident is None:
        return ENDED, f"{version} is known to be good"
    unread = [f"{n}: {w}" for n, w in asked.items() if w and stays(w) is None]
    if unread:
        return REFUSED, f"{', '.join(unread)}: write it like `1h` or `30m`"
    without = sorted(name for name, wish in asked.items() if not wish)
    if without:
        return REFUSED, (
            f"{' and '.join(without)} has none, and a pair is gone back to whole: "
            "ask for it for all services, or for none"
        )
    longest = max(stays(wish) or timedelta() for wish in asked.values())
    if s.incident is None and at - (s.pair_since or running.since) >= longest:
        return ENDED, f"its time is over: {version} runs for longer"
    target = choose_target(s, release)
    return (ENDED, target) if isinstance(target, str) else ("", "")


@dataclass(frozen=True, slots=True)
class Next:
    """What is to be done: remove some by id, make some, and what is said of it."""

    said: StandbyChanged
    removes: tuple[str, ...] = ()
    makes: tuple[Swap, ...] = ()


def weighed(
    about: StandbyChanged,
    swaps: Sequence[Swap],
    there: Sequence[Beside],
    free: int | None,
    at: datetime,
) -> Next:
    """Weigh what is *there* against *swaps*: what serves once it is gone back to.

    *about* is what was said of it last, or says which pairs it is about; *free* the
    bytes that the box could still give, where that is known.
    """
    meant = {made_as(swap): swap for swap in swaps}
    right: dict[str, Beside] = {}
    for one in there:
        if one.made in meant and not (one.is_over or one.reaches):
            right.setdefault(one.made, one)
    kept = {one.id for one in right.values()}
    removes = tuple(one.id for one in there if one.id not in kept)
    over = [one for one in there if one.made in meant and one.is_over]
    everything = tuple(one.id for one in there)
    cold = [f"{s.service}: {s.cold or 'it is not swapped warm'}" for s in swaps]
    if not all(swap.is_warm for swap in swaps):
        words = "; ".join(
            why for why, swap in zip(cold, swaps, strict=True) if not swap.is_warm
        )
        return Next(_said(about, REFUSED, words), everything)
    needs = sum(memory_of(swap) for swap in swaps)
    if right and free is not None and free < max(needs, _SPARE):
        words = f"it gave its memory back: {free >> 20} MiB were free"
        return Next(_said(about, YIELDED, words, again=at + _YIELDS_FOR), everything)
    if over:
        return Next(_after_death(about, over, at), removes)
    missing = tuple(swap for made, swap in meant.items() if made not in right)
    if missing and (about.state == GIVEN_UP or (about.again and at < about.again)):
        return Next(about, removes)
    if missing and free is not None and free < 2 * needs + _SPARE:
        words = (
            f"it and what takes over from it may take {2 * needs >> 20} MiB, "
            f"and {free >> 20} MiB are free"
        )
        return Next(_said(about, YIELDED, words, again=at + _YIELDS_FOR), everything)
    version = about.target
    if missing:
        words = f"a standby of {version} is made: {_takes(swaps)}"
        return Next(_said(about, BOOTING, words), removes, missing)
    if any(one.state == "created" for one in right.values()):
        # Cut off before it was started.
        begun = tuple(meant[m] for m, one in right.items() if one.state == "created")
        return Next(_said(about, BOOTING, about.words), removes, begun)
    if not all(one.is_healthy for one in right.values()):
        words = f"a standby of {version} boots: {_takes(swaps)}"
        said = about if about.state == BOOTING else _said(about, BOOTING, words)
        return Next(said, removes)
    if about.state == WELL:
        return Next(about, removes)
    words = f"standby of {version} healthy since {at:%H:%M} UTC; {_takes(swaps)}"
    return Next(_said(about, WELL, words), removes)


def ended(about: StandbyChanged, state: str, words: str) -> StandbyChanged:
    """Say that there is no standby any more, and why."""
    return _said(about, state, words)


def failed(about: StandbyChanged, words: str, at: datetime) -> StandbyChanged:
    """Say that it could not be made, and when it is tried again."""
    died = about.died + 1
    if died >= _MOST_LOST:
        words = f"it cannot be kept, after {died} times: {words}"
        return _said(about, GIVEN_UP, words, died=died)
    wait = _FIRST_WAIT * 2 ** (died - 1)
    minutes = int(wait.total_seconds() / 60)
    words = f"{words}; it is made again in {minutes} min"
    return _said(about, LOST, words, died=died, again=at + wait)


def of_it(s: Standing) -> tuple[str, tuple[Lack, ...]]:
    """Give what readiness says of it: that it is healthy, or what to know."""
    said = s.standby
    if said is None or s.running is None or said.running != s.running.pair.key:
        return "", ()
    if said.state == WELL:
        return said.words, ()
    if said.state not in _NONE:
        return "", ()
    words = f"there is no standby: {said.words}"
    hint = "a rollback boots it first; see docs/how-to/swap-without-a-gap.md"
    return "", (Lack(words, hint, about=STANDBY, doubt=True),)


def _after_death(
    about: StandbyChanged, over: Sequence[Beside], at: datetime
) -> StandbyChanged:
    return failed(about, " and ".join(one.end for one in over), at)


def _takes(swaps: Sequence[Swap]) -> str:
    limits = {swap.service: memory_of(swap) for swap in swaps}
    unknown = sorted(name for name, limit in limits.items() if not limit)
    whole = f"it may take {sum(limits.values()) >> 20} MiB"
    if len(unknown) == len(limits):
        return "what memory it takes nobody knows: there is no mem_limit"
    more = f", and {', '.join(unknown)} what nobody knows" if unknown else ""
    return f"{whole}{more}, and as much again while what it stands in for boots"


def _said(
    about: StandbyChanged,
    state: str,
    words: str,
    *,
    died: int | None = None,
    again: datetime | None = None,
) -> StandbyChanged:
    died = about.died if died is None else died
    return replace(about, state=state, words=words, died=died, again=again)
