"""Whether a journal is what was written: its chain, its checkpoints, and kept ones."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from watchdog.facts.event import CheckpointSigned, RollbackEnded
from watchdog.facts.problem import Problem
from watchdog.record.chain import GENESIS, link
from watchdog.record.checkpoint import Checkpoint, checkpoint_of
from watchdog.sign.note import NoteKey, opened

_FIELDS = ("seq", "at", "kind", "body", "previous", "hash")
_COMPARE = "compare with a backup, with the log, and with the checkpoints sent away"


@dataclass(frozen=True, slots=True)
class Row:
    """An event as it lies in the journal; *body* is JSON, byte for byte as hashed."""

    seq: int
    at: str
    kind: str
    body: str
    previous: str
    hash: str

    def __str__(self) -> str:
        """Write it as one line of an export."""
        return json.dumps(asdict(self), separators=(",", ":"))


def row_of(line: str, where: str) -> Row:
    """Read one line of an export; *where* it stands is for the words.

    Raises:
        Problem: it is none.
    """
    try:
        found = json.loads(line)
        row = Row(*(found[name] for name in _FIELDS))
    except (ValueError, KeyError, TypeError, RecursionError):
        row = None
    if (
        row is None
        or type(row.seq) is not int
        or not all(isinstance(getattr(row, name), str) for name in _FIELDS[1:])
    ):
        raise Problem(
            f"{where} is not an event of an export",
            "`watchdog audit export` writes them, one to a line",
        )
    return row


class Unsound(Problem):
    """The journal is not what was written: the words name the first such event."""


@dataclass(slots=True)
class Audit:
    """What a journal's events *first* to *last* come to, all of them sound so far.

    *trusted* is the newest checkpoint that a trusted key signed; *signed* counts
    these, *foreign* those that only other keys signed. *kept* counts the checkpoints
    kept elsewhere that hold, up to event *kept_up_to*; *outside* those of earlier ones.
    """

    first: int = 0
    last: int = 0
    digest: str = GENESIS
    rollbacks: int = 0
    signed: int = 0
    foreign: int = 0
    trusted: Checkpoint | None = None
    kept: int = 0
    kept_up_to: int = 0
    outside: int = 0

    def as_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)


def audited(
    rows: Iterable[Row], keys: Sequence[NoteKey], notes: Sequence[str] = ()
) -> Audit:
    """Check *rows*, in order, with the checkpoints in them and those kept elsewhere.

    Rows that begin later than event 1 are a segment: what is before is not checked.

    Raises:
        Unsound: an event was changed, taken out or put in, or the end was cut off;
            or nothing here is signed by a key of *keys*.
        Problem: one of *notes* is no checkpoint, or not signed by one of *keys*.
    """
    away = sorted((checkpoint_of(note, keys) for note in notes), key=lambda c: c.count)
    done = Audit()
    ahead = list(away)
    for row in rows:
        _must_follow(done, row)
        if not done.first:
            done.first = row.seq
            while ahead and ahead[0].count < row.seq - 1:
                done.outside += 1
                ahead.pop(0)
            _must_be_kept(done, ahead, row.seq - 1, row.previous)
        if row.kind == CheckpointSigned.__name__:
            _must_be_signed(done, row, keys)
        done.rollbacks += row.kind == RollbackEnded.__name__
        done.last, done.digest = row.seq, row.hash
        _must_be_kept(done, ahead, row.seq, row.hash)
    if ahead:
        raise Unsound(
            f"the journal ends with event {done.last}, and a checkpoint of "
            f"{ahead[-1].at} counts {ahead[-1].count}: event {done.last + 1} and what "
            "came after it was cut off",
            _COMPARE,
        )
    if done.trusted is None and not done.kept:
        raise Unsound(
            "no checkpoint here is signed by a key that is trusted: the chain fits, "
            "and anybody could have written all of it",
            "name the watchdog's key with --key, or a checkpoint kept elsewhere",
        )
    return done


def segments(files: Iterable[tuple[str, Iterable[str]]]) -> Iterator[Row]:
    """Read the rows of exports that follow each other; each with its name."""
    for name, lines in files:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield row_of(line, f"line {number} of {name}")


def _must_follow(done: Audit, row: Row) -> None:
    if done.first and row.seq != done.last + 1:
        raise Unsound(f"event {done.last + 1} is missing", _COMPARE)
    before = done.digest if done.first or row.seq == 1 else row.previous
    if row.previous != before or (
        link(row.previous, row.seq, row.at, row.kind, row.body) != row.hash
    ):
        raise Unsound(f"event {row.seq} was changed after it was written", _COMPARE)


def _must_be_kept(done: Audit, ahead: list[Checkpoint], seq: int, digest: str) -> None:
    while ahead and ahead[0].count == seq:
        one = ahead.pop(0)
        if one.digest != digest:
            raise Unsound(
                f"event {seq} is not what was signed at {one.at}: history was written "
                f"anew, from event {done.kept_up_to + 1} at the earliest and "
                f"{seq} at the latest",
                _COMPARE,
            )
        done.kept, done.kept_up_to = done.kept + 1, seq


def _must_be_signed(done: Audit, row: Row, keys: Sequence[NoteKey]) -> None:
    try:
        note = str(json.loads(row.body)["note"])
        _, by = opened(note, keys)
        if not by:
            done.foreign += 1
            return
        one = checkpoint_of(note, keys)
    except (Problem, ValueError, KeyError, TypeError) as error:
        words = error.words if isinstance(error, Problem) else "it cannot be read"
        raise Unsound(
            f"event {row.seq} holds no good checkpoint: {words}", _COMPARE
        ) from None
    if (one.count, one.digest) != (row.seq - 1, row.previous):
        raise Unsound(
            f"event {row.seq} holds a checkpoint of another history", _COMPARE
        )
    done.signed += 1
    done.trusted = one
