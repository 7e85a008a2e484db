"""Whose manifests containers have mounted, where no release file says whose."""

import pytest

from tests.worlds import sha
from watchdog.facts.pair import NotKnown
from watchdog.observe.mounted import Mounted
from watchdog.outside.stack_folder import StackFolder

INSIDE = "/manifests/{tenant}.manifest.json"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "manifests").mkdir()
    for name in ("meesho", "lazada"):
        (tmp_path / f"manifests/{name}.manifest.json").write_text(name)
    (tmp_path / "manifests/meesho.v1.2.0.manifest.json").write_text("kept")
    (tmp_path / "manifests/allowed_signers").write_text("")
    return tmp_path


def container(folder, *mounts):
    label = {
        "com.docker.compose.project.working_dir": str(folder),
        "com.docker.compose.service": "dms",
    }
    return {"Id": "a", "Name": "/dms", "Config": {"Labels": label}, "Mounts": mounts}


def bound(source, destination, kind="bind"):
    return {"Type": kind, "Source": str(source), "Destination": destination}


def held(folder, *mounts, said=None, inside=INSIDE):
    mounted = Mounted(StackFolder(folder), project="dms", inside=inside)
    return mounted.of_all([container(folder, *mounts)], said)


BOTH = (("lazada", sha("lazada")), ("meesho", sha("meesho")))


def test_each_file_that_is_mounted_where_a_manifest_belongs_is_one(folder):
    kept = folder / "manifests/meesho.v1.2.0.manifest.json"
    its = bound(kept, "/manifests/meesho.manifest.json")
    other = bound(folder / "manifests/allowed_signers", "/manifests/allowed_signers")

    assert held(folder, its, other) == (("meesho", sha("kept")),)


@pytest.mark.parametrize("said", [None, ("meesho", "lazada")])
def test_of_a_folder_it_is_all_that_are_called_so(folder, said):
    its = bound(folder / "manifests", "/manifests")

    assert held(folder, its, said=said) == BOTH


def test_of_a_folder_above_it_is_the_same(folder):
    its = bound(folder, "/app")

    assert held(folder, its, inside="/app/manifests/{tenant}.manifest.json") == BOTH


def test_what_a_release_file_says_is_what_counts(folder):
    its = bound(folder / "manifests", "/manifests")

    assert held(folder, its, said=("meesho",)) == (("meesho", sha("meesho")),)
    assert held(folder, its, said=()) == ()


def test_where_nothing_is_mounted_there_is_none(folder):
    assert held(folder) == ()
    assert held(folder, bound("/var/lib/x", "/manifests", "volume")) == ()
    assert held(folder, bound(folder / "no-such", "/manifests")) == ()


def test_a_folder_elsewhere_is_not_known(folder):
    seen = held(folder, bound("/srv/elsewhere", "/manifests"))

    assert isinstance(seen, NotKnown)
    assert seen.words.startswith(
        f"/manifests is at /srv/elsewhere, outside {folder}: mount it from that folder"
    )


def test_a_stack_that_was_deployed_from_another_folder_that_is_here_is_not_known(
    folder, tmp_path_factory
):
    """The same project, brought up from a checkout: its files are not those here."""
    other = tmp_path_factory.mktemp("checkout")
    (other / "compose.yaml").write_text("services: {}\n")
    (other / "manifests").mkdir()
    mount = bound(other / "manifests/meesho.manifest.json", "/manifests/meesho.json")
    theirs = container(other, mount)
    labels = theirs["Config"]["Labels"]
    files = "com.docker.compose.project.config_files"
    mounted = Mounted(
        StackFolder(folder), project="dms", inside="/manifests/{tenant}.json"
    )

    # Seen from a container of ours it is not here: that tells nothing.
    labels[files] = "/nowhere/compose.yaml"
    assert not isinstance(mounted.of_all([theirs], None), NotKnown)
    labels[files] = str(other / "compose.yaml")
    seen = mounted.of_all([theirs], None)

    assert isinstance(seen, NotKnown)
    assert seen.words.startswith(f"dms was deployed from {other}, and the stack's ")
    own = container(folder, bound(folder / "manifests", "/manifests"))
    (folder / "compose.yaml").write_text("services: {}\n")
    own["Config"]["Labels"][files] = str(folder / "compose.yaml")
    assert held(folder, bound(folder / "manifests", "/manifests")) == BOTH
    whole = Mounted(StackFolder(folder), project="dms", inside=INSIDE)
    assert whole.of_all([own], None) == BOTH
