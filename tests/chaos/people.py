"""What an operator, an editor or a CI does in the middle of a rollback.

Each takes the yard and the case, and does what a person would type, whatever the
watchdog is at. What Compose or Docker say to it is returned, not judged.
"""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress

from tests.chaos.yard import THEIRS, THIRD


def _docker(yard, *words):
    done = subprocess.run(
        ["docker", "-H", yard.url, *words], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def up(yard, case):
    return yard.compose("up", "-d", check=False)


def recreate(yard, case):
    return yard.compose("up", "-d", "--force-recreate", check=False)


def _deployed(yard, version, env=None, *, by=()):
    """Deploy as the runbook says, by the variable in the environment or pinned."""
    if yard.layout == "shared-file":
        manifests = yard.stack / "manifests"
        yard.compose("stop", check=False)
        source = manifests / f"meesho.{version}.manifest.json"
        (manifests / "meesho.manifest.json").write_bytes(source.read_bytes())
    return yard.compose(*by, "up", "-d", check=False, env=env)


def ci_again(yard, case):
    """Run the CI job again that deployed what runs, with its own variable."""
    return _deployed(yard, case.before, {"DMS_VERSION": case.before})


def third(yard, case):
    _pinned(yard, THIRD)
    return _deployed(yard, THIRD)


def third_pinned(yard, case):
    """Pin it, and be called to the phone."""
    _pinned(yard, THIRD)
    return ""


def redeploy(yard, case):
    """Pin what ran once more, and deploy it, as who saw it go does."""
    _pinned(yard, case.before)
    return _deployed(yard, case.before)


def down(yard, case):
    return yard.compose("down", check=False)


def down_up(yard, case):
    return down(yard, case) + up(yard, case)


def stop(yard, case):
    return yard.compose("stop", check=False)


def stop_up(yard, case):
    return stop(yard, case) + up(yard, case)


def start(yard, case):
    """Start all that is there: the old one and the new one are both."""
    return yard.compose("start", check=False)


def restart(yard, case):
    return yard.compose("restart", check=False)


def rm_old(yard, case):
    return _docker(yard, "rm", "-f", *case.old)


def rm_new(yard, case):
    new = [one["Id"] for one in yard.listed() if one["Id"] not in case.old]
    return _docker(yard, "rm", "-f", *new) if new else ""


def prune(yard, case):
    return _docker(yard, "container", "prune", "-f", "--filter", _mine(yard))


def _mine(yard):
    return f"label=com.docker.compose.project={yard.project}"


def editor(yard, case):
    """Save `.env` from an editor that read it before it all began."""
    _replaced(yard.stack / ".env", case.env)
    return ""


def checkout(yard, case):
    """Put every file back as it was before it all began, as a CI's checkout does."""
    editor(yard, case)
    for name, data in case.manifests.items():
        path = yard.stack / "manifests" / name
        if path.read_bytes() != data:
            _replaced(path, data)
    return ""


def manifests_moved(yard, case):
    """Replace the folder of the manifests by a copy of it."""
    here = yard.stack / "manifests"
    new, gone = here.with_name("manifests.new"), yard.folder / "manifests.gone"
    shutil.rmtree(gone, ignore_errors=True)
    shutil.copytree(here, new)
    here.rename(gone)
    new.rename(here)
    return ""  # what runs sees the one that is gone


def compose_touched(yard, case):
    path = yard.stack / "compose.yaml"
    _replaced(path, path.read_bytes() + b"# looked at\n")
    return ""


def compose_changed(yard, case):
    """Compose finds another service than it had made, and makes it anew."""
    path = yard.stack / "compose.yaml"
    for service in yard.services:
        text = path.read_text().replace(
            f"  {service}:\n", f"  {service}:\n    labels: {{touched: 'yes'}}\n", 1
        )
        _replaced(path, text.encode())
    return up(yard, case)


def manifest_rewritten(yard, case):
    """Save another version's manifest over the one that is to be started with."""
    manifests = yard.stack / "manifests"
    shared, kept = "meesho.manifest.json", f"meesho.{case.target}.manifest.json"
    source = manifests / f"meesho.{THIRD}.manifest.json"
    name = shared if yard.layout == "shared-file" else kept
    _replaced(manifests / name, source.read_bytes())
    return ""


def env_broken(yard, case):
    """Save `.env` with a line that Compose cannot read."""
    path = yard.stack / ".env"
    _replaced(path, path.read_bytes() + b"WHAT IS IT\n")
    return ""


def paused(yard, case):
    """Freeze what runs, look at it for some seconds, and let it go on."""
    said = yard.compose("pause", check=False)
    time.sleep(3)
    return said + yard.compose("unpause", check=False)


def killed(yard, case):
    return yard.compose("kill", check=False)


def process_killed(yard, case):
    """Kill what is in the container, as the kernel does where memory ends."""
    for one in yard.listed():
        pid = yard.api.inspect_container(one["Id"])["State"]["Pid"]
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return ""


def updated(yard, case):
    """Have the engine start again whatever ends."""
    ids = [one["Id"] for one in yard.listed()]
    return _docker(yard, "update", "--restart=always", *ids) if ids else ""


def made(yard, case):
    """Have Compose make what is to be started later."""
    return yard.compose("create", check=False)


def stop_start(yard, case):
    return stop(yard, case) + start(yard, case)


def scaled(yard, case):
    """Ask for two of the first service, which one published port may forbid."""
    return yard.compose("up", "-d", "--scale", f"{yard.services[0]}=2", check=False)


def name_taken(yard, case):
    """Put what ran aside, and take its name for something else."""
    name = f"{yard.project}-{yard.names[0]}"
    said = _docker(yard, "rename", name, f"{name}-mine")
    image = yard.listed()[0]["Image"] if yard.listed() else next(iter(yard.by_image))
    theirs = ("--name", name, "--label", f"{THEIRS}={yard.project}")
    return said + _docker(yard, "create", *theirs, image)


def network_removed(yard, case):
    """Take everything off the stack's network, and remove that."""
    name = f"{yard.project}_default"
    off = [
        _docker(yard, "network", "disconnect", "-f", name, one["Id"])
        for one in yard.listed()
    ]
    return "".join(off) + _docker(yard, "network", "rm", name)


def tag_moved(yard, case):
    """Give the target's name to what ran."""
    names = {version: image for image, version in yard.by_image.items()}
    there = f"{yard.repository}:{case.target}"
    return _docker(yard, "tag", names[case.before], there)


def tag_removed(yard, case):
    return _docker(yard, "rmi", f"{yard.repository}:{case.target}")


def other_env_file(yard, case):
    """Deploy what ran by an env file of one's own."""
    mine = yard.folder / "mine.env"
    mine.write_bytes(case.env)
    return _deployed(yard, case.before, by=("--env-file", str(mine)))


def _pinned(yard, version):
    lines = [
        f"DMS_VERSION={version}" if line.startswith("DMS_VERSION=") else line
        for line in (yard.stack / ".env").read_text().splitlines()
    ]
    _replaced(yard.stack / ".env", ("\n".join(lines) + "\n").encode())


def _replaced(path, data):
    new = path.with_name(f"{path.name}.swp")
    new.write_bytes(data)
    os.replace(new, path)  # noqa: PTH105 # as an editor saves


ACTS = {
    act.__name__.replace("_", " "): act
    for act in (
        up,
        recreate,
        ci_again,
        third,
        third_pinned,
        redeploy,
        down,
        down_up,
        stop,
        stop_up,
        start,
        restart,
        rm_old,
        rm_new,
        prune,
        editor,
        checkout,
        manifests_moved,
        compose_touched,
        compose_changed,
        manifest_rewritten,
        env_broken,
        paused,
        killed,
        process_killed,
        updated,
        made,
        stop_start,
        scaled,
        name_taken,
        network_removed,
        tag_moved,
        tag_removed,
        other_env_file,
    )
}
# Who does this asks for nothing to run; whatever serves then is welcome, too.
TAKES_DOWN = ("down", "stop", "killed")
# Compose starts every container of the project by these, whoever made it.
STARTS_ALL = ("start", "restart", "stop start")
