"""The pipeline's commands: it asks from elsewhere, over HTTP, and needs no files."""

import json
import time
from typing import Annotated

import httpx
import typer

from watchdog.facts.problem import Problem
from watchdog.notation import Said, duration
from watchdog.shell import AsJson

_OPEN, _PAUSED, _NOT_WATCHING, _UNKNOWN = 200, 423, 503, 404
_PATIENCE = 10.0
app = typer.Typer()
promotion = typer.Typer()
app.add_typer(promotion, name="promotion", help="Ask whether a release may go onward.")
Url = Annotated[
    str,
    typer.Option(
        "--url", envvar="WATCHDOG_URL", help="Where decisions listens: https://…"
    ),
]


@promotion.command()
def wait(
    release: Annotated[str, typer.Argument(help="The version, such as v1.3.0.")],
    url: Url = "http://127.0.0.1:8470",
    *,
    timeout: Annotated[str, typer.Option(help="How long: `30m`; 0s asks once.")] = "0s",
    every: Annotated[str, typer.Option(help="How often to ask.")] = "5s",
    as_json: AsJson = False,
) -> None:
    """Wait until a release may go onward: 0 it may, 1 it may not, 2 not known.

    Not being answered, and nobody watching, are not a yes: they are waited out.
    """
    until = time.monotonic() + _seconds(timeout, "--timeout")
    apart = max(0.1, _seconds(every, "--every"))
    told = ""
    while True:
        status, state, reasons = _ask(url, release)
        if status == _UNKNOWN:
            raise Problem(
                f"the watchdog at {url} knows no release {release}",
                "its release file must be there before it ships",
            )
        words = f"{release} is {state}" + (f": {'; '.join(reasons)}" if reasons else "")
        if words != told and not as_json:
            typer.echo(words)
        told = words
        if status == _OPEN or time.monotonic() >= until:
            if as_json:
                found = {"release": release, "state": state, "reasons": reasons}
                typer.echo(json.dumps(found))
            raise typer.Exit(0 if status == _OPEN else 1)
        time.sleep(min(apart, max(0.0, until - time.monotonic())))


def _ask(url: str, release: str) -> tuple[int, str, list[str]]:
    """Ask once; whatever is not a clear answer is not known, and no yes."""
    where = f"{url.rstrip('/')}/v1/promotion/{release}"
    try:
        answer = httpx.get(where, timeout=_PATIENCE, follow_redirects=False)
    except httpx.InvalidURL:
        raise Problem(f"{url} is no URL", "write `--url https://…`") from None
    except httpx.HTTPError as error:
        return 0, "not known", [f"{url} did not answer: {type(error).__name__}"]
    status = answer.status_code
    try:
        body = answer.json()
        is_open = body.get("release") == release and body.get("state") == "open"
        if status == _OPEN and is_open:
            return _OPEN, "open", []
        if status == _PAUSED:
            return _PAUSED, "paused", [str(reason) for reason in body["reasons"]]
        if status == _UNKNOWN and body["code"] == "unknown":
            return _UNKNOWN, "unknown", []
        if status == _NOT_WATCHING:
            return _NOT_WATCHING, "not known", ["nobody is watching"]
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    return 0, "not known", [f"an answer that no watchdog gives ({status})"]


def _seconds(text: str, option: str) -> float:
    try:
        return duration(text).total_seconds()
    except Said as said:
        raise Problem(f"{option}: {said.words}", said.hint) from None
