"""An event as a line of JSON, and the hash that chains it to the one before."""

import functools
import hashlib
import json
from typing import Any

from pydantic import TypeAdapter

from watchdog.facts.event import EVERY_EVENT, Event

GENESIS = "0" * 64
"""What stands where the first event names the hash of the one before."""

KINDS = {kind.__name__: kind for kind in EVERY_EVENT}
"""Every kind of event that this build knows, by its name in the journal."""


@functools.cache
def codec(kind: str) -> TypeAdapter[Any]:
    """Give what reads and writes a *kind* of event: made once it is needed."""
    return TypeAdapter(KINDS[kind])


def text_of(event: Event) -> str:
    """Write *event* as JSON; numbers that are not finite keep their names."""
    plain = codec(type(event).__name__).dump_python(event, mode="json")
    return storable(json.dumps(plain, separators=(",", ":"), ensure_ascii=False))


def storable(text: str) -> str:
    """Replace what is half a character: what others send us may hold it."""
    return text.encode(errors="replace").decode()


def link(previous: str, seq: int, stamp: str, kind: str, body: str) -> str:
    """Hash an event with its place and the hash before it."""
    line = "\n".join((previous, str(seq), stamp, kind, body))
    return hashlib.sha256(line.encode()).hexdigest()
