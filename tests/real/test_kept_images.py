"""Images of retained pairs outlive a real ``docker image prune -a``."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from typer.testing import CliRunner

from tests.real.rig import Rig, docker, write
from tests.worlds import a_release
from watchdog.__main__ import app
from watchdog.act.claim import OnEngine
from watchdog.act.keeper import HOLDS, PROJECT, Keeper
from watchdog.config.release_file import Releases
from watchdog.facts.event import (
    ImageHeld,
    ImageLetGo,
    ImageLost,
    PairProvedGood,
    PairQuarantined,
    PairStarted,
    RetentionAsked,
    RetentionReleased,
)
from watchdog.facts.problem import NotConfirmed
from watchdog.outside.engine import Engine
from watchdog.record.journal import Journal
from watchdog.turn.keeping import Keeping

pytestmark = pytest.mark.real

SECOND = timedelta(seconds=1)
REGISTRY = "127.0.0.1:5055"
VERSIONS = ("v1.2.0", "v1.3.0")
TEXT = """
FROM python:3.13-slim
LABEL test.retention={name} app.version={version} com.docker.compose.project={name}
RUN mkdir -p /app /keep && echo {version} {name} > /app/version
VOLUME /keep
CMD ["sh", "-c", "trap exit TERM INT; sleep 9999 & wait"]
"""


class Kept(Rig):
    """A stack of images that nobody else has, and a keeper beside it."""

    def __init__(self, tmp_path, versions=VERSIONS, **chosen):
        self.name = f"keep-{uuid.uuid4().hex[:8]}"
        self.image = f"{REGISTRY}/{self.name}"
        for version in versions:
            text = TEXT.format(name=self.name, version=version)
            docker("build", "-q", "-t", f"{self.image}:{version}", "-", input=text)
            docker("push", "-q", f"{self.image}:{version}")
        at = "meesho.${DMS_VERSION}.manifest.json"
        app = {
            "image": f"{self.image}:${{DMS_VERSION}}",
            "volumes": [f"./manifests/{at}:/manifests/meesho.manifest.json:ro"],
            "stop_grace_period": "1s",
        }
        files = {f"manifests/{at.replace('${DMS_VERSION}', v)}": v for v in versions}
        write(tmp_path / self.name, self.name, {"services": {"app": app}}, files)
        super().__init__(tmp_path / self.name, self.name)
        engine = Engine(self.url, timedelta(seconds=30), to_act=True)
        filed = Releases({v: a_release(v) for v in versions}, None)
        keeper, rules = (
            Keeper(engine, self.name, "a1a1a1"),
            replace(self.rules, **chosen),
        )
        self.keeping = Keeping(keeper, self.memory, filed, rules, lambda: None)

    def started(self):
        """Journal what runs, as a turn does."""
        sha = self.record()
        seen = self.eyes.running(lambda _: ("meesho",))
        self.add(PairStarted(seen.pair, sha, seen.containers, seen.since))
        return sha, seen.pair

    def add(self, *events):
        self.memory.add(datetime.now(UTC), *events)

    def keep(self):
        """Look after the images once."""
        self.keeping.turn(datetime.now(UTC))

    def holders(self):
        """Inspect the containers of ours."""
        label = f"label={PROJECT}={self.name}"
        ids = docker("ps", "-aq", "--filter", label).split()
        return json.loads(docker("inspect", *ids)) if ids else []

    def prune(self):
        """Clean up as an operator does; only what this test has built."""
        label = f"label=test.retention={self.name}"
        return docker("image", "prune", "-a", "-f", "--filter", label)

    def here(self, pair):
        """Tell whether the engine has the image of *pair*."""
        return '"Id"' in docker("image", "inspect", pair.image, check=False)

    def registry_forgets(self, version):
        """Let the registry lose *version*."""
        ref = f"{self.image}:{version}"
        found = json.loads(docker("image", "inspect", ref))[0]["RepoDigests"]
        digest = next(d for d in found if d.startswith(self.image)).split("@")[1]
        path = f"http://{REGISTRY}/v2/{self.name}/manifests/{digest}"
        assert httpx.delete(path, timeout=60).status_code == 202

    def down(self):
        for holder in self.holders():
            docker("rm", "-f", holder["Id"])
        super().down()
        label = f"label=test.retention={self.name}"
        for image in set(docker("images", "-aq", "--filter", label).split()):
            docker("rmi", "-f", image, check=False)


@pytest.fixture
def kept(tmp_path):
    it = Kept(tmp_path)
    yield it
    it.down()


def two_releases(it):
    """Deploy v1.2.0, known to be good, and v1.3.0; both are held."""
    it.deploy("v1.2.0")
    sha, old = it.started()
    it.add(PairProvedGood(old.key, "it ran long enough"))
    it.deploy("v1.3.0")
    it.started()
    it.keep()
    assert len(it.events(ImageHeld)) == 2, it.events(ImageLost)
    return sha, old


def test_a_retained_image_outlives_prune_and_is_rolled_back_to_without_a_registry(kept):
    sha, old = two_releases(kept)
    for version in VERSIONS:
        kept.registry_forgets(version)

    kept.prune()

    assert kept.here(old)
    kept.roll_back(sha)
    assert kept.inspect("app")["Config"]["Image"] == f"{kept.image}:v1.2.0"


def test_without_a_holder_the_same_prune_takes_it_away(kept):
    _, old = two_releases(kept)
    for holder in kept.holders():
        docker("rm", holder["Id"])

    kept.prune()

    assert not kept.here(old)
    kept.keep()
    assert kept.here(old), "pulled again by its digest"
    assert len(kept.holders()) == 2


def test_an_image_that_nobody_has_any_more_is_said_to_be_gone(kept):
    _, old = two_releases(kept)
    kept.registry_forgets("v1.2.0")
    for holder in kept.holders():
        docker("rm", holder["Id"])
    kept.prune()

    kept.keep()
    kept.keep()

    (lost,) = kept.events(ImageLost)
    assert lost.key == old.key
    assert "is gone, and could not be pulled" in lost.words
    assert not kept.here(old)


def test_a_holder_is_never_started_makes_no_volume_and_is_nothing_to_compose(kept):
    two_releases(kept)
    kept.keep()

    assert len(kept.holders()) == 2, "a second look makes no other"
    for holder in kept.holders():
        assert holder["State"]["Status"] == "created"
        assert holder["HostConfig"]["NetworkMode"] == "none"
        assert holder["Config"]["Labels"]["com.docker.compose.project"] == ""
        mounted = {m.get("Name") for m in holder["Mounts"]} - {None, ""}
        assert not mounted
        assert docker("start", holder["Id"], check=False).count("Error")
    assert "Running" in kept.up()
    assert kept.eyes.obstacles() == ()


def test_uninstall_takes_what_is_ours_and_leaves_the_stack_and_its_images(
    kept, tmp_path
):
    _, old = two_releases(kept)
    OnEngine(Engine(kept.url, 30 * SECOND, to_act=True), kept.name, "a1a1a1").take()
    before = kept.up()
    config = tmp_path / "watchdog.yaml"
    stack = {"project": kept.name, "services": ["app"], "directory": str(tmp_path)}
    whole = {"stack": stack, "engine": {"url": kept.url}, "releases": str(tmp_path)}
    config.write_text(json.dumps(whole | {"state": str(tmp_path / "state")}))
    Journal(tmp_path / "state").close()
    words = ["uninstall", "--config", str(config)]

    refused = CliRunner().invoke(app, words)

    assert isinstance(refused.exception, NotConfirmed)
    assert f"container {kept.name}-watchdog-claim, which is our claim" in refused.output
    assert len(kept.holders()) == 2
    done = CliRunner().invoke(app, [*words, "--yes"])
    assert done.exit_code == 0, done.output
    assert kept.holders() == []
    left = docker("ps", "-aq", "--filter", f"name={kept.name}-watchdog-claim")
    assert left == ""
    assert f"rollback-watchdog-keep:{kept.name}" not in docker("images")
    assert kept.here(old)
    assert kept.up() == before
    again = CliRunner().invoke(app, [*words, "--yes"])
    assert again.output.startswith("nothing of it is on the engine")


def test_what_a_person_released_is_let_go_and_not_deleted(kept):
    _, old = two_releases(kept)
    stranger = docker("create", f"{kept.image}:v1.2.0").strip()
    try:
        kept.add(RetentionReleased(old.key, "v1.2.0", "asha", "asha let it go"))
        kept.keep()
        assert len(kept.holders()) == 2, "as long as it is the target, it is held"
        kept.add(PairQuarantined(old.key, "it breached"))
        kept.keep()
        kept.keep()

        assert len(kept.events(ImageLetGo)) == 1
        labels = [one["Config"]["Labels"][HOLDS] for one in kept.holders()]
        assert old.short not in labels
        assert kept.here(old)
        assert docker("inspect", stranger), "what is not ours stays"
    finally:
        docker("rm", "-v", stranger)


def images(it):
    """Count the images of this test that the engine has."""
    label = f"label=test.retention={it.name}"
    return len(set(docker("images", "-q", "--filter", label).split()))


@pytest.mark.parametrize(
    ("retention", "held"),
    [
        ("after 3", [1, 2, 3, 4, 4, 4, 4]),
        pytest.param("ask", [*range(1, 8)], marks=pytest.mark.campaign),
    ],
)
def test_release_after_release_what_was_agreed_to_go_goes(tmp_path, retention, held):
    versions = [f"v1.{number}.0" for number in range(7)]
    it = Kept(tmp_path, versions, retention=retention)
    try:
        for name in versions:  # an operator cleans up all the time
            docker("rmi", f"{it.image}:{name}")
        seen = []
        for version in versions:
            docker("pull", "-q", f"{it.image}:{version}")
            it.deploy(version)
            _, pair = it.started()
            it.add(PairProvedGood(pair.key, "it ran long enough"))
            it.keep()
            it.keep()
            it.prune()
            seen.append((len(it.holders()), images(it)))

        assert seen == [(count, count) for count in held]
        asked = [] if retention == "after 3" else [1, 2, 3]
        assert [len(one.keys) for one in it.events(RetentionAsked)] == asked
        assert all(one.size > 1_000_000 for one in it.events(RetentionAsked))
        assert all(one.size > 1_000_000 for one in it.events(ImageHeld))
    finally:
        it.down()
