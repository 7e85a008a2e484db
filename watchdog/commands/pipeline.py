"""The pipeline's commands: it asks from elsewhere, over HTTP, and needs no files."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import httpx
import typer

from watchdog.commands.ends import End
from watchdog.commands.shell import AsJson
from watchdog.config.notation import Said, duration
from watchdog.facts.problem import Problem

_PATIENCE = 10.0
# What was replaced before anybody waited for it may just have been deployed again.
_SEEN_AGAIN = 30.0
_NAMES = {End.DONE: "open", End.NO: "paused"}
app = typer.Typer()
promotion = typer.Typer()
app.add_typer(promotion, name="promotion", help="Ask whether a release may go onward.")
Url = Annotated[
    str,
    typer.Option(
        "--url", envvar="WATCHDOG_URL", help="Where decisions listens: https://…"
    ),
]


@dataclass(frozen=True, slots=True)
class Meant:
    """Whose answer counts, and about which images: digests, with or without a name."""

    audience: str
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer. *end* is what it would end with; *at_once* when waiting is no use."""

    end: End
    state: str
    reasons: tuple[str, ...] = ()
    at_once: bool = False
    body: dict[str, Any] = field(default_factory=dict)


@promotion.command()
def wait(
    release: Annotated[str, typer.Argument(help="The version, such as v1.3.0.")],
    url: Url = "http://127.0.0.1:8470",
    *,
    timeout: Annotated[str, typer.Option(help="How long: `30m`; 0s asks once.")] = "0s",
    every: Annotated[str, typer.Option(help="How often to ask.")] = "5s",
    audience: Annotated[
        str, typer.Option(help="Whose answer counts: the watchdog's `name`.")
    ] = "",
    image: Annotated[
        list[str] | None,
        typer.Option(help="A digest that must be what was measured: `sha256:…`."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Wait until a release may go onward: 0 it may, anything else is no yes.

    1 paused, 2 not known, 3 rolled back or quarantined, 4 timed out, 5 not reached,
    6 nobody watching, 7 another watchdog, 8 another build, 12 superseded.
    """
    patience = _seconds(timeout, "--timeout")
    apart = max(0.1, _seconds(every, "--every"))
    meant = Meant(audience, tuple(_digest(one) for one in image or ()))
    begun = time.monotonic()
    until = begun + patience
    told, was_waited_for = "", False
    while True:
        said = _ask(url, release, meant)
        if said.end is End.BAD_INPUT:
            raise Problem(
                f"the watchdog at {url} knows no release {release}",
                "its release file must be there before it ships",
            )
        because = f": {'; '.join(said.reasons)}" if said.reasons else ""
        words = f"{release} is {said.state}{because}"
        if words != told and not as_json:
            typer.echo(words)
        told = words
        was_waited_for |= said.end is End.NO
        again = 0.0 if was_waited_for else _SEEN_AGAIN
        late = said.end is End.SUPERSEDED and time.monotonic() >= begun + again
        at_once = said.end is End.DONE or said.at_once or late
        if at_once or time.monotonic() >= until:
            waited = patience > 0 and said.end is End.NO
            end = End.TIMED_OUT if waited else said.end
            if as_json:
                typer.echo(json.dumps(_told(release, said, end)))
            elif waited:
                typer.echo(f"gave up after {timeout}")
            raise typer.Exit(int(end))
        time.sleep(min(apart, max(0.0, until - time.monotonic())))


def _told(release: str, said: Heard, end: End) -> dict[str, Any]:
    return {
        "release": release,
        "state": said.state,
        "reasons": list(said.reasons),
        "end": _NAMES.get(end) or end.name.lower().replace("_", "-"),
        **{k: said.body[k] for k in ("over", "audience", "images") if k in said.body},
    }


def _ask(url: str, release: str, meant: Meant) -> Heard:
    """Ask once; whatever is not a clear answer is not known, and no yes."""
    where = f"{url.rstrip('/')}/v1/promotion/{release}"
    try:
        answer = httpx.get(where, timeout=_PATIENCE, follow_redirects=False)
    except httpx.InvalidURL:
        raise Problem(f"{url} is no URL", "write `--url https://…`") from None
    except httpx.HTTPError as error:
        why = f"{url} did not answer: {type(error).__name__}"
        return Heard(End.NOT_REACHED, "not known", (why,))
    try:
        return _read(answer.status_code, answer.json(), release, meant)
    except (ValueError, KeyError, TypeError, AttributeError):
        why = f"an answer that no watchdog gives ({answer.status_code})"
        return Heard(End.NOT_REACHED, "not known", (why,))


def _read(status: int, body: dict[str, Any], release: str, meant: Meant) -> Heard:
    """Read what a watchdog says; raises ValueError and the like for anything else."""
    if status == httpx.codes.NOT_FOUND and body["code"] == "unknown":
        return Heard(End.BAD_INPUT, "unknown")
    if status == httpx.codes.SERVICE_UNAVAILABLE and body["code"] == "not_watching":
        return Heard(End.NOT_WATCHING, "not known", ("nobody is watching",))
    is_open = status == httpx.codes.OK and body["state"] == "open"
    if not (is_open or status == httpx.codes.LOCKED) or body["release"] != release:
        raise ValueError(status)
    reasons = tuple(str(reason) for reason in body["reasons"])
    for why in _of_another_watchdog(body, meant):
        return Heard(End.ANOTHER_WATCHDOG, "not known", (why,), at_once=True, body=body)
    over = str(body.get("over", ""))
    others = list(_of_another_build(body, meant))
    # What became of another build says nothing of the one that is meant.
    if over and not (others and body.get("images")):
        if over == "superseded":
            return Heard(End.SUPERSEDED, over, reasons, body=body)
        state = over.replace("-", " ")
        return Heard(End.OVER, state, reasons, at_once=True, body=body)
    for why in others:
        # It may be about to be deployed; what is open already was measured.
        whys = (why, *reasons)
        return Heard(End.ANOTHER_BUILD, "not known", whys, at_once=is_open, body=body)
    if is_open:
        return Heard(End.DONE, "open", body=body)
    return Heard(End.NO, "paused", reasons, body=body)


def _of_another_watchdog(body: dict[str, Any], meant: Meant) -> Iterator[str]:
    if not meant.audience:
        return
    theirs = body.get("audience")
    if theirs is None:
        yield f"the answer does not say whose it is, meant {meant.audience}"
    elif theirs != meant.audience:
        yield f"the answer is of {theirs}, meant {meant.audience}"


def _of_another_build(body: dict[str, Any], meant: Meant) -> Iterator[str]:
    measured = dict(body.get("images") or {})
    known = {_digest(str(one)) for ids in measured.values() for one in ids}
    for one in meant.images:
        if one in known:
            continue
        if not known:
            yield f"the answer names no image, meant {one[:19]}"
            return
        have = ", ".join(
            f"{service} {' '.join(str(i)[:19] for i in ids)}"
            for service, ids in sorted(measured.items())
        )
        yield f"another build was measured ({have}), meant {one[:19]}"
        return


def _digest(image: str) -> str:
    """Take the digest out of ``name@sha256:…``; case and spaces do not matter."""
    return image.strip().rpartition("@")[2].lower()


def _seconds(text: str, option: str) -> float:
    try:
        return duration(text).total_seconds()
    except Said as said:
        raise Problem(f"{option}: {said.words}", said.hint) from None
