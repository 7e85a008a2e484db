"""What only Compose does is what Compose says: hooks, inline content, restarts.

`docker compose config` is the word on what a stack has; the files are read only where
no Compose is at hand.
"""

import uuid
from datetime import timedelta

import pytest
import yaml

from tests.real.rig import IMAGE, Rig, build, docker, write
from watchdog.config.release_folder import ReleaseFolder
from watchdog.facts.pair import NotKnown
from watchdog.facts.problem import Problem
from watchdog.wiring.executors import stack_of
from watchdog.wiring.looks import held

pytestmark = pytest.mark.real

OLD, BAD = "v1.2.0", "v1.3.0"
SLEEPS = {"init": True, "stop_grace_period": "1s"}
INSIDE = "/manifests/meesho.manifest.json:ro"
APP = SLEEPS | {
    "image": f"{IMAGE}:${{DMS_VERSION:?}}",
    "volumes": [
        "./manifests/meesho.${DMS_VERSION}.manifest.json:" + INSIDE,
    ],
}
HOOK = {"post_start": [{"command": ["true"], "user": "root"}]}
BASE = HOOK | {"configs": [{"source": "conf", "target": "/etc/app.conf"}]}
PROXY = SLEEPS | {
    "image": f"{IMAGE}:{OLD}",
    "depends_on": {"app": {"condition": "service_started", "restart": True}},
}
LINKED = SLEEPS | {"image": f"{IMAGE}:{OLD}", "links": ["app:upstream"]}
RARER = pytest.param(LINKED, marks=pytest.mark.campaign)
RESTARTED = pytest.mark.parametrize("web", [PROXY, RARER], ids=["restart", "links"])
INLINE = {"configs": {"conf": {"content": "zone=one\n"}}}
EXTENDED = APP | {"extends": {"service": "base"}}
ELSEWHERE = APP | {"extends": {"file": "common.yaml", "service": "base"}}


class Project(Rig):
    """One project of *whole*, with the eyes and hands that the settings give it."""

    def __init__(self, folder, whole, files, executor="engine", services=("app",)):
        project = f"oc-{uuid.uuid4().hex[:8]}"
        manifests = {f"manifests/meesho.{v}.manifest.json": v for v in (OLD, BAD)}
        write(folder / project, project, whole, files | manifests)
        super().__init__(folder / project, project, services)
        self.settings = self.wired(executor)

    def started(self, service):
        """Say when *service* was last started."""
        return self.inspect(service)["State"]["StartedAt"]


@pytest.fixture
def project(tmp_path):
    build()
    made = []

    def project(services, files=None, **more):
        texts = {name: yaml.safe_dump(whole) for name, whole in (files or {}).items()}
        whole = {"services": services} | more.pop("whole", {})
        made.append(Project(tmp_path, whole, texts, **more))
        return made[-1]

    yield project
    for one in made:
        one.down()


def test_a_hook_that_an_override_takes_away_is_no_obstacle(project):
    it = project({"app": APP | HOOK})
    it.deploy(OLD)
    assert it.eyes.obstacles() == ("post_start of service app: only Compose runs it",)

    over = "services: {app: {post_start: !reset []}}\n"
    (it.folder / "compose.override.yaml").write_text(over)
    it.deploy(OLD)
    docker("rm", "-f", it.inspect("app")["Id"])  # the label names the files
    it.up()

    assert it.eyes.obstacles() == ()


@pytest.mark.parametrize("by", ["extends", "extends of a file", "include"])
def test_what_a_service_has_from_elsewhere_is_an_obstacle(project, by):
    base = SLEEPS | {"image": f"{IMAGE}:{OLD}"} | BASE
    common = {"services": {"base": base}} | INLINE
    match by:
        case "extends":
            it = project({"app": EXTENDED, "base": base}, whole=INLINE)
        case "extends of a file":
            it = project({"app": ELSEWHERE}, {"common.yaml": common}, whole=INLINE)
        case "include":
            included = {"services": {"app": APP | BASE}} | INLINE
            beside = {"beside": SLEEPS | {"image": f"{IMAGE}:{OLD}"}}
            it = project(
                beside, {"more.yaml": included}, whole={"include": ["more.yaml"]}
            )
    it.deploy(OLD)

    assert it.eyes.obstacles() == (
        (
            "config conf of service app has its content in the files: only Compose "
            "writes that into a container"
        ),
        "post_start of service app: only Compose runs it",
    )
    with pytest.raises(Problem, match="cannot be replayed"):
        it.eyes.deployed(())


def test_a_file_whose_name_is_made_of_the_version_is_read_as_compose_reads_it(project):
    named = APP | {"extends": {"file": "app.${DMS_VERSION}.yaml", "service": "app"}}
    plain = {"services": {"app": {"labels": {"plain": "1"}}}}
    files = {f"app.{OLD}.yaml": {"services": {"app": HOOK}}, f"app.{BAD}.yaml": plain}
    it = project({"app": named}, files)
    it.deploy(OLD)
    assert it.eyes.obstacles() == ("post_start of service app: only Compose runs it",)

    (it.folder / f"app.{OLD}.yaml").write_text(yaml.safe_dump(plain))
    it.deploy(OLD)
    target = it.record()
    it.deploy(BAD)
    assert it.eyes.obstacles() == ()
    plan = it.begin(target)
    red = [x for x in it.eyes.lacks(it.memory.record(target), plan) if not x.doubt]
    assert red == []


@RESTARTED
def test_a_proxy_that_compose_restarts_with_the_service_is_an_obstacle(project, web):
    it = project({"app": APP, "web": web})
    it.deploy(OLD)

    (words,) = it.eyes.obstacles()
    assert words.startswith("Compose restarts web whenever it replaces app")

    # No container is made anew for it: the label stays, and Compose's word counts.
    model = yaml.safe_load((it.folder / "compose.yaml").read_text())
    model["services"]["web"] |= {"depends_on": ["app"]}
    model["services"]["web"].pop("links", None)
    (it.folder / "compose.yaml").write_text(yaml.safe_dump(model))
    assert "Running" in it.up()
    assert it.eyes.obstacles() == ()


@RESTARTED
def test_by_compose_the_proxy_is_restarted_with_the_service(project, web):
    it = project({"app": APP, "web": web}, executor="compose")
    it.deploy(OLD)
    target = it.record()
    it.deploy(BAD)
    before = it.inspect("web")
    assert it.eyes.obstacles() == ()

    it.roll_back(target)

    after = it.inspect("web")
    assert after["Id"] == before["Id"]
    assert after["State"]["StartedAt"] > before["State"]["StartedAt"]
    assert after["State"]["StartedAt"] > it.inspect("app")["State"]["StartedAt"]
    assert it.inspect("app")["Config"]["Image"].endswith(OLD)


def test_a_container_of_docker_run_and_a_task_of_swarm_are_said(project):
    it = project({"app": APP})
    name = f"{it.project}-app-1"
    none = ReleaseFolder(it.folder / "manifests", timedelta(seconds=15), tuple)
    swarm = [
        f"--label=com.docker.stack.namespace={it.project}",
        f"--label=com.docker.swarm.service.name={it.project}_app",
    ]
    for labels, meant in (([], "started without Compose"), (swarm, "runs in Swarm")):
        docker("run", "-d", f"--name={name}", "--init", *labels, f"{IMAGE}:{OLD}")
        try:
            seen = it.eyes.running(lambda _: ("meesho",))
            assert isinstance(seen, NotKnown)
            assert meant in seen.words
            assert name in seen.words
            assert stack_of(it.settings, it.to_look).foreign() == (seen.words,)
            assert it.eyes.obstacles() == (seen.words,)
            live = held(it.settings, none)
            assert [fault.words for fault in live.faults] == [seen.words]
        finally:
            docker("rm", "-f", name)
