"""Everything that a watchdog needs, asked once: for ``watchdog doctor``."""

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from watchdog import __version__
from watchdog.config.all_files import Files, all_files
from watchdog.config.notation import written
from watchdog.config.release_folder import ReleaseFolder
from watchdog.config.roster_file import load_roster
from watchdog.config.settings import Settings
from watchdog.facts.finding import Finding, Mark
from watchdog.facts.message import Message, Severity
from watchdog.facts.pair import HeldManifest, Pair
from watchdog.facts.problem import Problem, Refused
from watchdog.facts.reading import Blind
from watchdog.facts.trial import Held, cure
from watchdog.observe.pin import Pin
from watchdog.outside.engine import Engine
from watchdog.outside.stack_folder import StackFolder
from watchdog.sign.seals import Seals
from watchdog.sign.trust import When
from watchdog.wiring.channels import button_secret, channels_of, github_secrets
from watchdog.wiring.chosen import jobs_of, releases_of
from watchdog.wiring.clock import RealClock
from watchdog.wiring.executors import referee_of, there_of
from watchdog.wiring.looks import check_pin, held, tried
from watchdog.wiring.measuring import access_of, prometheus_of
from watchdog.wiring.sealing import seals_of
from watchdog.wiring.swarm import swarm_of

_SOON = timedelta(days=14)
_ASTRAY = timedelta(seconds=2)  # a turn is young or old by less than three polls
_LITTLE = 1024 * 1024 * 1024  # bytes; an image is some hundred MB
_SEE_REPAIR = "`watchdog check --live` asks this alone"


def examined(
    path: Path, env: Mapping[str, str], *, send: bool = False
) -> Iterator[Finding]:
    """Look at everything, one thing after another; nothing is changed.

    *send* posts a test message to every channel.
    """
    yield Finding(
        "versions",
        Mark.OK,
        f"rollback watchdog {__version__}, Python {platform.python_version()}",
    )
    found = all_files(path, env)
    yield from _files(path, found)
    settings = found.settings
    if settings is None or any(one.file == str(path) for one in found.refused):
        yield Finding(
            "the rest",
            Mark.UNASKED,
            "without settings that are right nothing else can be asked",
        )
        return
    now = RealClock().now()
    yield from _disk(settings)
    yield from _said("roster", lambda: _roster(settings, now))
    yield from _said("channels", lambda: _channels(settings, now, send=send))
    yield from _said("engine", lambda: _engine(settings))
    yield from _said("Compose", lambda: _compose(settings))
    try:
        releases = releases_of(settings)
    except Refused:
        yield Finding(
            "stack, Prometheus",
            Mark.UNASKED,
            "without release files that are right it is not known what to ask",
        )
        return
    here = held(settings, releases)
    yield from _stack(here)
    yield from _said("env file", lambda: _pin(settings, str(path), releases, here))
    yield from _said("manifests", lambda: _manifests(settings, releases, here, now))
    yield from _said("Prometheus", lambda: _prometheus(settings))
    yield from _said("triggers", lambda: _triggers(settings, releases, here))


def _said(about: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Give what *look* finds; what it cannot look at is a fault in words."""
    try:
        yield from look()
    except Refused as refused:
        for one in refused.faults:
            words = f"{one.path}: {one.words}"
            hint = one.hint or "mend what the setting names, or the setting"
            yield Finding(about, Mark.FAULT, words, hint)
    except Problem as problem:
        yield Finding(about, Mark.FAULT, problem.words, problem.hint)


def _files(path: Path, found: Files) -> Iterator[Finding]:
    for one in found.refused:
        for fault in one.faults:
            words = f"{one.file}: {fault.path} {fault.words}"
            hint = fault.hint or "mend it there; docs/reference tells each key"
            yield Finding("files", Mark.FAULT, words, hint)
    count = found.releases.count
    if found.refused:
        return
    yield Finding("files", Mark.OK, f"{path}, the roster and {count} release files")
    if not count:
        folder = found.settings.releases if found.settings else ""
        yield Finding(
            "files",
            Mark.FAULT,
            f"{folder} has no release file: nothing is watched",
            "write one for what runs; `watchdog init` shows how",
        )


def _disk(settings: Settings) -> Iterator[Finding]:
    for name, folder in (
        ("state", settings.state),
        ("stack.directory", settings.stack.directory),
    ):
        try:
            disk = os.statvfs(folder)
        except OSError as error:
            words = f"{name}, {folder}: {str(error.strerror).lower()}"
            hint = "make it, for the watchdog's user to write"
            yield Finding("disk", Mark.FAULT, words, hint)
            continue
        free = disk.f_bavail * disk.f_frsize
        words = f"{name}, {folder}: {free / 1024**3:.1f} GiB free"
        # On a swarm a rollback writes no file of the stack.
        is_read = settings.executor == "swarm" and folder != settings.state
        if not os.access(folder, os.R_OK | os.X_OK if is_read else os.W_OK | os.X_OK):
            hint = f"give it to this user ({os.getuid()}:{os.getgid()})"
            not_to_be = "read" if is_read else "written"
            yield Finding("disk", Mark.FAULT, f"{words}, not to be {not_to_be}", hint)
        elif free < _LITTLE:
            yield Finding("disk", Mark.DOUBT, words, "a rollback needs room: free some")
        else:
            yield Finding("disk", Mark.OK, words)


def _roster(settings: Settings, now: datetime) -> Iterator[Finding]:
    roster = load_roster(settings.approvers)
    if not roster.approvers:
        yield Finding(
            "roster",
            Mark.FAULT,
            f"{settings.approvers} names nobody: no question could be answered",
            "`watchdog keys new --name NAME` makes a key and its lines",
        )
    for name, person in roster.approvers.items():
        good = [key for key in person.keys if not key.why_not(now)]
        ends = [key.not_after for key in good]
        last = max((end for end in ends if end), default=None)
        if not good:
            words = f"{name}: {person.keys[0].why_not(now)}"
            yield Finding("roster", Mark.FAULT, words, "list a key that counts")
        elif None not in ends and last is not None and last - now < _SOON:
            words = f"{name}: the last key counts until {last:%Y-%m-%d}"
            yield Finding("roster", Mark.DOUBT, words, "list the next one beside it")
        else:
            count = "1 key counts" if len(good) == 1 else f"{len(good)} keys count"
            yield Finding("roster", Mark.OK, f"{name}: {count}")


def _channels(settings: Settings, now: datetime, *, send: bool) -> Iterator[Finding]:
    button_secret(settings)
    github_secrets(settings)
    channels = channels_of(settings)
    if not channels:
        yield Finding(
            "channels",
            Mark.DOUBT,
            "nobody is told of anything: `notify` has no channel",
            "see docs/how-to/be-told.md",
        )
    message = Message(
        0,
        now,
        "watchdog.test",
        Severity.INFO,
        f"{settings.name}: a test message",
        "somebody ran `watchdog doctor --send`; nothing is to be done",
    )
    for channel in channels:
        if not send:
            yield Finding(
                "channels",
                Mark.OK,
                f"{channel.name}: set up; not tried",
                "--send posts a test message",
            )
            continue
        try:
            channel.send(message, now)
        except Problem as problem:
            words = f"{channel.name}: {problem.words}"
            hint = "is its address right, and the key the one that it knows?"
            yield Finding("channels", Mark.FAULT, words, problem.hint or hint)
        else:
            yield Finding("channels", Mark.OK, f"{channel.name} took a test message")
    beat = settings.heartbeat
    if beat.url is None and beat.url_file is None:
        yield Finding(
            "channels",
            Mark.DOUBT,
            "nobody would notice that this watchdog fell silent: heartbeat.url is null",
            "name an outside dead-man's switch",
        )


def _engine(settings: Settings) -> Iterator[Finding]:
    if settings.executor == "git":
        yield Finding("engine", Mark.OK, "none: executor is git")
        return
    with closing(Engine(settings.engine.url, settings.engine.timeout)) as engine:
        said = engine.version()
    kind = (said.get("Platform") or {}).get("Name") or "an engine"
    named = f"{kind} {said.get('Version')} (API {said.get('ApiVersion')})"
    yield Finding("engine", Mark.OK, f"{named} at {settings.engine.url}")
    if settings.executor == "swarm":
        yield from _swarm(settings)


def _swarm(settings: Settings) -> Iterator[Finding]:
    """Say whether the engine is asked for its swarm, and of what nodes that is."""
    with closing(swarm_of(settings)) as swarm:
        trouble = swarm.trouble()
        if trouble:
            hint = "name a manager's socket as `engine.url`; `docker node ls` there"
            yield Finding("swarm", Mark.FAULT, trouble, hint)
            return
        nodes = swarm.nodes()
    managers = sum((one.get("Spec") or {}).get("Role") == "manager" for one in nodes)
    words = f"it manages a swarm of {len(nodes)} nodes, {managers} of them managers"
    yield Finding("swarm", Mark.OK, words)
    if managers and managers % 2 == 0:
        words = f"{managers} managers bear no more losses than {managers - 1} would"
        yield Finding("swarm", Mark.DOUBT, words, "have 3 or 5: most must be up")


def _compose(settings: Settings) -> Iterator[Finding]:
    if settings.executor in ("git", "swarm"):
        return
    referee, unasked = referee_of(settings)
    if referee is None:
        yield Finding(
            "Compose",
            Mark.DOUBT,
            f"what it would make of a pin cannot be asked: {_short(unasked)}",
            "the watchdog's image has it; elsewhere install Compose v2",
        )
        return
    yield Finding("Compose", Mark.OK, "asked what it would make of a pin")


def _short(words: str) -> str:
    return words.splitlines()[0] if words else ""


def _stack(here: Held) -> Iterator[Finding]:
    if here.release:
        if not here.faults:
            yield Finding("stack", Mark.OK, here.words)
    else:
        words = here.words.removeprefix("what proves a pair was not asked: ")
        yield Finding("stack", Mark.FAULT, words, _SEE_REPAIR)
    for fault in here.faults:
        yield Finding("stack", Mark.FAULT, fault.words, fault.hint)


def _pin(
    settings: Settings, file: str, releases: ReleaseFolder, here: Held
) -> Iterator[Finding]:
    stack = settings.stack
    if settings.executor in ("git", "swarm"):
        return
    check_pin(settings, file)
    pinned = Pin(stack.directory, stack.env_file, stack.version_variable).values()
    there = there_of(settings, jobs_of(releases), releases.naming)
    astray = there.astray(here.release) if here.release else ()
    for lack in astray:
        mark = Mark.DOUBT if lack.mendable else Mark.FAULT
        yield Finding("env file", mark, lack.words, lack.hint)
    if not astray:
        said = " ".join(f"{name}={value}" for name, value in pinned.items())
        yield Finding("env file", Mark.OK, f"{stack.env_file} says {said}")


def _manifests(
    settings: Settings, releases: ReleaseFolder, here: Held, now: datetime
) -> Iterator[Finding]:
    """Verify the seals of what runs, and of each release that has a file."""
    if not settings.stack.has_manifests:
        yield Finding("manifests", Mark.OK, "none: the image is the whole pair")
        return
    folder, seals = StackFolder(settings.stack.directory), seals_of(settings)
    for version in releases.versions:
        release = releases.for_version(version)
        for tenant, name in (release.manifests if release else {}).items():
            path = f"{settings.stack.manifests}/{name}"
            if settings.executor == "swarm" and folder.read(path) is None:
                words = f"{version}, {tenant}: a config, whose seal readiness looks at"
                yield Finding("manifests", Mark.OK, words)
                continue
            try:
                said = _seal(folder, seals, version, tenant, path, at=now)
            except Problem as problem:
                # One that is yet to ship need not be there.
                mark = Mark.FAULT if version == here.release else Mark.DOUBT
                words = f"{version}: {problem.words}"
                yield Finding("manifests", mark, words, problem.hint)
            else:
                yield Finding("manifests", Mark.OK, f"{version}, {tenant}: {said}")


def _seal(folder: StackFolder, seals: Seals, *named: str, at: datetime) -> str:
    """Say why the manifest at a path counts, for a version and a tenant."""
    version, tenant, path = named
    data, signature = folder.read(path), folder.read(f"{path}.sig")
    if data is None:
        raise Problem(f"{path} is not there", "it ships with its release")
    one = HeldManifest(tenant, path, path, "", "")
    pair = Pair(version, "", ())
    return seals.check(pair, one, data, signature or b"", When(at))


def _prometheus(settings: Settings) -> Iterator[Finding]:
    access_of(settings)
    with closing(prometheus_of(settings)) as prometheus:
        asked = RealClock().now()
        theirs = prometheus.now()
        told_at = RealClock().now()
        if isinstance(theirs, Blind):
            yield Finding("Prometheus", Mark.FAULT, theirs.words, cure(theirs))
            return
        told = prometheus.told("/api/v1/status/buildinfo")
        version = told.get("version") if isinstance(told, dict) else None
    named = f"version {version}" if version else "it does not tell its version"
    yield Finding("Prometheus", Mark.OK, f"{named}, answers")
    # It read its clock at some time while we waited: a slow answer is no wrong clock.
    apart = max(asked - theirs, theirs - told_at)
    if apart > _ASTRAY:
        words = f"its clock is {written(apart)} from ours"
        hint = "let both boxes keep time (NTP): releases start by the one, and "
        yield Finding("clock", Mark.DOUBT, words, f"{hint}are measured by the other")
    else:
        yield Finding("clock", Mark.OK, "ours and that of Prometheus agree")


def _triggers(
    settings: Settings, releases: ReleaseFolder, here: Held
) -> Iterator[Finding]:
    own = here.release if here.release in releases.versions else ""
    trials = tried(settings, releases, own)
    if not trials:
        hint = f"write a release file in {settings.releases}"
        words = "no release file names one: nothing is watched"
        yield Finding("triggers", Mark.FAULT, words, hint)
    for version, trial in trials:
        name = f"{version}, {trial.trigger}"
        for fault in trial.faults:
            words = f"{name}: {fault.path}: {fault.words}"
            yield Finding("triggers", Mark.FAULT, words, fault.hint)
        for doubt in trial.doubts:
            words = f"{name}: {doubt.path}: {doubt.words}"
            yield Finding("triggers", Mark.DOUBT, words, doubt.hint)
        if trial.is_proven:
            yield Finding("triggers", Mark.OK, f"{name}: can be relied on")
