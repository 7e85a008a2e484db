"""``config/releases/*.yaml`` into what is watched, or a refusal with every fault."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Self

from watchdog.config.filling import Filled, fill
from watchdog.config.notation import WHOLE_FILE, in_words, seen, written
from watchdog.config.release_form import FileForm
from watchdog.config.release_images import (
    VERSION_HERE,
    faults_of_image,
    faults_of_images,
    faults_of_manifests,
)
from watchdog.config.release_people import faults_of_people
from watchdog.config.trigger_rule import (
    faults_of_retired,
    trigger_in,
    without_retired,
)
from watchdog.config.yaml_file import mapping_in
from watchdog.facts.problem import Fault, Problem, Refused
from watchdog.facts.reference import is_same
from watchdog.facts.trigger import Release, Trigger

DEFAULT = "default"
MTTR = {"cloud": timedelta(hours=1), "on-prem": timedelta(days=1)}

_GIT_SHA = re.compile(r"-[0-9a-f]{7,40}$")


@dataclass(frozen=True, slots=True)
class Releases:
    """All release files of a folder: by version, and the one for all others."""

    by_version: Mapping[str, Release]
    default: Release | None = None

    @classmethod
    def of(cls, found: Iterable[Release]) -> Self:
        """Put together what was read of several files."""
        several = [*found]
        default = next((one for one in several if one.is_default), None)
        return cls({o.version: o for o in several if not o.is_default}, default)

    @property
    def count(self) -> int:
        """How many files there are, the default among them."""
        return len(self.by_version) + (self.default is not None)

    @property
    def one_way(self) -> tuple[str, ...]:
        """The versions whose files say ``rollback_safe: false``."""
        return tuple(v for v, one in self.by_version.items() if not one.rollback_safe)

    @property
    def jobs(self) -> frozenset[str]:
        """The services that any of the files calls a job."""
        files = [*self.by_version.values(), *([self.default] if self.default else ())]
        return frozenset(service for one in files for service in one.jobs)

    def for_version(self, version: str) -> Release | None:
        """Find the file for what runs: its own, its release's, or the default.

        ``v1.3.0-4f9c2ab`` without a file of its own has that of ``v1.3.0``. In the
        default's manifests ``{version}`` becomes *version*.
        """
        for name in names_for(version):
            if name in self.by_version:
                return self.by_version[name]
        if self.default is None:
            return None
        manifests = {
            tenant: file.replace(VERSION_HERE, version)
            for tenant, file in self.default.manifests.items()
        }
        return replace(self.default, manifests=manifests)

    def tenants_of(self, version: str) -> tuple[str, ...] | None:
        """Name the tenants of its manifests; None where no file says whose it has.

        A default that names none cannot know of a version that nobody wrote a file for.
        """
        release = self.for_version(version)
        if release is None or (release.is_default and not release.manifests):
            return None
        return tuple(sorted(release.manifests))

    def naming(self, service: str, ref: str) -> tuple[str, ...]:
        """Give the versions whose files name *ref* as the image of *service*."""
        return tuple(
            version
            for version, release in self.by_version.items()
            if service in release.images and is_same(release.images[service], ref)
        )


class AllRefused(Refused):
    """Some files of a folder are wrong: each one's faults under its name.

    *faults* holds them all, with the file's name before the path.
    """

    def __init__(self, folder: str, refusals: list[Refused]) -> None:
        self.file = folder
        self.refusals = tuple(refusals)
        self.faults = tuple(
            Fault(f"{Path(one.file).name}: {fault.path}", fault.words, fault.hint)
            for one in refusals
            for fault in one.faults
        )
        Problem.__init__(self, "\n".join(one.words for one in refusals))


def load_releases(
    folder: Path,
    scrape_interval: timedelta,
    approvers: Collection[str] | None,
    *,
    services: Collection[str] = (),
    bare: bool = False,
) -> Releases:
    """Read every ``*.yaml`` of a folder; hidden and other files are not ours.

    Raises:
        AllRefused: every fault of every file; nothing changed.
    """

    def read(path: Path) -> Release:
        return load_release(
            path, scrape_interval, approvers, services=services, bare=bare
        )

    found, refusals = gathered(files_in(folder), read)
    if refusals:
        raise AllRefused(str(folder), refusals)
    return Releases.of(found.values())


def names_for(version: str) -> tuple[str, ...]:
    """Give the names, without suffix, that the file of *version* may have, best first.

    That for all others is none of them.
    """
    return tuple(dict.fromkeys((version, _GIT_SHA.sub("", version))))


def files_in(folder: Path) -> list[Path]:
    """List the release files of a folder.

    Raises:
        AllRefused: it cannot be read.
    """
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fault = Fault("folder", f"cannot be read: {reason}", "see `releases`")
        raise AllRefused(str(folder), [Refused(str(folder), [fault])]) from None
    return [
        path
        for path in files
        if not path.name.startswith(".") and path.suffix.lower() in (".yaml", ".yml")
    ]


def gathered(
    files: Iterable[Path], read: Callable[[Path], Release]
) -> tuple[dict[str, Release], list[Refused]]:
    """Give by its name what *read* makes of each of *files*, and what it refuses."""
    found: dict[str, Release] = {}
    refusals: list[Refused] = []
    for path in files:
        try:
            found[path.name] = read(path)
        except Refused as refused:
            refusals.append(refused)
    return found, refusals


def load_release(
    path: Path,
    scrape_interval: timedelta,
    approvers: Collection[str] | None = None,
    *,
    services: Collection[str] = (),
    bare: bool = False,
) -> Release:
    """Read one release file, every default filled in.

    *approvers* are the names that have a key; None leaves that unchecked. *services*
    are the enrolled ones, where they are known, and *bare* says that the stack has no
    manifests.

    Raises:
        Refused: every fault of the file.
    """
    faults: list[Fault] = []
    if path.suffix != ".yaml":
        faults.append(Fault(WHOLE_FILE, f"ends in {path.suffix}", "name it `….yaml`"))
    raw = mapping_in(path)
    defaults = raw.get("defaults")
    if isinstance(defaults, dict):
        faults += faults_of_retired(defaults, ("defaults",))
        raw["defaults"] = without_retired(defaults)
    filled = fill(FileForm, raw)
    file = filled.value
    faults += filled.faults
    triggers: list[Trigger] = []
    for place, rule in enumerate(file.triggers or ()):
        trigger = trigger_in(
            rule, ("triggers", place), file.defaults, scrape_interval, faults
        )
        triggers += [trigger] if trigger else []
    if path.stem == DEFAULT:
        faults += _faults_of_default(file)
    else:
        faults += _faults_of_release(filled, path.stem)
        faults += faults_of_image(filled, path.stem)
        faults += faults_of_images(filled, path.stem, services)
    is_default = path.stem == DEFAULT
    faults += faults_of_manifests(filled, path.stem, is_default=is_default, bare=bare)
    faults += faults_of_people(filled, approvers, is_default=is_default)
    faults += _faults_of_triggers(filled, triggers)
    if faults:
        raise Refused(str(path), faults)
    return Release(
        version=file.release or "",
        image=file.image or "",
        manifests=dict(file.manifests or {}),
        triggers=tuple(triggers),
        dri=file.dri or (),
        approved_by=file.approved_by or "",
        rollback_to=file.rollback_to or "",
        rollback_safe=file.rollback_safe,
        mttr=file.mttr or MTTR[file.deployment],
        watch_for=file.watch_for,
        secondary=file.secondary,
        required_approvals=file.required_approvals,
        on_no_answer=file.on_no_answer,
        retention=file.retention or "",
        jobs=dict(file.jobs or {}),
        images=dict(file.images or {}),
    )


def _faults_of_default(file: FileForm) -> Iterator[Fault]:
    for key, value in (
        ("release", file.release),
        ("image", file.image),
        ("images", file.images),
        ("approved_by", file.approved_by),
    ):
        if value is not None:
            yield Fault(
                key, "cannot stand in the file for all versions", "leave it out"
            )


def _faults_of_release(filled: Filled[FileForm], stem: str) -> Iterator[Fault]:
    file = filled.value
    if filled.is_right("release"):
        if file.release is None:
            yield Fault("release", "is missing", f"write `release: {stem}`")
        elif file.release != stem:
            yield Fault(
                "release",
                f"{seen(file.release)} is not the file's name, {seen(stem)}",
                "name the file after its release",
            )
    if file.rollback_to is not None and file.rollback_to == file.release:
        yield Fault("rollback_to", "is this release itself", "name an older one")


def _faults_of_triggers(
    filled: Filled[FileForm], triggers: list[Trigger]
) -> Iterator[Fault]:
    file = filled.value
    if not filled.is_right("triggers"):
        return
    if not file.triggers:
        yield Fault("triggers", "is missing; nothing would be watched")
    names: dict[object, int] = {}
    for place, rule in enumerate(file.triggers or ()):
        name = rule.get("alert") if isinstance(rule, dict) else None
        if isinstance(name, str) and names.setdefault(name, place) != place:
            yield Fault(
                in_words(("triggers", place, "alert")),
                f"{seen(name)} is triggers[{names[name]}] too",
                "give each its own name",
            )
    longest = max(triggers, key=lambda trigger: trigger.window, default=None)
    if longest and filled.is_right("watch_for") and file.watch_for < longest.window:
        yield Fault(
            "watch_for",
            f"{written(file.watch_for)} is over before {longest.name} could be judged",
            f"write `{written(longest.window)}` or more",
        )
