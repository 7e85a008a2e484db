"""``notify``, ``slack_buttons``, ``github``, ``heartbeat``: who is told and asked."""

import re
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

from watchdog.config.notation import OneLine, Said, SomeTime, YesOrNo, one_line, seen
from watchdog.config.sections.kinds import (
    Absolute,
    Distinct,
    HttpUrl,
    Section,
    a_url,
    shaped,
)
from watchdog.facts.rules import RELEASE


def _ref(value: object) -> str:
    got = one_line(value)
    if got.count(RELEASE) != 1 or re.search(r"[{}]", got.replace(RELEASE, "")):
        hint = f"write it like `dms-{RELEASE}`"
        raise Said(f"{seen(got)} does not say {RELEASE} once", hint)
    return got


def _as_text(value: object) -> object:
    """Take an App ID, which is a number, for the text that it is."""
    return str(value) if isinstance(value, int) and value is not True else value


def _safe_for_secrets(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1"):
        raise Said(f"{seen(value)} would show a token to the network", "write https://")
    if parts.username or parts.query or parts.fragment:
        raise Said(f"{seen(value)} is more than a base URL", "leave the rest out")
    return value.rstrip("/")


class Far(Section):
    """Somebody who is told, by a URL that may be a secret: then it is in a file."""

    name: Annotated[str, shaped(r"[A-Za-z0-9._-]{1,40}", "a channel's name")]
    url: HttpUrl | None = None
    url_file: Absolute | None = None


class Hook(Far):
    """A program that is told, by a signed webhook."""

    key_file: Absolute | None = None
    also_key_file: Absolute | None = None


class Room(Far):
    """A Slack channel, by its incoming webhook."""

    buttons: YesOrNo = False


class Notify(Section):
    """Who is told, and where people reach our pages from there."""

    base_url: HttpUrl | None = None
    private_url: HttpUrl | None = None
    webhooks: tuple[Hook, ...] = ()
    slack: tuple[Room, ...] = ()
    apprise: tuple[Far, ...] = ()


class SlackButtons(Section):
    """Answers by buttons in Slack: whose app, which workspace, and for what."""

    signing_secret_file: Absolute | None = None
    team: (
        Annotated[str, shaped(r"[TE][A-Z0-9]{2,31}", "a Slack workspace's id")] | None
    ) = None
    may: Annotated[tuple[Literal["approve", "deny"], ...], Distinct] = (
        "approve",
        "deny",
    )


class Protects(Section):
    """A GitHub environment that waits for our answer; *ref* holds ``{release}``."""

    repository: Annotated[
        str, shaped(r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}", "owner/name")
    ]
    environment: OneLine
    ref: Annotated[str, BeforeValidator(_ref)] = RELEASE


class GitHub(Section):
    """The GitHub App that answers deployments, and which of them."""

    app: (
        Annotated[
            str,
            shaped(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "an App's client ID"),
            BeforeValidator(_as_text),
        ]
        | None
    ) = None
    private_key_file: Absolute | None = None
    webhook_secret_file: Absolute | None = None
    api: Annotated[str, a_url("https", "http"), AfterValidator(_safe_for_secrets)] = (
        "https://api.github.com"
    )
    deployments: tuple[Protects, ...] = ()


class Heartbeat(Section):
    """The outside switch that calls somebody when we fall silent."""

    url: HttpUrl | None = None
    url_file: Absolute | None = None
    every: SomeTime = timedelta(minutes=1)

    @property
    def is_set(self) -> bool:
        """Tell whether there is one to ping."""
        return self.url is not None or self.url_file is not None
