"""``stack``: what is watched, where its halves of a pair are, and what it is asked."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from watchdog.config.notation import OneLine, Said, SomeTime, Whole, one_line, seen
from watchdog.config.sections.kinds import (
    Absolute,
    Distinct,
    HttpUrl,
    Section,
    at_most,
    shaped,
    under,
)
from watchdog.facts.swapping import Swapping

_TENANT = "{tenant}"
_SECOND = timedelta(seconds=1)


def _inside(value: object) -> str:
    got = one_line(value)
    if Path(got).is_absolute() or ".." in Path(got).parts:
        raise Said(
            f"{seen(got)} is outside of the stack's folder",
            "write it as seen from stack.directory",
        )
    return got


def _in_container(value: object) -> str:
    got = one_line(value)
    if not got.startswith("/"):
        raise Said(f"{seen(got)} is relative", "write the path inside the container")
    if re.search(r"[{}]", got.replace(_TENANT, "")):
        raise Said(
            f"{seen(got)} has a placeholder that nobody fills in", "use {tenant}"
        )
    return got


def _at_most_number(limit: int) -> AfterValidator:
    def checked(value: int) -> int:
        if value > limit:
            raise Said(f"{value} is too much", f"{limit} at most")
        return value

    return AfterValidator(checked)


Inside = Annotated[str, BeforeValidator(_inside)]


class Smoke(Section):
    """One smoke check: a GET, or a command in a service's containers.

    *expect* is the GET's; *service* is the command's, None for the first of the stack.
    """

    http: HttpUrl | None = None
    exec: tuple[OneLine, ...] | None = None
    expect: Annotated[Whole, _at_most_number(599)] | None = None
    contains: OneLine | None = None
    service: OneLine | None = None
    timeout: Annotated[SomeTime, at_most(timedelta(minutes=1))] = timedelta(seconds=5)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.http is None) == (not self.exec):
            raise Said("is neither or both", "write either `http: URL` or `exec: […]`")
        if self.http is None and self.expect is not None:
            raise Said("a command has no status", "leave `expect` out: it must exit 0")
        if self.http is not None and self.service is not None:
            raise Said("a URL has no service", "leave `service` out")
        return self


class Stack(Section):
    """The Compose stack that is watched, and where its halves of a pair are."""

    project: Annotated[
        str, shaped(r"[a-z0-9][a-z0-9_-]*", "a Compose project's name")
    ] = "dms"
    services: Annotated[
        tuple[
            Annotated[str, shaped(r"[A-Za-z0-9._-]+", "a Compose service's name")], ...
        ],
        Distinct,
    ] = ("dms",)
    swap: Mapping[OneLine, Literal["warm", "stop-first"]] = Field(default_factory=dict)
    overlap: Mapping[OneLine, Literal["safe"]] = Field(default_factory=dict)
    staging: Mapping[OneLine, Literal["alone"]] = Field(default_factory=dict)
    standby: Mapping[OneLine, Annotated[SomeTime, at_most(timedelta(days=1))]] = Field(
        default_factory=dict
    )
    directory: Absolute = Path("/stack")
    env_file: Inside = ".env"
    version_variable: Annotated[
        str,
        shaped(
            r"[A-Za-z_][A-Za-z0-9_]*",
            "a variable's name",
            "write the one of the env file that chooses the image",
        ),
    ] = "DMS_VERSION"
    manifests: Inside = "manifests"
    manifest_in_container: Annotated[str, BeforeValidator(_in_container)] = (
        "/manifests/{tenant}.manifest.json"
    )
    signatures: Literal["sshsig", "dsse", "exec"] = "sshsig"
    allowed_signers: Inside = "manifests/allowed_signers"
    revoked_signers: Inside | None = None
    revoked_versions: Inside | None = None
    signature_namespace: OneLine = "manifest@dms"
    verifier: tuple[OneLine, ...] = ()
    verifier_timeout: Annotated[SomeTime, under(timedelta(minutes=1))] = timedelta(
        seconds=10
    )
    validator: tuple[OneLine, ...] = ()
    validator_timeout: Annotated[SomeTime, at_most(timedelta(minutes=1))] = timedelta(
        seconds=10
    )
    manifest_tenant_key: OneLine | None = "tenant"
    manifest_version_key: OneLine | None = "version"
    health: HttpUrl = "http://localhost:5269/health"
    version: HttpUrl | None = None
    smoke: tuple[Smoke, ...] = ()

    @property
    def swapping(self) -> Swapping:
        """Give how its services are swapped, as far as the settings say."""
        stay = {name: f"{time // _SECOND}s" for name, time in self.standby.items()}
        return Swapping(self.swap, self.overlap, self.staging, stay)

    @property
    def has_manifests(self) -> bool:
        """Tell whether releases of this stack have manifests at all."""
        return self.manifests != "none"
