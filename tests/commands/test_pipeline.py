"""The pipeline waits for a yes, and takes nothing else for one."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from watchdog.__main__ import app
from watchdog.facts.problem import Problem

OPEN = (200, {"release": "v1.3.0", "state": "open", "reasons": []})
PAUSED = (423, {"release": "v1.3.0", "state": "paused", "reasons": ["9 of 40 failed"]})
ALONE = (503, {"code": "not_watching"})


@contextmanager
def a_watchdog(*answers):
    """Serve *answers* one after the other, the last one for ever."""
    left = list(answers)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = left.pop(0) if len(left) > 1 else left[0]
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.send_header("location", "/v1/promotion/v1.2.0")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(10)


def wait(url, *more):
    words = ["promotion", "wait", "v1.3.0", "--url", url, "--every", "100ms", *more]
    return CliRunner().invoke(app, words)


def test_an_open_gate_is_a_yes():
    with a_watchdog(OPEN) as url:
        done = wait(url)

    assert (done.exit_code, done.output) == (0, "v1.3.0 is open\n")


def test_a_paused_gate_is_a_no_with_its_reasons():
    with a_watchdog(PAUSED) as url:
        done = wait(url)

    assert (done.exit_code, done.output) == (1, "v1.3.0 is paused: 9 of 40 failed\n")


def test_it_is_waited_for_and_each_change_is_told_once():
    with a_watchdog(PAUSED, PAUSED, ALONE, OPEN) as url:
        done = wait(url, "--timeout", "30s")

    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "v1.3.0 is paused: 9 of 40 failed",
        "v1.3.0 is not known: nobody is watching",
        "v1.3.0 is open",
    ]


@pytest.mark.parametrize(
    "odd",
    [
        (503, {}),
        (500, {}),
        (301, OPEN[1]),
        (200, {}),
        (200, {"release": "v1.2.0", "state": "open"}),
        (200, {"release": "v1.3.0", "state": "paused"}),
        (200, b"<html>ok</html>"),
        (200, b"[]"),
        (204, b""),
        (423, {}),
    ],
)
def test_nothing_but_a_clear_yes_is_a_yes(odd):
    with a_watchdog(odd) as url:
        assert wait(url).exit_code == 5


def test_a_watchdog_that_does_not_watch_is_no_yes():
    with a_watchdog(ALONE) as url:
        assert wait(url).exit_code == 6


def test_a_watchdog_that_is_away_is_no_yes():
    done = wait("http://127.0.0.1:9")

    assert done.exit_code == 5
    assert "did not answer" in done.output


def test_a_release_that_nobody_knows_is_refused_at_once():
    with a_watchdog((404, {"code": "unknown"})) as url:
        problem = wait(url, "--timeout", "30s").exception

    assert isinstance(problem, Problem)
    assert "knows no release v1.3.0" in problem.words


def test_for_programs_it_is_json():
    with a_watchdog(PAUSED) as url:
        done = wait(url, "--json")

    assert json.loads(done.output) == PAUSED[1] | {"end": "paused"}


def test_what_is_still_paused_when_the_time_is_over_is_said_apart():
    with a_watchdog(PAUSED) as url:
        done = wait(url, "--timeout", "300ms")

    assert done.exit_code == 4
    assert done.output.splitlines() == [
        "v1.3.0 is paused: 9 of 40 failed",
        "gave up after 300ms",
    ]


@pytest.mark.parametrize("over", ["rolled-back", "quarantined"])
def test_what_was_rolled_back_or_quarantined_is_not_waited_for(over):
    gone = (423, PAUSED[1] | {"over": over})
    with a_watchdog(PAUSED, gone) as url:
        done = wait(url, "--timeout", "10m")

    assert done.exit_code == 3
    words = over.replace("-", " ")
    assert done.output.splitlines()[-1] == f"v1.3.0 is {words}: 9 of 40 failed"


def test_what_another_release_replaced_is_not_waited_for():
    gone = (423, PAUSED[1] | {"over": "superseded"})
    with a_watchdog(PAUSED, gone) as url:
        done = wait(url, "--timeout", "10m", "--json")

    assert done.exit_code == 12
    assert json.loads(done.output)["end"] == "superseded"


def test_what_was_replaced_before_may_just_have_been_deployed_again():
    gone = (423, PAUSED[1] | {"over": "superseded"})
    with a_watchdog(gone, gone, PAUSED, OPEN) as url:
        assert wait(url, "--timeout", "30s").exit_code == 0
    with a_watchdog(gone) as url:
        assert wait(url, "--timeout", "300ms").exit_code == 12
        assert wait(url).exit_code == 12


IMAGE = f"sha256:{'a' * 64}"
OTHER = f"sha256:{'b' * 64}"
NAMED = {"audience": "dms-prod", "images": {"dms": [IMAGE], "relay": [OTHER]}}


@pytest.mark.parametrize("answer", [OPEN, PAUSED])
def test_another_watchdogs_answer_is_refused_at_once(answer):
    theirs = (answer[0], answer[1] | NAMED | {"audience": "dms-stage"})
    with a_watchdog(theirs) as url:
        done = wait(url, "--audience", "dms-prod", "--timeout", "10m")
    assert done.exit_code == 7
    assert "the answer is of dms-stage, meant dms-prod" in done.output

    with a_watchdog(answer) as url:
        done = wait(url, "--audience", "dms-prod", "--timeout", "10m")
    assert done.exit_code == 7
    assert "does not say whose it is" in done.output


def test_another_build_of_the_same_version_is_refused():
    mine = (200, OPEN[1] | NAMED)
    wanted = f"sha256:{'c' * 64}"
    with a_watchdog(mine) as url:
        fine = wait(url, "--audience", "dms-prod", "--image", IMAGE)
        both = wait(url, "--image", f"ghcr.io/flexli/dms@{IMAGE}", "--image", OTHER)
        other = wait(url, "--image", IMAGE, "--image", wanted, "--timeout", "10m")
    assert (fine.exit_code, both.exit_code, other.exit_code) == (0, 0, 8)
    assert "another build was measured" in other.output

    with a_watchdog(OPEN) as url:
        done = wait(url, "--image", wanted)
    assert done.exit_code == 8
    assert "the answer names no image" in done.output


def test_the_build_that_is_meant_may_still_be_on_its_way():
    before = (423, PAUSED[1] | {"images": {"dms": [OTHER]}})
    after = (200, OPEN[1] | NAMED)
    with a_watchdog(before, after) as url:
        done = wait(url, "--image", IMAGE, "--timeout", "30s")

    assert done.exit_code == 0


def test_that_another_build_was_rolled_back_is_no_end_of_the_one_that_is_meant():
    gone = (423, PAUSED[1] | {"over": "rolled-back", "images": {"dms": [OTHER]}})
    with a_watchdog(gone, (200, OPEN[1] | NAMED)) as url:
        done = wait(url, "--image", IMAGE, "--timeout", "30s")
    assert (done.exit_code, "another build" in done.output) == (0, True)

    with a_watchdog(gone) as url:
        assert wait(url, "--image", OTHER, "--timeout", "30s").exit_code == 3
    unnamed = (423, PAUSED[1] | {"over": "rolled-back"})
    with a_watchdog(unnamed) as url:
        assert wait(url, "--image", IMAGE, "--timeout", "30s").exit_code == 3


def test_a_timeout_without_a_unit_is_refused():
    assert isinstance(wait("http://x", "--timeout", "30").exception, Problem)
