"""The ways in which people write a version: put back so that Compose agrees, or red.

The referee is Compose: after a rollback its `up -d` says Running and changes nothing,
and the next release deploys.
"""

import json
import os
import uuid

import pytest

from tests.real.rig import IMAGE, Rig, build, docker, write
from watchdog.facts.event import RollbackEnded
from watchdog.facts.problem import Problem

pytestmark = pytest.mark.real

REGISTRY = os.environ.get("SANDBOX_REGISTRY", "127.0.0.1:5055")
OLD, BAD, NEXT = "v1.2.0", "v1.3.0", "v1.3.1"
ALL = (OLD, BAD, NEXT)
PLAIN = "meesho.${DMS_VERSION}.manifest.json"
EXECUTORS = pytest.mark.parametrize("executor", ["engine", "compose"])
# What they share is the pin and the referee, which the one case above all shows.
MOSTLY = pytest.mark.parametrize(
    "executor", ["engine", pytest.param("compose", marks=pytest.mark.campaign)]
)


class Layout(Rig):
    """One service, whose version is written as *image* and *env* say."""

    def __init__(self, folder, executor, image, *, manifest=PLAIN, env_file=".env"):
        project = f"lay-{uuid.uuid4().hex[:8]}"
        self.repository = f"{REGISTRY}/{project}"
        self.image = image.replace("REPO", self.repository)
        self.manifest = manifest
        self.given = ()
        write(folder / project, project, self._model(), {})
        (folder / project / "manifests").mkdir()
        super().__init__(folder / project, project)
        self.wired(executor, stack={"env_file": env_file})

    def _model(self):
        app = {
            "image": self.image,
            "init": True,
            "stop_grace_period": "1s",
            "user": "0:0",
            "entrypoint": ["sh", "-c", "trap exit TERM; sleep 9999 & wait"],
            "volumes": [f"./manifests/{self.manifest}:/manifests/meesho.manifest.json"],
        }
        return {"services": {"app": app}}

    def release(self, *tags):
        """Have images that differ, under *tags*, in the registry too; give digests."""
        digests = {}
        for tag in tags:
            name = f"{self.repository}:{tag}"
            text = f"FROM {IMAGE}:{OLD}\nLABEL of={self.project}-{tag}\n"
            docker("build", "-q", "-t", name, "-", input=text)
            docker("push", "-q", name)
            (digest,) = json.loads(docker("image", "inspect", name))[0]["RepoDigests"]
            digests[tag] = digest.partition("@")[2]
        return digests

    def says(self, file=".env", **values):
        """Write *values* into an env file, each in a line, a comment among them."""
        lines = [f"{name}={value}" for name, value in values.items()]
        name = f"COMPOSE_PROJECT_NAME={self.project}"
        (self.folder / file).write_text("\n".join(["# by us", name, *lines, ""]))

    def holds(self, version, name):
        """Have the manifest of *version* as *name*."""
        (self.folder / "manifests" / name).write_text(version)

    def compose(self, *words, check=True):
        given = [word for file in self.given for word in ("--env-file", file)]
        return super().compose(*given, *words, check=check)

    def lacks_to(self, target):
        """Say what keeps *target* from being put back, and what is to know."""
        plan = self.plan("readiness", self.record(), target)
        return self.eyes.lacks(self.memory.record(target), plan)

    def reds(self, target):
        """Say what keeps *target* from being put back, as readiness would."""
        found = list(self.eyes.obstacles())
        try:
            lacks = self.lacks_to(target)
        except Problem as problem:
            return [*found, problem.words]
        return [*found, *(x.sentence for x in lacks if not (x.mendable or x.doubt))]

    def runs(self):
        """Give image and manifest that run."""
        it = self.inspect("app")
        manifest = docker("exec", it["Id"], "cat", "/manifests/meesho.manifest.json")
        return it["Image"], manifest.strip()


@pytest.fixture
def lay(tmp_path):
    build()
    made = []

    def layout(*words, **more):
        made.append(Layout(tmp_path, *words, **more))
        return made[-1]

    yield layout
    for one in made:
        one.down()
        for ref in docker("images", "-q", one.repository).split():
            docker("rmi", "-f", ref, check=False)


def a_whole_story(it, say, env_file=".env"):
    """Deploy, roll back, `up -d`, and deploy the next release: it all holds."""
    for version in ALL:
        it.holds(version, f"meesho.{version}.manifest.json")
    say(OLD)
    it.up()
    first = it.runs()
    target = it.record()
    before = (it.folder / env_file).read_bytes()
    say(BAD)
    it.up()
    assert it.runs() != first
    assert it.reds(target) == []

    it.roll_back(target)

    assert it.runs() == first
    assert (it.folder / env_file).read_bytes() == before
    said = it.up()
    assert "Running" in said, said
    assert it.runs() == first
    say(NEXT)
    it.up()
    assert it.runs()[1] == NEXT


@MOSTLY
def test_a_tag_with_something_before_its_variable_is_put_back(lay, executor):
    it = lay(
        executor,
        "REPO:v${DMS_VERSION:?}",
        manifest="meesho.v${DMS_VERSION}.manifest.json",
    )
    it.release(*ALL)

    a_whole_story(it, lambda version: it.says(DMS_VERSION=version.removeprefix("v")))


@pytest.mark.campaign
@MOSTLY
def test_a_tag_with_something_behind_its_variable_is_put_back(lay, executor):
    it = lay(executor, "REPO:${DMS_VERSION:?}-slim")
    it.release(*(f"{version}-slim" for version in ALL))
    it.kept = lambda tag: f"meesho.{tag.removesuffix('-slim')}.manifest.json"

    a_whole_story(it, lambda version: it.says(DMS_VERSION=version))


@MOSTLY
def test_a_tag_and_a_digest_in_two_variables_are_put_back_together(lay, executor):
    it = lay(executor, "REPO:${DMS_VERSION:?}@${DMS_DIGEST:?}")
    of = it.release(*ALL)

    a_whole_story(it, lambda v: it.says(DMS_VERSION=v, DMS_DIGEST=of[v]))


@MOSTLY
def test_a_whole_reference_in_one_variable_is_put_back(lay, executor):
    it = lay(executor, "${DMS_IMAGE:?}")
    it.release(*ALL)

    a_whole_story(
        it, lambda v: it.says(DMS_IMAGE=f"{it.repository}:{v}", DMS_VERSION=v)
    )


@MOSTLY
def test_of_two_env_files_the_one_that_chooses_is_pinned(lay, executor):
    it = lay(executor, "REPO:${DMS_VERSION:?}", env_file="release.env")
    it.release(*ALL)
    it.given = (".env", "release.env")
    it.says(OTHER="1")

    a_whole_story(
        it, lambda v: it.says("release.env", DMS_VERSION=v), env_file="release.env"
    )


def two_deployments(it, write):
    """Deploy the old one, then the bad one, each as *write* has it; give the first."""
    target = ""
    for version in (OLD, BAD):
        it.holds(version, f"meesho.{version}.manifest.json")
        write(version)
        it.up()
        target = target or it.record()
    return target


@MOSTLY
def test_an_env_file_that_compose_does_not_read_is_red(lay, executor):
    it = lay(executor, "REPO:${DMS_VERSION:?}")
    it.release(OLD, BAD)
    it.given = ("release.env",)
    it.says(DMS_VERSION=OLD)

    target = two_deployments(it, lambda v: it.says("release.env", DMS_VERSION=v))

    assert any("Compose reads the version from" in one for one in it.reds(target))


@MOSTLY
def test_a_version_that_is_written_in_the_compose_file_is_red(lay, executor):
    it = lay(executor, "REPO:v0")
    it.release(OLD, BAD)
    it.says(DMS_VERSION=OLD)

    def edit(version):
        it.image = f"{it.repository}:{version}"
        it.manifest = f"meesho.{version}.manifest.json"
        (it.folder / "compose.yaml").write_text(json.dumps(it._model()))

    found = it.reds(two_deployments(it, edit))

    assert any("nothing in .env chooses it" in one for one in found), found
    assert any("compose.yaml, line 1" in one for one in found), found


@pytest.mark.campaign
def test_a_version_that_is_in_the_compose_file_alone_is_red_with_its_line(lay):
    it = lay("engine", "REPO:v0")
    it.release(OLD, BAD)
    it.says(OTHER="1")

    def edit(version):
        it.image = f"{it.repository}:{version}"
        it.manifest = f"meesho.{version}.manifest.json"
        (it.folder / "compose.yaml").write_text(json.dumps(it._model()))

    target = two_deployments(it, edit)

    with pytest.raises(Problem) as red:
        it.lacks_to(target)
    assert "DMS_VERSION is not set in .env" in red.value.words
    assert "compose.yaml, line 1: " in red.value.hint
    assert "write ${DMS_VERSION} there" in red.value.hint


@MOSTLY
def test_a_default_that_is_edited_in_the_compose_file_is_red(lay, executor):
    it = lay(executor, "REPO:v0")
    it.release(OLD, BAD)
    it.says(OTHER="1")

    def edit(version):
        chosen = f"${{DMS_VERSION:-{version}}}"
        it.image = f"{it.repository}:{chosen}"
        it.manifest = f"meesho.{chosen}.manifest.json"
        (it.folder / "compose.yaml").write_text(json.dumps(it._model()))

    found = it.reds(two_deployments(it, edit))

    assert any("DMS_VERSION is not set in .env" in one for one in found), found


@MOSTLY
def test_an_image_that_is_latest_for_every_release_is_red(lay, executor):
    it = lay(executor, "REPO:latest")
    it.release(OLD, BAD)
    it.kept = lambda _: f"meesho.{OLD}.manifest.json"

    def move(version):
        it.says(DMS_VERSION=version)
        docker("tag", f"{it.repository}:{version}", f"{it.repository}:latest")

    found = it.reds(two_deployments(it, move))

    assert any("is tagged latest" in one for one in found), found


@pytest.mark.campaign
def test_a_name_that_each_release_takes_over_is_red_where_it_is_pulled(lay):
    """Else the next plain `up -d` makes the bad image with the good manifest."""
    it = lay("engine", "REPO:stable")
    it.release(OLD, BAD)
    it.kept = lambda _: f"meesho.{OLD}.manifest.json"

    def move(version):
        it.says(DMS_VERSION=version)
        docker("tag", f"{it.repository}:{version}", f"{it.repository}:stable")
        docker("push", "-q", f"{it.repository}:stable")

    target = two_deployments(it, move)
    assert it.reds(target) == []
    assert any("was the name of another image" in x.words for x in it.lacks_to(target))

    whole = it._model()
    whole["services"]["app"]["pull_policy"] = "always"
    (it.folder / "compose.yaml").write_text(json.dumps(whole))

    (red,) = it.reds(target)
    assert "`docker compose up -d` pulls it anew" in red


def test_services_that_follow_the_version_and_are_not_enrolled_are_named(lay):
    it = lay("engine", "REPO:${DMS_VERSION:?}")
    it.release(OLD, BAD)
    whole = it._model()
    plain = {k: v for k, v in whole["services"]["app"].items() if k != "volumes"}
    whole["services"] |= {
        "worker": plain,
        "db": plain | {"image": f"{IMAGE}:{OLD}", "env_file": ".env"},
        "tool": plain | {"profiles": ["by-hand"]},
        "migrate": plain | {"entrypoint": ["true"], "restart": "no"},
    }
    (it.folder / "compose.yaml").write_text(json.dumps(whole))

    target = two_deployments(it, lambda v: it.says(DMS_VERSION=v))

    (red,) = it.reds(target)
    assert red.startswith("worker follows the same version and is not enrolled")
    doubts = [x.words for x in it.lacks_to(target) if x.doubt]
    assert [d.split(",")[0] for d in sorted(doubts)] == [
        "db is not enrolled",
        "migrate follows the same version",
    ]


def test_what_the_env_file_came_to_choose_since_is_seen_and_said(lay):
    it = lay("engine", "REPO:${DMS_VERSION:?}@${DMS_DIGEST:?}")
    of = it.release(OLD, BAD)
    two_deployments(it, lambda v: it.says(DMS_VERSION=v, DMS_DIGEST=of[v]))
    it.eyes.running(lambda _: ("meesho",))  # as every turn does first
    assert it.eyes.astray(BAD) == ()

    it.says(DMS_VERSION=BAD, DMS_DIGEST=of[OLD])

    (drift,) = it.eyes.astray(BAD)
    assert drift.words.startswith("`docker compose up -d` would change what runs: app")
    assert drift.mendable


def test_a_compose_file_that_is_changed_meanwhile_is_said_and_not_proved(lay):
    it = lay("engine", "REPO:${DMS_VERSION:?}")
    it.release(OLD, BAD)
    target = two_deployments(it, lambda v: it.says(DMS_VERSION=v))

    def somebody_edits(*_):
        it.image = f"{it.repository}:{BAD}"
        (it.folder / "compose.yaml").write_text(json.dumps(it._model()))
        return ()

    it.ask_stack = somebody_edits
    it.begin(target)
    words = it.carry_on()

    assert it.ends() == ["unpinned"], words
    (ended,) = it.events(RollbackEnded)
    assert "`docker compose up -d` would change what was put back: app" in ended.proof
    assert it.runs()[1] == OLD
