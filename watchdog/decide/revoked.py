"""The list of revoked versions: which pairs it names, and what pauses because of it."""

from watchdog.facts.event import PromotionPaused, VersionsRevoked
from watchdog.facts.pair import Pair


def why_revoked(listed: VersionsRevoked | None, pair: Pair) -> str:
    """Say why *pair* must never be put back, or nothing."""
    if listed is None:
        return ""
    tenants = [tenant for tenant, _ in pair.manifests]
    for one in listed.revoked:
        if one.names(pair.version, tenants):
            return f"revoked by the list of epoch {listed.epoch}: {one.reason}"
    return ""


def pauses_of(
    before: VersionsRevoked | None, listed: VersionsRevoked
) -> tuple[PromotionPaused, ...]:
    """Pause the promotion of what *listed* names, and the list *before* did not."""
    known = set(before.revoked) if before else set()
    new = [one for one in listed.revoked if one not in known]
    return tuple(
        PromotionPaused(
            one.version,
            f"{f'the manifest of {one.tenant} for ' if one.tenant else ''}{one.version}"
            f" is revoked by the list of epoch {listed.epoch}: {one.reason}",
        )
        for one in new
    )
