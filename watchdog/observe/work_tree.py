"""The pair that is checked out: a git work tree's commit, and its manifests."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from watchdog.decide.git import SERVICE
from watchdog.facts.lack import Lack
from watchdog.facts.pair import (
    Found,
    HeldManifest,
    NotKnown,
    Pair,
    Part,
    Record,
    Running,
    Tenants,
)
from watchdog.facts.plan import Plan
from watchdog.facts.problem import Problem
from watchdog.observe.mounted import named_by
from watchdog.outside.git import Git
from watchdog.outside.stack_folder import StackFolder

COMMIT = "commit:"


class WorkTree:
    """A git work tree that a service is started from.

    What runs is taken to be what is checked out: the tag of HEAD is its version, and
    the commit stands where an image's id stands elsewhere. That it really serves is
    for the proof, which asks the service itself.
    """

    def __init__(self, git: Git, folder: Path, manifests: str, inside: str) -> None:
        """*manifests* is the folder of the active ones, called as in *inside*."""
        self._git = git
        self._folder = folder
        self._files = StackFolder(folder)
        self._manifests = manifests
        self._inside = inside

    def running(self, tenants_of: Tenants) -> Running | NotKnown:
        """Read what is checked out. *tenants_of* a version names its manifests."""
        try:
            commit, version = self._git.commit("HEAD"), self._git.tag()
            if not commit:
                return NotKnown(f"{self._folder} is no git work tree with a commit")
            if not version:
                return NotKnown(f"HEAD is {commit[:12]}, which no tag names")
            manifests = tuple(
                (tenant, _sha(self._held(tenant)[1]))
                for tenant in self._tenants(tenants_of(version))
            )
        except Problem as problem:
            return NotKnown(problem.words)
        return Running(
            pair=Pair(version, COMMIT + commit, manifests),
            containers=(commit,),
            since=self._git.moved(),
            states=("running",),
        )

    def record(
        self, running: Running, kept: Mapping[str, str]
    ) -> tuple[Record, dict[str, bytes]]:
        """Record which commit runs, with its manifests' and signatures' bytes.

        *kept* maps a tenant to the file name of its immutable manifest.
        """
        blobs: dict[str, bytes] = {}
        manifests: list[HeldManifest] = []
        for tenant, sha in running.pair.manifests:
            at, data = self._held(tenant)
            if _sha(data) != sha:
                raise Problem(f"the manifest of {tenant} changed while it was read")
            version = f"{self._manifests}/{kept[tenant]}" if tenant in kept else at
            signature = self._files.read(f"{version}.sig") or b""
            blobs |= {sha: data, _sha(signature): signature}
            manifests.append(HeldManifest(tenant, at, version, sha, _sha(signature)))
        return Record(
            pair=running.pair,
            image_ref=running.pair.version,
            repo_digests=(),
            replicas=(),
            manifests=tuple(manifests),
            compose_version="",
        ), blobs

    def parts(self, tenants_of: Tenants, *, anyhow: bool = False) -> tuple[Part, ...]:
        """Look at what is checked out, whole or not: it is all that there is."""
        del anyhow
        commit, version = self._git.commit("HEAD"), self.pinned()
        return (
            Part(
                service=SERVICE,
                name=str(self._folder),
                container=commit,
                version=version,
                image_ref=version,
                image=COMMIT + commit,
                state="checked out",
                aside=False,
                manifests=tuple(
                    self._found(one) for one in self._tenants(tenants_of(version))
                ),
            ),
        )

    def pinned(self) -> str:
        """Name what is checked out: that, and no file, is what a start would take."""
        return self._git.tag() or self._git.commit("HEAD")[:12]

    def _found(self, tenant: str) -> Found:
        try:
            path, data = self._held(tenant)
        except Problem as problem:
            return Found(tenant, problem.words, "")
        return Found(tenant, path, _sha(data))

    def obstacles(self) -> tuple[str, ...]:
        """Say what keeps another tag from being checked out now."""
        changed = self._git.changes()
        return (f"{changed}; commit or stash them",) if changed else ()

    def lacks(self, target: Record, plan: Plan) -> tuple[Lack, ...]:
        """Say what *plan* would not find: the commit."""
        del plan
        commit = target.pair.image.removeprefix(COMMIT)
        if self._git.commit(commit):
            return ()
        version = target.pair.version
        words = f"commit {commit[:12]} of {version} is not in {self._folder}"
        return (Lack(words, "fetch it: `git fetch --tags`"),)

    def astray(self, version: str) -> tuple[Lack, ...]:
        """Give nothing: no file says what a start would take."""
        del version
        return ()

    def _tenants(self, said: tuple[str, ...] | None) -> tuple[str, ...]:
        """Take the tenants that a file *said*; or else those that have a manifest."""
        if said is not None:
            return tuple(sorted(said))
        named = named_by(Path(self._inside).name)
        found = map(named.fullmatch, self._files.names(self._manifests))
        return tuple(sorted(one["tenant"] for one in found if one))

    def _held(self, tenant: str) -> tuple[str, bytes]:
        """Read the tenant's manifest: its path in the work tree, its bytes."""
        here = f"{self._manifests}/{Path(self._inside.format(tenant=tenant)).name}"
        data = self._files.read(here)
        if data is None:
            raise Problem(f"the manifest of {tenant}, {here}, is missing")
        return here, data


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
