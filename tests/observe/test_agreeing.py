"""Whether Compose agrees: what it says counts, and that it is silent is no word."""

import json

import pytest

from tests.worlds import a_record
from watchdog.facts.problem import Problem
from watchdog.observe.agreeing import Agreeing
from watchdog.observe.referee import Referee

FILE = "services:\n  dms:\n    image: {}\n"


def ref():
    return str(a_record("v1.2.0", services=("dms",)).replicas[0].body.get("Image"))


class Silent:
    """Programs that do not end."""

    def look(self, argv, folder):
        raise Problem(f"`{argv[0]}` does not end")


class Refuses:
    """A Compose that ends with an error."""

    def look(self, argv, folder):
        return 1, "services.dms.imagee: additional property"


class Renders:
    """A Compose that makes one service of the image v0, or as it is told."""

    def __init__(self, **service):
        self.service = {"image": "v0"} | service

    def look(self, argv, folder):
        model = {"services": {"dms": self.service}}
        return 0, "dms h1" if "--hash" in argv else json.dumps(model)


@pytest.fixture
def stack(tmp_path):
    (tmp_path / ".env").write_text("DMS_VERSION=v1.3.0\n")

    def made(image, commands=None, unasked="", beside=(), text=""):
        others = "".join(f"  {name}: {text}\n" for name, text in beside)
        (tmp_path / "compose.yaml").write_text(text or FILE.format(image) + others)
        env = tmp_path / ".env"
        referee = commands and Referee(commands, ("compose",), tmp_path, env)
        how = {"services": ("dms",), "variable": "DMS_VERSION"}
        agreeing = Agreeing(referee, unasked, folder=tmp_path, env_file=".env", **how)
        labels = {
            "com.docker.compose.project": "dms",
            "com.docker.compose.service": "dms",
            "com.docker.compose.project.working_dir": str(tmp_path),
            "com.docker.compose.project.config_files": str(tmp_path / "compose.yaml"),
        }
        ran = [
            {
                "Id": "1",
                "Name": "/dms-1",
                "Config": {"Labels": labels, "Image": "v0"},
                "HostConfig": {},
                "NetworkSettings": {},
            }
        ]
        target = a_record("v1.2.0", services=("dms",))
        pins = {"DMS_VERSION": "v1.2.0"}
        running = dict.fromkeys(["dms", *(name for name, _ in beside)], False)
        return agreeing, ran, agreeing.lacks(ran, running, target, pins)

    return made


@pytest.mark.parametrize("asked", [{"unasked": "not here"}, {"commands": Silent()}])
def test_without_a_word_of_compose_the_image_lines_are_read(stack, asked):
    repository = ref().rpartition(":")[0]
    _, _, fine = stack(f"{repository}:${{DMS_VERSION:?}}", **asked)
    _, _, written = stack(f"{repository}:v1.3.0", **asked)

    (doubt,) = fine
    assert doubt.doubt
    assert doubt.words.startswith("nobody is here to say what Compose will make")
    assert [lack.doubt for lack in written] == [True, False]
    assert f"dms would be {repository}:v1.3.0, and ran {ref()}" in written[1].words
    assert "compose.yaml, line 3" in written[1].hint


def test_the_line_of_what_a_service_extends_is_named(stack, tmp_path):
    """Where `image:` stands in another file, under another service's name."""
    (tmp_path / "base.yaml").write_text("services:\n  base:\n    image: v0\n")
    text = "services:\n  dms:\n    extends: {file: base.yaml, service: base}\n"

    for asked in ({"unasked": "not here"}, {"commands": Renders()}):
        (red,) = [x for x in stack("", text=text, **asked)[2] if not x.doubt]
        assert red.hint.startswith("base.yaml, line 3: `image: v0`"), red


@pytest.mark.parametrize(
    ("image", "hint"),
    [
        (
            "app:v1.3.0",
            (
                "compose.yaml, line 3: `image: app:v1.3.0`: write ${DMS_VERSION} "
                "there, and `DMS_VERSION=` and the version into .env"
            ),
        ),
        ("app:${DMS_VERSION:?}", "as it was"),
    ],
)
def test_of_a_version_that_is_not_set_the_line_that_wants_it_is_named(
    stack, image, hint
):
    agreeing, ran, _ = stack(image, unasked="not here")

    assert agreeing.unset(Problem("not set", "as it was"), ran).hint == hint


def test_without_compose_too_who_follows_and_is_not_enrolled_is_named(stack):
    version = "${DMS_VERSION:?}"
    beside = (
        ("cache", "{image: redis}"),
        ("db", "{image: postgres, env_file: .env}"),
        ("mq", "{image: mq, env_file: [other.env, {path: ./.env}]}"),
        ("streaming", f'{{image: "streaming:{version}"}}'),
    )
    repository = ref().rpartition(":")[0]

    image = f"{repository}:{version}"
    _, *found = stack(image, unasked="not here", beside=beside)[2]

    assert [lack.doubt for lack in found] == [True, True, False]
    assert "db is not enrolled, and `docker compose up -d`" in found[0].words
    assert "mq is not enrolled" in found[1].words
    assert "it reads .env" in found[1].words
    assert "streaming follows the same version and is not enrolled" in found[2].words


@pytest.mark.parametrize(
    "image",
    [
        "{}:${{DMS_VERSION}} # the one that we ship",
        '&ours "{}:${{DMS_VERSION}}"',
        "{}:${{DMS_VERSION}}${{DMS_VERSION:+-slim}}",
    ],
)
def test_without_compose_an_image_is_not_read_for_more_than_it_says(stack, image):
    repository = ref().rpartition(":")[0]

    (doubt,) = stack(image.format(repository), unasked="not here")[2]

    assert doubt.doubt


@pytest.mark.parametrize("asked", [{"unasked": "not here"}, {"commands": Renders()}])
@pytest.mark.parametrize("last", ["right", "wrong"])
def test_of_several_files_the_last_one_chooses_and_is_named(
    stack, tmp_path, last, asked
):
    repository = ref().rpartition(":")[0]
    follows, written = f"{repository}:${{DMS_VERSION}}", f"{repository}:v0"
    first, second = (written, follows) if last == "right" else (follows, written)
    agreeing, ran, _ = stack(first, **asked)
    (tmp_path / "more.yaml").write_text(f"services: {{dms: {{image: '{second}'}}}}\n")
    both = ",".join(str(tmp_path / name) for name in ("compose.yaml", "more.yaml"))
    ran[0]["Config"]["Labels"]["com.docker.compose.project.config_files"] = both
    target = a_record("v1.2.0", services=("dms",))

    found = agreeing.lacks(ran, {"dms": False}, target, {"DMS_VERSION": "v1.2.0"})

    red = [one.hint.partition(":")[0] for one in found if not one.doubt]
    fine = last == "right" and "unasked" in asked
    assert red == ([] if fine else ["more.yaml, line 1"])


@pytest.mark.parametrize(
    ("commands", "is_red"),
    [
        (Renders(image=ref()), False),
        (Renders(image=ref(), pull_policy="missing"), False),
        (Renders(image=ref(), pull_policy="always"), True),
        (Renders(image=ref(), pull_policy="every_12h"), True),
        (None, False),
    ],
)
def test_a_name_that_was_another_images_is_said_and_red_where_it_is_pulled(
    stack, commands, is_red
):
    agreeing, ran, _ = stack(ref(), commands, unasked="not here")
    target = a_record("v1.2.0", services=("dms",))
    ran[0]["Config"]["Image"] = ref()

    def said(image):
        ran[0]["Image"] = image
        found = agreeing.lacks(ran, {"dms": False}, target, {})
        return [one for one in found if "was the name of another image" in one.words]

    assert said(target.pair.image) == []
    (lack,) = said("sha256:another")
    assert lack.doubt is not is_red
    assert ("`docker compose up -d` pulls it anew, and" in lack.words) is is_red


def test_what_is_built_at_each_up_is_red(stack):
    agreeing, ran, _ = stack(ref(), Renders(image=ref(), pull_policy="build"))
    target = a_record("v1.2.0", services=("dms",))

    (red,) = agreeing.lacks(ran, {"dms": False}, target, {})

    assert "`docker compose up -d` builds dms anew" in red.words
    assert not red.doubt


def test_an_env_file_that_is_read_later_and_says_it_too_is_named(stack, tmp_path):
    agreeing, ran, _ = stack("app:${DMS_VERSION}", Renders())
    for name, text in (("prod.env", "DMS_VERSION=v1.3.0\n"), ("tz.env", "TZ=UTC\n")):
        (tmp_path / name).write_text(text)
    read = ",".join(str(tmp_path / name) for name in (".env", "prod.env", "tz.env"))
    labels = ran[0]["Config"]["Labels"]
    labels["com.docker.compose.project.environment_file"] = read
    target = a_record("v1.2.0", services=("dms",))

    (red,) = agreeing.lacks(ran, {"dms": False}, target, {"DMS_VERSION": "v1.2.0"})

    assert red.hint == (
        f"{tmp_path / 'prod.env'}, which Compose reads after .env, sets DMS_VERSION: "
        "set stack.env_file to it"
    )


def test_of_a_version_that_is_made_of_others_it_is_said_what_to_write(stack, tmp_path):
    agreeing, ran, _ = stack("app:${DMS_VERSION}", Renders())
    (tmp_path / ".env").write_text("MAJOR=v1\nDMS_VERSION=${MAJOR}.3.0\n")
    target = a_record("v1.2.0", services=("dms",))

    (red,) = agreeing.lacks(ran, {"dms": False}, target, {"MAJOR": "v1"})

    assert red.hint.startswith("compose.yaml, line 3: ")
    assert "DMS_VERSION is made of other variables" in red.hint
    assert "write the value itself there" in red.hint


def test_a_stack_that_compose_cannot_render_is_red(stack):
    (red,) = stack("x", Refuses())[2]

    assert red.words.startswith("Compose cannot render the stack: services.dms.imagee")
    assert not red.doubt


def test_at_the_end_a_silent_compose_takes_no_proof_back(stack):
    agreeing, ran, _ = stack("x", Silent())

    assert agreeing.unlike(ran, a_record("v1.2.0", services=("dms",))) == ""


@pytest.mark.parametrize("where", ["nowhere", "a file"])
def test_a_compose_that_finds_no_room_to_be_asked_in_crashes_nothing(
    stack, tmp_path, monkeypatch, where
):
    """A full or a missing ``/tmp`` says nothing of the stack."""
    place = tmp_path / "scratch"
    if where == "a file":
        place.write_text("")
    monkeypatch.setattr("tempfile.tempdir", str(place))

    agreeing, ran, lacks = stack("app:${DMS_VERSION}", Refuses())

    assert lacks[0].words.startswith("nobody is here to say what Compose will make of")
    assert "Compose could not be asked" in lacks[0].words
    assert lacks[0].doubt
    assert agreeing.pins(ran) == {}
    assert agreeing.astray(ran) is None
    assert agreeing.unlike(ran, a_record("v1.2.0", services=("dms",))) == ""
