"""What a deployment that waits at GitHub is told: asked of the gate, turn by turn.

Source: GitHub's "Creating custom deployment protection rules".
"""

import re
from datetime import datetime, timedelta

from watchdog.decide.deployment import (
    APPROVED,
    MOST_REPORTS,
    REJECTED,
    WAITING,
    Deployment,
)
from watchdog.decide.gate import QUARANTINED, ROLLED_BACK, Gate, gate
from watchdog.decide.policy import is_meant
from watchdog.decide.standing import Standing
from watchdog.facts.event import (
    DeploymentLeft,
    DeploymentRequested,
    DeploymentWeighed,
    Event,
)
from watchdog.facts.rules import Rules
from watchdog.facts.trigger import Release

LONGEST = timedelta(days=30)
"""After that GitHub itself fails the job."""

# Reasons that come and go would use all reports up in minutes.
_APART = timedelta(minutes=10)
_BUILD = re.compile(r"-([0-9a-f]{7,40})$")


def release_of(asked: DeploymentRequested, rules: Rules) -> str:
    """Name the release that is to be deployed, by the settings' rule; or nothing."""
    for rule in rules.protects:
        if rule.is_about(asked.repository, asked.environment):
            return rule.release_of(asked.ref)
    return ""


def weigh(
    s: Standing,
    asked: DeploymentRequested,
    release: Release | None,
    rules: Rules,
    *,
    looked: datetime | None,
    at: datetime,
) -> tuple[str, str]:
    """Say what GitHub would be told now, and why. *release* is the file in force.

    Only what is known to be wrong is rejected; what is not known waits.
    """
    version = release_of(asked, rules)
    if not version:
        return WAITING, (
            f"no rule of github.deployments says which release {asked.ref} of "
            f"{asked.repository} is for {asked.environment}: nobody will answer"
        )
    found = gate(s, version, release, rules, looked=looked, at=at)
    state, words = _verdict(s, asked, version, release, found)
    if state != WAITING and rules.observe_only:
        return WAITING, f"mode is observe, nothing is answered; else {state}: {words}"
    return state, words


def _verdict(
    s: Standing,
    asked: DeploymentRequested,
    version: str,
    release: Release | None,
    found: Gate | None,
) -> tuple[str, str]:
    if release is None or found is None:
        return WAITING, f"there is no release file for {version}"
    running = s.running_pair
    runs = running and is_meant(version, release, running.pair.version)
    if found.over in (ROLLED_BACK, QUARANTINED) and not runs:
        return REJECTED, _gone(s, version, release)
    if found.reasons:
        return WAITING, f"{version} may not go onward: {'; '.join(found.reasons)}"
    other = _another_build(s, asked, version, release)
    if other:
        return WAITING, other
    return APPROVED, f"{version} may go onward: {found.words}"


def _gone(s: Standing, version: str, release: Release) -> str:
    """Say why it will not come to be good by waiting."""
    ours = [
        k
        for k in s.pairs.values()
        if is_meant(version, release, k.pair.version)
        and (k.taken_down or k.quarantined)
    ]
    newest = max(ours, key=lambda known: known.order)
    name = newest.pair.version
    if newest.taken_down:
        return f"{name} was {newest.taken_down}"
    return f"{name} is quarantined: {newest.quarantined}"


def _another_build(
    s: Standing, asked: DeploymentRequested, version: str, release: Release
) -> str:
    """Say that the commit is none of those that were measured, where that is known.

    A version tells its commit only where builds carry it: `v1.3.0-4f9c2ab`.
    """
    here = [
        known.pair.version
        for known in s.pairs.values()
        if is_meant(version, release, known.pair.version)
        and (known.good or known is s.running_pair)
    ]
    commits = [found[1] for name in here if (found := _BUILD.search(name))]
    if not commits or any(asked.sha.startswith(commit) for commit in commits):
        return ""
    return (
        f"{asked.ref} is commit {asked.sha[:12]}, and what was measured here is "
        f"{', '.join(sorted(here))}"
    )


def news(
    one: Deployment, version: str, state: str, words: str, at: datetime
) -> Event | None:
    """Give what is to be journaled of it, now that it was weighed; mostly nothing."""
    name = one.asked.deployment
    if one.over:
        return None
    if at - one.asked_at >= LONGEST:
        return DeploymentLeft(
            name,
            f"GitHub's 30 days are over: {one.words}",
            "GitHub failed the job by itself; run it again",
        )
    if one.answering:
        # Bound: GitHub may have taken it, although we did not hear so.
        if one.answering.state == APPROVED and state == REJECTED:
            return DeploymentLeft(
                name,
                f"an approval was under way and GitHub did not say whether it took "
                f"it; now {words}",
                "look at the run on GitHub, and cancel it if it went on",
            )
        return None
    before, since = one.weighed, one.weighed_at
    weighed = DeploymentWeighed(name, state, words, version)
    if before is None or since is None or before.state != state:
        return weighed
    if _plain(before.words) == _plain(words) or state != WAITING:
        return None
    if one.reports >= MOST_REPORTS or timedelta() <= at - since < _APART:
        return None
    return weighed


def _plain(words: str) -> str:
    """Leave out of *words* what grows by itself: numbers."""
    return re.sub(r"[0-9]+", "", words)
