"""Whose a stack is: what a watchdog leaves there for the others to see."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim on a stack. *by* is the identity of a watchdog, *count* its renewals.

    *id* is of this very claim, *where* names it for people, *cure* says how they
    take it away. *by* is empty where something else stands in a claim's place.
    """

    id: str
    by: str
    count: int
    where: str
    cure: str
