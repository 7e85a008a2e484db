"""Looks and triggers, said in as few words as the test is about."""

from datetime import UTC, datetime, timedelta

from watchdog.facts.reading import Before, Block, Look, Measured
from watchdog.facts.trigger import (
    Action,
    Kind,
    Latency,
    Queue,
    Ratio,
    RatioQuery,
    Trigger,
    Value,
)

AT = datetime(2026, 3, 11, 3, 0, 0, tzinfo=UTC)
LONG_AGO = AT - timedelta(days=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
POLL = 5 * SECOND
GAP = None


def http_5xx(**other):
    """> 5 % for 5 min, scraped every 15 s."""
    values = {
        "name": "Http5xxRate",
        "kind": Ratio("errors", "total"),
        "action": Action.PAUSE_AND_ALERT,
        "window": 5 * MINUTE,
        "sustained": True,
        "block": 15 * SECOND,
        "above": 0.05,
    }
    return Trigger(**(values | other))


def awb(**other):
    """> 1 % of scans in 5 min, at once."""
    own = {
        "name": "AwbRoutingFailures",
        "sustained": False,
        "above": 0.01,
    }
    return http_5xx(**(own | other))


def outbox(**other):
    """Growing for 15 min: six floors of three minutes each."""
    own = {
        "name": "OutboxDrainFailure",
        "kind": Queue("depth", "in", "out"),
        "window": 15 * MINUTE,
        "block": 3 * MINUTE,
        "above": None,
    }
    return http_5xx(**(own | other))


def down(**other):
    """Below 1 for 2 min."""
    own = {
        "name": "DmsDown",
        "kind": Value("up"),
        "window": 2 * MINUTE,
        "above": None,
        "below": 1.0,
    }
    return http_5xx(**(own | other))


def look(trigger, blocks, at=AT, step=None, gaps=None):
    """Lay *blocks* on the trigger's grid, the last ending at *at*.

    *gaps*: what was counted in a gap, by the place of its last block.
    """
    width = trigger.block if step is None else step
    count = len(blocks)
    ends = [at - (count - 1 - place) * width for place in range(count)]
    return Look(
        at,
        tuple(Block(end, parts or {}) for end, parts in zip(ends, blocks, strict=True)),
        {ends[place]: parts for place, parts in (gaps or {}).items()},
    )


def read(trigger, *looks, step=None, gaps=None, **asked):
    """Make a reading of one look per poll, newest first, and what else was asked."""
    return Measured(
        tuple(
            look(trigger, blocks, AT - number * POLL, step, gaps)
            for number, blocks in enumerate(looks)
        ),
        **asked,
    )


def before(bad=0, every=60_000, last=None, **other):
    """Make the hour before AT - 1 day; *last*: bad and all of its last ten minutes."""
    until = AT - timedelta(days=1)
    if not isinstance(last, dict):
        few, many = last or (bad / 6, every / 6)
        last = {"bad": few, "all": many, "seconds": 600.0}
    values = {
        "since": until - timedelta(hours=1),
        "until": until,
        "whole": {"bad": bad, "all": every, "seconds": 3600.0},
        "last": last,
    }
    return Before(**(values | other))


def counts(*pairs):
    """Make blocks of (bad, all); a bad of ``None`` is a series never born."""
    blocks = []
    for pair in pairs:
        if pair is GAP:
            blocks.append({})
        elif pair[0] is None:
            blocks.append({"all": float(pair[1])})
        else:
            blocks.append({"bad": float(pair[0]), "all": float(pair[1])})
    return blocks


def queue(*triples):
    """Make blocks of (floor, in, out)."""
    names = ("floor", "in", "out")
    return [
        {name: float(v) for name, v in zip(names, one, strict=True) if v is not None}
        if one
        else {}
        for one in triples
    ]


def points(*values):
    """Make points of a value, each five seconds after the one before."""
    return [{} if value is None else {"worst": float(value)} for value in values]


KINDS: dict[str, Kind] = {
    "query": RatioQuery("bad[{{ window }}]", "all[{{ window }}]"),
    "latency": Latency("h", timedelta(milliseconds=500), 0.95),
}
