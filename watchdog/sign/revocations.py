"""The signed list of versions that must never be put back.

An older list would let back what a newer one took away, and is signed as well: so each
has an epoch, and one below the highest that was ever seen counts for nothing.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from watchdog.facts.event import VersionsRevoked
from watchdog.facts.lack import Lack
from watchdog.facts.pair import HeldManifest, Pair, Revoked
from watchdog.facts.problem import Problem
from watchdog.outside.stack_folder import StackFolder
from watchdog.sign import sshsig
from watchdog.sign.bad import BadSeal
from watchdog.sign.content import strict_json
from watchdog.sign.trust import Trust, When

NAMESPACE = "revoked-versions@dms"
"""What the list is signed for: no signature on a manifest is one on the list."""
_MOST = 2**53  # beyond it two readers of JSON may read two numbers


@dataclass(frozen=True, slots=True)
class Revocations:
    """Reads the list at *path* of the stack's folder anew each time.

    *last* gives the list with the highest epoch that was ever seen, and since when;
    *note* remembers a higher one, before anything is made of it.
    """

    folder: StackFolder
    path: str
    trust: Callable[[str], Trust]
    now: Callable[[], datetime]
    last: Callable[[], tuple[VersionsRevoked | None, datetime | None]]
    note: Callable[[VersionsRevoked], None]

    def check(self, pair: Pair, held: HeldManifest) -> None:
        """See that the manifest *held* of *pair* is not revoked.

        Raises:
            BadSeal: it is, or the list is not signed by somebody that counts.
            Problem: it cannot be told: the list is missing, damaged or an older one.
        """
        listed = self.read()
        for one in listed.revoked:
            if one.names(pair.version, [held.tenant]):
                raise BadSeal(
                    f"the manifest of {held.tenant} for {pair.version} is revoked by "
                    f"the list of epoch {listed.epoch}: {one.reason}",
                    "roll back to another version, or deploy one that is mended",
                )

    def lacks(self) -> tuple[Lack, ...]:
        """Say why the list cannot be relied on, which keeps every rollback back."""
        try:
            self.read()
        except Problem as problem:
            return (Lack(problem.words, problem.hint),)
        return ()

    def read(self) -> VersionsRevoked:
        """Read the list, and remember its epoch if it is the highest yet."""
        data = self.folder.read(self.path)
        if data is None:
            raise Problem(
                f"{self.path} is missing, so that nobody knows what is revoked",
                "put it back, or name another file as `stack.revoked_versions`",
            )
        signature = self.folder.read(f"{self.path}.sig") or b""
        last, since = self.last()
        sha256 = hashlib.sha256(data).hexdigest()
        is_known = last is not None and last.sha256 == sha256
        try:
            sshsig.verify(
                data,
                signature,
                namespace=NAMESPACE,
                trust=self.trust(NAMESPACE),
                when=When(self.now(), since if is_known else None),
                name=self.path,
            )
        except BadSeal as bad:
            hint = f"sign it: ssh-keygen -Y sign -f KEY -n {NAMESPACE} {self.path}"
            raise BadSeal(bad.words, hint) from bad
        if last is not None and is_known:
            return last
        listed = _listed(data, sha256, self.path)
        if last is not None and listed.epoch < last.epoch:
            raise Problem(
                f"{self.path} has epoch {listed.epoch}, and {last.epoch} was seen "
                "already: it is an older list",
                f"put the newer one back, or sign one of epoch {last.epoch + 1}",
            )
        if last is not None and listed.epoch == last.epoch:
            raise Problem(
                f"{self.path} is not the list that was seen with epoch {last.epoch} "
                "before",
                f"give each list an epoch of its own: {last.epoch + 1} is next",
            )
        self.note(listed)
        return listed


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Row(_Strict):
    version: str = Field(min_length=1)
    reason: str
    tenant: str = Field(default="", min_length=1)


class _List(_Strict):
    """What is not understood to the last word might name a version, so none is read."""

    epoch: int = Field(gt=0, lt=_MOST)
    revoked: list[_Row]


def _listed(data: bytes, sha256: str, path: str) -> VersionsRevoked:
    try:
        whole = _List.model_validate(strict_json(data))
    except ValueError as error:
        words = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            words = f"{place}: {first['msg']}" if place else first["msg"]
        raise Problem(
            f"{path} cannot be read: {words}",
            'write {"epoch": 1, "revoked": [{"version": …, "reason": …}]}',
        ) from error
    revoked = tuple(Revoked(r.version, r.reason, r.tenant) for r in whole.revoked)
    names = ", ".join(sorted({one.version for one in revoked})) or "nothing"
    words = f"epoch {whole.epoch} revokes {names}"
    return VersionsRevoked(whole.epoch, sha256, words, revoked)
