"""What never ran here is recorded only as what its release file says that it is."""

from dataclasses import replace

import pytest

from tests.worlds import REPOSITORY, World, a_pair, a_release, sha
from watchdog.facts.problem import Problem
from watchdog.observe.unseen import found
from watchdog.outside.stack_folder import StackFolder
from watchdog.sign.bad import BadSeal

LAYOUTS = pytest.mark.parametrize("shared", [False, True], ids=["versioned", "shared"])


@pytest.fixture
def world(folders):
    def world(*, shared=False):
        made = World(folders(), shared=shared)
        made.compose_up("v1.2.0")
        made.turn()
        made.build("v1.1.0")
        return made

    return world


def look(it, release=None, sealed=lambda *_: "signature valid"):
    like = it.memory.record(it.memory.standing.running.record)
    files = StackFolder(it.folder)
    release = release or a_release("v1.1.0")
    return found(it.docker, files, "manifests", release, like, sealed=sealed)


def refused(it, release=None, **more):
    with pytest.raises(Problem) as said:
        look(it, release, **more)
    assert said.value.hint
    return said.value.words


@LAYOUTS
def test_it_is_recorded_with_its_digests_and_where_its_manifest_will_be(world, shared):
    it = world(shared=shared)

    record, blobs = look(it)

    kept = "manifests/meesho.v1.1.0.manifest.json"
    (held,) = record.manifests
    assert record.pair == a_pair("v1.1.0")
    assert record.image_ref == f"{REPOSITORY}:v1.1.0"
    assert record.repo_digests == (f"{REPOSITORY}@{a_pair('v1.1.0').image}",)
    assert record.replicas == ()
    assert held.kept_at == kept
    assert held.path == ("manifests/meesho.manifest.json" if shared else kept)
    assert set(blobs) == {held.sha256, held.signature_sha256}
    assert held.sha256 == sha((it.folder / kept).read_bytes())


def test_a_digest_in_the_release_file_must_be_the_images(world):
    it = world()
    right = f"{REPOSITORY}:v1.1.0@{a_pair('v1.1.0').image}"
    assert look(it, a_release("v1.1.0", image=right))

    wrong = f"{REPOSITORY}:v1.1.0@{a_pair('v1.0.0').image}"
    assert "meant sha256:" in refused(it, a_release("v1.1.0", image=wrong))


def test_each_half_must_be_here(world):
    it = world()
    del it.docker.tags[f"{REPOSITORY}:v1.1.0"]
    assert refused(it) == f"the image {REPOSITORY}:v1.1.0 is not here"

    it.build("v1.1.0")
    (it.folder / "manifests/meesho.v1.1.0.manifest.json").unlink()
    assert refused(it) == "manifests/meesho.v1.1.0.manifest.json is missing"


def test_an_image_that_the_stack_does_not_take_is_refused(world):
    release = a_release("v1.1.0", image="ghcr.io/other/dms:v1.1.0")

    assert refused(world(), release) == (
        "v1.1.0 is ghcr.io/other/dms:v1.1.0 by its release file, and the stack runs "
        f"images of {REPOSITORY}"
    )


def test_a_manifest_that_is_not_sealed_is_not_recorded(world):
    it = world()
    seen = []

    def sealed(pair, held, data, signature):
        seen.append((pair, held.tenant, data, signature))
        raise BadSeal("unsigned", "sign it")

    assert refused(it, sealed=sealed) == "unsigned"
    data = (it.folder / "manifests/meesho.v1.1.0.manifest.json").read_bytes()
    assert seen == [(a_pair("v1.1.0"), "meesho", data, b"seal")]


def test_a_tenant_that_what_runs_does_not_have_gets_a_file_of_its_own(world):
    it = world()
    names = {"ajio": "ajio.v1.1.0.manifest.json"}
    (it.folder / "manifests/ajio.v1.1.0.manifest.json").write_text("ajio")
    (it.folder / "manifests/ajio.v1.1.0.manifest.json.sig").write_text("seal")

    record, _ = look(it, replace(a_release("v1.1.0"), manifests=names))

    assert [m.path for m in record.manifests] == [f"manifests/{names['ajio']}"]
