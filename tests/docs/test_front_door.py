"""The first screen of the README is true, and what it leads to is there."""

import re
import struct
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PICTURES = ROOT / "docs/pictures"


def test_the_status_in_the_readme_is_the_one_that_was_taken():
    shown = re.search(r"```text\n\$ watchdog status\n(.*?)```", README, re.DOTALL)

    assert shown[1] == (PICTURES / "status.txt").read_text()
    assert len(shown[1].splitlines()) == 8


def test_the_picture_is_a_small_png():
    (named,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    picture = (ROOT / named).read_bytes()

    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(picture) < 150_000
    width, height = struct.unpack(">II", picture[16:24])
    assert 600 <= width <= 1200
    assert height <= 1000


def test_the_first_screen_comes_before_everything_else():
    heads = [line for line in README.splitlines() if line.startswith("## ")]

    assert heads == [
        "## See it work",
        "## Put it beside your stack",
        "## What it will do, and what it will never do",
        "## Docs",
        "## Developing",
        "## Limits",
        "## License",
    ]
    assert README.index("watchdog status") < README.index(heads[0])


def test_the_licence_is_the_one_that_the_package_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "LICENSE").read_text()

    assert project["license"] == "Apache-2.0"
    assert project["license-files"] == ["LICENSE"]
    assert "Apache License\n" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_every_word_of_make_that_a_page_names_is_one():
    words = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for page in ("README.md", "CONTRIBUTING.md", "SECURITY.md"):
        text = (ROOT / page).read_text()
        named = re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE)
        assert set(named) <= set(words), page
