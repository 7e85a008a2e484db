"""A pair is all the images of a release and all its manifests, and says so."""

from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from tests.worlds import a_pair, a_record, sha
from watchdog.facts.pair import HeldImage, Pair, Record, is_named, together

WEB, ML = (f"sha256:{sha(name)}" for name in ("web", "ml"))
BOTH = {"web": WEB, "worker": WEB, "ml": ML}


def several(images=BOTH, manifests=()):
    return Pair("v1.2.0", together(images), manifests)


def test_one_image_is_written_as_ever():
    pair = Pair("v1.2.0", WEB, (("meesho", "9f"),))

    assert together({"web": WEB, "worker": WEB}) == WEB
    assert (pair.key, pair.images) == (f"{WEB}+meesho=9f", {})
    assert pair.image_of("anything") == WEB
    assert pair.words == f"v1.2.0 (image {sha('web')[:12]}, meesho 9f)"


def test_several_images_are_one_pair_however_they_are_listed():
    turned = dict(reversed(BOTH.items()))

    assert several().key == several(turned).key
    assert several().images == BOTH
    assert several().image_of("ml") == ML


@pytest.mark.parametrize("service", BOTH)
def test_another_image_of_any_service_is_another_pair(service):
    other = several(BOTH | {service: f"sha256:{sha('new')}"})

    assert other.key != several().key
    assert other.short != several().short


def test_an_image_of_a_service_that_is_not_of_the_pair_is_none_of_its():
    assert several().image_of("db") not in (WEB, ML)


def test_a_pair_names_all_its_images_and_that_it_has_no_manifests():
    assert several().words == (
        f"v1.2.0 (images ml {sha('ml')[:12]}, web,worker {sha('web')[:12]}, "
        "no manifests)"
    )
    assert several(manifests=(("meesho", "9f"),)).words.endswith(", meesho 9f)")


def test_a_record_of_one_image_gives_it_by_each_name_that_compose_has():
    record = a_record(services=("web", "worker"))
    odd = replace(record.replicas[1], body={"Image": "other:v1.2.0"})
    by_two = replace(record, replicas=(record.replicas[0], odd))

    (one,) = record.each_image
    assert (one.ref, one.services) == (record.image_ref, ("web", "worker"))
    assert [held.ref for held in by_two.each_image] == [one.ref, "other:v1.2.0"]
    assert {held.image for held in by_two.each_image} == {record.pair.image}


def test_a_record_of_an_earlier_build_is_read():
    codec = TypeAdapter(Record)
    plain = codec.dump_python(a_record(), mode="json")
    del plain["images"]

    assert codec.validate_python(plain) == a_record()


def test_a_record_of_several_images_comes_back_as_it_was_written():
    codec = TypeAdapter(Record)
    images = (
        HeldImage(("web", "worker"), "web:v1.2.0", WEB, ()),
        HeldImage(("ml",), "ml:v1.2.0", ML, (f"ml@{ML}",)),
    )
    record = replace(a_record(pair=several()), images=images)

    assert codec.validate_json(codec.dump_json(record)) == record
    assert record.image_for("ml") == images[1]
    assert a_pair().images == {}


@pytest.mark.parametrize(
    ("file", "version", "named"),
    [
        ("meesho.v1.2.0.manifest.json", "v1.2.0", True),
        ("meesho.1.2.0.manifest.json", "1.2.0", True),
        ("meesho-1.2.0.manifest.json", "1.2.0", False),  # of a tenant meesho-1
        ("meesho.975fc710d8aa.manifest.json", "975fc710d8aa", True),
        ("meesho.1.2.0.1.manifest.json", "1.2.0", False),
        ("meesho.11.2.0.manifest.json", "1.2.0", False),
        ("meesho2.1.2.0.manifest.json", "1.2.0", False),
        ("v1.2.0.manifest.json", "v1.2.0", False),
    ],
)
def test_a_manifests_file_names_its_tenant_and_its_version(file, version, named):
    assert is_named(file, "meesho", version) is named
