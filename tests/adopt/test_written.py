"""The files that come of it: read by the very code that reads a user's."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.adopt.stacks import DB, a_project, a_seal, a_service, adopted
from watchdog.adopt.written import files, quoted
from watchdog.config.all_files import all_files

CHECKOUT = Path(__file__).parents[2]
# Where the sidecar finds things: each in its own way.
ELSEWHERE = {
    *("image", "build", "user", "group_add"),
    *("environment", "volumes", "ports", "networks"),
}
ENV = {"SHOP_TAG": "v2.0.0"}
IMAGE = "ghcr.io/x/shop:${SHOP_TAG}"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "stack").mkdir()
    return tmp_path


def stack(folder, *services, env=None):
    services = services or (a_service(written=IMAGE), DB)
    return a_project(*services, env=env or ENV, folder=str(folder / "stack"))


def read(folder, found):
    for name, text in files(found, "proxy").items():
        path = folder / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return all_files(folder / "out/watchdog.yaml", {})


SHAPES = {
    "one service": (a_service(written=IMAGE),),
    "one image, two services": (
        a_service("api", written=IMAGE),
        a_service("worker", written=IMAGE),
        DB,
    ),
    "two images": (
        a_service("web", "x/web:v2.0.0", "x/web:${SHOP_TAG}"),
        a_service("ml", "x/ml:v2.0.0-cuda", "x/ml:${SHOP_TAG}-cuda"),
    ),
    "a registry with a port": (
        a_service(
            image="reg.local:5000/x:v2.0.0", written="reg.local:5000/x:$SHOP_TAG"
        ),
    ),
    "names like words of YAML": (a_service("on", written=IMAGE),),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seals", [(), (a_seal(), a_seal("flexli"))])
def test_what_is_written_has_no_fault(folder, shape, seals):
    found = adopted(
        stack(folder, *SHAPES[shape]),
        seals=seals,
        signers="manifests/allowed_signers",
        namespace="manifest@dms",
    )

    got = read(folder, found)

    assert got.refused == ()
    assert got.settings.stack.services == tuple(s.name for s in found.pair.services)
    assert list(got.releases.by_version) == ["v2.0.0"]
    assert len(got.releases.by_version["v2.0.0"].triggers) == 5
    assert got.settings.mode == "observe"


def test_the_whole_image_in_one_variable_is_pinned_there(folder):
    service = a_service(written="${IMAGE}")
    project = stack(folder, service, env={"IMAGE": service.image})

    got = read(folder, adopted(project))

    assert (got.refused, got.settings.stack.version_variable) == ((), "IMAGE")


def test_what_is_mounted_and_how_it_is_signed_is_in_the_settings(folder):
    found = adopted(stack(folder), seals=[a_seal()], signers="m/s", namespace="n@x")

    it = read(folder, found).settings.stack

    assert (it.manifests, it.signatures) == ("manifests", "sshsig")
    assert (it.allowed_signers, it.signature_namespace) == ("m/s", "n@x")
    assert (it.manifest_tenant_key, it.manifest_version_key) == (
        "tenant",
        "meta.version",
    )


@pytest.mark.parametrize(
    ("missing", "path"),
    [
        ({"health": None}, "stack.health"),
        ({"prometheus": None}, "prometheus.url"),
        ({"people": ()}, "dri"),
        ({"triggers": ()}, "triggers"),
        ({"seals": [a_seal()], "signers": ""}, "stack.allowed_signers"),
    ],
)
def test_what_could_not_be_found_is_named_by_check(folder, missing, path):
    refused = read(folder, adopted(stack(folder), **missing)).refused

    assert [fault.path for one in refused for fault in one.faults] == [path]


def test_a_version_without_a_variable_is_named_by_check(folder):
    written = a_service(written="ghcr.io/x/shop:v2.0.0")

    (refused,) = read(folder, adopted(stack(folder, written))).refused

    assert [one.path for one in refused.faults] == ["stack.version_variable"]
    text = (folder / "out/watchdog.yaml").read_text()
    assert "# not found: the image is written out in the file" in text


def test_each_value_says_where_it_came_from(folder):
    read(folder, adopted(stack(folder)))

    lines = (folder / "out/watchdog.yaml").read_text().splitlines()
    values = [n for n, line in enumerate(lines) if ": " in line.partition("#")[0]]
    assert values
    assert all("#" in lines[n] or "#" in lines[n - 1] for n in values)


def test_no_line_is_wider_than_the_editor(folder):
    project = replace(stack(folder), folder="/srv/shop")
    found = adopted(project, notes=("left out: " + "word " * 60,))

    wide = {
        name: [line for line in text.splitlines() if len(line) > 88]
        for name, text in files(found, "").items()
    }

    assert {name: lines for name, lines in wide.items() if lines} == {}


@pytest.mark.parametrize(
    "value",
    ["yes", "no", "1.10", "a: b", "#x", "{x}", 'say "it"', "it's \"so\"", "ümlaut",
     "2026-01-01", "0x1f", "~", "*a", "a b", "15s", "5%", ".env", "-", "null", 1, 0.95],
)  # fmt: skip
def test_yaml_reads_what_was_written(value):
    assert yaml.safe_load(f"key: {quoted(value)}") == {"key": value}


def service_of(text, name):
    return yaml.safe_load(text)["services"][name]


@pytest.mark.parametrize("name", ["watchdog", "socket-proxy"])
def test_the_sidecar_is_as_guarded_as_the_projects_own(folder, name):
    """What differs is where it finds things: nothing of how it is kept in bounds."""
    ours = service_of((CHECKOUT / "compose.yaml").read_text(), name)
    written = service_of(files(adopted(stack(folder)), "")["compose.yaml"], name)
    elsewhere = (
        "image",
        "build",
        "user",
        "environment",
        "volumes",
        "ports",
        "networks",
    )
    same = {key for key in ours if key not in (*elsewhere, "group_add")}

    assert {key: written.get(key) for key in same} == {key: ours[key] for key in same}
    assert len(written["networks"]) == len(ours["networks"])


def test_a_box_that_is_reached_by_its_own_address_has_a_name(folder):
    found = adopted(stack(folder))
    plain = service_of(files(found, "")["compose.yaml"], "watchdog")
    assert "extra_hosts" not in plain


def test_a_stack_without_a_network_to_join_is_watched_from_outside(folder):
    found = adopted(stack(folder))
    found = replace(found, sidecar=replace(found.sidecar, networks=(), needs_host=True))

    whole = yaml.safe_load(files(found, "")["compose.yaml"])

    assert whole["networks"] == {"outside": None, "socket": {"internal": True}}
    assert whole["services"]["watchdog"]["networks"] == ["outside", "socket"]
    assert whole["services"]["watchdog"]["extra_hosts"]
