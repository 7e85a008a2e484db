"""A rollback that cannot be: nothing was touched, or the old pair is back as one."""

import os
import shutil
import signal
import subprocess
import time
import urllib.request
import uuid
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest

from tests.real.rig import docker
from tests.real.test_operator import THREE
from tests.real.undo import (
    BAD,
    OLD,
    Asked,
    Spoilt,
    a_port,
    fill,
    on_a_small_disk,
    taken,
)
from watchdog.commands.stage import IMAGE
from watchdog.facts.event import RollbackEnded, RollbackStuck, WentBack
from watchdog.show.status import picture, words

pytestmark = pytest.mark.real

HARDER = pytest.mark.parametrize(
    "layout",
    [pytest.param("versioned", marks=pytest.mark.campaign), "shared-file"],
)
SECOND = timedelta(seconds=1)


@pytest.fixture
def fleet(tmp_path):
    with ExitStack() as after:

        def fleet(*args, **more):
            it = Asked(tmp_path, *args, **more)
            after.callback(it.down)
            it.checks(prove_within=4 * SECOND)
            return it

        yield fleet


def status(it):
    standing, now = it.memory.standing, it.journal.entries()[-1].at
    whole = picture(standing, None, it.rules, None, poll=5 * SECOND, at=now)
    return words(whole)


def assert_put_back(it):
    """Find the old pair back as one and serving, and nothing left of the try."""
    assert it.ends()[-1] == "put-back", it.ends()
    assert it.versions() == [BAD] * len(it.services)
    assert it.serves() == BAD
    assert all(image == manifest for image, manifest in it.starts()), it.starts()
    assert f"DMS_VERSION={BAD}" in (it.folder / ".env").read_text().splitlines()
    names = {f"{it.project}-{service}-1" for service in it.services}
    assert set(it.containers()) == names
    said = it.up()
    assert said.count("Running") == len(it.services), said
    assert f"{BAD} serves again" in status(it)


@contextmanager
def nothing_touched(it):
    """Compare everything that runs, and the stack's folder, byte for byte."""
    before = it.containers(), it.files(), it.dirs()
    yield
    (ended,) = it.events(RollbackEnded)
    assert ended.how == "unchanged", ended.proof
    assert (it.containers(), it.files(), it.dirs()) == before
    assert it.serves() == BAD
    assert f"{BAD} runs as before" in status(it)


def evidence(it):
    (back,) = it.events(WentBack)
    return back.evidence


# The target does not come up.


@HARDER
def test_a_target_that_ends_again_and_again_is_put_back(fleet, layout):
    it = fleet(layout)
    target = it.ready_to_go_back()
    it.fail(refuse_start=True)
    it.begin(target)

    it.carry_to_its_end()

    assert_put_back(it)
    assert "told to, by a fault" in evidence(it)["dms"]


def test_a_target_whose_command_cannot_be_run_is_put_back(fleet):
    it = fleet()
    it.has_scripts("dms")
    target = it.ready_to_go_back()
    (it.folder / f"start.{OLD}").chmod(0o644)
    it.begin(target)

    it.carry_to_its_end()

    assert_put_back(it)
    assert "exec /start failed: Permission denied" in evidence(it)["dms"]


@HARDER
def test_a_target_that_never_gets_healthy_is_put_back(fleet, layout):
    it = fleet(layout)
    target = it.ready_to_go_back()
    it.fail(never_healthy=True)
    it.begin(target)

    it.carry_to_its_end()

    assert_put_back(it)
    assert "start.listening" in evidence(it)["dms"]
    assert "/health says 503" in it.events(WentBack)[0].words


def test_a_target_that_says_another_version_is_put_back(fleet, tmp_path_factory):
    it, other = fleet(), Asked(tmp_path_factory.mktemp("other"))
    try:
        other.deploy(BAD)
        target = it.ready_to_go_back()
        # Whoever is between us and the stack still leads to another one.
        it.version_at = f"{other.address()}/version"
        it.begin(target)

        it.carry_to_its_end()

        assert_put_back(it)
        assert f"/version says {BAD}, meant {OLD}" in it.events(WentBack)[0].words
    finally:
        other.down()


@HARDER
def test_a_failure_in_the_third_service_undoes_the_first_two(fleet, layout):
    it = fleet(layout, THREE)
    it.has_scripts("scanner")
    target = it.ready_to_go_back()
    (it.folder / f"start.{OLD}").chmod(0o644)
    it.begin(target)

    it.carry_to_its_end()

    assert_put_back(it)
    assert set(evidence(it)) == set(THREE)
    assert "exec /start failed: Permission denied" in evidence(it)["scanner"]
    # All three of the old pair; then what could be started; then the old ones again.
    began = [image for image, _ in it.started(8)]
    tried = 2 if layout == "versioned" else len(began) - 9
    assert began[:6] == [OLD] * 3 + [BAD] * 3
    assert began[6:] == [OLD] * tried + [BAD] * (len(began) - 6 - tried)


# Ports.


@pytest.fixture
def with_ports(fleet):
    it = fleet()
    it.change(ports=["127.0.0.1:${DMS_PORT}:5269"])
    return it


def test_a_port_that_another_process_has_puts_the_old_pair_back(with_ports):
    it, ports = with_ports, (a_port(), a_port())
    it.set(DMS_PORT=ports[0])
    it.deploy(OLD)
    target = it.record()
    it.set(DMS_PORT=ports[1])
    it.deploy(BAD)
    it.begin(target)

    with taken(ports[0]):
        it.carry_to_its_end()

    assert_put_back(it)
    assert "address already in use" in evidence(it)["dms"]


def test_a_port_lost_to_another_process_is_stuck_and_taken_back_when_free(with_ports):
    it, port = with_ports, a_port()
    it.set(DMS_PORT=port)
    target = it.ready_to_go_back()
    it.begin(target)
    other = []
    hands = Spoilt(it, "stop dms (old)", lambda: other.append(taken(port)))

    with ExitStack() as after:
        said = it.carry_on(hands)
        after.enter_context(other[0])

        assert said.startswith("stuck: start dms (old): ")
        assert "address already in use" in said
        assert "STUCK, trying again by itself: start dms (old): " in status(it)
        assert it.carry_on().startswith("stuck: ")
        assert len(it.events(RollbackStuck)) == 1

    it.carry_to_its_end()
    assert_put_back(it)


# What the target needs is gone.


def test_a_network_that_was_removed_is_found_before_anything_is_touched(fleet):
    it = fleet()
    sides = {"networks": {f"side-{version}": {} for version in (OLD, BAD)}}
    it.change("dms", sides, networks=["default", "side-${DMS_VERSION}"])
    target = it.ready_to_go_back()
    docker("network", "rm", f"{it.project}_side-{OLD}")
    it.begin(target)

    with nothing_touched(it):
        it.carry_on()


def test_a_mounted_folder_that_is_gone_is_found_before_anything_is_touched(fleet):
    it = fleet()
    for version in (OLD, BAD):
        (it.folder / f"hubs.{version}").mkdir()
    it.change(volumes=["./hubs.${DMS_VERSION}:/hubs:ro"])
    target = it.ready_to_go_back()
    (it.folder / f"hubs.{OLD}").rmdir()
    it.begin(target)

    with nothing_touched(it):
        it.carry_on()


@pytest.mark.parametrize(
    ("layout", "place"),
    [("versioned", "."), ("shared-file", "."), ("shared-file", "manifests")],
)
def test_a_full_disk_is_found_before_anything_is_touched(fleet, layout, place):
    it = fleet(layout)
    with on_a_small_disk(it, place) as ballast:
        target = it.ready_to_go_back()
        fill(ballast)
        it.begin(target)

        with nothing_touched(it):
            it.carry_on()

        assert "has room for 0 bytes" in status(it)


def test_a_disk_that_fills_up_in_the_middle_is_put_back(fleet):
    it = fleet("shared-file")
    with on_a_small_disk(it, "manifests") as ballast:
        target = it.ready_to_go_back()
        it.begin(target)

        it.carry_to_its_end(Spoilt(it, "stop dms (old)", lambda: fill(ballast)))

        assert "No space left on device" in it.events(WentBack)[0].words
        assert_put_back(it)


def test_an_engine_without_room_refuses_before_anything_is_touched(fleet):
    """It copies what the image holds into a new volume, and there the disk ends."""
    it = fleet()
    names = {version: f"{it.project}-code-{version}" for version in (OLD, BAD)}
    volumes = {f"code-{version}": {"name": name} for version, name in names.items()}
    it.change("dms", {"volumes": volumes}, volumes=["code-${DMS_VERSION}:/app"])
    target = it.ready_to_go_back()
    docker("volume", "rm", names[OLD])
    small = ["type=tmpfs", "device=tmpfs", "o=size=4k"]
    docker("volume", "create", *(f"--opt={one}" for one in small), names[OLD])
    it.begin(target)

    with nothing_touched(it):
        it.carry_on()

    assert "no space left on device" in status(it)


# The image is gone, and the registry does not give it.


@pytest.fixture
def registry(tmp_path):
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("no `docker-registry` here")
    port, store = a_port(), tmp_path / "registry"
    config = tmp_path / "registry.yml"
    config.write_text(
        "version: 0.1\nlog: {level: error}\n"
        f"storage:\n  filesystem: {{rootdirectory: {store}}}\n"
        "  delete: {enabled: true}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    run = subprocess.Popen([program, "serve", str(config)], **quiet)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5)
                break
            except OSError:
                time.sleep(0.05)
        yield run, port, store
    finally:
        run.send_signal(signal.SIGCONT)
        run.kill()
        run.wait()


@pytest.mark.parametrize("how", ["gone", "deleted", "corrupt", "silent"])
def test_an_image_that_cannot_be_pulled_leaves_everything_as_it_was(
    fleet, registry, how
):
    run, port, store = registry
    it, repo = fleet(), f"127.0.0.1:{port}/flexli/dms"
    # Not built: a build's cache would keep the layer that is to be pulled.
    mark = f"mark-{uuid.uuid4().hex}"
    write = ["sh", f"{IMAGE}:{OLD}", "-c", f"echo {mark} > /tmp/mark"]
    docker("run", "--name", mark, "--entrypoint", *write)
    command = 'ENTRYPOINT ["python", "-m", "dms"]'
    docker("commit", "--change", command, "--change", "CMD []", mark, f"{repo}:{OLD}")
    docker("rm", mark)
    docker("tag", f"{IMAGE}:{BAD}", f"{repo}:{BAD}")
    docker("push", "-q", f"{repo}:{OLD}")
    it.set(DMS_IMAGE=repo)
    target = it.ready_to_go_back()
    record = it.memory.record(target)
    try:
        docker("rmi", "-f", record.pair.image)
        it.begin(target)
        (name,) = [d for d in record.repo_digests if d.startswith(repo)]
        digest = name.partition("@")[2]
        if how == "gone":
            run.kill()
            run.wait()
        elif how == "deleted":
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/v2/flexli/dms/manifests/{digest}",
                method="DELETE",
            )
            urllib.request.urlopen(request, timeout=10)
        elif how == "corrupt":
            blobs = [p for p in store.rglob("data") if p.stat().st_size < 1024]
            for blob in blobs:
                if blob.read_bytes().startswith(b"\x1f\x8b"):
                    blob.write_bytes(b"\0" * blob.stat().st_size)
        else:
            os.kill(run.pid, signal.SIGSTOP)
            it.patience(timeout=30 * SECOND, pull_within=3 * SECOND)

        with nothing_touched(it):
            it.carry_on()

        # The second words are those of an engine with containerd's image store.
        meant = {
            "gone": ("connection refused",),
            "deleted": ("manifest unknown", f"{repo}@{digest}: not found"),
            "corrupt": ("verification failed", "unexpected commit digest"),
            "silent": ("took over 3 s",),
        }[how]
        assert any(words in status(it) for words in meant), status(it)
        assert f"pull {repo}@{digest}" in status(it)
    finally:
        docker("rmi", f"{repo}:{BAD}", check=False)
        docker("rmi", "-f", f"{repo}:{OLD}", check=False)
