"""A job among the enrolled services, on a real engine: it ends, and serves nobody."""

import time
import uuid

import pytest

from tests.real.rig import IMAGE, Rig, build, write
from watchdog.facts.event import RollbackEnded
from watchdog.facts.job import Jobs
from watchdog.facts.problem import Problem

pytestmark = pytest.mark.real

OLD, BAD = "v1.2.0", "v1.3.0"
MANIFEST = "./manifests/meesho.${DMS_VERSION}.manifest.json"
BOTH = {
    "image": f"{IMAGE}:${{DMS_VERSION:?}}",
    "user": "0:0",
    "environment": {"OF": "${DMS_VERSION}"},
    "volumes": [f"{MANIFEST}:/manifests/meesho.manifest.json:ro", "./data:/data"],
}
MIGRATE = BOTH | {
    "entrypoint": ["sh", "-c", "echo migrate $$OF >>/data/ran"],
    "restart": "no",
}
BEGUN = "test ! -f /data/no-$$OF || exit 3; echo app $$OF >>/data/ran"
APP = BOTH | {
    "init": True,
    "stop_grace_period": "1s",
    "entrypoint": ["sh", "-c", f"{BEGUN}; trap exit TERM; sleep 9999 & wait"],
    "depends_on": {"migrate": {"condition": "service_completed_successfully"}},
}


class Migrating(Rig):
    """An app that awaits its migration; *word* is what the release files say of it."""

    def __init__(self, folder, word, executor="engine"):
        project, services = f"job-{uuid.uuid4().hex[:8]}", ("migrate", "app")
        whole = {"services": {"migrate": MIGRATE, "app": APP}}
        manifests = {f"manifests/meesho.{v}.manifest.json": v for v in (OLD, BAD)}
        write(folder / project, project, whole, manifests | {"data/ran": ""})
        super().__init__(folder / project, project, services)
        said = Jobs(said=lambda _: {"migrate": word} if word else {})
        self.wired(executor, more={"jobs": said})
        self.deploy(OLD)
        self.target = self.record()
        self.deploy(BAD)
        # The engine says that it runs before it has said so itself.
        until = time.monotonic() + 60
        while f"app {BAD}" not in self.ran():
            assert time.monotonic() < until, self.ran()
            time.sleep(0.05)
        self.forget()

    def ran(self):
        return (self.folder / "data/ran").read_text().splitlines()

    def forget(self):
        (self.folder / "data/ran").write_text("")

    def proof(self):
        (ended,) = self.events(RollbackEnded)
        return ended.proof


@pytest.fixture
def migrating(tmp_path):
    build()
    made = []

    def migrating(*how):
        made.append(Migrating(tmp_path, *how))
        return made[-1]

    yield migrating
    for one in made:
        one.down()


@pytest.mark.parametrize("executor", ["engine", "compose"])
def test_a_job_is_left_as_it_ended_and_compose_runs_it_at_its_next_up(
    migrating, executor
):
    it = migrating("", executor)
    job = it.inspect("migrate")["Id"]

    it.roll_back(it.target)

    assert it.ran() == [f"app {OLD}"]
    assert it.inspect("migrate")["Id"] == job
    assert f"job migrate of {BAD} ended with 0" in it.proof()
    app = it.inspect("app")["Id"]
    it.up()
    assert it.ran() == [f"app {OLD}", f"migrate {OLD}"]
    assert it.inspect("app")["Id"] == app


def test_a_job_that_may_be_run_again_is_run_once_before_the_app(migrating):
    it = migrating("again")

    it.roll_back(it.target)

    assert it.ran() == [f"migrate {OLD}", f"app {OLD}"]
    assert f"job migrate of {OLD} ended with 0" in it.proof()
    kept = it.inspect("migrate")["Id"], it.inspect("app")["Id"]
    it.up()
    assert (it.inspect("migrate")["Id"], it.inspect("app")["Id"]) == kept


def test_the_way_back_runs_no_job(migrating):
    """An app whose target does not come up, and whose job was run for it."""
    it = migrating("again")
    job = it.inspect("migrate")["Id"]
    (it.folder / f"data/no-{OLD}").touch()

    it.begin(it.target)
    it.carry_on()

    assert it.ends() == ["put-back"]
    assert it.ran() == [f"migrate {OLD}", f"app {BAD}"]
    assert it.inspect("migrate")["Id"] == job


def test_with_compose_a_job_is_not_run_again_and_that_is_red(migrating):
    it = migrating("again", "compose")

    with pytest.raises(Problem, match="`executor: compose` leaves jobs as they are"):
        it.begin(it.target)
