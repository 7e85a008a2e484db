"""Files of a real stack as people leave them, and what real Compose makes of them."""

import json
import subprocess
import sys

import pytest

from tests.real.rig import docker
from tests.real.test_operator import BAD, OLD, Fleet
from watchdog.facts.pair import NotKnown
from watchdog.facts.plan import Wanted

pytestmark = pytest.mark.real
TENANTS = ("meesho",)


@pytest.fixture
def fleet(tmp_path):
    made = []

    def fleet(layout):
        made.append(Fleet(tmp_path, layout, services=("api",)))
        return made[-1]

    yield fleet
    for one in made:
        one.down()


def pin(it, version):
    """Write the env file as a Windows editor may leave it, keeping what is there."""
    env = it.folder / ".env"
    lines = [
        line
        for line in env.read_bytes().splitlines()
        if line and not line.lstrip(b"\xef\xbb\xbf").startswith(b"DMS_VERSION=")
    ]
    pinned = f'DMS_VERSION="{version}"   # current'.encode()
    more = (
        b"# Gew\xe4hr\r\nP='a\nDMS_VERSION=inner\n'"
        if b"# Gew" not in env.read_bytes()
        else b""
    )
    env.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join([pinned, *lines, more]))


def test_an_env_file_of_any_kind_is_pinned_so_that_compose_agrees(fleet, tmp_path):
    it = fleet("versioned")
    env, shared = it.folder / ".env", tmp_path / "shared.env"
    it.pin = lambda version: pin(it, version)
    it.deploy(OLD)
    target = it.record()
    it.deploy(BAD)
    env.rename(shared)
    env.symlink_to("../shared.env")
    before = shared.read_bytes()

    it.roll_back(target)

    assert env.is_symlink()
    assert shared.read_bytes() == before.replace(
        f'"{BAD}"'.encode(), f'"{OLD}"'.encode()
    )
    assert "Running" in it.up()
    assert it.versions() == [OLD]


@pytest.mark.parametrize("layout", ["versioned", "shared-file"])
def test_a_manifest_that_was_replaced_under_its_container_is_not_what_runs(
    fleet, layout
):
    it = fleet(layout)
    it.deploy(OLD)
    seen = it.eyes.running(lambda _: TENANTS)
    assert not isinstance(seen, NotKnown)
    assert not seen.late
    name = (
        "meesho.manifest.json"
        if layout == "shared-file"
        else f"meesho.{OLD}.manifest.json"
    )
    file = it.folder / "manifests" / name
    other = it.folder / f"manifests/meesho.{BAD}.manifest.json"
    new = file.with_name("new")
    new.write_bytes(other.read_bytes())
    before = file.read_bytes()
    new.rename(file)

    seen = it.eyes.running(lambda _: TENANTS)

    id_ = it.inspect("api")["Id"]
    if layout == "versioned":
        # It holds on to what it had, and Compose calls it running.
        held = docker("exec", id_, "cat", "/manifests/meesho.manifest.json")
        assert held == before.decode()
    assert "Running" in it.up()
    ((late, words),) = seen.late
    assert late == id_
    assert f"manifests/{name} changed at" in words
    assert "docker compose up -d --force-recreate" in words

    file.write_bytes(before)
    it.compose("up", "-d", "--force-recreate")
    assert not it.eyes.running(lambda _: TENANTS).late


def test_a_restart_takes_the_file_that_is_there(fleet):
    it = fleet("shared-file")
    it.deploy(OLD)
    file = it.folder / "manifests/meesho.manifest.json"
    file.touch()
    assert it.eyes.running(lambda _: TENANTS).late

    it.compose("restart")

    assert not it.eyes.running(lambda _: TENANTS).late


def test_another_env_file_than_the_one_that_is_pinned_is_a_lack(fleet):
    it = fleet("versioned")
    it.deploy(OLD)
    target = it.record()
    assert lacks(it, target) == []
    (it.folder / "release.env").write_bytes((it.folder / ".env").read_bytes())
    it.compose("--env-file", "release.env", "up", "-d", "--force-recreate")

    (words,) = lacks(it, target)

    assert words == (
        f"Compose reads the version from {it.folder}/release.env, and stack.env_file "
        f"is {it.folder}/.env"
    )


def lacks(it, target):
    seen, record = it.eyes.running(lambda _: TENANTS), it.memory.record(target)
    sha = it.record()
    plan = it.plans.plan(
        Wanted("inc", it.memory.record(sha), sha, record, target, seen)
    )
    return [lack.words for lack in it.eyes.lacks(record, plan)]


_ALONE = """
import json, os, sys
from pathlib import Path
from watchdog.observe.pin import Pin
found = Pin(Path(sys.argv[1]), ".env", "DMS_VERSION").lacks()
print(json.dumps([[lack.words, lack.hint] for lack in found]))
"""


def test_a_file_that_is_mounted_by_itself_is_a_lack(tmp_path):
    folder = tmp_path / "a stack"
    folder.mkdir()
    (folder / ".env").write_text("DMS_VERSION=v1.3.0\n")
    argv = ["unshare", "-m", "sh", "-c", 'mount --bind "$1" "$1"; shift; exec "$@"']
    argv += ["sh", str(folder / ".env"), sys.executable, "-c", _ALONE, str(folder)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    ((words, hint),) = json.loads(done.stdout)
    assert words == (
        f"{folder}/.env is mounted by itself: such a file cannot be replaced"
    )
    assert hint == "mount the folder that it is in, and not the file alone"


def test_an_immutable_file_or_folder_is_a_lack(tmp_path):
    (tmp_path / ".env").write_text("DMS_VERSION=v1.3.0\n")
    for place in (tmp_path / ".env", tmp_path):
        done = subprocess.run(["chattr", "+i", place], check=False)
        if done.returncode:
            pytest.skip("this file system knows no immutable files")
        try:
            argv = [sys.executable, "-c", _ALONE, str(tmp_path)]
            done = subprocess.run(argv, check=True, capture_output=True, text=True)
        finally:
            subprocess.run(["chattr", "-i", place], check=True)
        assert json.loads(done.stdout)[0][0] == f"{place} is immutable"
