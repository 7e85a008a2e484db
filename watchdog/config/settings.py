"""``config/watchdog.yaml`` into frozen values, or a refusal with every fault in it.

What counts, from the strongest: ``WATCHDOG_…`` environment variables (``__`` between
the levels), files named ``watchdog_…`` in ``WATCHDOG_SECRETS_DIR``, the YAML file,
the defaults here.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.sources.utils import parse_env_vars

from watchdog.config.notation import (
    RETENTION,
    RETENTION_MEANT,
    Duration,
    Filled,
    OneLine,
    Place,
    Said,
    SomeTime,
    Whole,
    YesOrNo,
    bytes_of,
    duration,
    fill,
    mapping_in,
    one_line,
    one_of,
    seen,
    value_in,
    written,
)
from watchdog.facts.problem import Fault, Refused
from watchdog.facts.rules import RELEASE

PREFIX = "WATCHDOG_"
SECRETS_DIR = "WATCHDOG_SECRETS_DIR"
NOT_SETTINGS = frozenset(
    {
        SECRETS_DIR,
        "WATCHDOG_URL",  # a DRI's command line: where decisions are taken
        "WATCHDOG_CONFIG",  # the command line's: where the settings file is
        # compose.yaml's: how the container is run
        "WATCHDOG_CONFIG_DIR",
        "WATCHDOG_GID",
        "WATCHDOG_IMAGE",
        "WATCHDOG_UID",
    }
)
"""Variables that begin like a setting and are not one."""

_TENANT = "{tenant}"


class Address(NamedTuple):
    """Where to listen; port 0 is any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        """Write it as in the settings: ``127.0.0.1:8470``, ``[::1]:8470``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def _address(value: object) -> Address:
    if isinstance(value, Address):
        return value
    found = isinstance(value, str) and re.fullmatch(
        r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]/]+)):([0-9]{1,5})", value
    )
    if not found or int(found[3]) > 65535:
        raise Said(f"{seen(value)} is not host:port", "write it like `127.0.0.1:8470`")
    return Address(found[1] or found[2], int(found[3]))


def _url(*schemes: str) -> BeforeValidator:
    def url(value: object) -> str:
        got = one_line(value)
        hint = f"write it like `{schemes[0]}://localhost:9090`"
        try:
            parts = urlsplit(got)
            port = parts.port
        except ValueError:
            raise Said(f"{seen(got)} is not a URL", hint) from None
        if parts.scheme not in schemes or not parts.hostname or port == 0 or " " in got:
            meant = " or ".join(f"{scheme}://…" for scheme in schemes)
            raise Said(f"{seen(got)} is not a URL like {meant}", hint)
        return got.rstrip("/") if parts.path == "/" else got

    return BeforeValidator(url)


def _engine_url(value: object) -> str:
    got = one_line(value)
    if re.fullmatch(r"unix:///\S+", got):
        return got
    if re.fullmatch(r"(tcp|http|https)://[^\s/:]+(:[0-9]{1,5})?/?", got):
        return got
    hint = "write `unix:///var/run/docker.sock` or `tcp://host:2375`"
    raise Said(f"{seen(got)} is not where a Docker Engine listens", hint)


def _shaped(pattern: str, what: str, hint: str = "") -> BeforeValidator:
    def shaped(value: object) -> str:
        got = one_line(value)
        if not re.fullmatch(pattern, got):
            raise Said(f"{seen(got)} is not {what}", hint)
        return got

    return BeforeValidator(shaped)


def _inside(value: object) -> str:
    got = one_line(value)
    if Path(got).is_absolute() or ".." in Path(got).parts:
        raise Said(
            f"{seen(got)} is outside of the stack's folder",
            "write it as seen from stack.directory",
        )
    return got


def _path(value: object) -> Path:
    return value if isinstance(value, Path) else Path(one_line(value))


def _absolute(value: object) -> Path:
    got = _path(value)
    if not got.is_absolute():
        raise Said(f"{seen(str(got))} is relative", "write the path from `/` on")
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


def _under(limit: timedelta) -> AfterValidator:
    def under(value: timedelta) -> timedelta:
        if value >= limit:
            raise Said(f"{written(value)} is too long", f"stay under {written(limit)}")
        return value

    return AfterValidator(under)


def _at_most(limit: timedelta) -> AfterValidator:
    def at_most(value: timedelta) -> timedelta:
        if value > limit:
            raise Said(f"{written(value)} is too long", f"{written(limit)} at most")
        return value

    return AfterValidator(at_most)


def _at_most_number(limit: int) -> AfterValidator:
    def at_most(value: int) -> int:
        if value > limit:
            raise Said(f"{value} is too much", f"{limit} at most")
        return value

    return AfterValidator(at_most)


def _some_and_distinct(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise Said("is empty", "name at least one")
    return _distinct(value)


def _distinct(value: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({one for one in value if value.count(one) > 1})
    if twice:
        raise Said(f"{seen(twice[0])} is listed twice", "keep one")
    return value


def _some_words(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise Said("is empty", "write the program and its arguments")
    return value


# Of a header's name; `_` is let out, since proxies drop such headers in silence.
_HEADER = r"[A-Za-z0-9!#$%&'*+.^`|~-]{1,100}"
_OURS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_SECRET_HEADER = re.compile(
    r"authorization|cookie|token|secret|passw|api-?key|credential", re.IGNORECASE
)


def _header(value: object) -> str:
    got = one_line(value)
    if not re.fullmatch(_HEADER, got):
        hint = "write it like `X-Scope-OrgID`; in a variable, all in one mapping"
        raise Said(f"{seen(got)} is not a header's name", hint)
    if got.lower() in _OURS:
        raise Said("is a header that is written here already", "take it out")
    return got


def _plain_header(value: object) -> str:
    got = _header(value)
    if _SECRET_HEADER.search(got):
        raise Said(
            "is a header that holds a secret", "name a file with it in `header_files`"
        )
    return got


def _header_value(value: object) -> str:
    """Read what a header says; it may be a secret after all, so it is not shown."""
    if not isinstance(value, str):
        raise Said("is not text", "write it in quotes")
    if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", value):
        raise Said("is not one line of ASCII without spaces at its ends")
    return value


def _once(value: dict[str, Any]) -> dict[str, Any]:
    names = [name.lower() for name in value]
    for name in value:
        if names.count(name.lower()) > 1:
            raise Said(f"{name} is there twice, in other letters", "keep one")
    return value


def _user(value: object) -> str:
    got = one_line(value)
    if ":" in got:
        raise Said(
            f"{seen(got)} has a colon, where the password begins", "leave it out"
        )
    return got


HttpUrl = Annotated[str, _url("http", "https")]
Inside = Annotated[str, BeforeValidator(_inside)]
Absolute = Annotated[Path, BeforeValidator(_absolute)]
Distinct = AfterValidator(_some_and_distinct)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Smoke(_Part):
    """One smoke check: a GET, or a command in a service's containers.

    *expect* is the GET's; *service* is the command's, None for the first of the stack.
    """

    http: HttpUrl | None = None
    exec: tuple[OneLine, ...] | None = None
    expect: Annotated[Whole, _at_most_number(599)] | None = None
    contains: OneLine | None = None
    service: OneLine | None = None
    timeout: Annotated[SomeTime, _at_most(timedelta(minutes=1))] = timedelta(seconds=5)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.http is None) == (not self.exec):
            raise Said("is neither or both", "write either `http: URL` or `exec: […]`")
        if self.http is None and self.expect is not None:
            raise Said("a command has no status", "leave `expect` out: it must exit 0")
        if self.http is not None and self.service is not None:
            raise Said("a URL has no service", "leave `service` out")
        return self


class Stack(_Part):
    """The Compose stack that is watched, and where its halves of a pair are."""

    project: Annotated[
        str, _shaped(r"[a-z0-9][a-z0-9_-]*", "a Compose project's name")
    ] = "dms"
    services: Annotated[
        tuple[
            Annotated[str, _shaped(r"[A-Za-z0-9._-]+", "a Compose service's name")], ...
        ],
        Distinct,
    ] = ("dms",)
    directory: Absolute = Path("/stack")
    env_file: Inside = ".env"
    version_variable: Annotated[
        str, _shaped(r"[A-Za-z_][A-Za-z0-9_]*", "a variable's name")
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
    verifier_timeout: Annotated[SomeTime, _under(timedelta(minutes=1))] = timedelta(
        seconds=10
    )
    validator: tuple[OneLine, ...] = ()
    validator_timeout: Annotated[SomeTime, _at_most(timedelta(minutes=1))] = timedelta(
        seconds=10
    )
    manifest_tenant_key: OneLine | None = "tenant"
    manifest_version_key: OneLine | None = "version"
    health: HttpUrl = "http://localhost:5269/health"
    version: HttpUrl | None = None
    smoke: tuple[Smoke, ...] = ()


class Prometheus(_Part):
    """Where the samples are, how often they are taken, and who asks for them.

    What the files hold is never kept here.
    """

    url: HttpUrl = "http://localhost:9090"
    scrape_interval: SomeTime = timedelta(seconds=15)
    timeout: Annotated[SomeTime, _under(timedelta(minutes=1))] = timedelta(seconds=4)
    headers: Annotated[
        dict[
            Annotated[str, BeforeValidator(_plain_header)],
            Annotated[str, BeforeValidator(_header_value)],
        ],
        AfterValidator(_once),
    ] = Field(default={}, repr=False)
    header_files: Annotated[
        dict[Annotated[str, BeforeValidator(_header)], Absolute],
        AfterValidator(_once),
    ] = {}
    bearer_token_file: Absolute | None = None
    username: Annotated[str, BeforeValidator(_user)] | None = None
    password_file: Absolute | None = None
    ca_file: Absolute | None = None
    cert_file: Absolute | None = None
    key_file: Absolute | None = None


class Engine(_Part):
    """Where Docker listens."""

    url: Annotated[str, BeforeValidator(_engine_url)] = "unix:///var/run/docker.sock"
    timeout: SomeTime = timedelta(seconds=30)
    pull_within: SomeTime = timedelta(minutes=5)


Argv = Annotated[tuple[OneLine, ...], AfterValidator(_some_words)]


class Compose(_Part):
    """How Compose is called, for ``executor: compose``."""

    command: Argv = ("docker", "compose")
    timeout: SomeTime = timedelta(minutes=2)


class Git(_Part):
    """How what runs from a work tree is stopped and started, for ``executor: git``."""

    stop: Argv = ("make", "backend-stop")
    start: Argv = ("make", "backend-bg")
    timeout: SomeTime = timedelta(minutes=2)


def _host(value: object) -> str:
    got = one_line(value).lower().removesuffix(".")
    if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", got):
        hint = "write a name alone, like `watchdog.flexli.example`"
        raise Said(f"{seen(value)} is not a host's name", hint)
    return got


Host = Annotated[str, BeforeValidator(_host)]


class Listen(_Part):
    """Two doors: answers from people, and what only the inside may see."""

    decisions: Annotated[Address, BeforeValidator(_address)] = Address(
        "127.0.0.1", 8470
    )
    private: Annotated[Address, BeforeValidator(_address)] = Address("127.0.0.1", 8471)
    hosts: Annotated[tuple[Host, ...], AfterValidator(_distinct)] = ()
    failures_a_minute: Annotated[Whole, Field(ge=1)] = 5


class Far(_Part):
    """Somebody who is told, by a URL that may be a secret: then it is in a file."""

    name: Annotated[str, _shaped(r"[A-Za-z0-9._-]{1,40}", "a channel's name")]
    url: HttpUrl | None = None
    url_file: Absolute | None = None


class Hook(Far):
    """A program that is told, by a signed webhook."""

    key_file: Absolute | None = None
    also_key_file: Absolute | None = None


class Room(Far):
    """A Slack channel, by its incoming webhook."""

    buttons: YesOrNo = False


class Notify(_Part):
    """Who is told, and where people reach our pages from there."""

    base_url: HttpUrl | None = None
    webhooks: tuple[Hook, ...] = ()
    slack: tuple[Room, ...] = ()
    apprise: tuple[Far, ...] = ()


class SlackButtons(_Part):
    """Answers by buttons in Slack: whose app, which workspace, and for what."""

    signing_secret_file: Absolute | None = None
    team: (
        Annotated[str, _shaped(r"[TE][A-Z0-9]{2,31}", "a Slack workspace's id")] | None
    ) = None
    may: Annotated[tuple[Literal["approve", "deny"], ...], Distinct] = (
        "approve",
        "deny",
    )


class Protects(_Part):
    """A GitHub environment that waits for our answer; *ref* holds ``{release}``."""

    repository: Annotated[
        str, _shaped(r"[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}", "owner/name")
    ]
    environment: OneLine
    ref: Annotated[str, BeforeValidator(_ref)] = RELEASE


class GitHub(_Part):
    """The GitHub App that answers deployments, and which of them."""

    app: (
        Annotated[
            str,
            _shaped(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "an App's client ID"),
            BeforeValidator(_as_text),
        ]
        | None
    ) = None
    private_key_file: Absolute | None = None
    webhook_secret_file: Absolute | None = None
    api: Annotated[str, _url("https", "http"), AfterValidator(_safe_for_secrets)] = (
        "https://api.github.com"
    )
    deployments: tuple[Protects, ...] = ()


class Heartbeat(_Part):
    """The outside switch that calls somebody when we fall silent."""

    url: HttpUrl | None = None
    url_file: Absolute | None = None
    every: SomeTime = timedelta(minutes=1)


class Log(_Part):
    """How much is said on standard output, and in which dress."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "pretty"] = "auto"


class Settings(BaseSettings):
    """All of ``config/watchdog.yaml``, every default filled in; see ``load``.

    *releases* and *approvers* are absolute, or relative to the process like the
    settings file was.
    *settle* is never empty. *recover_within* is None for "the trigger's own window
    and 5 minutes".
    """

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_parse_none_str="null",
    )

    name: OneLine = "dms-prod"
    mode: Literal["act", "observe"] = "act"
    stack: Stack = Stack()
    prometheus: Prometheus = Prometheus()
    executor: Literal["engine", "compose", "git"] = "engine"
    engine: Engine = Engine()
    compose: Compose = Compose()
    git: Git = Git()
    releases: Annotated[Path, BeforeValidator(_path)] = Path("releases")
    state: Absolute = Path("/var/lib/watchdog")
    poll: Annotated[SomeTime, _at_most(timedelta(minutes=1))] = timedelta(seconds=5)
    settle: Duration = Field(default=None, validate_default=True)
    bake_time: SomeTime = timedelta(minutes=30)
    blind_for: SomeTime = timedelta(minutes=5)
    prove_within: SomeTime = timedelta(seconds=60)
    stop_within: SomeTime = timedelta(seconds=5)
    recover_within: SomeTime | None = None
    retain: Annotated[Whole, Field(ge=3)] = 3
    retention: Annotated[str, _shaped(RETENTION, RETENTION_MEANT)] = "ask"
    readiness_every: SomeTime = timedelta(seconds=30)
    daily_limit: Whole = 3
    on_call: OneLine = "ops"
    approvers: Annotated[Path, BeforeValidator(_path)] = Path("approvers.yaml")
    listen: Listen = Listen()
    notify: Notify = Notify()
    slack_buttons: SlackButtons = SlackButtons()
    github: GitHub = GitHub()
    heartbeat: Heartbeat = Heartbeat()
    log: Log = Log()

    @field_validator("settle", mode="before")
    @classmethod
    def _two_scrapes(cls, value: object, info: ValidationInfo) -> object:
        if value is not None:
            return duration(value)
        return 2 * info.data.get("prometheus", Prometheus()).scrape_interval

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what ``load`` hands over, and nothing from the process itself."""
        return (init_settings,)


_NOWHERE = object()
_SHOWN = re.compile(r'"(?:[^"\\]|\\.)*"')
_PART = re.compile(r"\w{4,}")


class _Secret(NamedTuple):
    file: str
    text: str


class _Given(EnvSettingsSource):
    """Settings by the names of environment variables, from wherever they are.

    Lists and mappings are YAML (so JSON too); what cannot be read stays the text
    that it is, for the model to refuse.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__(Settings)
        self.env_vars = parse_env_vars(
            given, self.case_sensitive, parse_none_str=self.env_parse_none_str
        )

    def decode_complex_value(
        self, field_name: str, field: FieldInfo | None, value: Any
    ) -> Any:
        """Read a list or a mapping out of one variable."""
        del field_name, field
        try:
            return value_in(value)
        except Said:
            return value


def load(path: Path, env: Mapping[str, str]) -> Settings:
    """Read the settings file, overridden by *env* and by the secrets that it names.

    Raises:
        Refused: every fault of the three at once; nothing was started.
    """
    raw = mapping_in(path)
    secrets, faults = _secrets(env)
    given = {name: text for name, text in env.items() if name not in NOT_SETTINGS}
    for by_name, shown in (
        (
            {name: secret.text for name, secret in secrets.items()},
            {name: secret.file for name, secret in secrets.items()},
        ),
        (given, {name: name for name in given}),
    ):
        above, unknown = _from_names(by_name, shown)
        raw = _merged(raw, above)
        faults += unknown
    # BaseSettings would take these as words to itself, not as settings.
    for key in [key for key in raw if key.startswith("_")]:
        del raw[key]
        faults.append(Fault(key, "unknown key", one_of(key, Settings.model_fields)))
    filled = fill(Settings, raw)
    faults += [
        _traced(fault, given, secrets) for fault in (*filled.faults, *_crossed(filled))
    ]
    if faults:
        raise Refused(str(path), faults)
    settings = filled.value
    here = path.parent
    return settings.model_copy(
        update={
            "releases": here / settings.releases,
            "approvers": here / settings.approvers,
        }
    )


def _secrets(env: Mapping[str, str]) -> tuple[dict[str, _Secret], list[Fault]]:
    """Read the secrets, by the name of the variable that each stands for."""
    where = env.get(SECRETS_DIR)
    if not where:
        return {}, []
    secrets: dict[str, _Secret] = {}
    faults: list[Fault] = []
    hint = f"make the folder, or unset {SECRETS_DIR}"
    try:
        files = sorted(Path(where).iterdir())
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        return {}, [Fault(SECRETS_DIR, f"{seen(where)} cannot be read: {words}", hint)]
    for file in files:
        name = file.name.upper()
        if not name.startswith(PREFIX):
            continue
        try:
            text = bytes_of(file).decode("utf-8")
            secrets[name] = _Secret(str(file), text.strip())
        except Said as said:
            faults.append(Fault(str(file), said.words, said.hint))
        except (OSError, UnicodeDecodeError) as error:
            reason = str(getattr(error, "strerror", "") or "it is not text").lower()
            faults.append(Fault(str(file), f"cannot be read: {reason}"))
    return secrets, faults


def _from_names(
    given: Mapping[str, str], shown: Mapping[str, str]
) -> tuple[dict[str, Any], list[Fault]]:
    """Read settings by their variables' names; refuse names that lead nowhere."""
    ours = {name: text for name, text in given.items() if name.startswith(PREFIX)}
    raw = _Given(ours)()
    faults: list[Fault] = []
    known = [field.upper() for field in Settings.model_fields]
    for name in ours:
        parts = name.removeprefix(PREFIX).split("__")
        at: Any = raw
        for part in parts:
            at = at.get(part.lower(), _NOWHERE) if isinstance(at, dict) else _NOWHERE
        if at is _NOWHERE:
            hint = one_of(parts[0], known, prefix=PREFIX)
            if parts[0] in known:
                hint = f"{PREFIX}{parts[0]} has no parts of its own"
            faults.append(Fault(shown[name], "unknown setting", hint))
    return raw, faults


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay *above* over *below*, key by key; lists are replaced whole."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        both = isinstance(value, dict) and isinstance(under, dict)
        result[key] = _merged(under, value) if both and under is not None else value
    return result


def _traced(
    fault: Fault, given: Mapping[str, str], secrets: Mapping[str, _Secret]
) -> Fault:
    """Say where a wrong value came from when it is not the file.

    What a secret holds is not repeated.
    """
    parts = fault.path.partition("[")[0].upper().split(".")
    for length in range(len(parts), 0, -1):
        name = PREFIX + "__".join(parts[:length])
        if name in given:
            return Fault(name, fault.words, fault.hint)
        if name in secrets:
            file, text = secrets[name]
            words = _SHOWN.sub("what it holds", fault.words)
            if any(part in words + fault.hint for part in _PART.findall(text)):
                return Fault(file, "holds something else than what is meant")
            return Fault(file, words, fault.hint)
    return fault


def _crossed(filled: Filled[Settings]) -> Iterator[Fault]:
    """Find what is wrong between values that are right by themselves."""
    it = filled.value

    def are_right(*places: Place) -> bool:
        return all(filled.is_right(*map(str, place)) for place in places)

    if are_right(("stack", "directory")) and not _is_folder(it.stack.directory):
        yield Fault(
            "stack.directory",
            f"there is no folder {seen(str(it.stack.directory))}",
            "mount the folder of the stack's compose.yaml there",
        )
    if are_right(("stack", "signatures"), ("stack", "verifier")):
        yield from _verifier(it.stack)
    nobody = it.executor == "git" and bool(it.stack.validator)
    if nobody and are_right(("stack", "validator")):
        yield Fault("stack.validator", "executor is git: no image", "take it out")
    one, two = it.listen.decisions, it.listen.private
    same_host = one.host == two.host or {one.host, two.host} & {"0.0.0.0", "::"}
    if are_right(("listen",)) and one.port == two.port != 0 and same_host:
        yield Fault(
            "listen.private",
            f"{two} is where decisions listen too",
            "give it a port of its own",
        )
    if are_right(("prometheus",)):
        yield from _who_asks(it.prometheus)
    if are_right(("engine", "timeout"), ("stop_within",)):
        yield from _longer(
            "engine.timeout", it.engine.timeout, "stop_within", it.stop_within
        )
    if are_right(("compose", "timeout"), ("stop_within",)):
        yield from _longer(
            "compose.timeout", it.compose.timeout, "stop_within", it.stop_within
        )
    heard = it.slack_buttons.signing_secret_file is not None
    if are_right(("notify",), ("slack_buttons",)) and not heard:
        for place, room in enumerate(it.notify.slack):
            if room.buttons:
                yield Fault(
                    f"notify.slack[{place}].buttons",
                    "nobody would hear a click",
                    "name slack_buttons.signing_secret_file, or write `false`",
                )
    if are_right(("github",)):
        yield from _github(it.github)
    if are_right(("blind_for",), ("poll",)):
        yield from _longer("blind_for", it.blind_for, "poll", it.poll)
    for place, check in enumerate(it.stack.smoke if are_right(("stack",)) else ()):
        where = f"stack.smoke[{place}]"
        if check.service is not None and check.service not in it.stack.services:
            yield Fault(
                f"{where}.service",
                f"{seen(check.service)} is not one of stack.services",
                one_of(check.service, it.stack.services),
            )
        if check.service is not None and it.executor == "git":
            yield Fault(
                f"{where}.service",
                "executor is git, and there is no container",
                "ask a URL",
            )
        if are_right(("prove_within",)):
            yield from _longer(
                "prove_within", it.prove_within, f"{where}.timeout", check.timeout
            )


def _who_asks(it: Prometheus) -> Iterator[Fault]:
    """Find what is missing beside the rest, and what says twice who asks."""
    for one, two in (("username", "password_file"), ("cert_file", "key_file")):
        for here, there in ((one, two), (two, one)):
            if getattr(it, here) and not getattr(it, there):
                yield Fault(
                    f"prometheus.{there}",
                    f"is missing beside prometheus.{here}",
                    "write both, or neither",
                )
    url = urlsplit(it.url)
    ways = {
        "url": "a user" if url.username else "",
        "username": it.username or it.password_file,
        "bearer_token_file": it.bearer_token_file,
        **{
            f"header_files.{name}": name.lower() == "authorization"
            for name in it.header_files
        },
    }
    first, *more = [name for name, given in ways.items() if given] or [""]
    for name in more:
        yield Fault(
            f"prometheus.{name}",
            f"says who asks, and so does prometheus.{first}",
            "keep one: a question has one Authorization",
        )
    plain = {name.lower() for name in it.headers}
    for name in it.header_files:
        if name.lower() in plain:
            yield Fault(
                f"prometheus.header_files.{name}",
                "is in prometheus.headers too",
                "keep one",
            )
    if url.scheme == "http":
        for name in ("ca_file", "cert_file"):
            if getattr(it, name):
                yield Fault(
                    f"prometheus.{name}",
                    "is for https, and prometheus.url is http",
                    "write `https://` there, or take it out",
                )


def _verifier(stack: Stack) -> Iterator[Fault]:
    asked, argv = stack.signatures == "exec", stack.verifier
    if asked != bool(argv):
        yield Fault(
            "stack.verifier",
            "is missing" if asked else "is never asked",
            "name the program that verifies, or choose other `signatures`"
            if asked
            else "write `signatures: exec`, or take it out",
        )
    elif argv and not argv[0].startswith("/"):
        yield Fault(
            "stack.verifier",
            f"{seen(argv[0])} is not a path from `/` on",
            "its environment is empty, so that nothing is looked for",
        )
    for file in ("{manifest}", "{signature}") if argv else ():
        if file not in argv:
            yield Fault(
                "stack.verifier",
                f"does not say {file}",
                "write it as a word of its own where the file's name goes",
            )


def _github(it: GitHub) -> Iterator[Fault]:
    """Find what is missing beside the rest, and what is said twice."""
    parts = {
        "app": it.app,
        "private_key_file": it.private_key_file,
        "webhook_secret_file": it.webhook_secret_file,
        "deployments": it.deployments or None,
    }
    given = [name for name, value in parts.items() if value is not None]
    for name in parts if given else ():
        if name not in given:
            yield Fault(
                f"github.{name}",
                f"is missing beside github.{given[0]}",
                "write app, both files and deployments, or none of them",
            )
    seen_before: set[tuple[str, str]] = set()
    for place, one in enumerate(it.deployments):
        both = (one.repository.casefold(), one.environment.casefold())
        if both in seen_before:
            yield Fault(
                f"github.deployments[{place}]",
                f"{one.environment} of {one.repository} is there before",
                "keep one: a deployment is of one release",
            )
        seen_before.add(both)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _longer(
    longer: str, value: timedelta, shorter: str, other: timedelta
) -> Iterator[Fault]:
    if value <= other:
        yield Fault(
            longer,
            f"{written(value)} is not longer than {shorter}, {written(other)}",
            f"write more than `{written(other)}`",
        )
