"""What a watchdog may add to the journal that does not lead."""

from collections.abc import Iterable

from watchdog.facts.event import Entry
from watchdog.facts.problem import JournalLost, Problem

BESIDE = frozenset(
    {
        "AnswerRefused",
        "Answered",
        "DeploymentRequested",
        "HoldLifted",
        "HoldPlaced",
        "HostRefused",
        "KeyFirstUsed",
        "OrderGiven",
        "PairProvedGood",
        "PromotionResumed",
        "RequestCrashed",
        "RetentionReleased",
        "SignaturesCalm",
        "SignaturesFailing",
        "WayChosen",
    }
)
"""The events that say what people said at a door, or how a door does.

Nothing of them is done where they are added: whoever leads goes by them.
"""


def must_be_beside(kinds: Iterable[str]) -> None:
    """Refuse what only who leads may add.

    Raises:
        Problem: one of *kinds* is that.
    """
    for kind in kinds:
        if kind not in BESIDE:
            raise Problem(f"{kind} is added by who leads, and by nobody else")


def alien_in(entries: Iterable[Entry]) -> JournalLost | None:
    """Find what nobody but who leads may have added, where another added *entries*."""
    for entry in entries:
        kind = type(entry.event).__name__
        if kind not in BESIDE:
            return JournalLost(
                f"event {entry.seq} is a {kind} that another watchdog added, and this "
                "one leads",
                "nothing more is done here; see who else writes there",
            )
    return None
