"""What is split or stuck, and which whole pairs could be put up; nothing is guessed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from watchdog.decide.one_release import is_one_release
from watchdog.decide.standing import KnownPair, Rollback, Standing
from watchdog.facts.job import Job
from watchdog.facts.pair import Pair, Part, Record, Running
from watchdog.facts.problem import Problem

# The engine's word for a container that runs, and ours for a work tree.
_SERVES = ("running", "checked out")


def serving(
    parts: Sequence[Part], services: tuple[str, ...]
) -> tuple[tuple[Part, ...], str]:
    """Give the containers of each service, and what speaks against it in words.

    Jobs are over, and serve nobody.
    """
    found: list[Part] = []
    jobs = {service for part in parts for service in part.jobs}
    for service in services:
        if service in jobs:
            continue
        mine = [p for p in parts if p.service == service and not p.aside]
        if not mine:
            return tuple(found), f"service {service} has no container"
        numbers = [part.number for part in mine]
        twice = [number for number in numbers if numbers.count(number) > 1]
        if twice:
            words = f"{len(twice)} containers of number {twice[0]}"
            return tuple(found), f"service {service} has {words}"
        found += mine
    return tuple(found), ""


def split(s: Standing, parts: Sequence[Part], services: tuple[str, ...]) -> str:
    """Say why what runs is not one whole pair; nothing when it is."""
    found, words = serving(parts, services)
    if words:
        return words
    if not is_one_release(found):
        images = ", ".join(sorted({part.image_ref for part in found}))
        return f"the services run different images: {images}"
    held = {(m.tenant, m.sha256) for part in found for m in part.manifests if m.sha256}
    for tenant in sorted({tenant for tenant, _ in held}):
        shas = ", ".join(sorted(sha[:12] for of, sha in held if of == tenant))
        if "," in shas:
            return f"the containers hold different manifests of {tenant}: {shas}"
    before = s.running
    known = before.containers if before else ()
    for part in found:
        for one in part.manifests:
            if one.late and part.container not in known:
                return one.late
    if before is None or known != tuple(part.container for part in found):
        return ""
    meant = dict(before.pair.manifests)
    changed = {
        f"{held.path} is {held.sha256[:12]}, it started with {meant[held.tenant][:12]}"
        if held.sha256
        else held.path
        for part in found
        for held in part.manifests
        if meant.get(held.tenant, held.sha256) != held.sha256
    }
    if not changed:
        return ""
    version = before.pair.version
    return (
        f"manifests changed under the running {version}: {'; '.join(sorted(changed))}"
    )


def down(parts: Sequence[Part], services: tuple[str, ...]) -> str:
    """Say which containers of the services do not run, whole pair or not."""
    found, _ = serving(parts, services)
    still = [
        f"{part.name} is {part.state}"
        for part in found
        if part.state not in _SERVES and not part.unread
    ]
    return " and ".join(still)


def unread(parts: Sequence[Part], services: tuple[str, ...]) -> str:
    """Say of which tenant no container's manifest could be read."""
    found, _ = serving(parts, services)
    held = [m for part in found for m in part.manifests]
    known = {m.tenant for m in held if m.sha256}
    return "; ".join(dict.fromkeys(m.path for m in held if m.tenant not in known))


def jobs_among(parts: Sequence[Part]) -> tuple[Job, ...]:
    """Give the jobs of the stack, as far as *parts* show them."""
    there = {part.service: part for part in parts if not part.aside}
    named = dict.fromkeys(service for part in parts for service in part.jobs)
    return tuple(
        Job(one.service, one.container, one.version, one.state)
        if (one := there.get(service))
        else Job(service)
        for service in named
    )


def candidates(s: Standing) -> list[KnownPair]:
    """Give the recorded pairs that may be put up whole, the newest first."""
    whole = [known for known in s.pairs.values() if not known.quarantined]
    return sorted(whole, key=lambda known: known.order, reverse=True)


def as_found(
    record: Record, before: Running, parts: Sequence[Part], services: tuple[str, ...]
) -> tuple[Record, Running]:
    """Give *record* with the manifests' bytes as they are now, and what holds them.

    Raises:
        Problem: a service has no container, or two of one number.
    """
    found, words = serving(parts, services)
    if words:
        hint = "`docker compose up -d`, or `docker stack deploy`, makes one of each"
        raise Problem(words, f"{hint}; then look again")
    unread = [h.path for part in found for h in part.manifests if not h.sha256]
    if unread:
        raise Problem(unread[0], "put that file back first, then look again")
    now = {held.path: held.sha256 for part in found for held in part.manifests}
    manifests = tuple(
        replace(held, sha256=now.get(held.path, held.sha256))
        for held in record.manifests
    )
    held_now = tuple((held.tenant, held.sha256) for held in manifests)
    pair = Pair(record.pair.version, record.pair.image, held_now)
    seen = replace(
        before,
        containers=tuple(part.container for part in found),
        states=tuple(part.state for part in found),
    )
    return replace(record, pair=pair, manifests=manifests), seen


def way_to(stuck: Rollback, pair: Pair) -> Literal["forward", "back", ""]:
    """Give the way on which *stuck* puts *pair* up whole; nothing where neither does.

    Neither does where what somebody deployed meanwhile is in the way.
    """
    started = stuck.started
    if stuck.theirs:
        return ""
    if pair.key == started.to_pair.key:
        return "forward"
    if pair.key == started.from_pair.key and started.plan.way_back:
        return "back"
    return ""
