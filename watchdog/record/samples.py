"""The samples of an incident, kept for when Prometheus has them no more."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter

from watchdog.facts.past import Sampled
from watchdog.record.reports import is_a_name

NAME = "samples"
"""The folder of them, in the state folder."""
_KEPT = 200  # incidents
_MOST, _LARGEST = 16, 512 * 1024  # triggers of one, and bytes of its file
_CODEC: TypeAdapter[dict[str, Sampled]] = TypeAdapter(dict[str, Sampled])


def kept(state: Path, incident: str) -> Mapping[str, Sampled]:
    """Give what is kept of *incident*, by trigger; nothing where it cannot be read."""
    if not is_a_name(incident):
        return {}
    try:
        with (state / NAME / f"{incident}.json").open("rb") as file:
            return _CODEC.validate_json(file.read(_LARGEST + 1))
    except (OSError, ValueError):
        return {}


def keep(state: Path, incident: str, trigger: str, one: Sampled) -> None:
    """Keep *one* as what is known of *trigger*; the oldest incidents' go.

    A file is there whole or not at all, for its owner alone.

    Raises:
        OSError: it cannot be written.
        ValueError: *incident* is no name for a file, or it would be too large.
    """
    if not is_a_name(incident):
        raise ValueError(f"{incident!r} is no name for samples")
    whole = dict(kept(state, incident)) | {trigger: one}
    while len(whole) > _MOST:
        whole.pop(next(iter(whole)))
    text = _CODEC.dump_json(whole)
    if len(text) > _LARGEST:
        raise ValueError(f"{len(text)} bytes are too many samples of {incident}")
    folder = state / NAME
    folder.mkdir(mode=0o700, exist_ok=True)
    new = folder / f".{incident}.new"
    with suppress(FileNotFoundError):
        new.unlink()
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(handle)
    new.replace(folder / f"{incident}.json")
    files = sorted(folder.glob("[!.]*.json"), key=lambda file: file.stat().st_mtime)
    for old in files[:-_KEPT]:
        old.unlink(missing_ok=True)
