"""Where a stack could be asked, and where its manifests are, by how it is made."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from watchdog.facts.reference import parse
from watchdog.facts.surroundings import Sealed, Service

MANIFEST_END = ".manifest.json"
_URL = re.compile(r"https?://[^\s'\"|;)]+")
_PATH = re.compile(r"['\"](?P<path>/[A-Za-z0-9._~/-]*)['\"]")
_PORT = re.compile(r"['\":\s,](?P<port>[1-9][0-9]{1,4})(?![0-9.])")
USUALLY = "the service has no check that asks a URL, and this one"
_USUAL = ("/health", "/healthz", "/readyz", "/livez", "/api/health", "/ping", "/up")
_PROMETHEUS = re.compile(r"(?:.*[-_])?prometheus|victoria-metrics")
_PROMETHEUS_PORT = {"victoria-metrics": 8428}
HOST = "host.docker.internal"
_NOT_JOINED = ("host", "none", "bridge")
_LOCAL = ("localhost", "127.0.0.1", "0.0.0.0", "::1", "[::1]")


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask of a service: its *port* inside, a *path*, and why that."""

    service: Service
    port: int
    path: str
    why: str

    @property
    def url(self) -> str:
        """Give it as the sidecar asks, by the service's name on its network."""
        return f"http://{_host(self.service)}:{self.port}{self.path}"


def health_of(services: Sequence[Service]) -> tuple[Question, ...]:
    """Say where health could be asked: by its own check, and else where it is usual."""
    own = {service.name: tuple(_by_check(service)) for service in services}
    return (
        *(one for found in own.values() for one in found),
        *(
            Question(service, port, path, USUALLY)
            for service in services
            if not own[service.name]
            for port in _ports(service)[:3]
            for path in _USUAL
        ),
    )


def _by_check(service: Service) -> Iterator[Question]:
    why = "the service's own health check asks it"
    for found in _URL.finditer(service.check):
        url = urlsplit(found[0])
        try:
            port = url.port or 80
        except ValueError:
            continue
        if url.hostname in _LOCAL or url.hostname == service.name:
            path = (url.path or "/") + (f"?{url.query}" if url.query else "")
            yield Question(service, port, path, why)
            return
    paths = [m["path"] for m in _PATH.finditer(service.check)]
    ports = [int(m["port"]) for m in _PORT.finditer(service.check)]
    known = [port for port in ports if port in service.ports]
    known = known or list(_ports(service)) or ports
    if paths and known:
        yield Question(service, known[0], paths[0], why)


def version_at(health: Question) -> Question:
    """Say where the version could be asked, beside *health*."""
    why = "answered with the version that runs"
    return Question(health.service, health.port, "/version", why)


def prometheus_among(services: Sequence[Service]) -> tuple[Question, ...]:
    """Find every container that looks like a Prometheus."""
    return tuple(
        Question(service, port, "", f"service {service.name} runs {service.image}")
        for service in services
        if (port := _prometheus_port(service))
    )


def _prometheus_port(service: Service) -> int:
    found = parse(service.image)
    last = (found.name if found else service.image).rpartition("/")[2]
    if not _PROMETHEUS.fullmatch(last):
        return 0
    usual = _PROMETHEUS_PORT.get(last, 9090)
    return usual if usual in service.ports or not service.ports else service.ports[0]


def behind(url: str, services: Sequence[Service]) -> Question | None:
    """Find the container that a URL of this box's own leads to, if one does."""
    parts = urlsplit(url)
    if parts.hostname not in _LOCAL or parts.scheme != "http":
        return None
    for service in services:
        inside = service.published.get(parts.port or 80)
        if inside:
            why = f"{url} is port {inside} of {service.name}"
            return Question(service, inside, parts.path.rstrip("/"), why)
    return None


def is_local(url: str) -> bool:
    """Tell whether *url* is of whoever asks it: another one in a container."""
    return urlsplit(url).hostname in _LOCAL


def networks_of(services: Sequence[Service]) -> tuple[str, ...]:
    """Name the networks that another container can join, to ask *services* by name."""
    every = (name for service in services for name in service.networks)
    return tuple(dict.fromkeys(n for n in every if n not in _NOT_JOINED))


def _host(service: Service) -> str:
    # On the box's own network a service has no name of its own.
    return HOST if "host" in service.networks else service.name


def reached(question: Question) -> tuple[str, ...]:
    """Give the URLs by which it may be asked from where we are, the likeliest first."""
    service, end = question.service, f"{question.port}{question.path}"
    outside = [p for p, inside in service.published.items() if inside == question.port]
    if "host" in service.networks:
        outside.append(question.port)
    return (
        *(f"http://{address}:{end}" for address in service.addresses),
        *(f"http://127.0.0.1:{port}{question.path}" for port in outside),
        question.url,
    )


def _ports(service: Service) -> tuple[int, ...]:
    return service.ports or tuple(dict.fromkeys(service.published.values()))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tenant's manifest is: *inside* its container, and in the stack's folder.

    *inside* has ``{tenant}``; *path* is the file that is mounted.
    """

    tenant: str
    inside: str
    path: str


def manifests_of(services: Sequence[Service], folder: str) -> tuple[Place, ...]:
    """Find what is mounted, out of the stack's *folder*, and named like a manifest."""
    found: dict[str, Place] = {}
    for service in services:
        for mount in service.mounts:
            for file in mount.files:
                inside = f"{mount.inside}/{file}" if file else mount.inside
                source = f"{mount.source}/{file}" if file else mount.source
                at, _, name = inside.rpartition("/")
                tenant = name.removesuffix(MANIFEST_END)
                if name == tenant or "." in tenant or not _is_in(source, folder):
                    continue
                path = source[len(folder.rstrip("/")) + 1 :]
                whole = f"{at}/{{tenant}}{MANIFEST_END}"
                found.setdefault(tenant, Place(tenant, whole, path))
    return tuple(found.values())


def _is_in(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def files_of(place: Place, version: str) -> tuple[str, str]:
    """Name the manifest of *version* and its seal, as they must lie in the folder."""
    folder = place.path.rpartition("/")[0]
    start = f"{folder}/" if folder else ""
    name = f"{start}{place.tenant}.{version}{MANIFEST_END}"
    return name, f"{name}.sig"


def sealed(place: Place, version: str, bytes_of: Mapping[str, bytes]) -> Sealed:
    """Say of a manifest what its bytes say; *bytes_of* has the files that are there."""
    name, seal = files_of(place, version)
    data = bytes_of.get(name, bytes_of.get(place.path, b""))
    try:
        content = json.loads(data)
    except ValueError:
        content = None
    signature = bytes_of.get(seal, b"")
    kind = "sshsig" if signature.startswith(b"-----BEGIN SSH SIGNATURE") else ""
    if b'"payloadType"' in signature:
        kind = "dsse"
    return Sealed(
        place.tenant,
        place.inside,
        place.path.rpartition("/")[0],
        name if name in bytes_of else "",
        kind,
        _key_with(content, place.tenant),
        _key_with(content, version),
    )


def _key_with(content: Any, value: str, at: str = "") -> str:
    """Name the first key of a JSON object that has *value*, dots between levels."""
    if not isinstance(content, dict):
        return ""
    for key, held in content.items():
        if held == value:
            return f"{at}{key}"
    inner = (_key_with(held, value, f"{at}{key}.") for key, held in content.items())
    return next((found for found in inner if found), "")


def namespace_in(signers: str) -> str:
    """Give the namespace that an allowed signers file is about, where it says one."""
    found = re.search(r'namespaces="([^",*?]+)"', signers)
    return found[1] if found else ""
