"""What a container printed, out of the engine's frames; in time, and not too much.

Source: Docker Engine API, ``POST /containers/{id}/attach``, "Stream format".
"""

import json
import struct
import time
from contextlib import suppress
from typing import Any

import urllib3

_STREAMS = (0, 1, 2)  # what a frame may come from
_FRAME = struct.Struct(">BxxxL")  # which stream, how many bytes


def read_until(stream: Any, last: float, most: int) -> bytes:
    """Read what comes of *stream* until its end, *last*, or *most* bytes."""
    raw = bytearray()
    wire = _wire_of(stream)
    try:
        while len(raw) < most and (left := last - time.monotonic()) > 0:
            if wire is not None:
                with suppress(OSError):  # of an answer that is all there it is closed
                    wire.settimeout(left)  # its own begins again at every byte
            part = stream.read1(most)
            if not part:
                break
            raw += part
    except urllib3.exceptions.HTTPError:
        pass  # it fell silent, or was cut off
    return bytes(raw)


def told(raw: bytes) -> list[dict[str, Any]]:
    """Take the events out of their lines; the last may be cut."""
    found: list[dict[str, Any]] = []
    for line in raw.splitlines():
        with suppress(ValueError, TypeError):
            found.append(dict(json.loads(line)))
    return found


def _wire_of(stream: Any) -> Any:
    """Give the socket under an answer; None where it has another form."""
    buffered = getattr(getattr(stream, "_fp", None), "fp", None)
    return getattr(getattr(buffered, "raw", None), "_sock", None)


def printed(raw: bytes) -> str:
    """Take the text out of the engine's frames; the last may be cut.

    A container with a terminal has none: what is no frame is text.
    """
    parts: list[bytes] = []
    while len(raw) >= _FRAME.size:
        stream, length = _FRAME.unpack_from(raw)
        if stream not in _STREAMS or any(raw[1:4]):
            parts.append(raw)
            break
        parts.append(raw[_FRAME.size : _FRAME.size + length])
        raw = raw[_FRAME.size + length :]
    return b"".join(parts).decode(errors="replace")
