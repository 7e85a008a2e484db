"""Finds what of a stack answers, and the Prometheus that scrapes it, from here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

from watchdog.adopt import counted, places
from watchdog.adopt.counted import Proposal
from watchdog.adopt.pair import Enrolled
from watchdog.config.release_form import CareForm
from watchdog.config.trigger_rule import trigger_in
from watchdog.facts.problem import Fault, Problem, Unreachable
from watchdog.facts.reading import Blind
from watchdog.facts.surroundings import Answered, Exported, Project, Service, Target
from watchdog.observe.arming import Arming
from watchdog.observe.exported import exported
from watchdog.observe.health import ask_stack
from watchdog.observe.prometheus import Prometheus
from watchdog.outside.question import NoAnswer, get

_A_QUERY = timedelta(seconds=8)
_SECONDS = 1.5  # for one question to a service; on this box it answers at once
_USUAL_SCRAPE = timedelta(seconds=15)
_NOWHERE = "/there-is-no-such-page"


@dataclass(frozen=True, slots=True)
class Far:
    """A Prometheus that answered: as the sidecar asks it, and as it was asked here."""

    answer: Answered
    asked: Prometheus
    now: datetime
    service: Service | None = None
    tried: tuple[str, ...] = field(default=())


# -- what the stack answers -----------------------------------------------------------


def health_of(pair: Enrolled, lacking: dict[str, str]) -> Answered | None:
    """Find what answers 200 when all is well; *lacking* is told why not."""
    reachable: dict[tuple[str, int], str] = {}
    unasked: places.Question | None = None
    for question in places.health_of(pair.services):
        key = (question.service.name, question.port)
        if key not in reachable:
            base = _base(question)
            # Whoever says 200 to everything says nothing by it.
            nothing = question.why == places.USUALLY and _status(base + _NOWHERE) == 200
            reachable[key] = "" if nothing else base
        base = reachable[key]
        if not base and question.why != places.USUALLY:
            unasked = unasked or question
        if base and _status(f"{base}{question.path}") == 200:
            return Answered(question.url, f"{question.why}; it answered 200")
    if unasked and set(unasked.service.healths) == {"healthy"}:
        return Answered(
            unasked.url, f"{unasked.why}, and is healthy; not asked from here"
        )
    lacking["health"] = (
        "nothing answered 200 on the services' ports; write what does, such as "
        f"http://{pair.services[0].name}:8080/health"
    )
    return None


def version_of(
    pair: Enrolled, health: Answered | None, lacking: dict[str, str]
) -> Answered | None:
    """Find what tells the version; *lacking* is told why not."""
    lacking["version"] = "nothing at /version names it; the image's digest is proof"
    for question in places.health_of(pair.services):
        if health is None or question.url != health.url:
            continue
        there = places.version_at(question)
        base = _base(there)
        if base:
            *_, said = ask_stack(
                f"{base}{question.path}",
                f"{base}{there.path}",
                pair.version,
                timedelta(seconds=2 * _SECONDS),
            )
            if said.fine:
                return Answered(there.url, there.why)
        break
    return None


def _base(question: places.Question) -> str:
    """Give the address at which the port answers anything from here; empty: none."""
    root = replace(question, path="")
    return next((url for url in places.reached(root) if _status(f"{url}/")), "")


def _status(url: str) -> int:
    try:
        return get(url, _SECONDS).status
    except NoAnswer:
        return 0


# -- what Prometheus has --------------------------------------------------------------


def prometheus_of(project: Project, others: Sequence[Service], given: str) -> Far:
    """Find a Prometheus that answers from here.

    Raises:
        Problem: there is none; what was looked for is said.
    """
    first = [*project.services, *(s for s in others if s not in project.services)]
    tried: list[str] = []
    for answer, service, urls in _likely(first, given):
        for url in urls:
            asked = Prometheus(url, _A_QUERY, _USUAL_SCRAPE, _USUAL_SCRAPE)
            now = asked.now()
            if not isinstance(now, Blind):
                return Far(answer, asked, now, service)
            asked.close()
            tried.append(now.words)
    if not tried:
        raise Problem(
            "no container here looks like a Prometheus",
            "name the one that scrapes this stack: --prometheus http://HOST:9090",
        )
    network = next(iter(places.networks_of(project.services)), "")
    inside = (
        f"; in a container, join the stack's network: --network {network}"
        if network
        else ""
    )
    raise Unreachable(
        f"no Prometheus answers from here: {'; '.join(tried)}",
        f"does it run?{inside}",
    )


def _likely(
    services: Sequence[Service], given: str
) -> Iterator[tuple[Answered, Service | None, tuple[str, ...]]]:
    """Give who may be it: as the sidecar asks it, and the URLs to ask it by here."""
    if not given:
        for one in places.prometheus_among(services):
            yield Answered(one.url, one.why), one.service, places.reached(one)
        return
    inside = places.behind(given, services)
    if inside:
        urls = (given, *places.reached(inside))
        yield Answered(inside.url, inside.why), inside.service, urls
    elif places.is_local(given):
        parts = urlsplit(given)
        port = f":{parts.port}" if parts.port else ""
        there = urlunsplit(parts._replace(netloc=f"{places.HOST}{port}"))
        why = f"{given}, as a container sees this box"
        yield Answered(there, why), None, (given, there)
    else:
        host = urlsplit(given).hostname
        by_name = next((one for one in services if one.name == host), None)
        yield Answered(given, "given by --prometheus"), by_name, (given,)


def exported_of(far: Far, job: str, ours: Sequence[Target]) -> Exported:
    """Give what Prometheus has of *job*, whose targets are *ours*."""
    every = max((t.every for t in ours if t.every), default=_USUAL_SCRAPE)
    found = exported(
        far.asked,
        job,
        every,
        far.now,
        labels=counted.STATUS_LABELS,
        is_worth_a_look=counted.is_worth_a_look,
    )
    return Exported(job, every) if isinstance(found, Blind) else found


def tried(
    far: Far, offered: Sequence[Proposal], every: timedelta
) -> tuple[tuple[Proposal, ...], list[str]]:
    """Keep what can be relied on, tried as ``check --live`` tries it; say the rest."""
    kept: list[Proposal] = []
    notes: list[str] = []
    arming = Arming(far.asked, every)
    for one in offered:
        faults: list[Fault] = []
        trigger = trigger_in(dict(one.raw), (one.alert,), CareForm(), every, faults)
        if trigger is not None:
            faults += arming.try_out(trigger, far.now).faults
        if faults:
            notes.append(f"left out: {one.alert} ({one.why}): {faults[0].words}")
        else:
            kept.append(one)
    return tuple(kept), notes
