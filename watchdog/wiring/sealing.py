"""Whose signatures on a manifest count, and which versions are revoked."""

from watchdog.config.settings import Settings
from watchdog.decide.revoked import pauses_of
from watchdog.facts.event import VersionsRevoked
from watchdog.outside.stack_folder import StackFolder
from watchdog.record.memory import Memory
from watchdog.sign.revocations import Revocations
from watchdog.sign.seals import Seals
from watchdog.wiring.clock import RealClock


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
