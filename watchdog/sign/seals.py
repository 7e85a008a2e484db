"""All that a recorded manifest must be before a rollback may rely on it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from watchdog.facts.pair import HeldManifest, Pair
from watchdog.facts.problem import Problem
from watchdog.outside.stack_folder import StackFolder
from watchdog.sign import dsse, outside, sshsig
from watchdog.sign.content import agree
from watchdog.sign.trust import Trust, When

_BUILT_IN = {"sshsig": sshsig.verify, "dsse": dsse.verify}


@dataclass(frozen=True, slots=True)
class Seals:
    """How manifests are sealed here. The lists of keys are read anew each time.

    *allowed* and *revoked* are paths in the stack's folder; an empty *revoked* is
    none. *argv* and *timeout* are the verifier's, for ``exec``.
    """

    folder: StackFolder
    form: Literal["sshsig", "dsse", "exec"]
    namespace: str
    allowed: str
    revoked: str
    argv: tuple[str, ...]
    timeout: timedelta
    tenant_key: str
    version_key: str

    def check(
        self, pair: Pair, held: HeldManifest, data: bytes, signature: bytes, when: When
    ) -> str:
        """Verify *data* as the manifest *held* of *pair*; say why it counts.

        Raises:
            BadSeal: nobody that counts signed it, or not for this tenant and version.
            Problem: it cannot be told; a list of keys is missing, for one.
        """
        name = f"the manifest of {held.tenant} for {pair.version}"
        if self.form == "exec":
            words = outside.verify(
                data, signature, argv=self.argv, timeout=self.timeout, name=name
            )
        else:
            words = _BUILT_IN[self.form](
                data,
                signature,
                namespace=self.namespace,
                trust=self.trust(self.namespace),
                when=when,
                name=name,
            )
        agree(pair, held, data, self.tenant_key, self.version_key)
        return words

    def trust(self, namespace: str) -> Trust:
        """Read whose signatures for *namespace* count.

        Raises:
            Problem: a list of keys is missing or damaged.
        """
        lists = {"stack.allowed_signers": self.allowed}
        lists |= {"stack.revoked_signers": self.revoked} if self.revoked else {}
        read = {key: self.folder.read(path) for key, path in lists.items()}
        for key, path in lists.items():
            if read[key] is None:
                raise Problem(
                    f"{path} is missing, so no signature counts",
                    f"put it back, or name another file as `{key}`",
                )
        allowed = read["stack.allowed_signers"] or b""
        return Trust(allowed, read.get("stack.revoked_signers") or b"", namespace)
