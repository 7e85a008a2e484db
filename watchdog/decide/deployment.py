"""A deployment that waits at GitHub: what was said of it, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from watchdog.facts.event import (
    DeploymentAnswered,
    DeploymentAnswering,
    DeploymentDelayed,
    DeploymentLeft,
    DeploymentRequested,
    DeploymentWeighed,
    Entry,
)

WAITING, APPROVED, REJECTED = "waiting", "approved", "rejected"
MOST_REPORTS = 8
"""GitHub takes ten of one deployment: two stay for what a crash makes us say twice."""

_OVER_KEPT = 50


@dataclass(frozen=True, slots=True)
class Deployment:
    """One that GitHub asked about. *weighed* is a wish until it is *answering*.

    *answering* is the verdict of which a first post was begun: there is never
    another one. *told* once GitHub took the report of what was weighed last.
    *reports* counts those that were due. *trouble* is why GitHub has not taken what is
    due, once that lasts. *over* says how it ended, empty while it
    is open; *lost* when it ended without our verdict at GitHub, as far as we know.
    """

    asked: DeploymentRequested
    asked_at: datetime
    weighed: DeploymentWeighed | None = None
    weighed_at: datetime | None = None
    answering: DeploymentAnswering | None = None
    told: bool = False
    reports: int = 0
    trouble: str = ""
    over: str = ""
    lost: bool = False

    @property
    def due(self) -> str:
        """What is still to be posted: a verdict, or ``waiting`` for a report."""
        if self.over or self.weighed is None:
            return ""
        if self.answering:
            return self.answering.state
        state = self.weighed.state
        said = self.told or self.reports > MOST_REPORTS
        return "" if state == WAITING and said else state

    @property
    def words(self) -> str:
        """What is said of it, in a sentence."""
        if self.over:
            return self.over
        if self.answering:
            said = f"{self.answering.state}, and GitHub has not said that it took it"
        elif self.weighed:
            said = f"{self.weighed.state}: {self.weighed.words}"
        else:
            return "not weighed yet"
        return f"{said} ({self.trouble})" if self.trouble else said


def followed(known: Mapping[str, Deployment], entry: Entry) -> Mapping[str, Deployment]:
    """Take *entry* in; what it is not about stays as it is."""
    match entry.event:
        case DeploymentRequested(deployment=name) as asked:
            return _kept({**known, name: Deployment(asked, entry.at)})
        case DeploymentWeighed(deployment=name) as weighed if name in known:
            one = replace(
                known[name],
                weighed=weighed,
                weighed_at=entry.at,
                told=False,
                reports=known[name].reports + (weighed.state == WAITING),
            )
        case DeploymentAnswering(deployment=name) as answering if name in known:
            one = replace(known[name], answering=answering)
        case DeploymentDelayed(deployment=name, words=words) if name in known:
            one = replace(known[name], trouble=words)
        case DeploymentAnswered(
            deployment=name, state=state, words=words, refused=why
        ) if name in known:
            one = replace(known[name], trouble="")
            if state == WAITING:
                newest = one.weighed is not None and one.weighed.words == words
                one = replace(one, told=newest)
            else:
                over = f"{state} was refused: {why}" if why else state
                one = replace(one, over=over, lost=bool(why))
        case DeploymentLeft(deployment=name, words=words) if name in known:
            one = replace(known[name], over=words, lost=True)
        case _:
            return known
    return {**known, name: one}


def _kept(known: dict[str, Deployment]) -> dict[str, Deployment]:
    """Let the oldest go of those that are over; the journal has them all."""
    over = [name for name, one in known.items() if one.over]
    gone = set(over[: max(0, len(over) - _OVER_KEPT)])
    return {name: one for name, one in known.items() if name not in gone}
