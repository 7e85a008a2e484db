"""The one place where concrete things are made and handed to each other."""

import contextlib
import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from watchdog.approve.answer import Door
from watchdog.approve.control import Control, opened
from watchdog.approve.github import Deployments as Asked
from watchdog.approve.limit import Limit
from watchdog.approve.openapi import openapi
from watchdog.approve.order import Orders
from watchdog.approve.resumption import Resumption
from watchdog.approve.slack import Buttons
from watchdog.approve.webhook import Webhook
from watchdog.config.release_folder import ReleaseFolder
from watchdog.config.roster_file import RosterFile
from watchdog.config.sections.stack import Smoke
from watchdog.config.settings import Settings
from watchdog.decide.git import SERVICE
from watchdog.decide.revoked import pauses_of
from watchdog.facts.event import (
    Entry,
    Event,
    FarEndBack,
    FarEndLost,
    SignaturesCalm,
    SignaturesFailing,
    VersionsRevoked,
    WatchStarted,
)
from watchdog.facts.lack import Lack
from watchdog.facts.pair import HeldManifest, NotKnown, Pair, Part, Record, Running
from watchdog.facts.past import Track
from watchdog.facts.problem import Fault, JournalLost, Problem, Refused
from watchdog.facts.reading import Blind
from watchdog.facts.rules import Protected, Rules
from watchdog.facts.smoke import Asks, Runs, SmokeCheck
from watchdog.facts.trial import Held, Trial, cure
from watchdog.facts.trigger import Release, Trigger
from watchdog.notify.deployments import Deployments as Posting
from watchdog.notify.github import App
from watchdog.observe.access import Access
from watchdog.observe.arming import Arming
from watchdog.observe.health import ask, ask_stack
from watchdog.observe.history import PATIENCE, Past
from watchdog.observe.holding import (
    HINT,
    Holding,
    Question,
    as_a_lack,
    by_the_engine,
)
from watchdog.observe.lacks import short_of_space
from watchdog.observe.pin import Pin
from watchdog.observe.prometheus import Prometheus
from watchdog.observe.running import Stack
from watchdog.observe.unseen import found
from watchdog.observe.work_tree import WorkTree
from watchdog.outside.engine import Engine
from watchdog.outside.stack_folder import StackFolder
from watchdog.record.identity import identity
from watchdog.record.journal import Journal
from watchdog.record.log import to_stdout
from watchdog.record.memory import Memory
from watchdog.show.http import Faces
from watchdog.show.metrics import Pulse
from watchdog.show.review import Draws, Review
from watchdog.sign.revocations import Revocations
from watchdog.sign.seals import Seals
from watchdog.sign.trust import When
from watchdog.turn.claiming import RENEWED_EVERY, Claiming, OnlyOurs, PlannedByOne
from watchdog.turn.cycle import Cycle
from watchdog.turn.gating import Gating
from watchdog.turn.keeping import Keeping
from watchdog.turn.readiness import Checked, Readiness
from watchdog.turn.transaction import Transaction
from watchdog.verify.proof import Answer
from watchdog.wiring.channels import Telling, button_secret, github_secrets, telling_of
from watchdog.wiring.doorway import Troubles, house
from watchdog.wiring.executors import claims_of, executor_of, keeper_of, there_of
from watchdog.wiring.listening import bound, listen
from watchdog.wiring.schedule import RealClock, Schedule

# sysexits: the disk or the journal failed; the supervisor starts us again and we
# read what really is there.
_JOURNAL_LOST = 70
_LONG_AGO = datetime.fromtimestamp(0, UTC)
# A phone shows no more, and each may be one question to Prometheus.
_MOST_LOOKS = 120


@dataclass(frozen=True, slots=True)
class Watch:
    """A wired watchdog, ready to turn."""

    settings: Settings
    journal: Journal
    memory: Memory
    schedule: Schedule
    decisions: Starlette
    private: Starlette
    control: Starlette
    orders: Orders
    look: Callable[[datetime], str]
    clock: RealClock
    telling: Telling


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


def check_pin(settings: Settings, file: str) -> None:
    """See whether the version could be pinned, where the env file is at hand.

    Raises:
        Refused: *file*, the settings, name a variable that is not in it.
    """
    stack = settings.stack
    if settings.executor == "git" or not os.path.lexists(
        stack.directory / stack.env_file
    ):
        return
    try:
        Pin(stack.directory, stack.env_file, stack.version_variable).values()
    except Problem as problem:
        fault = Fault("stack.version_variable", problem.words, problem.hint)
        raise Refused(file, [fault]) from problem


def what_is_there(
    settings: Settings,
) -> tuple[tuple[Part, ...], Callable[[str], tuple[Lack, ...]]]:
    """Look at every part of what runs; tell how its env file is not as it should be.

    Raises:
        Unreachable: the engine does not answer.
    """
    releases = releases_of(settings)
    there = there_of(settings)
    return there.parts(lambda version: _tenants(releases, version)), there.astray


def prometheus_of(settings: Settings) -> Prometheus:
    """Make the one who asks Prometheus; nothing is asked yet."""
    return Prometheus(
        settings.prometheus.url,
        settings.prometheus.timeout,
        settings.prometheus.scrape_interval,
        settings.poll,
        access_of(settings),
    )


def past_of(settings: Settings, timeout: timedelta = PATIENCE) -> Past:
    """Make the one who asks Prometheus about long ago; nothing is asked yet."""
    far = settings.prometheus
    access = access_of(settings)
    return Past(
        far.url, far.scrape_interval, settings.poll, timeout=timeout, access=access
    )


def access_of(settings: Settings) -> Access:
    """Make what Prometheus wants to see; its files are read again at each question.

    Raises:
        Refused: a file cannot be read, or holds something else, as of now.
    """
    far = settings.prometheus
    access = Access(
        far.headers,
        far.header_files,
        far.bearer_token_file,
        far.username,
        far.password_file,
        far.ca_file,
        cert_file=far.cert_file,
        key_file=far.key_file,
    )
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        named = os.environ.get(name)
        is_first = access.ca_file is None and far.url.startswith("https:")
        if named and is_first:
            access = replace(access, ca_file=Path(named), ca_from=name)
    if faults := list(access.faults()):
        raise Refused("prometheus", faults)
    return access


def drawing_of(settings: Settings) -> Draws:
    """Give what draws a trigger's metric over a period, out of history."""

    def draw(trigger: Trigger, since: datetime, until: datetime) -> Track | str:
        past = past_of(settings, settings.prometheus.timeout)
        with contextlib.closing(past):
            now = past.now()
            if isinstance(now, Blind):
                return now.words
            step = max(trigger.block, (until - since) / _MOST_LOOKS)
            track = past.track(trigger, since, until, step=step, armed_from=_LONG_AGO)
        if track.bands:
            return track
        last = track.stretches[-1].words if track.stretches else "it is not judged yet"
        return f"nothing was measured: {last}"

    return draw


def tried(
    settings: Settings, releases: ReleaseFolder, version: str
) -> list[tuple[str, Trial]]:
    """Try the triggers of *version* live, or of every file; each with its release.

    Raises:
        Problem: Prometheus cannot be asked at all, or nothing is known of *version*.
    """
    prometheus = prometheus_of(settings)
    try:
        at = prometheus.now()
        if isinstance(at, Blind):
            raise Problem(at.words, cure(at))
        if version and releases.for_version(version) is None:
            raise Problem(
                f"no release file for {version} in {settings.releases}",
                f"known: {', '.join(releases.versions) or 'none'}",
            )
        names = [version] if version else releases.versions
        arming = Arming(prometheus, settings.prometheus.scrape_interval)
        files = [(name, releases.for_version(name)) for name in names]
        return [
            (name, arming.try_out(trigger, at))
            for name, release in files
            if release is not None
            for trigger in release.triggers
        ]
    finally:
        prometheus.close()


def held(settings: Settings, releases: ReleaseFolder) -> Held:
    """Ask of what runs now what would prove it, once; nothing that runs inside it."""
    there = there_of(settings)
    try:
        seen = there.running(lambda version: _tenants(releases, version))
        in_the_way = _in_the_way(settings, there)
        if isinstance(seen, NotKnown):
            said = f"what proves a pair was not asked: {seen.words}"
            return Held("", said, in_the_way)
        health = there.health(seen.containers)
        about = there.about_the_engine() if isinstance(there, Stack) else ()
    except Problem as problem:
        return Held("", f"what proves a pair was not asked: {problem.words}")
    rules = rules_of(settings)
    is_young = RealClock().now() - seen.since < rules.prove_within
    wrong = list(by_the_engine(seen, health, is_young=is_young).values())

    def smoke(check: SmokeCheck, _: tuple[str, ...]) -> Answer:
        return ask(check) if isinstance(check, Asks) else Answer(fine=True, words="")

    fine: list[str] = []
    for question in questions_of(settings, rules, smoke, seen).values():
        for answer in question():
            (fine if answer.fine else wrong).append(answer.words)
    faults = tuple(Fault("stack", as_a_lack(words), HINT) for words in wrong if words)
    said = "; ".join([*fine, *(lack.sentence for lack in about)]) or "nothing answered"
    return Held(
        seen.pair.version,
        f"what proves {seen.pair.version}: {said}",
        (*faults, *in_the_way),
    )


def _in_the_way(settings: Settings, there: Stack | WorkTree) -> tuple[Fault, ...]:
    """Say what of the stack could not be put back, whatever the release is."""
    if not isinstance(there, Stack):
        return ()
    # Compose puts back what replaying cannot.
    by_compose = settings.executor == "compose"
    found = there.foreign() if by_compose else there.obstacles()
    hint = "see docs/reference/fidelity.md"
    return tuple(Fault("stack", words, hint) for words in found)


def wire(
    settings: Settings, version: str, say: Callable[[Entry], None] | None = None
) -> Watch:
    """Make everything and hand it to each other; nothing runs yet.

    *say* is told of each event once it is journaled; default: the log.

    Raises:
        Refused: a release file is wrong.
        JournalLost: the state folder can't be used, or another watchdog has it.
    """
    stack = settings.stack
    roster = RosterFile(settings.approvers)
    rules, releases = rules_of(settings), releases_of(settings, roster)
    clock = RealClock()
    journal = Journal(settings.state)
    try:
        making = journal.room.making
        rules = replace(rules, identity=making(lambda: identity(settings.state)))
        telling = making(lambda: telling_of(settings, journal, clock))
        secret = button_secret(settings)
        app_secrets = github_secrets(settings)
    except Problem:
        journal.close()
        raise
    log = say or to_stdout(settings.log.format, settings.log.level)

    def heard(entry: Entry) -> None:
        telling.happened(entry)
        log(entry)

    memory = Memory(journal, heard)
    seals = seals_of(settings)

    revocations = revocations_of(settings, seals, memory, clock)

    def sealed(pair: Pair, held: HeldManifest, data: bytes, signature: bytes) -> str:
        if revocations:
            revocations.check(pair, held)
        known = memory.standing.pairs.get(pair.key)
        when = When(clock.now(), known.first_seen if known else None)
        return seals.check(pair, held, data, signature, when)

    executor = executor_of(
        settings,
        blob=journal.blob,
        sealed=sealed,
        recorded=memory.record,
        rollback=lambda: memory.standing.rollback,
        clock=clock,
    )
    claiming = _claiming_of(settings, memory, clock, rules)
    transaction = Transaction(
        eyes=executor.eyes,
        hands=OnlyOurs(executor.hands, claiming),
        ask_stack=lambda meant, within: ask_stack(
            stack.health, stack.version or "", meant, within
        ),
        smoke=executor.smoke,
        agrees=executor.agrees,
        tenants_of=lambda version: _tenants(releases, version),
        memory=memory,
        rules=rules,
        clock=clock,
    )
    metrics = prometheus_of(settings)
    readiness = Readiness(
        eyes=executor.eyes,
        plans=executor.plans,
        hands=executor.hands,
        memory=memory,
        rules=rules,
        besides=lambda: (
            *short_of_space((settings.stack.directory, settings.state)),
            *journal.room.lacks(),
            *(revocations.lacks() if revocations else ()),
        ),
        holds=Holding(
            lambda seen: questions_of(settings, rules, executor.smoke, seen),
            executor.eyes.health,
            rules.prove_within,
        ),
    )
    gating = Gating(memory, releases, rules)
    cycle = Cycle(
        eyes=executor.eyes,
        parts=partial(
            there_of(settings).parts, lambda version: _tenants(releases, version)
        ),
        plans=PlannedByOne(
            Checked(executor.plans, executor.eyes, journal.room.lacks), claiming
        ),
        metrics=metrics,
        arms=Arming(metrics, settings.prometheus.scrape_interval),
        transaction=transaction,
        readiness=readiness,
        gating=gating,
        memory=memory,
        releases=releases,
        roster=roster,
        rules=rules,
        secret=lambda: secrets.token_urlsafe(18),
        whose=claiming.turn,
    )
    schedule = Schedule(
        cycle,
        memory,
        clock,
        settings.poll,
        lost=_leave,
        turned=lambda: telling.turned(memory.standing),
    )
    keeping = _keeping_of(settings, claiming, memory, releases, rules)
    _beside(schedule, settings, claiming, keeping)
    memory.add(clock.now(), WatchStarted(version, settings.mode))
    faces = Faces(
        memory=memory,
        releases=releases,
        rules=rules,
        poll=settings.poll,
        now=clock.now,
        pulse=lambda: _pulse(schedule),
        untold=telling.untold,
    )
    door = Door(
        memory,
        audience=settings.name,
        roster=lambda: roster.roster,
        releases=releases,
    )
    resumption = Resumption(
        memory,
        audience=settings.name,
        roster=lambda: roster.roster,
        releases=releases,
    )
    limit = _limit_of(settings, memory, clock)
    webhook = Webhook(
        memory, door, resumption, limit=limit, now=clock.now, wake=schedule.wake
    )
    buttons = settings.slack_buttons
    slack = secret and Buttons(
        memory,
        door,
        roster=lambda: roster.roster,
        secret=secret,
        team=buttons.team or "",
        may=buttons.may,
        told=telling.replies.told,
        limit=limit,
        now=clock.now,
        wake=schedule.wake,
    )
    review = Review(
        memory=memory,
        releases=releases,
        now=clock.now,
        draws=drawing_of(settings),
        base=str(settings.notify.base_url or ""),
    )
    orders = Orders(
        memory,
        releases=releases,
        rules=rules,
        secret=lambda: secrets.token_urlsafe(9),
        unseen=lambda release, like: _unseen(settings, release, like, sealed),
    )
    github = app_secrets and _at_github(
        settings, app_secrets, memory, gating, limit, schedule=schedule, clock=clock
    )
    telling.deployments = github[1] if github else None
    control = Control(orders, now=clock.now, wake=schedule.wake)

    return Watch(
        settings,
        journal,
        memory,
        schedule,
        decisions=_door(
            *("decisions", settings, memory, clock),
            *webhook.routes(),
            *(slack.routes() if slack else ()),
            *(github[0].routes() if github else ()),
            *faces.public(),
            *review.routes(),
            _described(version),
        ),
        private=_door("private", settings, memory, clock, *faces.private()),
        control=_door("control", settings, memory, clock, *control.routes()),
        orders=orders,
        look=cycle.look,
        clock=clock,
        telling=telling,
    )


def _claiming_of(
    settings: Settings, memory: Memory, clock: RealClock, rules: Rules
) -> Claiming:
    claims, guard = claims_of(settings, rules.identity), threading.RLock()
    only = rules.observe_only
    return Claiming(claims, memory, clock, rules.identity, guard, only_looks=only)


def _beside(
    schedule: Schedule, settings: Settings, claiming: Claiming, keeping: Keeping | None
) -> None:
    """Have done beside the turns what must neither wait for one nor delay it."""
    schedule.beside(claiming.renew, RENEWED_EVERY)
    if keeping:
        schedule.beside(keeping.turn, settings.readiness_every)


def _keeping_of(
    settings: Settings,
    claiming: Claiming,
    memory: Memory,
    releases: ReleaseFolder,
    rules: Rules,
) -> Keeping | None:
    if settings.executor == "git":  # there a commit stands where an image does
        return None
    keeper = keeper_of(settings, rules.identity)
    return Keeping(keeper, memory, releases, rules, claiming.check)


def run(watch: Watch) -> None:
    """Turn and listen until told to stop; the step in hand is finished first.

    Raises:
        Problem: a listener's port is taken, or the state folder takes no socket.
    """
    where = watch.settings.listen
    sockets = [bound(where.decisions), bound(where.private)]
    apps = [watch.decisions, watch.private, watch.control]

    def failed(why: str) -> None:
        lost = FarEndLost("listener", f"a listener failed: {why}")
        with contextlib.suppress(JournalLost):  # the turn meets it too, and leaves
            watch.memory.add(watch.clock.now(), lost if why else FarEndBack("listener"))

    with contextlib.ExitStack() as after:
        state = watch.settings.state
        control = watch.journal.room.making(lambda: after.enter_context(opened(state)))
        watch.telling.start()
        watch.schedule.start()
        try:
            troubles = _troubles_at("some", watch.memory, watch.clock)
            doors = list(zip(apps, [*sockets, control], strict=True))
            listen(doors, failed, troubles.crashed)
        finally:
            watch.schedule.stop()
            watch.telling.stop()
            watch.memory.rest()
            watch.journal.close()


def _leave(problem: JournalLost) -> None:
    os.write(2, f"{problem}\n".encode())
    os._exit(_JOURNAL_LOST)


def hosts_of(settings: Settings) -> tuple[str, ...]:
    """Take from the settings by which names requests may come."""
    ours = urlsplit(settings.notify.base_url or "").hostname
    return (*settings.listen.hosts, *((ours,) if ours else ()))


def _door(
    listener: str, settings: Settings, memory: Memory, clock: RealClock, *routes: Route
) -> Starlette:
    troubles = _troubles_at(listener, memory, clock)
    return house(routes, hosts=hosts_of(settings), troubles=troubles)


def _troubles_at(listener: str, memory: Memory, clock: RealClock) -> Troubles:
    def note(event: Event) -> None:
        with contextlib.suppress(JournalLost):  # the turn meets it too, and leaves
            memory.add(clock.now(), event)

    return Troubles(listener, note, clock.monotonic)


def _limit_of(settings: Settings, memory: Memory, clock: RealClock) -> Limit:
    def told(words: str) -> None:
        calm = SignaturesCalm("nobody tried the door too often for ten minutes")
        with contextlib.suppress(JournalLost):  # the turn meets it too, and leaves
            memory.add(clock.now(), SignaturesFailing(words) if words else calm)

    a_minute = settings.listen.failures_a_minute
    return Limit(a_minute, monotonic=clock.monotonic, told=told)


def _at_github(
    settings: Settings,
    secrets: tuple[RSAPrivateKey, bytes],
    memory: Memory,
    gating: Gating,
    limit: Limit,
    *,
    schedule: Schedule,
    clock: RealClock,
) -> tuple[Asked, Posting]:
    """Make the door that GitHub asks at, and who posts what it is told."""
    key, hook_secret = secrets
    api, issuer = settings.github.api, settings.github.app or ""
    door = Asked(
        memory,
        secret=hook_secret,
        api=api,
        limit=limit,
        now=clock.now,
        wake=schedule.wake,
    )
    posting = Posting(
        App(api, issuer, key, monotonic=clock.monotonic),
        memory,
        name=settings.name,
        weighed=lambda one, at: gating.weighed(one, _looked(memory), at),
        fresh=schedule.is_fresh,
        now=clock.now,
    )
    return door, posting


def _looked(memory: Memory) -> datetime | None:
    turn = memory.last_turn()
    return turn.looked if turn else None


def _described(version: str) -> Route:
    async def answer(_: Request) -> JSONResponse:
        return JSONResponse(openapi(version))

    return Route("/openapi.json", answer, methods=["GET"])


def _unseen(
    settings: Settings,
    release: Release,
    like: Record,
    sealed: Callable[[Pair, HeldManifest, bytes, bytes], str],
) -> tuple[Record, dict[str, bytes]]:
    if settings.executor != "compose":
        raise Problem(
            f"{release.version} never ran here, and `executor: {settings.executor}` "
            "puts back only what was recorded when it ran",
            f"deploy {release.version} once, and it is recorded; `executor: compose` "
            "needs no more than its image and its manifests",
        )
    engine = Engine(settings.engine.url, settings.engine.timeout)
    files = StackFolder(settings.stack.directory)
    with contextlib.closing(engine):
        return found(
            engine, files, settings.stack.manifests, release, like, sealed=sealed
        )


def _tenants(releases: ReleaseFolder, version: str) -> tuple[str, ...]:
    release = releases.for_version(version)
    return tuple(sorted(release.manifests)) if release else ()


def _pulse(schedule: Schedule) -> Pulse:
    pace = schedule.pace
    return Pulse(pace.turns, pace.took, pace.late_total, schedule.is_fresh())
