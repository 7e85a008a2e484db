"""What the settings choose, as the rooms know it; light, for every command."""

from collections.abc import Mapping
from contextlib import closing
from urllib.parse import urlsplit

from watchdog.config.release_folder import FilesAsFound, ReleaseFolder
from watchdog.config.roster_file import RosterFile, load_roster
from watchdog.config.sections.notify import Far
from watchdog.config.sections.stack import Smoke
from watchdog.config.settings import Settings
from watchdog.decide.git import SERVICE
from watchdog.facts.job import Jobs
from watchdog.facts.message import PULSE, Backlog
from watchdog.facts.rules import Protected, Rules
from watchdog.facts.smoke import Asks, Runs, SmokeCheck
from watchdog.record.database import Place, Server
from watchdog.record.outbox import Outbox


def place_of(settings: Settings) -> Place:
    """Say where the memory is: in the state folder, or on a server."""
    it = settings.database
    if it.url is None:
        return settings.state
    return Server(
        settings.state,
        it.url,
        it.password_file,
        it.schema_name,
        it.lease,
        settings.stack.project,
    )


def rules_of(settings: Settings) -> Rules:
    """Take from the settings what decisions depend on."""
    return Rules(
        name=settings.name,
        # A work tree is one, whatever is started from it.
        services=(SERVICE,) if settings.executor == "git" else settings.stack.services,
        variable=settings.stack.version_variable,
        on_call=settings.on_call,
        bake_time=settings.bake_time,
        settle=settings.settle,
        blind_for=settings.blind_for,
        recover_within=settings.recover_within,
        prove_within=settings.prove_within,
        stop_within=settings.stop_within,
        asks_health=settings.engine.ask_health
        and settings.executor not in ("git", "swarm"),
        daily_limit=settings.daily_limit,
        poll=settings.poll,
        readiness_every=settings.readiness_every,
        retain=settings.retain,
        retention=settings.retention,
        observe_only=settings.mode == "observe",
        smoke=tuple(
            _check(one, settings.stack.services) for one in settings.stack.smoke
        ),
        protects=tuple(
            Protected(one.repository, one.environment, one.ref)
            for one in settings.github.deployments
        ),
    )


def _check(given: Smoke, services: tuple[str, ...]) -> SmokeCheck:
    contains = given.contains or ""
    if given.http is not None:
        return Asks(given.http, given.expect or 200, contains, given.timeout)
    service = given.service or services[0]
    return Runs(given.exec or (), service, contains, given.timeout)


def releases_of(settings: Settings, roster: RosterFile | None = None) -> ReleaseFolder:
    """Load every release file, or refuse with all of their faults."""
    people = roster or RosterFile(settings.approvers)
    return ReleaseFolder(
        settings.releases,
        settings.prometheus.scrape_interval,
        lambda: people.roster.names,
        services=settings.stack.services,
        bare=not settings.stack.has_manifests,
    )


def files_as_found(settings: Settings) -> FilesAsFound:
    """Give the release files as far as they are right, for who only looks."""
    return FilesAsFound(
        settings.releases,
        settings.prometheus.scrape_interval,
        lambda: load_roster(settings.approvers).names,
        services=settings.stack.services,
        bare=not settings.stack.has_manifests,
    )


def told_by(settings: Settings) -> tuple[str, ...]:
    """Name all that tells, as the outbox knows it: channels, and the heartbeat."""
    notify = settings.notify
    listed: tuple[Far, ...] = (*notify.webhooks, *notify.slack, *notify.apprise)
    pulse = (PULSE,) if settings.heartbeat.is_set else ()
    return (*(far.name for far in listed), *pulse)


def untold_of(settings: Settings) -> list[Backlog] | None:
    """Give what the settings' channels have not taken; None: it cannot be read."""
    try:
        with closing(Outbox(place_of(settings), read_only=True)) as outbox:
            return outbox.untold(told_by(settings))
    except OSError:
        return None


def hosts_of(settings: Settings) -> tuple[str, ...]:
    """Take from the settings by which names requests may come."""
    known = (settings.notify.base_url, settings.notify.private_url)
    ours = {urlsplit(url or "").hostname for url in known}
    return (*settings.listen.hosts, *sorted(name for name in ours if name))


def jobs_of(releases: ReleaseFolder | FilesAsFound) -> Jobs:
    """Give what the release files say of jobs."""

    def said(version: str) -> Mapping[str, str]:
        release = releases.for_version(version)
        return release.jobs if release else {}

    return Jobs(lambda: releases.jobs, said)
