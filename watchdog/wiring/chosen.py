"""What the settings choose, as the rooms know it: rules, seals, questions, releases."""

from collections.abc import Callable
from urllib.parse import urlsplit

from watchdog.config.release_folder import ReleaseFolder
from watchdog.config.roster_file import RosterFile
from watchdog.config.sections.stack import Smoke
from watchdog.config.settings import Settings
from watchdog.decide.git import SERVICE
from watchdog.decide.revoked import pauses_of
from watchdog.facts.event import VersionsRevoked
from watchdog.facts.pair import Running
from watchdog.facts.rules import Protected, Rules
from watchdog.facts.smoke import Asks, Runs, SmokeCheck
from watchdog.observe.health import ask_stack
from watchdog.observe.holding import Question
from watchdog.outside.stack_folder import StackFolder
from watchdog.record.memory import Memory
from watchdog.sign.revocations import Revocations
from watchdog.sign.seals import Seals
from watchdog.verify.proof import Answer
from watchdog.wiring.schedule import RealClock


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


def questions_of(
    settings: Settings,
    rules: Rules,
    smoke: Callable[[SmokeCheck, tuple[str, ...]], Answer],
    seen: Running,
) -> dict[str, Question]:
    """Give what may be asked of *seen* at any time: all but what runs inside it."""
    stack = settings.stack

    def of_the_stack() -> tuple[Answer, ...]:
        return ask_stack(stack.health, stack.version or "", seen.pair.version)

    def of(check: SmokeCheck) -> Question:
        return lambda: (smoke(check, seen.containers),)

    return {"the stack": of_the_stack} | {
        f"smoke check {place}": of(check)
        for place, check in enumerate(rules.smoke, 1)
        if isinstance(check, Asks)
    }


def _check(given: Smoke, services: tuple[str, ...]) -> SmokeCheck:
    contains = given.contains or ""
    if given.http is not None:
        return Asks(given.http, given.expect or 200, contains, given.timeout)
    service = given.service or services[0]
    return Runs(given.exec or (), service, contains, given.timeout)


def seals_of(settings: Settings) -> Seals:
    """Take from the settings whose signatures on a manifest count."""
    stack = settings.stack
    return Seals(
        folder=StackFolder(stack.directory),
        form=stack.signatures,
        namespace=stack.signature_namespace,
        allowed=stack.allowed_signers,
        revoked=stack.revoked_signers or "",
        argv=stack.verifier,
        timeout=stack.verifier_timeout,
        tenant_key=stack.manifest_tenant_key or "",
        version_key=stack.manifest_version_key or "",
    )


def revocations_of(
    settings: Settings, seals: Seals, memory: Memory, clock: RealClock
) -> Revocations | None:
    """Take from the settings which list of revoked versions counts; None for none."""
    path = settings.stack.revoked_versions
    if path is None:
        return None

    def note(listed: VersionsRevoked) -> None:
        memory.add_if(
            clock.now(), lambda now: (listed, *pauses_of(now.revoked, listed))
        )

    return Revocations(
        seals.folder,
        path,
        trust=seals.trust,
        now=clock.now,
        last=lambda: (memory.standing.revoked, memory.standing.revoked_since),
        note=note,
    )


def releases_of(settings: Settings, roster: RosterFile | None = None) -> ReleaseFolder:
    """Load every release file, or refuse with all of their faults."""
    people = roster or RosterFile(settings.approvers)
    return ReleaseFolder(
        settings.releases,
        settings.prometheus.scrape_interval,
        lambda: people.roster.names,
    )


def hosts_of(settings: Settings) -> tuple[str, ...]:
    """Take from the settings by which names requests may come."""
    ours = urlsplit(settings.notify.base_url or "").hostname
    return (*settings.listen.hosts, *((ours,) if ours else ()))


def tenants_of(releases: ReleaseFolder, version: str) -> tuple[str, ...]:
    """Name the tenants that the file of *version* lists."""
    release = releases.for_version(version)
    return tuple(sorted(release.manifests)) if release else ()
