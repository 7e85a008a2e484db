"""Looks and triggers, said in as few words as the test is about."""

from datetime import UTC, datetime, timedelta

from watchdog.facts.reading import Block, Look, Measured
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
    """> 5 % for 5 min, counted in minutes."""
    values = {
        "name": "Http5xxRate",
        "kind": Ratio("errors", "total"),
        "action": Action.PAUSE_AND_ALERT,
        "window": 5 * MINUTE,
        "sustained": True,
        "block": MINUTE,
        "above": 0.05,
        "confirm_polls": 1,
    }
    return Trigger(**(values | other))


def awb(**other):
    """> 1 % of scans, at once; ten blocks of half a minute."""
    own = {
        "name": "AwbRoutingFailures",
        "sustained": False,
        "block": 30 * SECOND,
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


def look(trigger, blocks, at=AT, step=None):
    """Lay *blocks* on the trigger's grid, the last ending at *at*."""
    width = trigger.block if step is None else step
    count = len(blocks)
    return Look(
        at,
        tuple(
            Block(at - (count - 1 - place) * width, parts or {})
            for place, parts in enumerate(blocks)
        ),
    )


def read(trigger, *looks, step=None):
    """Make a reading of one look per poll, newest first."""
    return Measured(
        tuple(
            look(trigger, blocks, AT - number * POLL, step)
            for number, blocks in enumerate(looks)
        )
    )


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
