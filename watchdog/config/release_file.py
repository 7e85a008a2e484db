"""``config/releases/*.yaml`` into what is watched, or a refusal with every fault."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from watchdog.config.filling import Filled, fill
from watchdog.config.notation import WHOLE_FILE, in_words, seen, written
from watchdog.config.release_form import FileForm
from watchdog.config.release_people import faults_of_people
from watchdog.config.trigger_rule import trigger_in
from watchdog.config.yaml_file import mapping_in
from watchdog.facts.pair import is_named
from watchdog.facts.problem import Fault, Problem, Refused
from watchdog.facts.reference import parse
from watchdog.facts.trigger import Release, Trigger

DEFAULT = "default"
MTTR = {"cloud": timedelta(hours=1), "on-prem": timedelta(days=1)}

_MANIFEST_END = ".manifest.json"
_VERSION_HERE = "{version}"
_GIT_SHA = re.compile(r"-[0-9a-f]{7,40}$")


@dataclass(frozen=True, slots=True)
class Releases:
    """All release files of a folder: by version, and the one for all others."""

    by_version: Mapping[str, Release]
    default: Release | None = None

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
        for name in (version, _GIT_SHA.sub("", version)):
            if name in self.by_version:
                return self.by_version[name]
        if self.default is None:
            return None
        manifests = {
            tenant: file.replace(_VERSION_HERE, version)
            for tenant, file in self.default.manifests.items()
        }
        return replace(self.default, manifests=manifests)


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
    folder: Path, scrape_interval: timedelta, approvers: Collection[str]
) -> Releases:
    """Read every ``*.yaml`` of a folder; hidden and other files are not ours.

    Raises:
        AllRefused: every fault of every file; nothing changed.
    """
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fault = Fault("folder", f"cannot be read: {reason}", "see `releases`")
        raise AllRefused(str(folder), [Refused(str(folder), [fault])]) from None
    releases: dict[str, Release] = {}
    default: Release | None = None
    refusals: list[Refused] = []
    for path in files:
        if path.name.startswith(".") or path.suffix.lower() not in (".yaml", ".yml"):
            continue
        try:
            release = load_release(path, scrape_interval, approvers)
        except Refused as refused:
            refusals.append(refused)
            continue
        if release.is_default:
            default = release
        else:
            releases[release.version] = release
    if refusals:
        raise AllRefused(str(folder), refusals)
    return Releases(releases, default)


def load_release(
    path: Path,
    scrape_interval: timedelta,
    approvers: Collection[str] | None = None,
) -> Release:
    """Read one release file, every default filled in.

    *approvers* are the names that have a key; None leaves that unchecked.

    Raises:
        Refused: every fault of the file.
    """
    faults: list[Fault] = []
    if path.suffix != ".yaml":
        faults.append(Fault(WHOLE_FILE, f"ends in {path.suffix}", "name it `….yaml`"))
    raw = mapping_in(path)
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
    faults += _faults_of_manifests(filled, path.stem)
    faults += faults_of_people(filled, approvers, is_default=path.stem == DEFAULT)
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
    )


def _faults_of_default(file: FileForm) -> Iterator[Fault]:
    for key, value in (
        ("release", file.release),
        ("image", file.image),
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
    if filled.is_right("image"):
        found = parse(file.image) if file.image else None
        if file.image is None:
            yield Fault("image", "is missing", "write `image: …:<release>`")
        elif not found:
            yield Fault(
                "image", f"{seen(file.image)} is not name:tag, or with @sha256:…"
            )
        elif not found.tag:
            yield Fault(
                "image", f"{seen(file.image)} has no tag", f"end it in `:{stem}`"
            )
        elif found.tag != (file.release or stem):
            yield Fault(
                "image",
                f"the tag is {seen(found.tag)}, the release"
                f" {seen(file.release or stem)}",
                "one file is about one image",
            )
    if file.rollback_to is not None and file.rollback_to == file.release:
        yield Fault("rollback_to", "is this release itself", "name an older one")


def _faults_of_manifests(filled: Filled[FileForm], stem: str) -> Iterator[Fault]:
    file = filled.value
    if not filled.is_right("manifests"):
        return
    if not file.manifests:
        yield Fault("manifests", "is missing", "name the manifest of every tenant")
        return
    version = _VERSION_HERE if stem == DEFAULT else (file.release or stem)
    tenants: dict[str, str] = {}
    for tenant, name in file.manifests.items():
        at = in_words(("manifests", tenant))
        hint = f"write `{tenant}.{version}{_MANIFEST_END}`"
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", tenant):
            yield Fault(at, f"{seen(tenant)} is not a tenant's name")
        elif not re.fullmatch(r"[A-Za-z0-9{][A-Za-z0-9._{}+-]*", name) or ".." in name:
            yield Fault(at, f"{seen(name)} is not a plain file name", hint)
        elif not name.endswith(_MANIFEST_END):
            yield Fault(at, f"{seen(name)} does not end in {_MANIFEST_END}", hint)
        elif not is_named(name, tenant, version):
            lost = version if is_named(name, tenant, tenant) else tenant
            yield Fault(at, f"{seen(name)} does not name {lost}", hint)
        elif re.search(r"[{}]", name.replace(version, "")):
            yield Fault(
                at, f"{seen(name)} has a placeholder that nobody fills in", hint
            )
        elif tenants.setdefault(name, tenant) != tenant:
            yield Fault(at, f"{seen(name)} is {tenants[name]}'s too", hint)


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
