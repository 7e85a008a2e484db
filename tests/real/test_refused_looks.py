"""An engine, or a proxy before it, that shows a container to nobody."""

import json
from datetime import timedelta

import pytest

from tests.crash.proxy import Proxy, short_socket
from tests.real.rig import docker
from tests.real.undo import BAD, Asked
from watchdog.act.hands import Hands
from watchdog.decide.plan import Replay
from watchdog.facts.event import WentBack
from watchdog.observe.running import Stack
from watchdog.outside.engine import Engine

pytestmark = pytest.mark.real

SAID = "this path is not on the proxy's list"
OP = "io.flexli.rollback.op"


@pytest.fixture
def it(tmp_path):
    """Make a stack of the DMS, seen and changed through a proxy of ours."""
    made = Asked(tmp_path)
    made.proxy = Proxy(short_socket(tmp_path), made.url)
    made.to_look.close()
    made.to_act.close()
    patience = timedelta(seconds=30)
    made.to_look = Engine(made.proxy.url, patience)
    made.to_act = Engine(made.proxy.url, patience, to_act=True)
    where = {"folder": made.folder, "env_file": ".env", "variable": "DMS_VERSION"}
    made.eyes = Stack(
        made.to_look,
        project=made.project,
        services=made.services,
        manifests="manifests",
        inside="/manifests/{tenant}.manifest.json",
        **where,
    )
    blob, valid = made.journal.blob, "signature valid"
    made.hands = Hands(made.to_act, blob=blob, sealed=lambda *_: valid, **where)
    made.plans = Replay(
        made.eyes.deployed, made.eyes.pinned, made.services, timedelta(seconds=2)
    )
    yield made
    made.down()
    made.proxy.close()


def ours(it):
    """Give what the rollback made, once it was started."""
    label = f"--filter=label={OP}"
    project = f"--filter=label=com.docker.compose.project={it.project}"
    ids = docker("ps", "-aq", "--no-trunc", label, project).split()
    found = json.loads(docker("inspect", *ids)) if ids else []
    return {one["Id"] for one in found if one["State"]["Status"] != "created"}


def test_a_target_that_nobody_may_look_at_is_stopped_and_the_old_pair_put_back(it):
    it.checks(prove_within=timedelta(seconds=6))
    target = it.ready_to_go_back()
    it.begin(target)
    hidden = set()

    def refuse(request):
        method, _, path = request.partition(" ")
        if method == "POST" and path.endswith("/start"):
            hidden.add(path.split("/")[-2])
        known = any(f"/containers/{id_}/json" in path for id_ in hidden)
        return SAID if known and not it.events(WentBack) else ""

    it.proxy.refuse = refuse
    it.carry_to_its_end()

    assert it.ends()[-1] == "put-back"
    assert it.versions() == [BAD]
    assert ours(it) == set()


def test_what_nobody_may_look_at_is_never_touched(it):
    target = it.ready_to_go_back()
    before = it.starts()
    it.begin(target)

    it.proxy.refuse = lambda request: SAID if "/json" in request else ""
    words = it.carry_on()
    it.proxy.refuse = lambda request: SAID if request.endswith("/json") else ""
    assert "waiting" in words
    it.carry_on()

    assert it.starts() == before
    assert it.ends() == ["unchanged"]
    it.proxy.refuse = lambda _: ""
    assert it.versions() == [BAD]
