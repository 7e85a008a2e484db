"""The commands with which a person answers, signed, from their own machine.

They need neither the settings nor the stack: a key, and where the watchdog is.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from watchdog.approve.far import Far, Fetched, Paused
from watchdog.commands.ends import End
from watchdog.commands.shell import (
    HOME,
    Agent,
    As,
    AsJson,
    KeyFile,
    Url,
    Yes,
    confirmed,
    say,
)
from watchdog.config.notation import Said, duration
from watchdog.decide.document import plain
from watchdog.facts.problem import NotConfirmed, NotTaken, Problem
from watchdog.sign.signing_key import (
    OwnKey,
    from_agent,
    from_file,
    line_of,
    made,
    public_of,
)
from watchdog.wiring.clock import RealClock

app = typer.Typer()
_keys = typer.Typer(no_args_is_help=True)
app.add_typer(_keys, name="keys", help="Make a key to answer with, or show its line.")

Which = Annotated[str, typer.Argument(help="The question; default: the open one.")]
Why = Annotated[str, typer.Option(help="Why, in one sentence, for the record.")]
Name = Annotated[str, typer.Option(help="Whose it is, as the roster is to have it.")]


@dataclass(frozen=True, slots=True)
class _How:
    """How an answer is given: by whom, where, why, unasked, and to a program."""

    who: str
    url: str
    reason: str
    yes: bool
    as_json: bool


@_keys.command("new")
def keys_new(
    name: Name,
    out: Annotated[
        Path | None, typer.Option(help="Where to; default: the name's first part.")
    ] = None,
    *,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Ask for one, and encrypt the file.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an Ed25519 key: the private half into a file, the roster's lines shown."""
    path = out or Path(f"{Path(name.partition('@')[0]).name or 'key'}.pem")
    hidden = ""
    if passphrase:
        hidden = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True)
    key = made(path, hidden)
    typer.echo(f"{path}: your private key; keep it, and give it to nobody", err=True)
    if not as_json:
        typer.echo("for the roster, approvers.yaml:", err=True)
    _show_lines(name, public_of(key), as_json=as_json, file=str(path))


@_keys.command("show")
def keys_show(
    name: Name, key: KeyFile = None, agent: Agent = "", *, as_json: AsJson = False
) -> None:
    """Show the roster's lines of a key that you have."""
    _show_lines(name, public_of(signs_of(key, agent)), as_json=as_json)


def _show_lines(name: str, public: bytes, *, as_json: bool, **more: str) -> None:
    line = line_of(public)
    words = f"  {name}:\n    keys:\n      - {line}"
    say(words, as_json=as_json, name=name, key=line, **more)


@app.command()
def approve(
    question: Which = "",
    *,
    who: As,
    key: KeyFile = None,
    agent: Agent = "",
    reason: Why = "",
    url: Url = HOME,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Approve the rollback that is asked about, after showing it; signed."""
    how = _How(who, url, reason, yes, as_json)
    _answer("approve", question, signs_of(key, agent), how)


@app.command()
def deny(
    question: Which = "",
    *,
    who: As,
    key: KeyFile = None,
    agent: Agent = "",
    reason: Why = "",
    url: Url = HOME,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Deny the rollback that is asked about; one denial is enough, until it starts."""
    how = _How(who, url, reason, yes, as_json)
    _answer("deny", question, signs_of(key, agent), how)


@app.command("forward-fix")
def forward_fix(
    question: Which = "",
    *,
    who: As,
    eta: Annotated[
        str, typer.Option(help="When it should be there: `40m`, or a time.")
    ],
    key: KeyFile = None,
    agent: Agent = "",
    reason: Why = "",
    url: Url = HOME,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Promise a fix instead; it is asked again then if the breach still stands."""
    due = _due(eta, RealClock().now())
    more = {"eta": due.isoformat(timespec="seconds")}
    signs = signs_of(key, agent)
    how = _How(who, url, reason, yes, as_json)
    _answer("forward_fix", question, signs, how, more)


def resumed(
    release: str,
    who: str,
    signs: OwnKey,
    url: str,
    *,
    reason: str,
    yes: bool,
    as_json: bool = False,
) -> None:
    """Lift what pauses *release*, signed, after showing it; exits with 9 if not."""
    with closing(Far(url, RealClock().pause)) as far:
        paused = far.paused(release)
        if paused is None:
            _not_so(f"{release} is not paused by anything that a person lifts")
        for line in _pauses(paused):
            typer.echo(line, err=as_json)
        how = _How(who, url, reason, yes, as_json)
        _confirm(f"Sign as {who}: let {release} go onward?", how)
        data = {
            "release": release,
            "audience": paused.audience,
            "pauses_digest": paused.digest,
            "decision": "resume",
            "approver": who,
            "reason": reason,
        }
        path = f"/v1/promotion/{release}/decision"
        at = RealClock().now()
        status, told = far.post(path, "promotion.decision", data, signs, at)
    if status not in (200, 202):
        raise NotTaken(_refusal(status, told))
    words = f"recorded: {release} may go onward; it is paused again if it breaches"
    say(words, as_json=as_json, release=release)


def signs_of(key: Path | None, agent: str) -> OwnKey:
    """Find the key to sign with.

    Raises:
        Problem: neither or both are named, or it cannot be used.
    """
    if (key is None) == (not agent):
        raise Problem(
            "an answer is signed with one key",
            "name it: --key FILE, or --agent COMMENT; `watchdog keys new` makes one",
        )
    if key is not None:
        return from_file(key, lambda: typer.prompt("Passphrase", hide_input=True))
    return from_agent(agent, os.environ.get("SSH_AUTH_SOCK", ""))


def _answer(
    decision: str,
    question: str,
    signs: OwnKey,
    how: _How,
    more: Mapping[str, str] | None = None,
) -> None:
    """Fetch, show, confirm, sign, post; ends with 9 when it was not taken."""
    with closing(Far(how.url, RealClock().pause)) as far:
        name = question or far.the_open_one()
        if name is None:
            _not_so(f"nothing is asked at {far.url}")
        fetched = far.question(name)
        for line in shown(fetched, RealClock().now()):
            typer.echo(line, err=how.as_json)
        asked = fetched.asked
        meant = {
            "approve": f"approve the rollback to {asked.after.version}",
            "deny": f"deny the rollback to {asked.after.version}",
            "forward_fix": f"promise a fix until {(more or {}).get('eta')}",
        }[decision]
        _confirm(f"Sign as {how.who}: {plain(meant)}?", how)
        data = {
            "approval_id": asked.question,
            "incident_id": asked.incident,
            "audience": asked.audience,
            "action_digest": fetched.digest,
            "decision": decision,
            "approver": how.who,
            "reason": how.reason,
            **(more or {}),
        }
        path = f"/v1/approvals/{asked.question}/decision"
        at = RealClock().now()
        status, told = far.post(path, "rollback.approval.decision", data, signs, at)
    if status not in (200, 202):
        raise NotTaken(_refusal(status, told))
    say(
        _taken(told, asked.after.version),
        as_json=how.as_json,
        question=asked.question,
        decision=decision,
        state=plain(str(told.get("state", ""))),
    )


def shown(fetched: Fetched, at: datetime) -> Iterator[str]:
    """Say what is asked: what is signed first, then what is told beside it."""
    asked, told = fetched.asked, fetched.beside
    yield plain(f"{asked.audience} asks: roll back to {asked.after.version}?")
    yield ""
    yield "what you sign"
    for what, before, after in asked.changes:
        if before == after:
            yield plain(f"  {what}: stays {_short(before)}")
        else:
            yield plain(f"  {what}: {_short(before)} -> {_short(after)}")
    yield plain(f"  because {asked.cause}")
    yield plain(f"  {asked.incident}, {asked.question}, needs {asked.needed} to agree")
    yield f"  {fetched.digest}"
    yield ""
    yield "what the watchdog tells beside it"
    state = told.get("state")
    yield plain(f"  state {state}; {_left(str(told.get('expires_at', '')), at)}")
    for one in told.get("evidence") or []:
        yield plain(f"  {one.get('trigger')}: {one.get('words')}")
    for one in told.get("answers") or []:
        why = f": {one['reason']}" if one.get("reason") else ""
        yield plain(f"  {one.get('approver')} said {one.get('decision')}{why}")
    votes = told.get("votes") or {}
    if votes:
        yield plain(f"  {votes.get('have')} of {votes.get('need')} agreed so far")
    yield ""


def _pauses(paused: Paused) -> Iterator[str]:
    yield plain(f"{paused.audience}: {paused.release} is paused")
    for release, reasons in paused.pauses.items():
        for words in reasons:
            yield plain(f"  {release}: {words}")
    yield f"  {paused.digest}"


def _left(expires: str, at: datetime) -> str:
    try:
        until = datetime.fromisoformat(expires)
        left = int((until - at).total_seconds())
    except (TypeError, ValueError):
        return f"until {expires}"
    clock = f"{until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if left <= 0:
        return f"the time was over at {clock}"
    return f"{left // 60} min {left % 60} s left, until {clock}"


def _short(digest: str) -> str:
    bare = digest.removeprefix("sha256:")
    return bare[:12] if len(bare) == 64 else digest


def _confirm(what: str, how: _How) -> None:
    if not how.yes and not confirmed(what, as_json=how.as_json):
        raise NotConfirmed("nothing was signed")


def _taken(told: Mapping[str, Any], target: str) -> str:
    votes = told.get("votes") or {}
    have, need = votes.get("have"), votes.get("need")
    words = {
        "approved": f"recorded: approved; the rollback to {target} starts with the "
        "next turn, once everything was looked at again",
        "denied": "recorded: denied; nothing is rolled back, promotion stays paused",
        "pending": f"recorded; {have} of {need} agreed so far",
    }.get(str(told.get("state")), "recorded")
    if told.get("eta"):
        words = f"recorded: a fix until {told['eta']}; it is asked again then"
    return plain(words)


def _refusal(status: int, told: Mapping[str, Any]) -> str:
    hints = {
        401: "; is the key in the roster, under your name, and is your clock right?",
        503: "; try again in a moment",
    }
    words = f"not taken ({status} {told.get('code', '')}): {told.get('title', '')}"
    return plain(words + hints.get(status, ""))


def _not_so(words: str) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(End.NO)


def _due(eta: str, now: datetime) -> datetime:
    """Read ``40m`` from now, or a time; without a zone it is UTC."""
    try:
        return now + duration(eta)
    except Said:
        pass
    try:
        due = datetime.fromisoformat(eta)
    except ValueError:
        raise Problem(
            f"--eta: {eta} is neither a duration nor a time",
            "write it like `40m` or `2026-11-23T15:30:00Z`",
        ) from None
    return due if due.tzinfo else due.replace(tzinfo=UTC)
