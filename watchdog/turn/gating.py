"""What the promotion gate says, told to those who wait for it."""

from dataclasses import dataclass, replace
from datetime import datetime

from watchdog.decide import gate
from watchdog.decide.deployment import Deployment
from watchdog.decide.protection import news, release_of, weigh
from watchdog.facts.pair import Record
from watchdog.facts.rules import Rules
from watchdog.turn.roles import Filed, Remembers


@dataclass(frozen=True, slots=True)
class Gating:
    """Journals what changed; others post it."""

    memory: Remembers
    releases: Filed
    rules: Rules

    def turn(self, looked: datetime | None, at: datetime) -> None:
        """Tell of the gate of what runs, and of each deployment that waits for one.

        *looked* is when it was last looked whether what runs could be rolled back.
        """
        standing = self.memory.standing
        last = standing.last_rollback
        versions = [
            standing.running.pair.version if standing.running else "",
            last.previous if last else "",
            *gate.open_unproved(standing),
        ]
        for version in dict.fromkeys(versions):
            release = self.releases.for_version(version)
            told = gate.changed(
                standing, version, release, self.rules, looked=looked, at=at
            )
            if told:
                named = gate.images(self.measured(version))
                self.memory.add(at, replace(told, images=named))
        for one in standing.deployments.values():
            if one.over:
                continue
            state, words = self.weighed(one, looked, at)
            event = news(one, release_of(one.asked, self.rules), state, words, at)
            if event:
                self.memory.add(at, event)

    def measured(self, version: str) -> Record | None:
        """Give the record of the pair that the gate of *version* speaks of."""
        release = self.releases.for_version(version)
        if release is None:
            return None
        pair = gate.measured_pair(self.memory.standing, version, release)
        if pair is None or self.memory.missing(pair.record):
            return None
        return self.memory.record(pair.record)

    def weighed(
        self, one: Deployment, looked: datetime | None, at: datetime
    ) -> tuple[str, str]:
        """Say what *one* would be told as things stand now, and why."""
        release = self.releases.for_version(release_of(one.asked, self.rules))
        standing = self.memory.standing
        return weigh(standing, one.asked, release, self.rules, looked=looked, at=at)
