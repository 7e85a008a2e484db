"""A release of two images, and one without manifests: rolled back and proved."""

import os
import uuid

import pytest

from tests.real.rig import IMAGE, Rig, build, docker, write
from watchdog.facts.event import RollbackEnded, RollbackStarted
from watchdog.facts.pair import NotKnown
from watchdog.wiring.executors import keeper_of

pytestmark = pytest.mark.real

REGISTRY = os.environ.get("SANDBOX_REGISTRY", "127.0.0.1:5055")
OLD, BAD = "v1.2.0", "v1.3.0"
SERVICES = ("web", "worker", "streaming")
EXECUTORS = pytest.mark.parametrize(
    "executor", ["engine", pytest.param("compose", marks=pytest.mark.campaign)]
)


class Several(Rig):
    """Three services of two images, as Mastodon is built; *bare* has no manifests."""

    def __init__(self, folder, executor, *, bare):
        project = f"sev-{uuid.uuid4().hex[:8]}"
        self.bare = bare
        self.repository = f"{REGISTRY}/{project}"
        for version in (OLD, BAD):
            for end in ("", "-streaming"):
                name = f"{self.repository}{end}:{version}"
                text = f"FROM {IMAGE}:{OLD}\nLABEL of={name}\n"
                docker("build", "-q", "-t", name, "-", input=text)
        at = "./manifests/meesho.${DMS_VERSION}.manifest.json"
        plain = {
            "init": True,
            "stop_grace_period": "1s",
            "entrypoint": ["sh", "-c", "trap exit TERM; sleep 9999 & wait"],
            "volumes": [] if bare else [f"{at}:/manifests/meesho.manifest.json:ro"],
        }
        app = plain | {"image": f"{self.repository}:${{DMS_VERSION}}"}
        other = plain | {"image": f"{self.repository}-streaming:${{DMS_VERSION}}"}
        services = {"web": app, "worker": app, "streaming": other}
        files = {f"manifests/{self.kept(version)}": version for version in (OLD, BAD)}
        write(folder / project, project, {"services": services}, files)
        super().__init__(folder / project, project, SERVICES)
        stack = {"manifests": "none"} if bare else {}
        self.settings = self.wired(executor, stack=stack)

    def by_tenant(self, version):
        return {} if self.bare else super().by_tenant(version)

    def runs(self):
        """Give the image of each service by its id and its name."""
        found = {service: self.inspect(service) for service in SERVICES}
        return {s: (c["Image"], c["Config"]["Image"]) for s, c in found.items()}


@pytest.fixture
def several(tmp_path):
    build()
    made = []

    def several(executor, *, bare=False):
        made.append(Several(tmp_path, executor, bare=bare))
        return made[-1]

    yield several
    for one in made:
        one.down()
        for end in ("", "-streaming"):
            for version in (OLD, BAD):
                docker("rmi", "-f", f"{one.repository}{end}:{version}", check=False)


@EXECUTORS
def test_two_images_of_one_release_go_back_together_and_stay(several, executor):
    it = several(executor)
    it.deploy(OLD)
    first, target = it.runs(), it.record()
    it.deploy(BAD)
    assert not set(it.runs().values()) & set(first.values())

    it.roll_back(target)

    assert it.runs() == first
    (ended,) = it.events(RollbackEnded)
    for image, _ in first.values():
        assert image[7:19] in ended.proof
    said = it.up()
    assert "Recreated" not in said, said
    assert it.runs() == first


def test_a_release_without_manifests_goes_back_as_images_alone(several):
    it = several("engine", bare=True)
    it.deploy(OLD)
    first, target = it.runs(), it.record()
    it.deploy(BAD)

    it.roll_back(target)

    assert it.runs() == first
    (began,), (ended,) = it.events(RollbackStarted), it.events(RollbackEnded)
    assert (began.plan.kind, ended.how) == ("code", "proved")
    assert "no manifests" in ended.proof


@pytest.mark.campaign
def test_half_a_deployment_is_no_pair_and_both_images_outlive_a_prune(several):
    it = several("engine")
    it.deploy(OLD)
    first, target = it.runs(), it.record()
    keeper = keeper_of(it.settings, "me")
    words, sizes = keeper.hold(it.memory.record(target))
    assert set(sizes) == {image for image, _ in first.values()}
    assert all(id_[7:19] in words for id_ in sizes)
    it.pin(BAD)
    it.compose("up", "-d", "web", "worker")

    seen = it.look()

    assert isinstance(seen, NotKnown)
    assert seen.split
    it.up()
    for _, ref in set(first.values()):
        docker("rmi", ref)
    docker("image", "prune", "-af", "--filter", f"label=of={first['web'][1]}")
    it.roll_back(target)
    assert it.runs() == first
    keeper.let_go(it.memory.record(target))
