"""``watchdog doctor`` and ``watchdog config``: all at once, each with its cure."""

import json
import os

import pytest
import yaml
from typer.testing import CliRunner

from tests.act.manager import managing
from tests.commands.box import a_box
from tests.commands.test_setting_up import init, key
from tests.notify.receiver import receiving
from watchdog.__main__ import app
from watchdog.facts.problem import Problem


class Clinic:
    """A box that was adopted, and the settings that lead to its far ends from here."""

    def __init__(self, shop):
        self.shop = shop
        shop.runs()
        shop.runs_prometheus()
        done, self.folder, _ = init(shop, "--dri", key(shop))
        assert done.exit_code == 0, done.output
        (self.folder / "state").mkdir()
        self.changed = {
            "WATCHDOG_ENGINE__URL": shop.engine,
            "WATCHDOG_PROMETHEUS__URL": shop.prometheus,
            "WATCHDOG_STACK__HEALTH": f"{shop.prometheus}/health",
            "WATCHDOG_STACK__VERSION": f"{shop.prometheus}/version",
            "WATCHDOG_STATE": str(self.folder / "state"),
        }

    def says(self, *words):
        env = {"WATCHDOG_CONFIG": str(self.folder / "watchdog.yaml"), "COLUMNS": "200"}
        return CliRunner().invoke(app, words, env=env | self.changed)

    def finds(self, *words):
        """Give what is not well: what it is about, its words, what to do."""
        done = self.says("doctor", "--json", *words)
        found = json.loads(done.output)
        faults = [one for one in found["findings"] if one["mark"] == "fault"]
        assert done.exit_code == (1 if faults else 0)
        assert found["well"] == (not faults)
        return faults

    def edit(self, name, old, new):
        path = self.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def clinic(tmp_path):
    with a_box(tmp_path) as shop:
        yield Clinic(shop)


def test_what_is_well_is_said_of_everything_that_was_asked(clinic):
    done = clinic.says("doctor")

    assert done.exit_code == 0, done.output
    for line in (
        "ok     engine      Docker Engine 20.10.24 (API 1.41)",
        "ok     env file    .env says SHOP_TAG=v2.0.0",
        "ok     manifests   none: the image is the whole pair",
        "ok     Prometheus  version 3.5.0, answers",
        "ok     clock       ours and that of Prometheus agree",
        "ok     roster      mira@x.example: 1 key counts",
        "ok     triggers    v2.0.0, Http5xxRate: can be relied on",
        "doubt  channels    nobody is told of anything",
        "nothing is wrong; ",
    ):
        assert line in done.output, done.output


def clock_of(clinic):
    """Give the line about the clock of Prometheus."""
    said = clinic.says("doctor").output.splitlines()
    return " ".join(next(line for line in said if " clock " in line).split())


def test_a_prometheus_that_answers_late_has_no_wrong_clock(clinic):
    clinic.shop.answers_after = 2.5

    assert clock_of(clinic) == "ok clock ours and that of Prometheus agree"


@pytest.mark.parametrize("ahead", [-100, 100])
def test_the_clock_of_prometheus_is_held_against_ours(clinic, ahead):
    clinic.shop.clock_ahead = ahead

    assert "doubt clock its clock is 1m" in clock_of(clinic)


def no_engine(it):
    it.changed["WATCHDOG_ENGINE__URL"] = "tcp://127.0.0.1:9"


def no_prometheus(it):
    it.changed["WATCHDOG_PROMETHEUS__URL"] = "http://127.0.0.1:9"


def sick(it):
    it.shop.is_well = False


def no_state(it):
    it.changed["WATCHDOG_STATE"] = str(it.folder / "away")


def another_variable(it):
    it.edit("watchdog.yaml", "SHOP_TAG", "OTHER_TAG")


def a_key_that_ended(it):
    whole = yaml.safe_load((it.folder / "approvers.yaml").read_text())
    (line,) = whole["approvers"]["mira@x.example"]["keys"]
    whole["approvers"]["mira@x.example"]["keys"] = [
        {"key": line, "not_after": "2020-01-01"}
    ]
    (it.folder / "approvers.yaml").write_text(yaml.safe_dump(whole))


def a_wrong_release_file(it):
    it.edit("releases/v2.0.0.yaml", "dri:", "drl:")


def a_wrong_setting(it):
    it.edit("watchdog.yaml", "mode: observe", "mode: watch")


def a_secret_that_is_not_there(it):
    it.changed["WATCHDOG_PROMETHEUS__BEARER_TOKEN_FILE"] = "/nowhere/token"


def the_service_is_gone(it):
    it.shop.containers = [c for c in it.shop.containers if "prom" in c["Name"]]


def nothing_is_scraped_any_more(it):
    it.edit("releases/v2.0.0.yaml", "http_requests_total", "bad{query")


@pytest.mark.parametrize(
    ("breaks", "about", "words"),
    [
        (no_engine, "engine", "did not answer"),
        (no_prometheus, "Prometheus", "did not answer"),
        (sick, "stack", "/health says 503"),
        (no_state, "disk", "no such file or directory"),
        (another_variable, "env file", "OTHER_TAG is not set in .env"),
        (a_key_that_ended, "roster", "ended 2020-01-01"),
        (a_wrong_release_file, "files", "drl unknown key"),
        (a_wrong_setting, "files", "mode"),
        (a_secret_that_is_not_there, "Prometheus", "bearer_token_file"),
        (the_service_is_gone, "stack", "has no container"),
        (nothing_is_scraped_any_more, "files", "triggers[0].ratio.errors"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_each_thing_that_is_wrong_is_named_with_what_to_do(
    clinic, breaks, about, words
):
    breaks(clinic)

    found = [one for one in clinic.finds() if one["about"] == about]

    assert any(words in one["words"] for one in found), found
    assert all(one["hint"] for one in found if words in one["words"]), found


def test_without_settings_the_rest_is_said_to_be_unasked(clinic):
    a_wrong_setting(clinic)

    assert "without settings that are right" in clinic.says("doctor").output


def test_a_test_message_is_posted_to_each_channel_when_it_is_asked_for(
    clinic, tmp_path
):
    secret = tmp_path / "key"
    secret.write_text("whsec_" + "QUJD" * 8)
    with receiving() as receiver:
        hook = {"name": "bridge", "url": receiver.url, "key_file": str(secret)}
        clinic.changed["WATCHDOG_NOTIFY__WEBHOOKS"] = json.dumps([hook])

        assert "bridge: set up; not tried" in clinic.says("doctor").output
        assert receiver.came == []
        assert "bridge took a test message" in clinic.says("doctor", "--send").output
        ((_, _, body),) = receiver.came
        assert json.loads(body)["type"] == "watchdog.test"


def test_a_channel_that_takes_nothing_is_a_fault(clinic, tmp_path):
    secret = tmp_path / "key"
    secret.write_text("whsec_" + "QUJD" * 8)
    hook = {"name": "bridge", "url": "http://127.0.0.1:9", "key_file": str(secret)}
    clinic.changed["WATCHDOG_NOTIFY__WEBHOOKS"] = json.dumps([hook])

    (fault,) = clinic.finds("--send")

    assert fault["words"].startswith("bridge: 127.0.0.1 did not answer")


def test_each_setting_says_where_it_came_from(clinic, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/watchdog_heartbeat__url").write_text(
        "https://x.example/0xbeef"
    )
    clinic.changed["WATCHDOG_SECRETS_DIR"] = str(tmp_path / "secrets")
    clinic.changed["WATCHDOG_PROMETHEUS__URL"] = "http://me:hidden@prom:9090"

    done = clinic.says("config", "--json")
    of = {one["key"]: (one["text"], one["origin"]) for one in json.loads(done.output)}

    file = str(clinic.folder / "watchdog.yaml")
    assert of["stack.project"] == ("shop", file)
    assert of["poll"] == ("5s", "default")
    assert of["prometheus.url"] == ("http://…@prom:9090", "WATCHDOG_PROMETHEUS__URL")
    assert of["heartbeat.url"] == (
        "(from a secret)",
        str(tmp_path / "secrets/watchdog_heartbeat__url"),
    )
    assert "hidden" not in done.output
    assert "0xbeef" not in done.output


def test_only_what_was_written_is_shown_when_that_is_asked_for(clinic):
    lines = clinic.says("config", "--changed").output.splitlines()

    assert any(line.startswith("stack.version_variable  ") for line in lines)
    assert not any("# default" in line for line in lines)


def test_a_wrong_setting_is_refused_after_all_is_shown(clinic):
    a_wrong_setting(clinic)

    done = clinic.says("config")

    assert isinstance(done.exception, Problem)
    assert "stack.project" in done.output


def test_a_default_alone_is_tried_live_and_no_release_file_at_all_is_not_fine(clinic):
    folder = clinic.folder / "releases"
    (one,) = folder.glob("*.yaml")
    whole = yaml.safe_load(one.read_text())
    one.unlink()

    done = clinic.says("check", "--live")

    assert done.exit_code == 1, done.output
    assert "no trigger was tried live: no release file names one" in done.output
    assert "all can be relied on" not in done.output
    assert (
        "FAULT  triggers    no release file names one" in clinic.says("doctor").output
    )
    for key_ in ("release", "image", "images", "approved_by"):
        whole.pop(key_, None)
    (folder / "default.yaml").write_text(yaml.safe_dump(whole))

    done = clinic.says("check", "--live")

    assert done.exit_code == 0, done.output
    assert "default  Http5xxRate              ok" in done.output


def test_check_live_says_that_only_the_shell_of_who_deployed_had_the_version(clinic):
    env = clinic.shop.folder / ".env"
    env.write_text("SHOP_TAG=v1.9.0\n")

    done = clinic.says("check", "--live")

    # A pipeline pins the next one first, and asks then.
    assert done.exit_code == 0, done.output
    assert "SHOP_TAG is v1.9.0 in .env, what runs is v2.0.0" in done.output
    assert "write `SHOP_TAG=v2.0.0` into .env" in done.output

    labels = clinic.shop.containers[0]["Config"]["Labels"]
    labels["com.docker.compose.project.environment_file"] = "release.env"

    done = clinic.says("check", "--live")

    assert done.exit_code == 1, done.output
    assert "Compose reads the version from" in done.output
    assert "release.env, and stack.env_file is" in done.output


@pytest.fixture
def on_a_swarm(clinic):
    """Give what doctor finds where the engine is a manager, and the manager."""
    with managing() as (manager, url):
        clinic.changed |= {"WATCHDOG_EXECUTOR": "swarm", "WATCHDOG_ENGINE__URL": url}

        def finds(about):
            found = json.loads(clinic.says("doctor", "--json").output)["findings"]
            return [
                (one["mark"], one["words"]) for one in found if one["about"] == about
            ]

        yield finds, manager


def test_on_a_swarm_it_is_said_of_what_nodes_and_how_many_managers(on_a_swarm):
    finds, manager = on_a_swarm
    roles = ("manager", "manager", "worker")
    manager.nodes = [{"ID": role, "Spec": {"Role": role}} for role in roles]

    assert finds("swarm") == [
        ("ok", "it manages a swarm of 3 nodes, 2 of them managers"),
        ("doubt", "2 managers bear no more losses than 1 would"),
    ]


def test_on_a_worker_it_is_said_that_it_is_no_manager(on_a_swarm):
    finds, manager = on_a_swarm
    manager.swarm["ControlAvailable"] = False

    ((mark, words),) = finds("swarm")

    assert mark == "fault"
    assert "is a worker of its swarm, no manager" in words


def test_on_a_swarm_no_manifest_is_missed_in_the_stacks_folder(clinic, on_a_swarm):
    finds, _ = on_a_swarm
    clinic.changed["WATCHDOG_STACK__MANIFESTS"] = "manifests"
    (clinic.shop.folder / "manifests").mkdir()
    (release,) = (clinic.folder / "releases").glob("v*.yaml")
    text = release.read_text()
    release.write_text(f"{text}manifests: {{meesho: meesho.v2.0.0.manifest.json}}\n")

    words = f"{release.stem}, meesho: a config, whose seal readiness looks at"
    assert finds("manifests") == [("ok", words)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_on_a_swarm_the_stacks_folder_is_only_read(clinic, on_a_swarm):
    finds, _ = on_a_swarm
    clinic.shop.folder.chmod(0o555)

    assert [mark for mark, _ in finds("disk")] == ["ok", "ok"]
