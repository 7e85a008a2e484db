"""The commands that prove the journal, here or on any other machine."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from watchdog.commands.ends import End
from watchdog.commands.shell import HERE, AsJson, Config, settings_at
from watchdog.facts.problem import Problem
from watchdog.record.audit import Audit, Row, Unsound, audited, segments
from watchdog.record.journal import Journal
from watchdog.sign.note import NoteKey, note_key
from watchdog.wiring.auditing import public_at
from watchdog.wiring.chosen import place_of

app = typer.Typer()
audit = typer.Typer(help="Prove that the journal is what was written; or take it out.")
app.add_typer(audit, name="audit")
Keys = Annotated[
    list[str] | None,
    typer.Option("--key", help="Whose checkpoints count: name+id+key, or its file."),
]
Notes = Annotated[
    list[Path] | None,
    typer.Option("--checkpoint", help="A checkpoint that was kept elsewhere."),
]


@audit.command()
def verify(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Exports, in order; default: the journal of this box."),
    ] = None,
    config: Config = HERE,
    *,
    key: Keys = None,
    checkpoint: Notes = None,
    as_json: AsJson = False,
) -> None:
    """Check every event, its place, and every signed checkpoint.

    Ends with 1, and names the first event that does not hold, where one does not.
    Of exports only, it needs no settings: `--key` says whose checkpoints count.
    """
    if not key and files:
        raise Problem(
            "whose checkpoints should count? An export does not prove its own key",
            "--key name+id+key; `watchdog audit key` prints it on the watchdog's box",
        )
    keys = [_key(one) for one in key or ()] or list(_own(config))
    notes = [_text(path) for path in checkpoint or ()]
    try:
        with _rows(files or [], config) as rows:
            done = audited(rows, keys, notes)
    except Unsound as problem:
        if as_json:
            said = {"holds": False, "words": problem.words, "hint": problem.hint}
            typer.echo(json.dumps(said, indent=2))
        else:
            typer.echo(problem)
        raise typer.Exit(End.NO) from None
    if as_json:
        typer.echo(json.dumps({"holds": True} | done.as_json(), indent=2))
    else:
        typer.echo(_words(done))


@audit.command()
def export(
    config: Config = HERE,
    *,
    out: Annotated[Path, typer.Option(help="Where to write; default: here.")] = Path(
        "-"
    ),
    after: Annotated[int, typer.Option(min=0, help="Only events after this one.")] = 0,
    most: Annotated[int, typer.Option(min=0, help="At most so many; 0: all.")] = 0,
) -> None:
    """Write the events as JSON lines, byte for byte as they are hashed.

    `--after N --most M` writes a segment; `verify` takes several, in order.
    """
    last = after + most if most else None
    with closing(Journal(place_of(settings_at(config)), read_only=True)) as journal:
        rows = (Row(*row) for row in journal.rows(after))
        kept = (row for row in rows if last is None or row.seq <= last)
        if out == Path("-"):
            for row in kept:
                typer.echo(str(row))
            return
        try:
            with out.open("x", encoding="utf-8") as file:
                file.writelines(f"{row}\n" for row in kept)
        except OSError as error:
            raise Problem(
                f"cannot write {out}: {error.strerror}",
                "an export is written to a new file",
            ) from error


@audit.command("key")
def key_command(
    config: Config = HERE,
    *,
    pem: Annotated[bool, typer.Option("--pem", help="As openssl reads it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the public key of this watchdog's checkpoints, to be kept elsewhere."""
    own = _own(config)
    if as_json:
        keys = [{"key": str(key), "pem": _pem(key)} for key in own]
        typer.echo(json.dumps(keys, indent=2))
        return
    for key in own:
        typer.echo(_pem(key) if pem else str(key), nl=not pem)


def _own(config: Path) -> tuple[NoteKey, ...]:
    return public_at(settings_at(config))


def _pem(key: NoteKey) -> str:
    public = Ed25519PublicKey.from_public_bytes(key.public)
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _key(text: str) -> NoteKey:
    path = Path(text)
    is_file = "+" not in text or path.is_file()
    return note_key(_text(path) if is_file else text)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = str(getattr(error, "strerror", None) or "it is not text").lower()
        raise Problem(f"cannot read {path}: {reason}") from error


@contextmanager
def _rows(files: list[Path], config: Path) -> Iterator[Iterator[Row]]:
    with ExitStack() as after:
        if not files:
            place = place_of(settings_at(config))
            journal = after.enter_context(closing(Journal(place, read_only=True)))
            yield (Row(*row) for row in journal.rows())
            return
        try:
            texts = [
                (str(path), after.enter_context(path.open(encoding="utf-8")))
                for path in files
            ]
            yield segments(texts)
        except (OSError, UnicodeDecodeError) as error:
            name = getattr(error, "filename", None) or "an export"
            reason = str(getattr(error, "strerror", None) or "it is not text").lower()
            raise Problem(f"cannot read {name}: {reason}") from error


def _words(done: Audit) -> str:
    lines = [
        f"events {done.first} to {done.last} hold: each follows the one before"
        + (f"; event {done.first - 1} and before: not here" * (done.first > 1))
    ]
    if done.trusted:
        alone = done.last - done.trusted.count
        lines.append(
            f"{done.signed} checkpoints are signed by a trusted key, the newest of "
            f"{done.trusted.at} over event {done.trusted.count}"
            + (f"; the chain alone holds the {alone} after it" if alone else "")
        )
    if done.foreign:
        lines.append(f"{done.foreign} checkpoints of other keys are not checked")
    if done.kept or done.outside:
        lines.append(
            f"{done.kept} checkpoints kept elsewhere hold"
            + (f"; {done.outside} are of events that are not here" * bool(done.outside))
        )
    lines.append(f"{done.rollbacks} rollbacks ended in them")
    return "\n".join(lines)
