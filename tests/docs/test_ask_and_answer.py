"""What the pages for the pipeline and for the DRI tell people to type works."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.commands.test_by_key import Desk, a_question, now, served
from tests.commands.test_pipeline import OPEN, PAUSED, a_watchdog
from tests.worlds import ASHA

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PIPELINE = (HOW_TO / "let-the-pipeline-ask.md").read_text()
ANSWER = (HOW_TO / "answer-a-question.md").read_text()
EXAMPLE = "https://watchdog.example"


def blocks(page, kind):
    return re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)


def typed(text, folder, **env):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euc", text],
        cwd=folder,
        env={**os.environ, "PATH": path, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_gate_in_five_lines_of_shell_waits_and_says_why(tmp_path):
    shell, command = blocks(PIPELINE, "sh")[:2]
    assert len(shell.splitlines()) == 5
    with a_watchdog(PAUSED, PAUSED, OPEN) as url:
        quick = shell.replace(EXAMPLE, url).replace("sleep 30", "sleep 0.1")
        done = typed(quick, tmp_path)
    assert (done.returncode, done.stdout.count("9 of 40 failed")) == (0, 2), done.stderr

    with a_watchdog(OPEN) as url:
        done = typed(command.replace(EXAMPLE, url), tmp_path)
    assert (done.returncode, done.stdout) == (0, "v1.3.0 is open\n"), done.stderr


def test_the_step_in_github_actions_asks_for_the_version_that_ships(tmp_path):
    (job,) = yaml.safe_load(blocks(PIPELINE, "yaml")[0]).values()
    (step,) = [s for s in job["steps"] if "promotion wait" in s["run"]]

    for answer, code in ((OPEN, 0), (PAUSED, 1)):
        with a_watchdog(answer) as url:
            asks = step["run"].replace("2h", "0s")
            done = typed(asks, tmp_path, VERSION="v1.3.0", WATCHDOG_URL=url)
        assert done.returncode == code, done.stderr
    assert set(step["env"]) == {"VERSION", "WATCHDOG_URL"}


def test_a_first_key_and_a_first_answer_as_the_page_has_them(tmp_path):
    make, answer = blocks(ANSWER, "sh")[:2]
    made = typed(make, tmp_path)
    assert made.returncode == 0, made.stderr
    (tmp_path / "desk").mkdir()
    desk = Desk(tmp_path / "desk")
    desk.roster = desk.enrolled(made.stdout)
    desk.memory.add(now(), a_question())

    with served(desk.application) as url:
        # There is no terminal here to say `y` at.
        said = typed(f"{answer.replace(EXAMPLE, url).rstrip()} --yes", tmp_path)

    assert said.returncode == 0, said.stderr
    assert desk.answers == [(ASHA, "approve")]


def test_an_answer_by_curl_jq_and_openssl_as_the_page_has_it(tmp_path):
    missing = [one for one in ("curl", "jq", "openssl") if not shutil.which(one)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    make, _, *by_hand = blocks(ANSWER, "sh")
    fetch, same, send = by_hand
    (tmp_path / "desk").mkdir()
    desk = Desk(tmp_path / "desk")
    desk.roster = desk.enrolled(typed(make, tmp_path).stdout)
    desk.memory.add(now(), a_question())

    with served(desk.application) as url:
        here = fetch.replace("http://127.0.0.1:8470", url)
        here = re.sub(r"QUESTION=\S+", "QUESTION=apr_1", here)
        done = typed(here + same + send, tmp_path)

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    computed, told = lines[-4:-2]
    assert told == f"sha256:{computed.split()[0]}"
    assert json.loads(lines[-2])["state"] == "approved"
    assert lines[-1] == "202"
    assert desk.answers == [(ASHA, "approve")]
