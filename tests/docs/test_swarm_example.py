"""The example of a swarm holds together: its files, settings and page."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from watchdog.config.all_files import all_files

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/swarm"
STACKS = ("dms.yaml", "watching.yaml")
PAGE = (EXAMPLE / "README.md").read_text()


@pytest.fixture
def folder(tmp_path):
    """Make the folder that the page tells to make, as far as no key is needed."""
    for name in (*STACKS, "haproxy.cfg", "prometheus.yml", "watchdog.yaml"):
        shutil.copy(EXAMPLE / name, tmp_path)
    shutil.copytree(ROOT / "config/releases", tmp_path / "releases")
    shutil.copy(ROOT / "config/approvers.yaml", tmp_path)
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests/allowed_signers").touch()
    (tmp_path / "database.password").write_text("drawn\n")
    return tmp_path


def stack(name):
    return yaml.safe_load((EXAMPLE / name).read_text())


def test_every_file_that_a_stack_names_is_in_the_folder(folder):
    for name in STACKS:
        whole = stack(name)
        for given in (*whole["configs"].values(), *whole.get("secrets", {}).values()):
            if "${DMS_VERSION}" not in given["file"]:  # which make-stack makes
                assert (folder / given["file"]).is_file(), given


def test_every_config_has_a_name_that_changes_with_its_content():
    for name in STACKS:
        whole = stack(name)
        for given in (*whole["configs"].values(), *whole.get("secrets", {}).values()):
            assert "${" in given["name"], given


def test_the_settings_load_with_what_the_stack_mounts(folder):
    (folder / "state").mkdir()
    env = {
        "WATCHDOG_STACK__DIRECTORY": str(folder),
        "WATCHDOG_STATE": str(folder / "state"),
        "WATCHDOG_DATABASE__PASSWORD_FILE": str(folder / "database.password"),
    }
    found = all_files(folder / "watchdog.yaml", env)

    said = [fault for one in found.refused for fault in one.faults]
    assert said == []
    settings = found.settings
    mounted = stack("watching.yaml")["services"]["watchdog"]["configs"]
    targets = {one["target"] for one in mounted}
    assert f"/stack/{settings.stack.allowed_signers}" in targets
    manifest = settings.stack.manifest_in_container.format(tenant="meesho")
    given = stack("dms.yaml")["services"]["dms"]["configs"]
    assert {manifest, f"{manifest}.sig"} <= {one["target"] for one in given}
    ships = {
        f"/etc/watchdog/releases/{one.name}" for one in (folder / "releases").iterdir()
    }
    assert ships <= targets


def test_the_page_the_proxy_and_the_how_to_name_the_same_paths():
    acl = re.findall(
        r"acl \w+ path_reg \^(/\S+)\$", (EXAMPLE / "haproxy.cfg").read_text()
    )
    let_through = {_plain(one) for one in acl}

    assert let_through == set(re.findall(r"`(/[a-z/…]+)(?:\?version=…)?`", _table()))
    how_to = (ROOT / "docs/how-to/roll-back-a-swarm.md").read_text()
    for path in let_through:
        assert f"`{path}`" in how_to, path


def _table():
    return PAGE[PAGE.index("| method | path |") :].partition("\n\n")[0]


def _plain(pattern):
    bare = pattern.removeprefix(r"/v1\.[0-9]{1,2}")
    return re.sub(r"\[A-Za-z0-9\]\[[^]]+\]\*", "…", bare)


def test_the_files_that_the_page_copies_are_there():
    (named,) = re.findall(r"^cp (.+) ~/dms-swarm/$", PAGE, re.MULTILINE)[:1]

    assert all((EXAMPLE / name).is_file() for name in named.split())


@pytest.mark.skipif(not shutil.which("docker"), reason="no docker command line")
@pytest.mark.parametrize("name", STACKS)
def test_docker_itself_reads_the_stacks(folder, name):
    command = ["docker", "stack", "config", "-c", name]
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "DMS_VERSION": "v1.2.0"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=env | {"DOCKER_GID": "999", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "not a docker command" in done.stderr or "Usage:" in done.stderr:
        pytest.skip("this command line is older than 23")

    assert done.returncode == 0, done.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) == set(stack(name)["services"])
