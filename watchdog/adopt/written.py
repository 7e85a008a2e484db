"""What was found, written down: settings, roster, a release file, the sidecar's own.

Each value says where it came from. What could not be found is written so that
``watchdog check`` names it, and a comment says what to write.
"""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from watchdog.adopt.counted import Proposal
from watchdog.adopt.pair import Enrolled
from watchdog.adopt.sidecar import Sidecar, compose_file, env_file
from watchdog.facts.surroundings import Answered, Person, Project, Sealed

NOT_FOUND = "not-found"
_WIDE = 88
_PLAIN = re.compile(r"[A-Za-z/.][A-Za-z0-9_./:@-]*")
_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")


@dataclass(frozen=True, slots=True)
class Adopted:
    """All that is known of a stack that is to be watched.

    What was not found is None or empty, and *lacking* says in a sentence what that
    is, by the key that it would be for. *signers* is the file of those whose seals
    count, as seen from the stack's folder.
    """

    project: Project
    pair: Enrolled
    sidecar: Sidecar
    health: Answered | None = None
    version: Answered | None = None
    prometheus: Answered | None = None
    every: timedelta = timedelta(seconds=15)
    triggers: tuple[Proposal, ...] = ()
    notes: tuple[str, ...] = ()
    manifests: tuple[Sealed, ...] = ()
    signers: str = ""
    namespace: str = ""
    people: tuple[Person, ...] = ()
    lacking: Mapping[str, str] | None = None

    def lacks(self, key: str) -> str:
        """Say why there is no value for *key*."""
        return (self.lacking or {}).get(key, "not found")


def files(it: Adopted, proxy: str) -> dict[str, str]:
    """Write every file, by its path in the folder; *proxy* guards the engine."""
    return {
        "watchdog.yaml": settings(it),
        "approvers.yaml": roster(it),
        f"releases/{it.pair.version}.yaml": release(it),
        ".env": env_file(it.sidecar),
        "compose.yaml": compose_file(it.sidecar),
        "haproxy.cfg": proxy,
    }


def settings(it: Adopted) -> str:
    """Write watchdog.yaml."""
    pair, project = it.pair, it.project
    services = f"[{', '.join(quoted(s.name) for s in pair.services)}]"
    seals = [one for one in it.manifests if one.seal]
    variable = pair.variable or NOT_FOUND
    lines = [
        "# Settings of the rollback watchdog, written by `watchdog init`. Each value",
        "# says where it came from; all other keys have their defaults, which",
        "# config/watchdog.yaml of the project shows. `watchdog check` names what is",
        "# wrong or missing.",
        "",
        *_key(
            "name", project.name, "the project's name: in logs, and in what is signed"
        ),
        "# Only says what it would do, until you trust it: then `act`, and start anew.",
        "mode: observe",
        "",
        "stack:",
        *_key("  project", project.name, "the label of its containers"),
        *_line(f"  services: {services}", pair.why_these),
        *_key("  directory", project.folder, "the label of its containers"),
        *_key("  env_file", project.env_file, "what Compose reads there"),
        *_key("  version_variable", variable, pair.why),
        *_manifests(it, seals),
        *_found("  health", it.health, it.lacks("health")),
        *_found("  version", it.version, it.lacks("version"), absent="null"),
        "",
        "prometheus:",
        *_found("  url", it.prometheus, it.lacks("prometheus")),
        *_line(f"  scrape_interval: {_time(it.every)}", it.lacks("scrape_interval")),
        "",
        "engine:",
        *_key(
            "  url", "tcp://socket-proxy:2375", "the filtering proxy of compose.yaml"
        ),
        "",
        *_key("on_call", it.people[0].name if it.people else "ops", _owner(it.people)),
        "",
        "listen:",
        *_key(
            "  decisions", "0.0.0.0:8470", "compose.yaml publishes it on this box only"
        ),
    ]
    return "\n".join(lines) + "\n"


def _owner(people: Sequence[Person]) -> str:
    return "the first DRI" if people else "the default: nobody was named"


def _manifests(it: Adopted, seals: Sequence[Sealed]) -> Iterator[str]:
    if not it.manifests:
        yield from _key("  manifests", "none", it.lacks("manifests"))
        return
    first = it.manifests[0]
    mounted = f"mounted at {first.inside.replace('{tenant}', first.tenant)}"
    yield from _key("  manifests", first.folder or ".", mounted)
    yield from _key("  manifest_in_container", first.inside, mounted)
    if seals:
        kind = f"by its first bytes, of {seals[0].tenant}'s signature"
        yield from _key("  signatures", seals[0].seal, kind)
    else:
        yield from _key("  signatures", "sshsig", it.lacks("signatures"))
    signers = it.signers or "null"
    why = "found there" if it.signers else it.lacks("allowed_signers")
    yield from _key("  allowed_signers", signers, why, raw=not it.signers)
    if it.namespace:
        yield from _key("  signature_namespace", it.namespace, f"as {it.signers} says")
    for key, found in (
        ("manifest_tenant_key", first.tenant_key),
        ("manifest_version_key", first.version_key),
    ):
        why = f"holds it in {first.path or first.tenant}" if found else "not in it"
        yield from _key(f"  {key}", found or "null", why, raw=not found)


def roster(it: Adopted) -> str:
    """Write approvers.yaml."""
    lines = [
        "# Who may answer, and with which keys, written by `watchdog init`. A key is",
        "# the `whpk_…` line that `watchdog keys new --name NAME` prints; its other",
        "# half stays with the person. Read again when it changes.",
    ]
    known = [one for one in it.people if one.line]
    if not known:
        lines += [
            "# Nobody can answer yet: name somebody, with their key.",
            "approvers: {}",
        ]
        return "\n".join(lines) + "\n"
    lines += ["approvers:"]
    for one in known:
        lines += [f"  {quoted(one.name)}:", f"    keys: [{one.line}]  # given by --dri"]
    return "\n".join(lines) + "\n"


def release(it: Adopted) -> str:
    """Write the release file of what runs."""
    pair = it.pair
    images = {service.name: service.image for service in pair.services}
    lines = [
        f"# What is watched while {pair.version} runs, written by `watchdog init`. The",
        "# next release wants a file of its own, before it ships: copy this one.",
        *_key("release", pair.version, "the tag that runs"),
    ]
    if len(set(images.values())) == 1:
        lines += _key("image", next(iter(images.values())), "the image that runs")
    else:
        lines += ["images:  # the images that run"]
        lines += [f"  {quoted(name)}: {quoted(ref)}" for name, ref in images.items()]
    if it.manifests:
        lines += [
            f"manifests:  # in {it.manifests[0].folder or 'the stack'} of the stack"
        ]
        for one in it.manifests:
            name = f"{one.tenant}.{pair.version}.manifest.json"
            why = "" if one.path else "  # not there yet: the immutable file of it"
            lines += [f"  {one.tenant}: {quoted(name)}{why}"]
    names = ", ".join(quoted(one.name) for one in it.people)
    who = "named by --dri" if names else "not found: name who decides about it"
    lines += [
        *_line(f"dri: [{names}]", who),
        "# `deployment: on-prem` gives a fix a day in place of an hour;",
        "# `rollback_safe: false` is for a release that cannot go back, such as a",
        "# one-way migration.",
        "deployment: cloud  # the default: nobody said otherwise",
        "rollback_safe: true  # the default: nobody said otherwise",
        "# None rolls back by itself. `action: rollback` in place of another one does,",
        "# once who of `dri` agreed to that stands in `approved_by`.",
    ]
    lines += [line for note in it.notes for line in _comment(note)]
    if not it.triggers:
        return "\n".join([*lines, *_line("triggers: []", it.lacks("triggers"))]) + "\n"
    lines += ["triggers:"]
    for trigger in it.triggers:
        lines += _as_item(trigger)
    return "\n".join(lines) + "\n"


def _as_item(trigger: Proposal) -> Iterator[str]:
    yield from _comment(trigger.why, "  ")
    start = "- "
    for key, value in trigger.raw.items():
        if isinstance(value, Mapping):
            yield f"  {start}{key}:"
            yield from (f"      {name}: {quoted(held)}" for name, held in value.items())
        elif isinstance(value, list):
            yield f"  {start}{key}: [{', '.join(map(quoted, value))}]"
        else:
            yield f"  {start}{key}: {quoted(value)}"
        start = "  "


def _found(
    key: str, answer: Answered | None, why_not: str, *, absent: str = NOT_FOUND
) -> Iterator[str]:
    if answer is None:
        return _key(key, absent, why_not, raw=True)
    return _key(key, answer.url, answer.why)


def _key(key: str, value: str, why: str, *, raw: bool = False) -> Iterator[str]:
    return _line(f"{key}: {value if raw else quoted(value)}", why)


def _line(line: str, why: str) -> Iterator[str]:
    """Give a line with its comment: behind it where that fits, else above it."""
    whole = f"{line}  # {why}"
    if len(whole) <= _WIDE:
        yield whole
        return
    yield from _comment(why, " " * (len(line) - len(line.lstrip())))
    yield line


def _comment(words: str, indent: str = "") -> list[str]:
    start = f"{indent}# "
    return textwrap.wrap(
        words,
        _WIDE,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )


def quoted(value: Any) -> str:
    """Write one value so that YAML reads the same; JSON's text is YAML's too."""
    text = str(value)
    if not isinstance(value, str):
        return text
    is_word = _PLAIN.fullmatch(text) and not text.endswith(":")
    if is_word and text.lower() not in _WORDS:
        return text
    if re.fullmatch(r"[0-9]+(?:ms|s|m|h|d|%)", text):
        return text
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)


def _time(value: timedelta) -> str:
    seconds = value.total_seconds()
    return f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"
