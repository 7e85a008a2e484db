"""Which services of a project are one release, and what chooses its version."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from watchdog.facts.reference import parse
from watchdog.facts.surroundings import Project, Service

_VARIABLE = re.compile(r"\$(?:\{(?P<in>[A-Za-z_]\w*)[^}]*\}|(?P<plain>[A-Za-z_]\w*))")
# What stacks have beside their own services: no release of theirs.
_BESIDE = re.compile(
    r"(?:.*[-_])?(?:postgres|postgresql|postgis|pgvector|pgbouncer|mysql|mariadb|mongo|"
    r"mongodb|redis|valkey|keydb|memcached|rabbitmq|kafka|zookeeper|nats|minio|"
    r"elasticsearch|opensearch|clickhouse|clickhouse-server|prometheus|alertmanager|"
    r"pushgateway|blackbox-exporter|node-exporter|cadvisor|grafana|loki|promtail|tempo|"
    r"jaeger|otel-collector|opentelemetry-collector|nginx|caddy|traefik|haproxy|envoy|"
    r"watchtower|registry|mailhog|mailpit|vault|consul|etcd|busybox|"
    r"dms-rollback-watchdog)(?:[-_](?:alpine|server|exporter|contrib|unprivileged))*",
)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The services of one release in their order, and how its version is chosen.

    *variable* is empty where nothing in the env file chooses it; *why* says so, or
    where it was found. *why_these* is about the services.
    """

    services: tuple[Service, ...]
    version: str
    variable: str
    why: str
    why_these: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """Which services are meant is not to be seen; *choices* are what is likely."""

    words: str
    choices: tuple[tuple[str, ...], ...]


def enrolled(project: Project, named: Sequence[str] = ()) -> Enrolled | Unclear:
    """Find the services of a release; *named* are those that somebody chose."""
    if named:
        by_name = {service.name: service for service in project.services}
        missing = [name for name in named if name not in by_name]
        if missing:
            return Unclear(
                f"{project.name} has no service {', '.join(missing)}",
                tuple((name,) for name in by_name),
            )
        return _of(project, [by_name[name] for name in named], "named by --service")
    own = [s for s in project.services if not s.is_job and not _is_beside(s)]
    if not own:
        return Unclear(
            f"no service of {project.name} looks like one of your own: "
            f"{', '.join(f'{s.name} ({s.image})' for s in project.services)}",
            tuple((s.name,) for s in project.services),
        )
    groups: dict[str, list[Service]] = {}
    for service in own:
        groups.setdefault(_what_chooses(project, service), []).append(service)
    if len(groups) == 1:
        return _of(project, own, "all of the project that is not a well-known part")
    # A service that no variable chooses, or alone by an image of its own, is another
    # release, or none.
    return Unclear(
        f"{project.name} has services of several releases",
        tuple(tuple(s.name for s in group) for group in groups.values()),
    )


def _is_beside(service: Service) -> bool:
    found = parse(service.image)
    last = (found.name if found else service.image).rpartition("/")[2]
    return _BESIDE.fullmatch(last.lower()) is not None


def _what_chooses(project: Project, service: Service) -> str:
    """Name what chooses the version of *service*: a variable, or its own image."""
    variable, _ = _variable_of(project, service)
    if variable:
        return f"${variable}"
    found = parse(service.image)
    return found.version if found else service.image


def _of(project: Project, services: Sequence[Service], why_these: str) -> Enrolled:
    found = [_variable_of(project, service) for service in services]
    variables = {variable for variable, _ in found}
    variable, why = found[0]
    if len(variables) > 1:
        variable = ""
        each = ", ".join(f"{s.name} {s.image}" for s in services)
        why = f"not found: several variables choose the images ({each})"
    return Enrolled(
        tuple(services),
        _version(services, project.env.get(variable, "")),
        variable,
        why,
        why_these,
    )


def _version(services: Sequence[Service], value: str) -> str:
    """Name the release: by its one tag, or by what several have in common."""
    tags = [found.version if (found := parse(s.image)) else "" for s in services]
    if len(set(tags)) == 1:
        return tags[0]
    said = rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9]|\.[0-9])"
    if value and all(re.search(said, tag) for tag in tags):
        return value
    return tags[0]


def _variable_of(project: Project, service: Service) -> tuple[str, str]:
    """Find the variable of the env file that chooses the tag; say how, or why not."""
    found = parse(service.image)
    version = found.version if found else service.image
    names = [m["in"] or m["plain"] for m in _VARIABLE.finditer(service.written)]
    in_image = [n for n in dict.fromkeys(names) if project.env.get(n)]
    for name in in_image:
        # The tag is the variable, or the variable and a word around it.
        if project.env[name] == version or _is_part(project.env[name], version):
            return name, f"chooses the image: {service.written}"
    for name in in_image:
        if found and project.env[name] == found.digest:
            return name, f"is the image's digest: {service.written}"
        if project.env[name] == service.image:
            return name, f"is the whole image: {service.written}"
    if service.written and not names:
        return "", (
            f"not found: the image is written out in the file, {service.written}; "
            f"write its version as a variable there, and that into {project.env_file}"
        )
    if service.written:
        only = _of_the_shell(project, service, version)
        if only:
            return only
        unset = ", ".join(n for n in dict.fromkeys(names) if not project.env.get(n))
        unset = unset or ", ".join(dict.fromkeys(names))
        return "", f"not found: {project.env_file} does not say {unset} as it runs"
    same = [name for name, value in project.env.items() if value == version]
    if len(same) == 1:
        return same[0], f"has the value of the tag that runs, {version}"
    whole = [name for name, value in project.env.items() if value == service.image]
    if len(whole) == 1:
        return whole[0], "has the value of the whole image that runs"
    return "", f"not found: nothing in {project.env_file} has the value {version}"


def _of_the_shell(
    project: Project, service: Service, version: str
) -> tuple[str, str] | None:
    """Find the one variable that only the shell of who deployed can have said so."""
    found: dict[str, str] = {}
    for meant in _VARIABLE.finditer(service.written):
        name = meant["in"] or meant["plain"]
        pattern, at = "", 0
        for one in _VARIABLE.finditer(service.written):
            pattern += re.escape(service.written[at : one.start()])
            pattern += "(.+)" if one.start() == meant.start() else _like(project, one)
            at = one.end()
        pattern += re.escape(service.written[at:])
        fits = re.fullmatch(pattern, service.image)
        if fits and (fits[1] in (version, service.image) or _is_part(fits[1], version)):
            found[name] = fits[1]
    if len(found) != 1:
        return None
    ((name, value),) = found.items()
    file, said = project.env_file, project.env.get(name)
    other = f"{file} says {said}" if said else f"{file} does not say it"
    return name, (
        f"chooses the image: {service.written}; {other}, and {value} runs, by the "
        f"shell of who deployed: write `{name}={value}` there"
    )


def _like(project: Project, variable: re.Match[str]) -> str:
    """Say what *variable* may be: its value, its default, or anything."""
    said = project.env.get(variable["in"] or variable["plain"])
    if said:
        return re.escape(said)
    _, _, default = variable[0].rstrip("}").partition("-")
    return f"(?:{re.escape(default)}|.+)" if default else ".+"


def _is_part(value: str, version: str) -> bool:
    around = rf"v?{re.escape(value)}(?:[-_.][A-Za-z][A-Za-z0-9]*)?"
    return len(value) > 1 and re.fullmatch(around, version) is not None
