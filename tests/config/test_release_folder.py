"""Release files are read again when they change; the last good ones stay in force."""

import errno
from datetime import timedelta
from pathlib import Path

import pytest

from watchdog.config import yaml_file
from watchdog.config.release_folder import FilesAsFound, ReleaseFolder
from watchdog.facts.problem import Fault, Refused

SHIPPED = Path(__file__).resolve().parents[2] / "config/releases"
SCRAPE = timedelta(seconds=15)
DRI = ["asha@flexli.example"]


@pytest.fixture
def folder(tmp_path):
    for name in ("v1.2.0.yaml", "default.yaml"):
        (tmp_path / name).write_text((SHIPPED / name).read_text())
    return tmp_path


def test_a_file_that_ships_later_is_in_force_at_the_next_turn(folder):
    files = ReleaseFolder(folder, SCRAPE, lambda: DRI)
    assert files.for_version("v1.3.0").is_default

    (folder / "v1.3.0.yaml").write_text((SHIPPED / "v1.3.0.yaml").read_text())

    assert files.refresh() is None
    assert files.for_version("v1.3.0").version == "v1.3.0"
    assert files.versions == ["v1.2.0", "v1.3.0"]


def test_a_wrong_file_changes_nothing_and_is_said_until_it_is_right(folder):
    files = ReleaseFolder(folder, SCRAPE, lambda: DRI)
    good = files.for_version("v1.2.0")
    path = folder / "v1.2.0.yaml"
    right = path.read_text()

    path.write_text(right.replace("above: 5%", "abvoe: 5%"))

    for _ in range(2):
        refused = files.refresh()
        assert "abvoe" in refused.words
        assert files.for_version("v1.2.0") is good

    path.write_text(right)

    assert files.refresh() is None
    assert files.for_version("v1.2.0") == good


def test_a_folder_that_goes_away_leaves_the_last_files_in_force(folder):
    files = ReleaseFolder(folder, SCRAPE, lambda: DRI)
    folder.rename(folder.with_name("elsewhere"))

    assert isinstance(files.refresh(), Refused)
    assert files.for_version("v1.2.0").version == "v1.2.0"


def test_a_start_without_any_right_file_is_refused(folder):
    for name in ("v1.2.0.yaml", "default.yaml"):
        (folder / name).write_text("release: v1.2.0\n")

    with pytest.raises(Refused, match="triggers"):
        ReleaseFolder(folder, SCRAPE, lambda: DRI)


def test_what_is_wrong_with_one_release_is_no_reason_not_to_watch_another(folder):
    (folder / "v1.4.0.yaml").write_text("release: v1.4.0\n")
    files = ReleaseFolder(folder, SCRAPE, lambda: DRI)

    assert "v1.4.0.yaml refused" in files.refresh().words
    assert files.for_version("v1.2.0").version == "v1.2.0"
    # It was never right, and the default is not meant for it.
    assert files.for_version("v1.4.0") is None
    assert files.for_version("v1.4.0-4f9c2ab") is None
    assert files.for_version("v1.9.0").is_default

    (folder / "v1.3.0.yaml").write_text((SHIPPED / "v1.3.0.yaml").read_text())
    assert "v1.4.0.yaml refused" in files.refresh().words
    assert files.for_version("v1.3.0").version == "v1.3.0"

    (folder / "v1.4.0.yaml").unlink()
    assert files.refresh() is None
    assert files.for_version("v1.4.0").is_default


def test_a_file_that_was_right_stays_as_it_was_while_others_change(folder):
    files = ReleaseFolder(folder, SCRAPE, lambda: DRI)
    good = files.for_version("v1.2.0")
    (folder / "v1.2.0.yaml").write_text("release: v1.2.0\n")
    assert "v1.2.0.yaml refused" in files.refresh().words

    (folder / "default.yaml").unlink()

    assert "v1.2.0.yaml refused" in files.refresh().words
    assert files.for_version("v1.2.0") == good
    assert files.for_version("v1.9.0") is None


def test_what_did_not_change_is_not_read_again(folder):
    files = ReleaseFolder(folder, SCRAPE, lambda: DRI)
    old = files.for_version("v1.2.0")

    (folder / "v1.3.0.yaml").write_text((SHIPPED / "v1.3.0.yaml").read_text())

    assert files.refresh() is None
    assert files.for_version("v1.3.0").version == "v1.3.0"
    assert files.for_version("v1.2.0") is old


def test_what_could_not_be_read_is_read_once_it_can_though_it_did_not_change(
    folder, monkeypatch
):
    def not_now(path):
        if path.name == "v1.2.0.yaml":
            raise OSError(errno.EIO, "input/output error")
        return bytes_of(path)

    bytes_of = yaml_file.bytes_of
    with monkeypatch.context() as held:
        held.setattr(yaml_file, "bytes_of", not_now)
        files = ReleaseFolder(folder, SCRAPE, lambda: DRI)
        assert "cannot be read" in files.refresh().words

    assert files.refresh() is None
    assert files.for_version("v1.2.0").version == "v1.2.0"


def test_what_release_after_release_says_again_is_held_once(folder):
    files = ReleaseFolder(folder, SCRAPE, lambda: DRI)
    text = (folder / "v1.2.0.yaml").read_text()
    text = "\n".join(x for x in text.splitlines() if not x.startswith("rollback_to"))
    (folder / "v1.2.1.yaml").write_text(text.replace("v1.2.0", "v1.2.1"))

    assert files.refresh() is None
    old, new = files.for_version("v1.2.0"), files.for_version("v1.2.1")
    assert new.version == "v1.2.1"
    assert all(a is b for a, b in zip(old.triggers, new.triggers, strict=True))


def test_who_left_the_roster_keeps_no_file_from_being_in_force(folder):
    names = [*DRI]
    files = ReleaseFolder(folder, SCRAPE, lambda: names)
    assert files.for_version("v1.2.0").unlisted == ()

    names.clear()
    (folder / "v1.3.0.yaml").write_text((SHIPPED / "v1.3.0.yaml").read_text())

    assert files.refresh() is None
    assert files.for_version("v1.3.0").unlisted == ("asha@flexli.example",)
    # Nor does a start of the watch fail, a year after somebody left.
    again = ReleaseFolder(folder, SCRAPE, lambda: names)
    assert again.for_version("v1.2.0").unlisted == ("asha@flexli.example",)


def test_for_who_looks_one_wrong_file_hides_no_other(folder):
    (folder / "v1.4.0.yaml").write_text("release: v1.4.0\n")
    files = FilesAsFound(folder, SCRAPE, lambda: DRI)

    assert files.for_version("v1.2.0-4f9c2ab").version == "v1.2.0"
    assert files.for_version("v1.9.0").is_default
    assert files.refused == ()
    assert files.tenants_of("v1.2.0") == ("meesho",)
    (refused,) = files.refused
    assert "v1.4.0.yaml" in refused.file
    # The default is not meant for a version that has a file of its own.
    assert files.for_version("v1.4.0") is None


def test_for_who_looks_a_roster_that_is_wrong_lists_nobody_as_gone(folder):
    wrong = Refused("approvers.yaml", [Fault("approvers", "is nonsense")])

    def nobody():
        raise wrong

    files = FilesAsFound(folder, SCRAPE, nobody)
    assert files.for_version("v1.2.0").unlisted == ()
    assert files.refused == (wrong,)

    nobody_listed = FilesAsFound(folder, SCRAPE, lambda: ())
    assert nobody_listed.for_version("v1.2.0").unlisted == tuple(DRI)


def test_for_who_looks_a_folder_that_is_away_has_no_file(folder):
    files = FilesAsFound(folder / "away", SCRAPE, lambda: DRI)

    assert files.for_version("v1.2.0") is None
    assert files.refused == ()
    assert files.jobs == frozenset()
    assert "away" in files.refused[0].file
