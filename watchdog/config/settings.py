"""All that ``config/watchdog.yaml`` can say, every default filled in."""

import re
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from watchdog.config.notation import (
    RETENTION,
    RETENTION_MEANT,
    Duration,
    OneLine,
    Said,
    SomeTime,
    Whole,
    duration,
    one_line,
    seen,
)
from watchdog.config.sections.database import Database
from watchdog.config.sections.executors import Compose, Engine, Git, Swarm
from watchdog.config.sections.kinds import Absolute, Section, a_path, at_most, shaped
from watchdog.config.sections.listen import Listen
from watchdog.config.sections.notify import GitHub, Heartbeat, Notify, SlackButtons
from watchdog.config.sections.prometheus import Prometheus
from watchdog.config.sections.stack import Stack
from watchdog.facts.rules import DrillRule

PREFIX = "WATCHDOG_"


class Log(Section):
    """How much is said on standard output, and in which dress."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "pretty"] = "auto"


class Audit(Section):
    """Who signs checkpoints of the journal; None: a key drawn in the state folder."""

    key_file: Absolute | None = None
    also_key_file: Absolute | None = None


_DRILL = re.compile(
    r"every (?P<every>\S+), (?P<opens>[0-2][0-9]:[0-5][0-9])-"
    r"(?P<closes>[0-2][0-9]:[0-5][0-9]), (?P<kind>dry|real)"
)


def _drill(value: object) -> DrillRule:
    if isinstance(value, DrillRule):
        return value
    got = one_line(value)
    hint = "write it like `every 30d, 10:00-16:00, dry`, times in UTC"
    found = _DRILL.fullmatch(got)
    if not found:
        raise Said(f"{seen(got)} does not say when a drill is due", hint)
    every = duration(found["every"])
    try:
        opens, closes = (
            time.fromisoformat(found[name]) for name in ("opens", "closes")
        )
    except ValueError:
        raise Said(f"{seen(got)} has no such time of day", hint) from None
    if every < timedelta(hours=1):
        raise Said(f"{seen(got)}: a drill each {found['every']} is no drill", hint)
    if not opens < closes:
        raise Said(f"{seen(got)} ends before it begins", hint)
    return DrillRule(every, opens, closes, dry=found["kind"] == "dry")


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
    executor: Literal["engine", "compose", "swarm", "git"] = "engine"
    engine: Engine = Engine()
    compose: Compose = Compose()
    swarm: Swarm = Swarm()
    git: Git = Git()
    releases: Annotated[Path, BeforeValidator(a_path)] = Path("releases")
    state: Absolute = Path("/var/lib/watchdog")
    database: Database = Database()
    poll: Annotated[SomeTime, at_most(timedelta(minutes=1))] = timedelta(seconds=5)
    settle: Duration = Field(default=None, validate_default=True)
    bake_time: SomeTime = timedelta(minutes=30)
    blind_for: SomeTime = timedelta(minutes=5)
    prove_within: SomeTime = timedelta(seconds=60)
    stop_within: SomeTime = timedelta(seconds=5)
    recover_within: SomeTime | None = None
    retain: Annotated[Whole, Field(ge=3)] = 3
    retention: Annotated[str, shaped(RETENTION, RETENTION_MEANT)] = "ask"
    readiness_every: SomeTime = timedelta(seconds=30)
    daily_limit: Whole = 3
    drill: Annotated[DrillRule, BeforeValidator(_drill)] | None = None
    on_call: OneLine = "ops"
    approvers: Annotated[Path, BeforeValidator(a_path)] = Path("approvers.yaml")
    listen: Listen = Listen()
    notify: Notify = Notify()
    slack_buttons: SlackButtons = SlackButtons()
    github: GitHub = GitHub()
    heartbeat: Heartbeat = Heartbeat()
    audit: Audit = Audit()
    log: Log = Log()

    @field_validator("settle", mode="before")
    @classmethod
    def _one_scrape(cls, value: object, info: ValidationInfo) -> object:
        if value is not None:
            return duration(value)
        return info.data.get("prometheus", Prometheus()).scrape_interval

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
