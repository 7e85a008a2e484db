"""Settings, roster and release files together: every fault of all of them at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from watchdog.config.release_file import AllRefused, Releases, load_releases
from watchdog.config.roster_file import load_roster
from watchdog.config.settings import Settings
from watchdog.config.settings_file import read
from watchdog.facts.problem import Refused

# Where the settings do not say it: no window is too short for it.
_ANY_SCRAPE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Files:
    """All that could be read of them, and what is *refused*, file by file."""

    settings: Settings | None
    releases: Releases
    refused: tuple[Refused, ...]


def all_files(path: Path, env: Mapping[str, str], *, at_home: bool = True) -> Files:
    """Read the settings at *path* and all files that they name, as far as that goes.

    A fault in one hides none of another's. *at_home*: the stack's folder and the
    secrets are to be there, as where the watchdog runs; a pipeline has neither.
    """
    try:
        draft = read(path, env, has_stack=at_home)
    except Refused as refused:
        return Files(None, Releases({}), (refused,))
    it, found = draft.settings, list[Refused]()
    if draft.faults:
        found.append(Refused(str(path), list(draft.faults)))
    names = None
    try:
        names = load_roster(it.approvers, has_secrets=at_home).names
    except Refused as refused:
        found.append(refused)
    releases = Releases({})
    try:
        releases = load_releases(
            it.releases,
            it.prometheus.scrape_interval
            if draft.is_right("prometheus", "scrape_interval")
            else _ANY_SCRAPE,
            names,
            services=it.stack.services if draft.is_right("stack", "services") else (),
            bare=not it.stack.has_manifests,
        )
    except AllRefused as refused:
        found += refused.refusals
    return Files(it, releases, tuple(found))
