"""A new folder: whole or not at all."""

import pytest

from watchdog.facts.problem import Problem
from watchdog.outside.new_folder import make, refuse_taken

FILES = {"a.yaml": "a: 1\n", "releases/b.yaml": "b: 2\n"}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def looks_away(_):
    """Find nothing wrong."""


def test_it_is_there_with_all_of_its_files(tmp_path):
    make(tmp_path / "new/one", FILES, looks_away)

    found = {
        str(path.relative_to(tmp_path / "new")): path.read_text()
        for path in (tmp_path / "new").rglob("*.yaml")
    }
    assert found == {f"one/{name}": text for name, text in FILES.items()}
    assert (tmp_path / "new/one").stat().st_mode & 0o777 == 0o755


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "one").mkdir()

    make(tmp_path / "one", FILES, looks_away)

    assert (tmp_path / "one/a.yaml").is_file()


def test_what_is_there_is_never_written_over(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one/own").write_text("mine")

    with pytest.raises(Problem, match="is there already"):
        make(tmp_path / "one", FILES, looks_away)
    assert names(tmp_path / "one") == ["own"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_folder_is_taken_too(tmp_path, kind):
    if kind == "file":
        (tmp_path / "one").write_text("")
    else:
        (tmp_path / "one").symlink_to("nowhere")

    with pytest.raises(Problem, match="is there already"):
        refuse_taken(tmp_path / "one")


def test_a_refusal_in_the_middle_leaves_nothing_behind(tmp_path):
    def refuses(beside):
        assert names(beside) == ["a.yaml", "releases"]
        raise Problem("no")

    with pytest.raises(Problem, match="no"):
        make(tmp_path / "one", FILES, refuses)
    assert names(tmp_path) == []


def test_a_name_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    with pytest.raises(Problem, match="cannot write"):
        make(tmp_path / "one", {"x" * 300: ""}, looks_away)
    assert names(tmp_path) == []
