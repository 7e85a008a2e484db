"""Smoke checks on the real DMS: read back over HTTP and inside its containers."""

from datetime import timedelta

import pytest

from tests.real.undo import BAD, OLD, Asked
from watchdog.facts.event import RollbackEnded, StepFailed, WentBack
from watchdog.facts.smoke import Asks, Runs
from watchdog.wiring.clock import RealClock
from watchdog.wiring.executors import smoke_of

pytestmark = pytest.mark.real

SECOND = timedelta(seconds=1)
VERSION = "import http.client as h; c = h.HTTPConnection('127.0.0.1', 5269); "
VERSION += "c.request('GET', '/version'); print(c.getresponse().read().decode())"
INSIDE = Runs(("python", "-ISc", VERSION), "dms", contains=OLD)


@pytest.fixture(scope="module")
def it(tmp_path_factory):
    made = Asked(tmp_path_factory.mktemp("smoke"))
    made.deploy(OLD)
    yield made
    made.down()


@pytest.fixture
def ask(it):
    smoke = smoke_of(it.to_act, RealClock())
    return lambda check: smoke(check, (it.inspect("dms")["Id"],))


@pytest.fixture
def asked(tmp_path):
    made = Asked(tmp_path)
    yield made
    made.down()


def test_a_get_must_give_the_status_and_the_words_that_were_meant(it, ask):
    health, version = f"{it.address()}/health", f"{it.address()}/version"

    assert ask(Asks(health)).words == f"GET {health} says 200"
    assert ask(Asks(version, contains="meesho")).fine
    assert ask(Asks(f"{it.address()}/nothing", expect=404)).fine
    wrong = ask(Asks(health, expect=204))
    assert not wrong.fine
    assert wrong.words.startswith(f"GET {health} says 200, meant 204: ")
    wrong = ask(Asks(version, contains="myntra"))
    assert wrong.words.startswith(f"GET {version} does not say 'myntra': {{")


def test_a_command_must_exit_0_and_say_what_was_meant(ask):
    assert ask(INSIDE).fine
    assert ask(Runs(("sh", "-c", "echo ok; exit 3"), "dms")).words == (
        "`sh -c echo ok; exit 3` in dms exited 3: ok"
    )
    assert ask(Runs(("echo", "so\nwhat\x1b[2J"), "dms", contains="that")).words == (
        "`echo so what\ufffd[2J` in dms does not say 'that': so what\ufffd[2J"
    )
    assert ask(Runs(("no-such-command",), "dms")).words.startswith(
        "`no-such-command` in dms "
    )


def test_a_command_that_does_not_end_is_left_at_its_deadline(ask):
    command, said = ("sh", "-c", "echo begun; sleep 600"), ""
    for seconds in (1, 5, 20):  # on a busy machine it begins later
        said = ask(Runs(command, "dms", timeout=seconds * SECOND)).words
        did = f"`sh -c echo begun; sleep 600` in dms did not end within {seconds} s"
        assert said.startswith(did), said
        if said == f"{did}: begun":
            return
    raise AssertionError(said)


def test_a_command_that_never_stops_talking_is_left_at_its_deadline(ask):
    loud = Runs(("sh", "-c", "while :; do echo y; sleep 0.1; done"), "dms")
    patient = RealClock().monotonic()

    assert "did not end within 5 s: y y" in ask(loud).words
    assert RealClock().monotonic() - patient < 60


def test_a_command_needs_a_container_of_its_service(ask):
    assert ask(Runs(("true",), "worker")).words == (
        "`true` in worker has no container to run in"
    )


def test_a_rollback_is_proved_by_the_smoke_checks_too(asked):
    target = asked.ready_to_go_back()
    asked.checks(INSIDE)

    asked.roll_back(target)

    (ended,) = asked.events(RollbackEnded)
    assert ended.proof.endswith("` in dms is fine")


@pytest.mark.parametrize("layout", ["versioned", "shared-file"])
def test_a_target_that_fails_its_smoke_check_is_put_back(tmp_path, layout):
    it = Asked(tmp_path, layout)
    try:
        target = it.ready_to_go_back()
        failing = Runs(("sh", "-c", "echo no route; exit 7"), "dms")
        it.checks(failing, prove_within=3 * SECOND)
        it.begin(target)
        it.carry_to_its_end()

        assert it.ends()[-1] == "put-back"
        assert (it.versions(), it.serves()) == ([BAD], BAD)
        failed = it.events(StepFailed)[0]
        assert failed.words.endswith(
            "smoke check failed: `sh -c echo no route; exit 7` in dms exited 7: "
            "no route"
        )
        (back,) = it.events(WentBack)
        assert back.words == failed.words
        # What ran before ran: it is not held back by a check that it fails too.
        (ended,) = it.events(RollbackEnded)
        assert "smoke check failed, as it may have before: " in ended.proof
    finally:
        it.down()
