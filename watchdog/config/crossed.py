"""What is wrong between settings that are right by themselves."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from watchdog.config.filling import Filled
from watchdog.config.notation import Place, one_of, seen, written
from watchdog.config.sections.notify import GitHub
from watchdog.config.sections.prometheus import Prometheus
from watchdog.config.sections.stack import Stack
from watchdog.config.settings import Settings
from watchdog.facts.problem import Fault
from watchdog.facts.swapping import WARM, WISHES

# Why the target's image cannot be asked by itself.
_NO_CONTAINER = {"git": "no image", "swarm": "a manager runs no image of its own"}


def crossed(filled: Filled[Settings], *, has_stack: bool = True) -> Iterator[Fault]:
    """Find what is wrong between values that are right by themselves.

    *has_stack* says that the stack's folder is to be there.
    """
    it = filled.value

    def are_right(*places: Place) -> bool:
        return all(filled.is_right(*map(str, place)) for place in places)

    here = are_right(("stack", "directory")) and has_stack
    if here and not _is_folder(it.stack.directory):
        yield Fault(
            "stack.directory",
            f"there is no folder {seen(str(it.stack.directory))}",
            "mount the folder of the stack's compose.yaml there",
        )
    if are_right(("stack", "signatures"), ("stack", "verifier")):
        yield from _verifier(it.stack)
    nobody = it.executor in _NO_CONTAINER and bool(it.stack.validator)
    if nobody and are_right(("stack", "validator")):
        why = f"executor is {it.executor}: {_NO_CONTAINER[it.executor]}"
        yield Fault("stack.validator", why, "take it out")
    if it.executor == "swarm" and it.engine.ask_health:
        why = "executor is swarm: a task runs once its own health check says so"
        yield Fault("engine.ask_health", why, "write `false`")
    if are_right(("stack",)):
        yield from _swapped(it)
    one, two = it.listen.decisions, it.listen.private
    same_host = one.host == two.host or {one.host, two.host} & {"0.0.0.0", "::"}
    if are_right(("listen",)) and one.port == two.port != 0 and same_host:
        yield Fault(
            "listen.private",
            f"{two} is where decisions listen too",
            "give it a port of its own",
        )
    if are_right(("prometheus",)):
        yield from _who_asks(it.prometheus)
    if are_right(("engine", "timeout"), ("stop_within",)):
        yield from _longer(
            "engine.timeout", it.engine.timeout, "stop_within", it.stop_within
        )
    if are_right(("compose", "timeout"), ("stop_within",)):
        yield from _longer(
            "compose.timeout", it.compose.timeout, "stop_within", it.stop_within
        )
    heard = it.slack_buttons.signing_secret_file is not None
    if are_right(("notify",), ("slack_buttons",)) and not heard:
        for place, room in enumerate(it.notify.slack):
            if room.buttons:
                yield Fault(
                    f"notify.slack[{place}].buttons",
                    "nobody would hear a click",
                    "name slack_buttons.signing_secret_file, or write `false`",
                )
    if are_right(("github",)):
        yield from _github(it.github)
    if are_right(("blind_for",), ("poll",)):
        yield from _longer("blind_for", it.blind_for, "poll", it.poll)
    for place, check in enumerate(it.stack.smoke if are_right(("stack",)) else ()):
        where = f"stack.smoke[{place}]"
        if check.service is not None and check.service not in it.stack.services:
            yield Fault(
                f"{where}.service",
                f"{seen(check.service)} is not one of stack.services",
                one_of(check.service, it.stack.services),
            )
        if check.service is not None and it.executor == "git":
            yield Fault(
                f"{where}.service",
                "executor is git, and there is no container",
                "ask a URL",
            )
        if check.exec and it.executor == "swarm":
            yield Fault(
                f"{where}.exec",
                "executor is swarm, and a manager runs nothing in another node's tasks",
                "ask a URL",
            )
        if are_right(("prove_within",)):
            yield from _longer(
                "prove_within", it.prove_within, f"{where}.timeout", check.timeout
            )


def _swapped(it: Settings) -> Iterator[Fault]:
    """Find what is said of how services are swapped, and nobody heeds."""
    said = it.stack.swapping
    for name in WISHES:
        for service in getattr(said, name):
            where = f"stack.{name}.{service}"
            if service not in it.stack.services:
                yield Fault(
                    where,
                    f"{seen(service)} is not one of stack.services",
                    one_of(service, it.stack.services),
                )
            elif it.executor != "engine" and WARM in (
                said.swap.get(service),
                name == "standby" and WARM,
            ):
                yield Fault(
                    where,
                    f"executor is {it.executor}, "
                    + (
                        "where the service's own update order counts"
                        if it.executor == "swarm"
                        else "which stops first"
                    ),
                    "write `executor: engine`, or take it out",
                )


def _who_asks(it: Prometheus) -> Iterator[Fault]:
    """Find what is missing beside the rest, and what says twice who asks."""
    for one, two in (("username", "password_file"), ("cert_file", "key_file")):
        for here, there in ((one, two), (two, one)):
            if getattr(it, here) and not getattr(it, there):
                yield Fault(
                    f"prometheus.{there}",
                    f"is missing beside prometheus.{here}",
                    "write both, or neither",
                )
    url = urlsplit(it.url)
    ways = {
        "url": "a user" if url.username else "",
        "username": it.username or it.password_file,
        "bearer_token_file": it.bearer_token_file,
        **{
            f"header_files.{name}": name.lower() == "authorization"
            for name in it.header_files
        },
    }
    first, *more = [name for name, given in ways.items() if given] or [""]
    for name in more:
        yield Fault(
            f"prometheus.{name}",
            f"says who asks, and so does prometheus.{first}",
            "keep one: a question has one Authorization",
        )
    plain = {name.lower() for name in it.headers}
    for name in it.header_files:
        if name.lower() in plain:
            yield Fault(
                f"prometheus.header_files.{name}",
                "is in prometheus.headers too",
                "keep one",
            )
    if url.scheme == "http":
        for name in ("ca_file", "cert_file"):
            if getattr(it, name):
                yield Fault(
                    f"prometheus.{name}",
                    "is for https, and prometheus.url is http",
                    "write `https://` there, or take it out",
                )


def _verifier(stack: Stack) -> Iterator[Fault]:
    asked, argv = stack.signatures == "exec", stack.verifier
    if asked != bool(argv):
        yield Fault(
            "stack.verifier",
            "is missing" if asked else "is never asked",
            "name the program that verifies, or choose other `signatures`"
            if asked
            else "write `signatures: exec`, or take it out",
        )
    elif argv and not argv[0].startswith("/"):
        yield Fault(
            "stack.verifier",
            f"{seen(argv[0])} is not a path from `/` on",
            "its environment is empty, so that nothing is looked for",
        )
    for file in ("{manifest}", "{signature}") if argv else ():
        if file not in argv:
            yield Fault(
                "stack.verifier",
                f"does not say {file}",
                "write it as a word of its own where the file's name goes",
            )


def _github(it: GitHub) -> Iterator[Fault]:
    """Find what is missing beside the rest, and what is said twice."""
    parts = {
        "app": it.app,
        "private_key_file": it.private_key_file,
        "webhook_secret_file": it.webhook_secret_file,
        "deployments": it.deployments or None,
    }
    given = [name for name, value in parts.items() if value is not None]
    for name in parts if given else ():
        if name not in given:
            yield Fault(
                f"github.{name}",
                f"is missing beside github.{given[0]}",
                "write app, both files and deployments, or none of them",
            )
    seen_before: set[tuple[str, str]] = set()
    for place, one in enumerate(it.deployments):
        both = (one.repository.casefold(), one.environment.casefold())
        if both in seen_before:
            yield Fault(
                f"github.deployments[{place}]",
                f"{one.environment} of {one.repository} is there before",
                "keep one: a deployment is of one release",
            )
        seen_before.add(both)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _longer(
    longer: str, value: timedelta, shorter: str, other: timedelta
) -> Iterator[Fault]:
    if value <= other:
        yield Fault(
            longer,
            f"{written(value)} is not longer than {shorter}, {written(other)}",
            f"write more than `{written(other)}`",
        )
