"""The release files as they are in force: read again when the folder changes."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from watchdog.config.release_file import Releases, gathered, load_release
from watchdog.facts.problem import Refused
from watchdog.facts.trigger import Release

_Seen = tuple[str, int, int, int]  # a file's name, size, time and inode


class ReleaseFolder:
    """Every release file of a folder; the last good ones stay in force.

    A release ships with its file, so the folder changes while the watch goes on.
    A fault in any file leaves all of them as they were: half a set of rules is not
    what anybody agreed to. Only who has left is no fault here: the files of old
    releases go on naming them. A file that did not change is not read again: years of
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
            Refused: a file is wrong; there is nothing to keep in force yet.
        """
        self._folder = folder
        self._scrape = scrape
        self._approvers = approvers
        self._services = services
        self._bare = bare
        self._kept: dict[_Seen, Release] = {}
        self._seen = self._look()
        self._releases = self._read()
        self._refused: Refused | None = None

    def for_version(self, version: str) -> Release | None:
        """Give the file of *version*, or the default, or None; with who has left."""
        release = self._releases.for_version(version)
        names = self._approvers()
        gone = tuple(n for n in (release.people if release else ()) if n not in names)
        return replace(release, unlisted=gone) if release and gone else release

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
        if look != self._seen:
            self._seen = look
            try:
                self._releases, self._refused = self._read(), None
            except Refused as refused:
                self._refused = refused
        return self._refused

    def _read(self) -> Releases:
        kept, self._kept = self._kept, {}
        # Looked at before it is read: what is saved meanwhile is read the next time.
        looks = {look[0]: look for look in self._seen}

        def read(path: Path) -> Release:
            look = looks.get(path.name)
            release = kept.get(look) if look else None
            if release is None:
                release = load_release(
                    path, self._scrape, services=self._services, bare=self._bare
                )
            if look:
                self._kept[look] = release
            return release

        return gathered(self._folder, read)

    def _look(self) -> frozenset[_Seen]:
        """Tell cheaply whether anything changed: names, sizes, times and inodes."""
        try:
            found = [(path.name, path.stat()) for path in self._folder.iterdir()]
        except OSError:
            return frozenset()
        return frozenset(
            (name, seen.st_size, seen.st_mtime_ns, seen.st_ino) for name, seen in found
        )
