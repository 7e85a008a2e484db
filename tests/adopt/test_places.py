"""Where a stack could be asked, and where its manifests are."""

import json

import pytest

from tests.adopt.stacks import a_service
from watchdog.adopt import places
from watchdog.facts.surroundings import Mount, Service

SCRIPT = (
    "CMD python -c import http.client as h; "
    "c = h.HTTPConnection('127.0.0.1', 5269, timeout=2); c.request('GET', '/health')"
)


@pytest.mark.parametrize(
    ("check", "ports", "url"),
    [
        ("CMD curl -f http://localhost:8080/healthz", (8080,), ":8080/healthz"),
        ("CMD-SHELL curl -f http://127.0.0.1/ping || exit 1", (80,), ":80/ping"),
        ("CMD wget -qO- http://api:9/a?b=c", (9,), ":9/a?b=c"),
        (SCRIPT, (5269,), ":5269/health"),
        (SCRIPT, (), ":5269/health"),
        ("CMD pg_isready", (8080,), ":8080/health"),  # the usual, then
        ("CMD curl http://elsewhere:1/x", (8080,), ":8080/health"),
        ("CMD curl http://localhost:99999/x", (8080,), ":8080/health"),
    ],
)
def test_a_health_check_says_where_health_is_asked(check, ports, url):
    first = places.health_of([a_service(check=check, ports=ports)])[0]

    assert first.url == f"http://api{url}"


def test_a_service_without_check_and_ports_is_asked_nothing():
    assert places.health_of([a_service()]) == ()


def test_on_the_boxs_own_network_a_service_has_the_boxs_name():
    service = a_service(networks=("host",), ports=(80,))

    assert places.health_of([service])[0].url == "http://host.docker.internal:80/health"
    assert places.networks_of([service]) == ()


def test_a_prometheus_is_known_by_its_image():
    found = places.prometheus_among(
        [
            Service("mon", "quay.io/prometheus/prometheus:v3", ports=(9090,)),
            Service("vm", "victoriametrics/victoria-metrics:v1", ports=(8428,)),
            Service("exporter", "prom/node-exporter:v1", ports=(9100,)),
        ]
    )

    assert [one.url for one in found] == ["http://mon:9090", "http://vm:8428"]


def test_a_port_of_this_box_is_the_service_that_it_leads_to():
    mon = Service("mon", "prom/prometheus:v3", published={19090: 9090})

    assert places.behind("http://localhost:19090/base", [mon]).url == (
        "http://mon:9090/base"
    )
    assert places.behind("http://localhost:1", [mon]) is None
    assert places.behind("http://mon:9090", [mon]) is None


@pytest.mark.parametrize(
    ("mount", "path"),
    [
        (
            Mount("/srv/m/a.v2.manifest.json", "/m/a.manifest.json", ("",)),
            "m/a.v2.manifest.json",
        ),
        (
            Mount("/srv/m", "/m", ("a.manifest.json", "a.v2.manifest.json", "x")),
            "m/a.manifest.json",
        ),
    ],
)
def test_a_manifest_is_found_mounted_alone_or_with_its_folder(mount, path):
    (found,) = places.manifests_of([a_service(mounts=(mount,))], "/srv")

    assert found == places.Place("a", "/m/{tenant}.manifest.json", path)


def test_what_lies_elsewhere_is_no_manifest_of_the_stack():
    mount = Mount("/etc/a.manifest.json", "/m/a.manifest.json", ("",))

    assert places.manifests_of([a_service(mounts=(mount,))], "/srv") == ()


@pytest.mark.parametrize(
    ("signature", "kind"),
    [
        (b"-----BEGIN SSH SIGNATURE-----\nx", "sshsig"),
        (b'{"payloadType": "x"}', "dsse"),
        (b"something", ""),
    ],
)
def test_a_manifest_says_whose_it_is_and_its_signature_of_which_kind(signature, kind):
    place = places.Place("a", "/m/{tenant}.manifest.json", "m/a.manifest.json")
    name, seal = places.files_of(place, "v2")
    content = {"who": "a", "meta": {"of": "v2"}}
    held = {name: json.dumps(content).encode(), seal: signature}

    found = places.sealed(place, "v2", held)

    assert (found.tenant_key, found.version_key) == ("who", "meta.of")
    assert (found.path, found.seal) == ("m/a.v2.manifest.json", kind)


def test_a_manifest_that_is_no_json_says_nothing():
    place = places.Place("a", "/m/{tenant}.manifest.json", "m/a.manifest.json")

    found = places.sealed(place, "v2", {"m/a.manifest.json": b"\xff"})

    assert (found.tenant_key, found.version_key, found.path) == ("", "", "")


def test_the_namespace_is_the_one_that_the_signers_file_names():
    line = 'release@x namespaces="manifest@dms" ssh-ed25519 AAAA'

    assert places.namespace_in(line) == "manifest@dms"
    assert places.namespace_in('a namespaces="m*" ssh-ed25519 AAAA') == ""
    assert places.namespace_in("a ssh-ed25519 AAAA") == ""
