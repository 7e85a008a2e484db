"""A trigger tried against the live server before it is relied on."""

from dataclasses import dataclass

from watchdog.facts.problem import Fault
from watchdog.facts.reading import Blind, Cause
from watchdog.facts.verdict import Verdict

_CURES = {
    Cause.UNREACHABLE: "is `prometheus.url` right, and the server up?",
    Cause.REJECTED: "paste the query into Prometheus; its words say where it is wrong",
    Cause.TIMEOUT: "the server is slow: ask for less, or raise `prometheus.timeout`",
    Cause.PARTIAL: "part of the server's stores, or of the containers, is missing: "
    "mend that first",
    Cause.NO_SERIES: "does the target run, and is the name spelled as it exports it?",
    Cause.NO_TRAFFIC: "let it serve something, then try again",
    Cause.TOO_FEW_SAMPLES: "let it serve more, or try again when the window is full",
    Cause.STALE: "is the target up? Its last samples are old",
    Cause.NOT_A_NUMBER: "the expression divides by nothing, or the exporter says NaN; "
    "`histogram_fraction(0, …)` is NaN on classic buckets: write -Inf",
    Cause.NONSENSE: "`errors` must be a part of `total`: same labels, same events; "
    "and what answers must be Prometheus",
}


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


@dataclass(frozen=True, slots=True)
class Held:
    """Whether what proves a pair holds for what runs now; no *release*: not asked."""

    release: str
    words: str
    faults: tuple[Fault, ...] = ()


def cure(seen: Blind | Cause) -> str:
    """Say what a person can do about what is not *seen*."""
    if isinstance(seen, Blind):
        return seen.hint or _CURES[seen.cause]
    return _CURES[seen]
