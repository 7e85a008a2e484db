"""Which services are one release, and what chooses its version."""

import pytest

from tests.adopt.stacks import DB, a_project, a_service
from watchdog.adopt.pair import Unclear, enrolled
from watchdog.facts.surroundings import Service

V = {"SHOP_TAG": "v2.0.0", "PG_TAG": "16"}

DIGEST = f"sha256:{'a' * 64}"


def names(found):
    return [service.name for service in found.services]


def test_what_every_stack_has_beside_is_no_service_of_ones_own():
    found = enrolled(a_project(a_service(written="x:${SHOP_TAG}"), DB, env=V))

    assert names(found) == ["api"]
    assert (found.variable, found.version) == ("SHOP_TAG", "v2.0.0")


def test_two_services_of_one_image_are_one_release_in_their_order():
    image = "ghcr.io/x/shop:${SHOP_TAG:?say it}"
    both = a_service("api", written=image), a_service("worker", written=image)

    found = enrolled(a_project(*both, DB, env=V))

    assert names(found) == ["api", "worker"]
    assert found.variable == "SHOP_TAG"


def test_several_images_that_one_variable_chooses_are_one_release():
    web = a_service("web", "x/web:v2.0.0", "x/web:$SHOP_TAG")
    ml = a_service("ml", "x/ml:v2.0.0-cuda", "x/ml:${SHOP_TAG}-cuda")

    found = enrolled(a_project(web, ml, env=V))

    assert names(found) == ["web", "ml"]
    assert found.version == "v2.0.0"


@pytest.mark.parametrize(
    ("image", "written", "env", "variable"),
    [
        ("x:v2.0.0", "x:${TAG:-v1}", {"TAG": "v2.0.0"}, "TAG"),
        ("x:v2.0.0", "x:v${TAG}", {"TAG": "2.0.0"}, "TAG"),
        ("x:2.0.0-alpine", "x:${TAG}-alpine", {"TAG": "2.0.0"}, "TAG"),
        ("x:v2", "${IMAGE}", {"IMAGE": "x:v2"}, "IMAGE"),
        (f"x@{DIGEST}", "x@${D}", {"TAG": "v2", "D": DIGEST}, "D"),
        (f"x:v2@{DIGEST}", "x:${TAG}@${D}", {"TAG": "v2", "D": DIGEST}, "TAG"),
        ("r/x:v2", "${REPO}:${TAG}", {"REPO": "r/x", "TAG": "v2"}, "TAG"),
        # Nobody could read the file: the one variable of that value.
        ("x:v2.0.0", "", {"TAG": "v2.0.0", "PORT": "80"}, "TAG"),
        ("x:v2.0.0", "", {"IMG": "x:v2.0.0"}, "IMG"),
    ],
)
def test_the_variable_is_found_however_the_image_is_made_of_it(
    image, written, env, variable
):
    found = enrolled(a_project(a_service(image=image, written=written), env=env))

    assert found.variable == variable


@pytest.mark.parametrize(
    ("written", "env", "why"),
    [
        ("x:v2.0.0", {}, "the image is written out in the file, x:v2.0.0"),
        ("${NAME}-${KIND}:v${A}.${B}", {"A": "2"}, "does not say NAME, KIND, B as it"),
        ("", {"A": "v2.0.0", "B": "v2.0.0"}, "nothing in .env has the value v2.0.0"),
    ],
)
def test_a_variable_that_is_not_there_is_not_made_up(written, env, why):
    image = "x:v2.0.0"

    found = enrolled(a_project(a_service(image=image, written=written), env=env))

    assert found.variable == ""
    assert why in found.why


@pytest.mark.parametrize(
    ("image", "written", "env", "line"),
    [
        ("x:v2.0.0", "x:${TAG}", {}, ".env does not say it, and v2.0.0 runs"),
        ("x:v2.0.0", "x:${TAG:?say it}", {"TAG": "v3"}, ".env says v3, and v2.0.0"),
        ("x:v2.0.0", "x:v$TAG", {}, "write `TAG=2.0.0` there"),
        ("r:5000/x:v2", "${REPO:-r:5000/x}:${TAG}", {}, "write `TAG=v2` there"),
        ("r:5000/y:v2", "${REPO:-r/x}:${TAG}", {}, "write `TAG=v2` there"),
        ("r:5000/x:v2", "${REPO}:${TAG}", {"OTHER": "v2"}, "write `TAG=v2` there"),
        ("x:v2", "$TAG", {}, "write `TAG=x:v2` there"),
    ],
)
def test_a_version_that_only_the_shell_said_is_named_with_the_line_to_write(
    image, written, env, line
):
    found = enrolled(a_project(a_service(image=image, written=written), env=env))

    assert found.variable == "TAG"
    assert line in found.why
    assert "by the shell of who deployed" in found.why


def test_services_of_several_releases_are_asked_about():
    both = a_service("api", "x:v2", "x:${A}"), a_service("shop", "y:v7", "y:${B}")

    found = enrolled(a_project(*both, env={"A": "v2", "B": "v7"}))

    assert isinstance(found, Unclear)
    assert found.choices == (("api",), ("shop",))


def test_whoever_names_them_is_believed():
    both = a_service("api", "x:v2", "x:${A}"), a_service("shop", "y:v7", "y:${B}")
    project = a_project(*both, env={"A": "v2", "B": "v7"})

    assert names(enrolled(project, ["shop"])) == ["shop"]
    assert isinstance(enrolled(project, ["api", "nobody"]), Unclear)


def test_a_job_that_has_ended_is_none_of_what_serves():
    job = a_service("migrate", written="x:${SHOP_TAG}", is_job=True)

    found = enrolled(a_project(a_service(written="x:${SHOP_TAG}"), job, env=V))

    assert names(found) == ["api"]


def test_a_stack_of_known_parts_alone_is_asked_about():
    found = enrolled(a_project(DB, Service("cache", "docker.io/library/redis:7")))

    assert isinstance(found, Unclear)
    assert "db (postgres:16)" in found.words
