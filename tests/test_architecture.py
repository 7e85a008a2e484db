"""What is ours, and whether the map of the house is the land."""

import re
from collections import Counter
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import watchdog

ROOT = Path(__file__).parents[1]


def test_the_package_is_only_ours():
    """PyPI's ``watchdog`` is something else: together they overwrite each other."""
    ours = packages_distributions()["watchdog"]

    assert set(ours) == {"dms-rollback-watchdog"}
    assert Path(watchdog.__file__).is_relative_to(ROOT)


def test_the_command_is_the_one_of_the_docs():
    scripts = distribution("dms-rollback-watchdog").entry_points
    (entry,) = scripts.select(group="console_scripts", name="watchdog")

    assert entry.value == "watchdog.__main__:main"


def pictured():
    """Read the picture in the docs: path to its words."""
    text = (ROOT / "docs/explanation/the-house.md").read_text()
    picture = re.search(r"```text\n(watchdog/\n.*?)```", text, re.DOTALL)
    assert picture, "docs/explanation/the-house.md has no picture"
    found = {}
    folders = []
    for line in picture[1].splitlines():
        name, _, words = line.strip().partition(" ")
        depth = (len(line) - len(line.lstrip())) // 2
        folders[depth:] = [name.rstrip("/")]
        found["/".join(folders) + ("/" if name.endswith("/") else "")] = words.strip()
    return found


def test_the_folder_picture_equals_the_tree():
    files = [path.relative_to(ROOT) for path in (ROOT / "watchdog").rglob("*.py")]
    tree = {f"{path.parent}/" for path in files} | {
        str(path) for path in files if path.name != "__init__.py"
    }

    assert set(pictured()) == tree


def test_the_root_holds_the_entrance_and_rooms():
    root = {p.name for p in (ROOT / "watchdog").iterdir() if p.suffix}

    assert root == {"__init__.py", "__main__.py"}


def test_no_file_is_longer_than_400_lines():
    """What is longer is about two things: cut it so that names tell which."""
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in (ROOT / "watchdog").rglob("*.py")
    }

    assert {path: count for path, count in lines.items() if count > 400} == {}


def test_the_root_of_the_tests_holds_this_file_alone():
    assert [p.name for p in (ROOT / "tests").glob("test_*.py")] == [Path(__file__).name]


def test_every_line_of_the_picture_says_what_for():
    silent = [path for path, words in pictured().items() if not words]

    assert silent in ([], ["watchdog/"])


def test_each_test_file_has_a_name_of_its_own():
    """Pytest takes two of one name for one, and collects neither."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))

    assert [name for name, times in names.items() if times > 1] == []
