"""What the journal adds up to about pairs: started, good or bad, held, let go."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from watchdog.decide.deployment import followed
from watchdog.decide.revoked import why_revoked
from watchdog.decide.standing import KnownPair, Standing
from watchdog.decide.steady import Flow
from watchdog.facts.event import (
    Entry,
    ImageHeld,
    ImageLetGo,
    ImageLost,
    OneWaySeen,
    PairProvedGood,
    PairRecorded,
    PairStarted,
    PartSeen,
    RetentionAsked,
    RetentionReleased,
    StandbyChanged,
    VersionsRevoked,
)

# What is remembered; more decides nothing.
_MOST_PAIRS, _MOST_GOOD, _MOST_NAMED = 200, 20, 500
_T = TypeVar("_T")


def after_keeping(s: Standing, entry: Entry) -> Standing:
    """Take in what is kept of pairs, and which may go; the last to be asked."""
    at = entry.at
    match entry.event:
        case (ImageHeld(key=key) | ImageLost(key=key)) as image:
            return replace(s, images=s.images | {key: image})
        case ImageLetGo(key=gone):
            changes = without(s.changes, f"image/{gone}")
            return replace(s, images=without(s.images, gone), changes=changes)
        case PairRecorded(pair=pair, record=record, between=between) if (
            pair.key not in s.pairs
        ):
            # It ran before the first that was seen here, if it ever did.
            order = min((one.order for one in s.pairs.values()), default=1) - 1
            found = KnownPair(pair, record, order, at, between=between, unwatched=True)
            earlier = _unless(s.revoked, found, at)
            return bounded(replace(s, pairs=s.pairs | {pair.key: earlier}))
        case PartSeen(release=name):
            return replace(s, parts=s.parts | {name})
        case StandbyChanged() as said:
            return replace(s, standby=said)
        case RetentionAsked(keys=keys):
            return replace(s, asked_about=s.asked_about | set(keys))
        case RetentionReleased(key=key, words=words):
            return replace(s, released=s.released | {key: words})
        case VersionsRevoked() as listed:
            pairs = {key: _unless(listed, k, at) for key, k in s.pairs.items()}
            return replace(s, revoked=listed, revoked_since=at, pairs=pairs)
        case _:
            # The rest it does not count: refusals without an incident, reports.
            known = followed(s.deployments, entry)
            return s if known is s.deployments else replace(s, deployments=known)


def started(s: Standing, entry: Entry, event: PairStarted) -> Standing:
    """Let a pair run, begun anew or only seen again."""
    known = s.pairs.get(event.pair.key)
    if known is None:
        known = KnownPair(event.pair, event.record, entry.seq, entry.at)
        known = _unless(s.revoked, known, entry.at)
    elif not event.by:
        known = replace(known, order=entry.seq, record=event.record, taken_down="")
    known = replace(known, one_way=known.one_way or event.one_way, unwatched=False)
    only_seen_again = s.running and s.running.containers == event.containers
    if not event.by and not only_seen_again:
        s, known = _arrived(s, known, event)
    pair_since, before_since = s.pair_since, s.before_since
    sick_before = s.sick_before
    running = s.running
    same = running is not None and (
        running.containers == event.containers or running.pair.key == event.pair.key
    )
    if same and running is not None and not running.containers:
        pair_since = event.since  # named when it was proved; now its start is seen
    elif not same:
        pair_since, before_since = event.since, s.pair_since
        sick_before = event.sick
    seen = replace(
        s,
        running=event,
        pair_since=pair_since,
        before_since=before_since,
        sick_before=sick_before,
        unclear=None,
        unproven_since=entry.at,
        pairs=s.pairs | {event.pair.key: known},
        # Deployed again, it is wanted again.
        released={k: w for k, w in s.released.items() if k != event.pair.key},
    )
    seen = bounded(seen)
    if s.running is not None and s.running.containers == event.containers:
        return seen  # only the sight of it was lost: what was latched stays
    seen = replace(seen, resumed=without(s.resumed, event.pair.version))
    if not event.by:
        # What was between is noted with it.
        seen = replace(seen, in_part=frozenset(), parts=frozenset())
    return replace(
        seen,
        verdicts={},
        stepped=timedelta(),
        breached=frozenset(),
        armed=False,
        unproven={},
        changes=of_any_pair(s.changes),
    )


def _arrived(
    s: Standing, known: KnownPair, event: PairStarted
) -> tuple[Standing, KnownPair]:
    """Note what may have run before it came; what was before, where it was, stays.

    Deployed again it stands later: whatever came first after it knows that then.
    """
    was = s.pairs.get(event.pair.key)
    new = replace(
        known,
        unseen_from=event.unseen_from,
        between=event.between,
        parts=tuple(sorted(s.parts - {event.pair.version})),
    )
    if was is None or was.unwatched:
        return s, new
    later = [one for one in s.pairs.values() if one.order > was.order]
    if not later:
        return s, _with(new, was)
    heir = _with(min(later, key=lambda one: one.order), was)
    return replace(s, pairs=s.pairs | {heir.pair.key: heir}), new


def _with(known: KnownPair, older: KnownPair) -> KnownPair:
    """Let *known* know what is known of the time before *older*, too."""
    return replace(
        known,
        unseen_from=older.unseen_from or known.unseen_from,
        between=tuple(sorted({*known.between, *older.between})),
        parts=tuple(sorted({*known.parts, *older.parts})),
    )


def of_any_pair(changes: dict[str, Flow]) -> dict[str, Flow]:
    """Leave out what was said of the pair that ran: another begins anew."""
    mine = ("verdict/", "unproven/")
    return {what: flow for what, flow in changes.items() if not what.startswith(mine)}


def bounded(s: Standing) -> Standing:
    """Let the oldest pairs go, and what was said of them; keep those that decide.

    These are the newest ones, the newest good ones, the newest that breached, were
    taken down or vouched for, what is held, and what a rollback is about. The journal
    has the others.
    """
    if len(s.pairs) <= _MOST_PAIRS:
        return s
    newest = sorted(s.pairs.values(), key=lambda known: known.order)
    good = [known for known in newest if known.good and not known.quarantined]
    acting = [one.started for one in (s.rollback, s.past) if one]
    keep = {known.pair.key for known in (*newest[-_MOST_PAIRS:], *good[-_MOST_GOOD:])}
    named = [k for k in newest if k.quarantined or k.taken_down or k.vouched_by]
    keep |= {known.pair.key for known in named[-_MOST_NAMED:]}
    keep |= {key for key, image in s.images.items() if isinstance(image, ImageHeld)}
    keep |= {pair.key for one in acting for pair in (one.from_pair, one.to_pair)}
    keep |= {one for one in (s.put_up and s.put_up.key,) if one}
    gone = s.pairs.keys() - keep
    pairs = {key: known for key, known in s.pairs.items() if key in keep}
    left = {known.pair.version for known in pairs.values()}
    over = {s.pairs[key].pair.version for key in gone} - left
    flows = {f"image/{key}" for key in gone}
    return replace(
        s,
        pairs=pairs,
        images={key: one for key, one in s.images.items() if key not in gone},
        released={key: one for key, one in s.released.items() if key not in gone},
        asked_about=s.asked_about - gone,
        changes={w: n for w, n in s.changes.items() if w not in flows},
        paused={name: why for name, why in s.paused.items() if name not in over},
        resumed={name: why for name, why in s.resumed.items() if name not in over},
        gates={name: one for name, one in s.gates.items() if name not in over},
        automatic={name: n for name, n in s.automatic.items() if name not in over},
    )


def proved_good(known: KnownPair, at: datetime, event: PairProvedGood) -> KnownPair:
    """Let *known* be good; only a person's word lifts a quarantine."""
    lifted = bool(event.vouched_by)
    return replace(
        known,
        good=event.words,
        good_since=at,
        vouched_by=event.vouched_by,
        record=event.record or known.record,
        taken_down="" if lifted else known.taken_down,
        quarantined="" if lifted else known.quarantined,
        quarantined_since=None if lifted else known.quarantined_since,
    )


def one_way(s: Standing, event: OneWaySeen) -> Standing:
    """Let nobody go back over what ran as that release, or in part."""
    name = event.release
    if not event.ran:
        return _in_part(s, name)
    pairs = {
        key: replace(known, one_way=True)
        for key, known in s.pairs.items()
        if known.pair.version == name
    }
    return replace(s, pairs=s.pairs | pairs)


def _in_part(s: Standing, name: str) -> Standing:
    """Let nobody go back over what ran in part, since what runs or before it."""
    before = {
        key: replace(
            known,
            between=(*known.between, name),
            parts=tuple(one for one in known.parts if one != name),
        )
        for key, known in s.pairs.items()
        if name in known.parts
    }
    if before and name not in s.parts:
        return replace(s, pairs=s.pairs | before)
    return replace(
        s, pairs=s.pairs | before, in_part=s.in_part | {name}, parts=s.parts - {name}
    )


def without(known: dict[str, _T], name: str) -> dict[str, _T]:
    """Leave *name* out."""
    return {key: value for key, value in known.items() if key != name}


def quarantined(known: KnownPair, words: str, at: datetime) -> KnownPair:
    """Let *known* be bad, whatever was said for it."""
    return replace(
        known,
        good="",
        good_since=None,
        vouched_by="",
        quarantined=words,
        quarantined_since=at,
    )


def _unless(
    listed: VersionsRevoked | None, known: KnownPair, at: datetime
) -> KnownPair:
    """Quarantine *known* if the list names it."""
    words = why_revoked(listed, known.pair)
    return quarantined(known, words, at) if words else known
