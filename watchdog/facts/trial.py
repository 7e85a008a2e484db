"""A trigger tried against the live server before it is relied on."""

from dataclasses import dataclass

from watchdog.facts.problem import Fault
from watchdog.facts.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of trying one trigger.

    *series* is how many series its main selector has now. *verdict* is judged as
    if what runs had run for long. *faults* keep the trigger from being relied on;
    *doubts* do not. A fault's path is the part of the trigger it is about.
    """

    trigger: str
    series: int
    verdict: Verdict
    queries: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    doubts: tuple[Fault, ...] = ()

    @property
    def is_proven(self) -> bool:
        """True when nothing keeps the trigger from being relied on."""
        return not self.faults
