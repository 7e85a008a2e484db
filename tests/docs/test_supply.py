"""What the image is made of: named by digest, listed, and asked about."""

import json
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.real.rig import docker
from watchdog import __version__

CHECKOUT = Path(__file__).resolve().parents[2]
LOCK = CHECKOUT / "requirements.lock"
IMAGES = CHECKOUT / "examples/supply/images.env"
REGISTRY = "127.0.0.1:5055"


def supply(script, *words):
    """Run one of the scripts; give its exit code and what it said."""
    argv = [sys.executable, f"examples/supply/{script}.py", *map(str, words)]
    done = subprocess.run(
        argv, cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


# Digests.


def test_the_images_are_named_by_digest_and_the_build_takes_these_names(tmp_path):
    assert supply("pin_images", "--check", IMAGES) == (0, "")
    names = dict(
        line.split("=", 1)
        for line in IMAGES.read_text().splitlines()
        if not line.startswith("#")
    )
    dockerfile = (CHECKOUT / "Dockerfile").read_text()
    compose = (CHECKOUT / "compose.yaml").read_text()
    for name in ("PYTHON_IMAGE", "COMPOSE_IMAGE"):
        tag = names[name].partition("@")[0]
        assert f"ARG {name}={tag}\n" in dockerfile
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) == {
        "scratch",
        "${PYTHON_IMAGE}",
        "${COMPOSE_IMAGE}",
    }
    for name, ref in names.items():
        assert f"${{{name}:-{ref.partition('@')[0]}}}" in compose


def test_what_is_not_pinned_is_said(tmp_path):
    loose = tmp_path / "images.env"
    loose.write_text(f"# why\nA=some/image:1\nB=other:2@sha256:{'0' * 64}\n")

    code, said = supply("pin_images", "--check", loose)

    assert (code, said) == (
        1,
        "some/image:1 is not pinned by digest: `make pin-images`\n",
    )
    loose.write_text("A=some/image\nwhat is this\n")
    assert supply("pin_images", "--check", loose)[0] == 1


@pytest.mark.parametrize(
    ("engine", "why"),
    [
        ("#!/bin/sh\necho Error: connection refused >&2\nexit 1\n", "refused"),
        ("", "there is no `docker` here"),
    ],
    ids=["nobody answers", "no engine"],
)
def test_a_registry_that_cannot_be_asked_is_said_and_nothing_is_written(
    tmp_path, monkeypatch, engine, why
):
    loose = tmp_path / "images.env"
    loose.write_text(f"A=some/image:1\nB=other:2@sha256:{'0' * 64}\n")
    before = loose.read_text()
    if engine:
        (tmp_path / "docker").write_text(engine)
        (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    code, said = supply("pin_images", loose)

    assert code == 3
    assert said.startswith("NOT ASKED which digest some/image:1 has now: ")
    assert why in said
    assert "as before" not in said
    assert loose.read_text() == before


@pytest.mark.real
def test_a_tag_is_pinned_to_what_the_registry_says_it_means(tmp_path):
    ref = f"{REGISTRY}/pin-{uuid.uuid4().hex[:8]}:1"
    text = f"FROM scratch\nLABEL a={ref}\n"
    docker("build", "-q", "-t", ref, "-", input=text)
    try:
        pushed = docker("push", ref)
        digest = re.search(r"digest: (sha256:[0-9a-f]{64})", pushed)[1]
        docker("rmi", ref)
        file = tmp_path / "images.env"
        file.write_text(f"# kept\nONE={ref}\n")

        assert supply("pin_images", file) == (0, f"{ref}@{digest} (new)\n")
        assert file.read_text() == f"# kept\nONE={ref}@{digest}\n"
        assert supply("pin_images", file) == (0, f"{ref}@{digest} (as before)\n")
        docker("pull", "-q", f"{ref}@{digest}")
    finally:
        docker("rmi", "-f", ref, check=False)


@pytest.mark.real
def test_without_a_registry_that_answers_nothing_is_pinned(tmp_path):
    file = tmp_path / "images.env"
    file.write_text("ONE=127.0.0.1:1/no/such:1\n")

    code, said = supply("pin_images", file)

    assert code == 3
    assert said.startswith("NOT ASKED which digest 127.0.0.1:1/no/such:1 has now: ")
    assert file.read_text() == "ONE=127.0.0.1:1/no/such:1\n"


# The bill of materials.


def bill_of(tmp_path, *more):
    out = tmp_path / "bom.json"
    code, said = supply("sbom", LOCK, out, "--version", __version__, *more)
    assert code == 0, said
    return json.loads(out.read_text())


def test_the_bill_of_materials_names_all_that_is_locked_with_its_hashes(tmp_path):
    made = bill_of(tmp_path)

    assert (made["bomFormat"], made["specVersion"], made["version"]) == (
        "CycloneDX",
        "1.6",
        1,
    )
    assert uuid.UUID(made["serialNumber"].removeprefix("urn:uuid:"))
    assert made["metadata"]["component"]["version"] == __version__
    parts = {part["name"]: part for part in made["components"]}
    text = LOCK.read_text()
    images = [parts.pop(one["name"]) for one in made["components"][-2:]]
    named = dict(
        line.partition("=")[::2] for line in IMAGES.read_text().splitlines() if line
    )
    assert [f"{p['name']}:{p['version']}" for p in images] == [
        named["PYTHON_IMAGE"],
        named["COMPOSE_IMAGE"],
    ]
    assert {p["type"] for p in images} == {"container"}
    assert len(parts) == len(re.findall(r"^[a-z0-9][^ ]*==", text, re.MULTILINE))
    for name, part in parts.items():
        assert part["type"] == "library"
        assert part["purl"] == part["bom-ref"] == f"pkg:pypi/{name}@{part['version']}"
        assert re.search(rf"^{name}(\[.*])?=={part['version']}[ ;]", text, re.MULTILINE)
        assert part["hashes"]
    listed = {one["content"] for p in parts.values() for one in p["hashes"]}
    assert all(p["purl"].startswith("pkg:oci/") for p in images)
    assert listed == set(re.findall(r"sha256:([0-9a-f]{64})", text))
    assert parts["httpx"]["licenses"]
    assert parts["pywin32"]["scope"] == "excluded"
    assert made["compositions"][0]["aggregate"] == "incomplete"
    assert made == bill_of(tmp_path), "the same input gives the same list"


# Known vulnerabilities.


def auditor(tmp_path, answers):
    """Have an auditor that prints *answers*; give how it is started."""
    script = tmp_path / "auditor"
    script.write_text(f"#!{sys.executable}\nprint({answers!r})\n")
    script.chmod(0o755)
    return script


def lock(tmp_path):
    path = tmp_path / "some.lock"
    path.write_text(
        "one==1.0 \\\n    --hash=sha256:00\n"
        "two==2.0 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
    )
    return path


HOLE = {"id": "X-1", "fix_versions": ["1.1"]}
ONE = {"name": "one", "version": "1.0"}
FINE = "each of 1 packages asked about; none is known\n"
UNASKED = "NOT ASKED: 1 of 1 packages could not be asked about: one; nothing is known"
NO_ANSWER = "NOT ASKED: the auditor gave no answer"


def found(*dependencies):
    return json.dumps({"dependencies": dependencies})


@pytest.mark.parametrize(
    ("answers", "code", "said"),
    [
        (found(ONE | {"vulns": []}), 0, FINE),
        (found(ONE | {"vulns": [HOLE]}), 1, "KNOWN: one 1.0: X-1; mended in 1.1\n"),
        (found({"name": "one", "skip_reason": "not found"}), 3, UNASKED),
        (found(), 3, UNASKED),
        (found(ONE | {"vulns": None}), 3, UNASKED),
        (found(ONE | {"vulns": [{}]}), 3, NO_ANSWER),
        (found("one"), 3, NO_ANSWER),
        ("no JSON", 3, NO_ANSWER),
        ("[]", 3, NO_ANSWER),
    ],
)
def test_an_audit_is_green_only_when_each_package_was_asked_about(
    tmp_path, answers, code, said
):
    started = auditor(tmp_path, answers)
    got = supply("audit", lock(tmp_path), "--auditor", started)

    assert got[0] == code
    assert got[1].startswith(said)


@pytest.mark.parametrize("text", ["", "# one==1.0\n", None])
def test_nothing_to_ask_about_is_no_good_news(tmp_path, text):
    path = tmp_path / "some.lock"
    if text is not None:
        path.write_text(text)
    code, said = supply("audit", path, "--auditor", auditor(tmp_path, found()))

    assert (code, said.partition(":")[0]) == (3, "NOT ASKED")


def test_an_auditor_that_cannot_be_started_is_no_good_news(tmp_path):
    code, said = supply("audit", lock(tmp_path), "--auditor", tmp_path / "nobody")

    assert code == 3
    assert said.startswith("NOT ASKED: ")


# The image itself.


@pytest.mark.real
def test_the_image_keeps_no_pip_and_its_debian_packages_are_listed(tmp_path):
    image = "dms-rollback-watchdog:dev"
    inside = ("run", "--rm", "--network", "none", "--entrypoint", "ls", image)
    assert "pip" not in docker(*inside, "/opt/watchdog/bin")
    made = bill_of(tmp_path, "--image", image)

    system = [p for p in made["components"] if p["purl"].startswith("pkg:deb/")]
    assert len({part["bom-ref"] for part in system}) == len(system) > 20
    # What the base image was built from, and Compose, is in no list here.
    assert made["compositions"][0]["aggregate"] == "incomplete"
