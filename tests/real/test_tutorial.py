"""The tutorial, typed from its first command to its last."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from watchdog.commands.stage import WATCHDOG_IMAGE

pytestmark = [pytest.mark.real, pytest.mark.campaign]

PAGE = Path(__file__).parents[2] / "docs/tutorial/first-drill.md"
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)


class Typed:
    """A shell in the folder of the shop, with the command at hand."""

    def __init__(self, folder):
        self.folder = folder
        socket = os.environ["DOCKER_HOST"]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.env = os.environ | {
            "PATH": path,
            "WATCHDOG_IMAGE": WATCHDOG_IMAGE,
            "DOCKER_HOST": socket,
        }

    def __call__(self, text, within=180):
        with (self.folder / "said").open("w") as out:
            subprocess.run(
                ["bash", "-euc", text],
                cwd=self.folder / "shop" if (self.folder / "shop").is_dir() else None,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                check=False,
                timeout=within,
            )
        return (self.folder / "said").read_text()

    def until_scraped(self, within=120):
        """Wait for some scrapes, as somebody who reads lets pass anyway."""
        where = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        address = self(f"docker inspect -f '{where}' shop-prometheus-1").strip()
        asked = {"query": 'count_over_time(up{job="shop"}[5m])'}
        last = time.monotonic() + within
        while True:
            said = httpx.get(
                f"http://{address}:9090/api/v1/query",
                params=asked,
                trust_env=False,
                timeout=60,
            )
            found = said.json()["data"]["result"]
            if found and float(found[0]["value"][1]) >= 5:
                return
            assert time.monotonic() < last, found
            time.sleep(1)

    def until(self, words, within=240):
        last = time.monotonic() + within
        while words not in (said := self(BLOCKS[4])):
            assert time.monotonic() < last, said
            time.sleep(1)
        return said


@pytest.fixture
def typed(tmp_path):
    (tmp_path / "shop").mkdir()
    it = Typed(tmp_path)
    yield it
    it(BLOCKS[-1])


def test_the_tutorial_does_what_it_says(typed):
    (stack, traffic, init, watch, _, second, drill, third, answer, told, _) = BLOCKS

    said = typed(stack.replace("mkdir -p shop && cd shop\n", ""))
    assert "Healthy" in said or "Started" in said, said
    typed(traffic)
    typed.until_scraped()
    said = typed(init)
    assert "written: shop-watchdog/" in said, said
    said = typed(watch)
    assert "all can be relied on" in said, said
    typed.until("known good: 1.0")
    typed(second)
    typed.until("known good: 1.1")
    said = typed(drill)
    assert "rehearsed" in said, said
    typed(third)
    typed.until("question       apr_")
    said = typed(answer)
    assert "the rollback to 1.1 starts" in said, said
    typed.until("last rollback  1.2 to 1.1, proved")
    said = typed(told)
    assert "1.2 -> 1.1 · approved" in said, said
    assert "SHOP_VERSION=1.1" in said
    assert "Recreate" not in said
    assert "Created" not in said
