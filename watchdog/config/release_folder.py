"""The release files: as they are in force, and for who only looks, as found."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path

from watchdog.config.release_file import (
    DEFAULT,
    AllRefused,
    Releases,
    files_in,
    gathered,
    load_release,
    names_for,
)
from watchdog.facts.problem import Refused
from watchdog.facts.trigger import Release

_Seen = tuple[str, int, int, int]  # a file's name, size, time and inode


class ReleaseFolder:
    """Every release file of a folder; the last good one of each stays in force.

    A release ships with its file, so the folder changes while the watch goes on. A
    fault in a file leaves that release as it was, and no other: what is wrong with the
    next release is no reason to watch this one any less, nor not to start. A file that
    was never right has nothing in force: not the default either, which is not meant
    for that version. Only who has left is no fault here: the files of old releases go
    on naming them. A right file that did not change is not read again: years of
    releases leave hundreds of them.
    """

    def __init__(
        self,
        folder: Path,
        scrape: timedelta,
        approvers: Callable[[], Collection[str]],
        *,
        services: Collection[str] = (),
        bare: bool = False,
    ) -> None:
        """Read the folder; *approvers* gives the names that may answer now.

        *services* are the enrolled ones; *bare* says that there are no manifests.

        Raises:
            Refused: no file is right; there is nothing to put in force.
        """
        self._folder = folder
        self._approvers = approvers
        self._bare = bare
        self._load = partial(
            load_release, scrape_interval=scrape, services=services, bare=bare
        )
        self._last: dict[str, tuple[_Seen | None, Release]] = {}
        self._releases = Releases({})
        self._refused: Refused | None = None
        self._never: frozenset[str] = frozenset()
        self._seen = self._look()
        self._read()
        if self._refused and not self._last:
            raise self._refused

    def for_version(self, version: str) -> Release | None:
        """Give the file of *version*, or the default, or None; with who has left."""
        if self._never.intersection(names_for(version)):
            return None
        return _as_listed(self._releases.for_version(version), self._approvers())

    def tenants_of(self, version: str) -> tuple[str, ...] | None:
        """Name the tenants of its manifests; None where no file says whose it has."""
        return () if self._bare else self._releases.tenants_of(version)

    def naming(self, service: str, ref: str) -> tuple[str, ...]:
        """Give the versions whose files name *ref* as the image of *service*."""
        return self._releases.naming(service, ref)

    @property
    def one_way(self) -> tuple[str, ...]:
        """The versions whose files say ``rollback_safe: false``."""
        return self._releases.one_way

    @property
    def jobs(self) -> frozenset[str]:
        """The services that any of the files calls a job."""
        return self._releases.jobs

    @property
    def versions(self) -> list[str]:
        """The versions that have a file of their own."""
        return sorted(self._releases.by_version)

    @property
    def count(self) -> int:
        """How many files are in force, the default among them."""
        return self._releases.count

    def refresh(self) -> Refused | None:
        """Read the files again if the folder changed; say what is wrong with it now."""
        look = self._look()
        if look != self._seen or self._refused:
            self._seen = look
            self._read()
        return self._refused

    def _read(self) -> None:
        # Looked at before it is read: what is saved meanwhile is read the next time.
        looks = {look[0]: look for look in self._seen}
        # One release after another has the same triggers: each is held once.
        same = {
            repr(one): one for _, had in self._last.values() for one in had.triggers
        }

        def read(path: Path) -> Release:
            seen, before = self._last.get(path.name, (None, None))
            if before is not None and seen and seen == looks.get(path.name):
                return before
            release = self._load(path)
            one = (same.setdefault(repr(one), one) for one in release.triggers)
            return replace(release, triggers=tuple(one))

        try:
            found, refused = gathered(files_in(self._folder), read)
        except AllRefused as whole:
            self._refused = whole
            return
        last = {name: (looks.get(name), one) for name, one in found.items()}
        wrong = [Path(one.file) for one in refused]
        for path in wrong:
            if path.name in self._last:
                last[path.name] = (None, self._last[path.name][1])
        self._last = last
        self._never = frozenset(path.stem for path in wrong if path.name not in last)
        self._releases = Releases.of(one for _, one in last.values())
        self._refused = AllRefused(str(self._folder), refused) if refused else None

    def _look(self) -> frozenset[_Seen]:
        """Tell cheaply whether anything changed: names, sizes, times and inodes."""
        try:
            found = [(path.name, path.stat()) for path in self._folder.iterdir()]
        except OSError:
            return frozenset()
        return frozenset(
            (name, seen.st_size, seen.st_ctime_ns, seen.st_ino) for name, seen in found
        )


class FilesAsFound:
    """The release files as far as they are right, for who only looks.

    One that is wrong hides no other, and only those that are asked for are read: who
    looks in the night, at years of releases, is told what can be told.
    """

    def __init__(
        self,
        folder: Path,
        scrape: timedelta,
        approvers: Callable[[], Collection[str]],
        *,
        services: Collection[str] = (),
        bare: bool = False,
    ) -> None:
        """Read nothing yet; *approvers* may refuse to say who is listed."""
        self._folder = folder
        self._approvers = approvers
        self._bare = bare
        self._load = partial(
            load_release, scrape_interval=scrape, services=services, bare=bare
        )
        self._refused: dict[str, Refused] = {}

    @property
    def refused(self) -> tuple[Refused, ...]:
        """What was wrong with what was read until now, the roster too."""
        return tuple(self._refused.values())

    def for_version(self, version: str) -> Release | None:
        """Give the file of *version*, or the default; None where they are wrong."""
        paths = [
            self._folder / f"{name}.yaml" for name in (*names_for(version), DEFAULT)
        ]
        there = [path for path in paths if version and path.exists()]
        own = [path for path in there if path.stem != DEFAULT]
        found = self._gathered(there)
        if any(str(path) in self._refused for path in own):
            return None  # the default is not meant for it
        return _as_listed(found.for_version(version), self._listed)

    def tenants_of(self, version: str) -> tuple[str, ...] | None:
        """Name the tenants of its manifests; None where no file says whose it has."""
        return () if self._bare else self._all.tenants_of(version)

    def naming(self, service: str, ref: str) -> tuple[str, ...]:
        """Give the versions whose files name *ref* as the image of *service*."""
        return self._all.naming(service, ref)

    @property
    def jobs(self) -> frozenset[str]:
        """The services that any of the files calls a job."""
        return self._all.jobs

    @cached_property
    def _listed(self) -> Collection[str] | None:
        try:
            return self._approvers()
        except Refused as refused:
            self._refused[refused.file] = refused
            return None

    @cached_property
    def _all(self) -> Releases:
        try:
            return self._gathered(files_in(self._folder))
        except AllRefused as refused:
            self._refused[refused.file] = refused
            return Releases({})

    def _gathered(self, paths: Iterable[Path]) -> Releases:
        found, refused = gathered(paths, self._load)
        self._refused |= {one.file: one for one in refused}
        return Releases.of(found.values())


def _as_listed(
    release: Release | None, names: Collection[str] | None
) -> Release | None:
    """Say of *release* who of its people is not among *names*, where they are known."""
    if release is None or names is None:
        return release
    gone = tuple(name for name in release.people if name not in names)
    return replace(release, unlisted=gone) if gone else release
