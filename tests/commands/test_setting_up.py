"""``watchdog init``, on a box that speaks as an engine and a Prometheus do."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tests.adopt.stacks import KEY
from tests.commands.box import a_box
from watchdog.__main__ import app
from watchdog.facts.problem import Problem
from watchdog.wiring.adopting import engine_url

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def shop(tmp_path):
    with a_box(tmp_path) as it:
        yield it


def init(it, *words, into="out", typed=""):
    folder = it.folder.parent / into
    argv = ["init", "--engine", it.engine, "--into", str(folder), *words]
    env = {"COLUMNS": "200", "WATCHDOG_CONFIG_DIR": ""}
    done = CliRunner().invoke(app, argv, input=typed, env=env)
    names = sorted(p.name for p in it.folder.parent.iterdir() if p.name != "stack")
    return done, folder, names


def key(it):
    path = it.folder.parent / "mira.key"
    path.write_text(KEY + "\n")
    return f"mira@x.example={path}"


def test_a_stack_that_runs_is_written_down_and_check_finds_no_fault(shop):
    shop.runs()
    shop.runs_prometheus()

    done, folder, _ = init(shop, "--dri", key(shop))

    assert done.exit_code == 0, done.output
    settings = yaml.safe_load((folder / "watchdog.yaml").read_text())
    assert settings["stack"]["version_variable"] == "SHOP_TAG"
    assert settings["stack"]["health"] == "http://api:80/health"
    assert settings["stack"]["version"] == "http://api:80/version"
    assert settings["prometheus"]["url"] == "http://prometheus:9090"
    triggers = yaml.safe_load((folder / "releases/v2.0.0.yaml").read_text())["triggers"]
    assert "Http5xxRate" in [one["alert"] for one in triggers]
    assert "frontend watchdog" in (folder / "haproxy.cfg").read_text()
    env = {"WATCHDOG_CONFIG": str(folder / "watchdog.yaml")}
    assert CliRunner().invoke(app, ["check"], env=env).exit_code == 0


@pytest.mark.parametrize("env", ["OTHER=1\n", "SHOP_TAG=v1.9.0\n", None])
def test_a_version_that_only_the_shell_had_is_a_line_to_write(shop, env):
    file = shop.folder / ".env"
    file.unlink() if env is None else file.write_text(env)
    shop.runs()
    shop.runs_prometheus()

    done, folder, _ = init(shop, "--dri", key(shop))

    settings = yaml.safe_load((folder / "watchdog.yaml").read_text())
    assert settings["stack"]["version_variable"] == "SHOP_TAG"
    assert "by the shell of who deployed: write `SHOP_TAG=v2.0.0` there" in done.output
    # One that is there is pinned anew by the next deployment.
    assert done.exit_code == (0 if env and "SHOP_TAG" in env else 1), done.output


def test_nobody_named_is_a_line_that_check_names(shop):
    shop.runs()
    shop.runs_prometheus()

    done, folder, _ = init(shop, "--yes")

    assert done.exit_code == 1, done.output
    assert "dri  is missing; name who decides about this release" in done.output
    env = {"WATCHDOG_CONFIG": str(folder / "watchdog.yaml")}
    refused = CliRunner().invoke(app, ["check"], env=env).exception
    assert "dri" in str(refused)


def test_what_does_not_answer_is_not_written_as_if_it_did(shop):
    shop.runs()
    shop.runs_prometheus()
    shop.is_well = False

    done, folder, _ = init(shop, "--dri", key(shop))

    assert done.exit_code == 1, done.output
    assert "stack.health" in done.output
    assert "health: not-found" in (folder / "watchdog.yaml").read_text()


def test_who_says_yes_to_whatever_is_asked_proves_nothing(shop):
    """As a page of one's own for every path that is not known does."""
    shop.runs()
    shop.runs_prometheus()
    shop.containers[0]["Config"].pop("Healthcheck")
    shop.says_yes = True

    done, folder, _ = init(shop, "--dri", key(shop))

    assert done.exit_code == 1, done.output
    assert "health: not-found" in (folder / "watchdog.yaml").read_text()


def nothing_runs(shop):
    return ()


def no_prometheus(shop):
    shop.runs()
    return ()


def prometheus_is_silent(shop):
    shop.runs()
    return ("--prometheus", "http://127.0.0.1:9")


def it_scrapes_another(shop):
    shop.runs()
    shop.runs_prometheus()
    shop.targets = ["node:9100"]
    return ()


def two_projects(shop):
    for name in ("shop", "blog"):
        shop.runs(project=name, folder=shop.folder)
    return ()


def two_folders_of_one_name(shop):
    shop.runs()
    shop.runs("worker", folder="/srv/other")
    return ()


def another_folder(shop):
    shop.runs(folder="/srv/elsewhere")
    return ()


def without_labels(shop):
    shop.runs(project="")
    return ()


def a_stack_alone(shop):
    a_stack(shop)
    return ()


def a_stack_beside(shop):
    shop.runs()
    a_stack(shop)
    return ("--project", "dms")


def a_stack(shop):
    shop.runs("dms_api", project="")
    shop.containers[-1]["Config"]["Labels"]["com.docker.stack.namespace"] = "dms"


def stopped(shop):
    shop.runs(State={"Status": "exited"})
    shop.runs_prometheus()
    return ()


def nobody_of_that_name(shop):
    shop.runs()
    return ("--project", "other")


def no_such_service(shop):
    shop.runs()
    return ("--service", "web")


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        (nothing_runs, "no container of a Compose project"),
        (no_prometheus, "no container here looks like a Prometheus"),
        (prometheus_is_silent, "no Prometheus answers from here"),
        (it_scrapes_another, "scrapes nothing of api, but shop (node:9100)"),
        (two_projects, "say it with --project"),
        (two_folders_of_one_name, "two folders are one Compose project, shop"),
        (another_folder, "mount its folder at its own path: -v /srv/elsewhere:"),
        (without_labels, "no container of a Compose project"),
        (a_stack_alone, "stack dms runs on a swarm, and init writes files for Compose"),
        (a_stack_beside, "stack dms runs on a swarm"),
        (stopped, "shop does not run whole: api is exited"),
        (nobody_of_that_name, "known: shop"),
        (no_such_service, "shop has no service web"),
    ],
    ids=lambda one: getattr(one, "__name__", "says"),
)
def test_what_is_lacking_is_said_and_no_half_a_folder_is_left(shop, lacking, words):
    done, _, left = init(shop, *lacking(shop))

    assert isinstance(done.exception, Problem)
    assert words in str(done.exception)
    assert left == []


def test_a_box_without_an_engine_is_said(tmp_path):
    argv = ["init", "--engine", "tcp://127.0.0.1:9", "--into", f"{tmp_path}/out"]

    problem = CliRunner().invoke(app, argv).exception

    assert "did not answer" in str(problem)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def docker_config(tmp_path, monkeypatch):
    """Have a Docker command line of our own; give what makes a context of it."""

    def context(name, host, in_use=True):
        folder = tmp_path / "docker"
        meta = folder / "contexts/meta" / hashlib.sha256(name.encode()).hexdigest()
        meta.mkdir(parents=True)
        endpoints = {"docker": {"Host": host, "SkipTLSVerify": False}}
        whole = {"Name": name, "Metadata": {}, "Endpoints": endpoints}
        (meta / "meta.json").write_text(json.dumps(whole))
        used = {"currentContext": name} if in_use else {}
        (folder / "config.json").write_text(json.dumps(used))

    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    return context


def test_the_engine_is_the_one_of_dockers_context(docker_config, monkeypatch):
    assert engine_url("") == "unix:///var/run/docker.sock"
    docker_config("rootless", "unix:///run/user/1000/docker.sock")

    assert engine_url("") == "unix:///run/user/1000/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", "tcp://[::1]:2375")
    assert engine_url("") == "tcp://[::1]:2375"
    assert engine_url("unix:///mine") == "unix:///mine"


def test_a_context_that_no_engine_can_be_asked_by_is_said(docker_config, monkeypatch):
    docker_config("far", "ssh://me@box", in_use=False)
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    with pytest.raises(Problem, match="is not where a Docker Engine listens"):
        engine_url("")

    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    with pytest.raises(Problem, match="context gone names no engine"):
        engine_url("")


def test_nothing_is_written_over(shop):
    shop.runs()
    shop.runs_prometheus()
    init(shop, "--yes")

    done, folder, _ = init(shop, "--yes")

    assert str(done.exception).startswith(f"{folder} is there already")


def test_a_folder_in_a_checkout_of_the_watchdog_is_refused(shop):
    argv = ["init", "--engine", shop.engine, "--into", str(CHECKOUT / "build/x")]

    problem = CliRunner().invoke(app, argv).exception

    assert "would be in the checkout of the watchdog" in str(problem)
    assert not (CHECKOUT / "build/x").exists()


def test_a_url_of_this_box_is_written_as_the_sidecar_sees_it(shop):
    shop.runs()
    shop.containers[0]["NetworkSettings"]["Ports"] = {}
    shop.runs_prometheus()

    _, folder, _ = init(shop, "--yes", "--prometheus", shop.prometheus)

    text = (folder / "watchdog.yaml").read_text()
    assert "url: http://prometheus:9090" in text
    assert f"# {shop.prometheus} is port 9090 of prometheus" in text


@pytest.mark.parametrize("kind", ["private", "openssh", "line"])
def test_only_the_public_half_of_a_key_is_taken(shop, tmp_path, kind):
    shop.runs()
    shop.runs_prometheus()
    path = tmp_path / "k.pem"
    if kind == "openssh":
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "k"]
        subprocess.run(command, check=True)
        path = tmp_path / "k.pub"
    else:
        made = CliRunner().invoke(
            app, ["keys", "new", "--name", "m", "--out", str(path)]
        )
        if kind == "line":
            path = tmp_path / "line"
            path.write_text(made.output)

    done, folder, _ = init(shop, "--dri", f"mira@x.example={path}")

    assert done.exit_code == 0, done.output
    people = yaml.safe_load((folder / "approvers.yaml").read_text())["approvers"]
    assert people["mira@x.example"]["keys"][0].startswith("whpk_")
    assert "PRIVATE" not in (folder / "approvers.yaml").read_text()
