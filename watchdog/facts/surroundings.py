"""What a stack looks like to somebody who has never seen it: services, files, metrics.

Nothing here is a setting yet: ``adopt`` makes settings of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Mount:
    """One file or folder of the box (*source*) in a container, at *inside*.

    *files* are the plain files in it, by their path from *source* on; of a file
    that is mounted alone the path is empty.
    """

    source: str
    inside: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """One service of a Compose project, by the containers that it has now.

    *written* is its image as the Compose files write it, variables and all; empty
    where nobody could read that. *ports* are those inside, *published* maps a port of
    this box to one of them. *names* are all that it answers to on its networks.
    """

    name: str
    image: str
    written: str = ""
    states: tuple[str, ...] = ("running",)
    healths: tuple[str, ...] = ()
    check: str = ""
    ports: tuple[int, ...] = ()
    published: Mapping[int, int] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    is_job: bool = False


@dataclass(frozen=True, slots=True)
class Project:
    """One Compose project: its *folder* on the box, and what lies there.

    *env_file* is as seen from the folder, *env* what it says; a variable whose value
    only Compose can tell is not in it. *unread* says why something could not be read.
    """

    name: str
    folder: str
    services: tuple[Service, ...]
    files: tuple[str, ...] = ()
    env_file: str = ".env"
    env: Mapping[str, str] = field(default_factory=dict)
    owner: tuple[int, int] = (0, 0)
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What Prometheus scrapes: of which *job*, at which *host*, how often, and how."""

    job: str
    host: str
    every: timedelta | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a job. *kind* is the exporter's word, or empty.

    *statuses* are the values that its status label *label* has. Of a histogram,
    *bounds* are the ends of its buckets, and *slow* is the 95th percentile of the last
    hour, where something was observed. *lately* is how many events a counter of
    requests had in the last hour, and in this hour yesterday; None where there is no
    yesterday.
    """

    name: str
    kind: str = ""
    label: str = ""
    statuses: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    slow: float | None = None
    lately: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """What Prometheus has of one job."""

    job: str
    every: timedelta
    metrics: tuple[Metric, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """What a service answered: *url* is as the sidecar would ask it."""

    url: str
    why: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """One manifest, as it lies in the stack's folder and in a container.

    *path* is the file of this very version, empty where there is none of that name;
    *keys* are where in its JSON the tenant and the version stand. *seal* is how it is
    signed: sshsig, dsse or nothing.
    """

    tenant: str
    inside: str
    folder: str
    path: str
    seal: str = ""
    tenant_key: str = ""
    version_key: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Who may answer, and the public half of their key, ``whpk_…``; or none yet."""

    name: str
    line: str = ""
