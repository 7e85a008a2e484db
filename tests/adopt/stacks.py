"""Stacks as they are found: each by one call that names only what matters."""

from datetime import timedelta

from watchdog.adopt.counted import proposed
from watchdog.adopt.pair import enrolled
from watchdog.adopt.sidecar import Sidecar
from watchdog.adopt.written import Adopted
from watchdog.facts.surroundings import (
    Answered,
    Exported,
    Metric,
    Person,
    Project,
    Sealed,
    Service,
)

KEY = "whpk_alLk/OrfdKOk4OsDzjwjcpkpTb8MesibGq9UGt6/9nw="
DB = Service("db", "postgres:16", "postgres:${PG_TAG}")
METRICS = (
    Metric("http_requests_total", "counter", "code", ("200", "500")),
    Metric(
        "http_request_duration_seconds", "histogram", bounds=(0.1, 0.5, 1), slow=0.02
    ),
    Metric("shop_orders_failed_total", "counter"),
    Metric("shop_orders_total", "counter"),
    Metric("shop_mail_pending", "gauge"),
    Metric("shop_mail_enqueued_total", "counter"),
    Metric("shop_mail_sent_total", "counter"),
    Metric("go_goroutines", "gauge"),
    Metric("process_cpu_seconds_total", "counter"),
)


def a_service(name="api", image="ghcr.io/x/shop:v2.0.0", written="", **other):
    return Service(name, image, written, **other)


def a_project(*services, env=None, name="shop", folder="/srv/shop"):
    return Project(name, folder, services, env=env or {}, owner=(1000, 1000))


def exports(*metrics, job="shop", every=15):
    return Exported(job, timedelta(seconds=every), metrics or METRICS)


def adopted(project, *, metrics=None, seals=(), people=None, folder="/", **other):
    """Give all that is known of *project*, but for what *other* says otherwise."""
    found = enrolled(project)
    known = {
        "health": Answered("http://api:8080/health", "it answered 200"),
        "prometheus": Answered("http://prometheus:9090", "service prometheus"),
        "every": timedelta(seconds=15),
        "triggers": proposed([metrics or exports()]).triggers,
        "manifests": tuple(seals),
        "people": (Person("mira@x.example", KEY),) if people is None else people,
        "lacking": {},
    }
    sidecar = Sidecar(
        project.name,
        project.folder,
        "dms-rollback-watchdog:1",
        "haproxy:3",
        "/var/run/docker.sock",
        998,
        project.owner,
        (f"{project.name}_default",),
    )
    return Adopted(project=project, pair=found, sidecar=sidecar, **{**known, **other})


def a_seal(tenant="meesho", **other):
    known = {
        "inside": "/manifests/{tenant}.manifest.json",
        "folder": "manifests",
        "path": f"manifests/{tenant}.v2.0.0.manifest.json",
        "seal": "sshsig",
        "tenant_key": "tenant",
        "version_key": "meta.version",
    }
    return Sealed(tenant, **{**known, **other})
