"""What people install: built from the checkout, and whole without it."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from watchdog import __version__

CHECKOUT = Path(__file__).resolve().parents[2]
LOCK = CHECKOUT / "requirements.lock"
UV = Path(sys.executable).with_name("uv")


def build(out, checkout=CHECKOUT):
    argv = [sys.executable, "examples/supply/dist.py", out, "--checkout", checkout]
    return subprocess.run(
        argv, cwd=CHECKOUT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    done = build(out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_the_wheel_and_the_sdist_hold_all_of_the_product_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    (sdist,) = built.glob("*.tar.gz")
    held = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as tar:
        packed = {name.partition("/")[2] for name in tar.getnames()}
    ours = {
        str(file.relative_to(CHECKOUT))
        for file in (CHECKOUT / "watchdog").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }

    assert ours <= held
    assert ours | {"LICENSE", "README.md", "CHANGELOG.md"} <= packed
    assert {name.partition("/")[0] for name in held} == {
        "watchdog",
        f"dms_rollback_watchdog-{__version__}.dist-info",
    }
    assert not [name for name in packed if name.startswith(("tests", "bench"))]


def test_it_works_from_an_environment_that_has_never_seen_the_checkout(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    env = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PYTHON", "VIRTUAL_ENV", "WATCHDOG"))
    }
    env |= {
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
    }
    install = [UV, "tool", "install", "--quiet", "--python", sys.executable]
    subprocess.run(
        [*install, "--constraints", LOCK, wheel], env=env, cwd=tmp_path, check=True
    )

    def said(*words):
        return subprocess.run(
            [tmp_path / "bin/watchdog", *words],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )

    assert "Usage: watchdog" in said("--help").stdout
    assert json.loads(said("schema").stdout)["title"].startswith("Release file")
    # What the pages need is beside the code.
    tools = tmp_path / "tools/dms-rollback-watchdog"
    scripts = {file.name for file in tools.rglob("watchdog/show/*.js")}
    assert scripts == {file.name for file in (CHECKOUT / "watchdog/show").glob("*.js")}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_locked_package_has_a_wheel_for_both_kinds_of_machine(machine, tmp_path):
    """By the hashes of the lock, as the image takes them: Python 3.13, glibc."""
    ask = [UV, "pip", "install", "--dry-run", "--only-binary", ":all:"]
    ask += ["--python-platform", f"{machine}-manylinux_2_28"]
    ask += ["--python-version", "3.13", "--require-hashes", "--requirement", LOCK]

    done = subprocess.run(
        [*ask, "--target", tmp_path], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "cryptography==" in done.stderr


def test_a_tag_that_names_another_version_builds_nothing(tmp_path):
    source = tmp_path / "source"
    (source / "watchdog").mkdir(parents=True)
    (source / "watchdog/__init__.py").write_text('__version__ = "1.2.3"\n')
    git = ["git", "-C", source, "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    subprocess.run([*git, "tag", "v1.2.4"], check=True)

    done = build(tmp_path / "out", source)

    assert done.returncode == 1
    assert done.stdout == (
        "this commit is tagged v1.2.4, and watchdog/__init__.py says 1.2.3\n"
        "hint: put the tag v1.2.3, or write the tag's version\n"
    )
    assert not (tmp_path / "out").exists()


def test_the_image_says_the_version_that_the_package_says():
    dockerfile = (CHECKOUT / "Dockerfile").read_text()
    assert f"\nARG VERSION={__version__}\n" in dockerfile
    assert 'org.opencontainers.image.version="${VERSION}"' in dockerfile


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_takes_the_unit_as_it_stands(tmp_path):
    shipped = (CHECKOUT / "examples/systemd/watchdog.service").read_text()
    unit = tmp_path / "watchdog.service"
    # Only that the command is there is looked at, so another one will do.
    command = "/usr/local/bin/watchdog"
    assert shipped.count(command) == 1
    unit.write_text(shipped.replace(command, "/bin/true"))

    done = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
