"""The target's image: gone from the engine, or known to it by another name."""

import json
from dataclasses import replace

import pytest

from tests.real.rig import docker
from tests.real.test_operator import BAD, OLD, Fleet
from tests.real.undo import own_images
from watchdog.facts.event import RollbackEnded, StepFailed

pytestmark = pytest.mark.real


@pytest.fixture
def it(tmp_path):
    """Have a stack of images that no other test has, in the registry."""
    made = Fleet(tmp_path, "versioned", ("dms",))
    with own_images(made):
        yield made
        made.down()


def test_an_image_that_was_removed_is_pulled_by_digest_and_is_the_recorded_one(it):
    it.deploy(OLD)
    target = it.record()
    ref = it.inspect("dms")["Config"]["Image"]
    it.deploy(BAD)
    docker("rmi", ref)
    assert it.to_look.image(it.memory.record(target).pair.image) is None
    assert it.to_look.image(ref) is None

    it.roll_back(target)

    assert it.inspect("dms")["Image"] == it.memory.record(target).pair.image
    assert "Running" in it.up()
    assert it.versions() == [OLD]


def test_an_image_named_by_tag_and_digest_is_pulled_by_its_digest(it):
    of = {}
    file = it.folder / "compose.yaml"
    for version in (OLD, BAD):
        name = f"{it.repository}:{version}"
        (digest,) = json.loads(docker("image", "inspect", name))[0]["RepoDigests"]
        of[version] = digest.partition("@")[2]
    text = file.read_text()
    whole = next(li for li in text.splitlines() if li.strip().startswith("image:"))
    file.write_text(text.replace(whole, f"{whole}@${{DMS_DIGEST:?}}"))

    def deploy(version):
        env = it.folder / ".env"
        rest = [li for li in env.read_text().splitlines() if "DMS_DIGEST" not in li]
        env.write_text("\n".join([*rest, f"DMS_DIGEST={of[version]}", ""]))
        it.deploy(version)

    deploy(OLD)
    target = it.record()
    deploy(BAD)
    for name in (f"{it.repository}:{OLD}", f"{it.repository}@{of[OLD]}"):
        docker("rmi", name, check=False)  # with the last tag its digests go too
    assert it.to_look.image(it.memory.record(target).pair.image) is None

    it.roll_back(target)

    assert it.inspect("dms")["Image"] == it.memory.record(target).pair.image
    assert it.memory.record(target).pair.version == OLD


def test_a_tag_that_was_moved_means_the_recorded_image_again(it):
    it.deploy(OLD)
    target = it.record()
    ref = it.inspect("dms")["Config"]["Image"]
    it.deploy(BAD)
    docker("tag", it.inspect("dms")["Config"]["Image"], ref)

    it.roll_back(target)

    image = json.loads(docker("image", "inspect", ref))[0]
    assert image["Id"] == it.memory.record(target).pair.image
    assert "Running" in it.up()


def test_a_pair_of_another_image_store_is_refused_and_nothing_is_touched(it):
    it.deploy(OLD)
    name = it.record()
    it.deploy(BAD)
    was, before = it.memory.record(name), it.inspect("dms")["Id"]
    # As after the change of stores: the registry's digest is right, the id is unknown.
    ours = replace(was.pair, image=f"sha256:{'1' * 64}")
    blobs = {
        sha: it.journal.blob(sha)
        for held in was.manifests
        for sha in (held.sha256, held.signature_sha256)
    }
    it.begin(it.memory.keep(replace(was, pair=ours), blobs))

    it.carry_on()

    (ended,) = it.events(RollbackEnded)
    assert (ended.how, it.inspect("dms")["Id"]) == ("unchanged", before)
    (failed,) = it.events(StepFailed)
    assert "the image store was changed since the record was made" in failed.words
    assert was.repo_digests[0] in failed.words
    assert it.versions() == [BAD]
