"""What people and pipelines are told, in words and over HTTP."""

import asyncio
import json
from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette

from tests import canary
from tests.decide.test_standing import PLAN, begun, ended, verdict
from tests.worlds import (
    ARMED,
    AT,
    AWB,
    HEALTHY_THEN_NEXT,
    HOUR,
    HTTP_5XX,
    MINUTE,
    SECOND,
    Notebook,
    a_record,
    a_release,
    asked,
    breached,
    entries,
    readiness,
    rules,
    started,
)
from watchdog.config.release_file import Releases
from watchdog.decide.fold import stand
from watchdog.decide.gate import digest_of
from watchdog.facts.event import (
    FarEndLost,
    PairUnclear,
    PromotionPaused,
    PromotionResumed,
    RollbackRefused,
    RollbackStuck,
)
from watchdog.facts.lack import Lack
from watchdog.show.http import Faces
from watchdog.show.metrics import Pulse
from watchdog.show.releases import picture as ledger
from watchdog.show.releases import words as ledger_words
from watchdog.show.status import picture, words
from watchdog.turn.roles import Turn

POLL = 5 * SECOND
CLEAR = (ARMED, verdict("clear"), verdict("clear", HTTP_5XX.name), readiness())
DONE = AT + 10 * SECOND  # after every event of a test
RULES = rules()
TURN = Turn(DONE, "watching v1.3.0", {AWB.name: "0 of 40 failed"}, looked=AT)


def shown(*events, turn=TURN, at=DONE, release=None, **chosen):
    s = stand(entries(*events))
    release = release or a_release()
    return picture(s, release, rules(**chosen), turn, poll=POLL, at=at)


def lines(*events, **how):
    return words(shown(*events, **how)).splitlines()


# In words.


def test_the_first_line_answers():
    assert lines()[0] == "dms-test: nothing has been seen running yet"
    assert lines(*HEALTHY_THEN_NEXT)[0] == "dms-test: watching v1.3.0: not judged yet"
    assert lines(*HEALTHY_THEN_NEXT, *CLEAR)[0] == "dms-test: watching v1.3.0: clear"
    mixed = (verdict("blind"), verdict("clear", HTTP_5XX.name))
    assert lines(*HEALTHY_THEN_NEXT, *mixed)[0] == (
        "dms-test: watching v1.3.0: blind: AwbRoutingFailures"
    )
    incident = (*HEALTHY_THEN_NEXT, breached())
    assert lines(*incident)[0] == "dms-test: v1.3.0 has an open incident"
    assert lines(*incident, begun())[0] == (
        "dms-test: rolling back to v1.2.0: 0 of 1 steps"
    )


def test_the_rest_explains():
    said = lines(*HEALTHY_THEN_NEXT, *CLEAR)

    for line in (
        "promotion      open",
        "target         to v1.2.0: v1.2.0 ran long enough",
        f"trigger        {AWB.name}: clear: 0 of 40 failed",
        f"trigger        {HTTP_5XX.name}: clear: words",
        "               candidate: not known to be good",
    ):
        assert line in said


def test_a_refusal_a_question_and_what_is_stuck_are_said():
    incident = (*HEALTHY_THEN_NEXT, breached())

    assert "incident       inc-1: no target" in lines(
        *incident, RollbackRefused("inc-1", "no target")
    )
    assert "question       apr_1 until 2026-03-11T04:00:00Z: roll back?" in lines(
        *incident, asked()
    )
    stuck = lines(*incident, begun(), RollbackStuck("op", "rename refused", "hint"))
    told = [line for line in stuck if line.startswith("rollback ")]
    assert told[0].startswith("rollback       STUCK, a person must act: rename refused")


def test_the_last_rollback_is_told_with_the_fields_of_the_runbook():
    whole = shown(
        *HEALTHY_THEN_NEXT, breached(), begun(), ended(), started("v1.2.0", by="op")
    )

    assert whole["last_rollback"] == {
        "op": "op",
        "incident": "inc-1",
        "what": "rollback",
        "how": "proved",
        "started": "2026-03-11T03:00:00Z",
        "previous": "v1.3.0",
        "target": "v1.2.0",
        "root_cause": "why",
        "owner": "ops",
        "words": "v1.3.0 to v1.2.0, proved, started 2026-03-11T03:00:00Z; why",
    }
    assert whole["running"]["by_rollback"] == "op"
    assert whole["target"]["words"].endswith("never rolling back a rollback")


@pytest.mark.parametrize("turn", [None, Turn(AT - MINUTE, "long ago", {})])
def test_nobody_watching_is_never_called_open(turn):
    whole = shown(*HEALTHY_THEN_NEXT, *CLEAR, turn=turn)

    assert not whole["watching"]
    assert whole["promotion"]["state"] == "not known (nobody is watching)"
    assert words(whole).splitlines()[1].startswith("NOT WATCHING: ")


AWAY = FarEndLost("engine", "connection refused")
TORN = PairUnclear("split: the manifests were changed", split=True)


@pytest.mark.parametrize(
    ("more", "how", "why"),
    [
        ((), {"turn": None}, "nobody is watching"),
        ((), {"turn": Turn(AT - MINUTE, "long ago", {})}, "nobody is watching"),
        ((AWAY,), {}, "what runs cannot be seen: connection refused"),
        ((TORN,), {}, "split: the manifests were changed"),
    ],
)
def test_no_verdict_of_before_is_said_of_what_nobody_judges_now(more, how, why):
    whole = shown(*HEALTHY_THEN_NEXT, *CLEAR, *more, **how)
    said = words(whole).splitlines()

    assert said[0] == f"dms-test: v1.3.0 runs: {why}"
    assert not [line for line in said if line.startswith("trigger")]
    assert {one["verdict"] for one in whole["triggers"].values()} == {"not judged"}


@pytest.mark.parametrize("more", [AWAY, TORN])
def test_no_metric_says_clear_of_what_nobody_judges_now(more):
    clear = f'watchdog_verdict{{trigger="{AWB.name}",verdict="clear"}}'

    before = Place(*HEALTHY_THEN_NEXT, *CLEAR).get("/metrics").text
    now = Place(*HEALTHY_THEN_NEXT, *CLEAR, more).get("/metrics").text

    assert f"{clear} 1.0" in before
    assert f"{clear} 0.0" in now


def test_a_clock_that_went_back_is_not_called_watching():
    assert not shown(*HEALTHY_THEN_NEXT, *CLEAR, at=AT - MINUTE)["watching"]


def test_everything_is_plain_json():
    whole = shown(
        *HEALTHY_THEN_NEXT, *CLEAR, breached(), asked(), FarEndLost("engine", "down")
    )

    assert json.loads(json.dumps(whole)) == whole


# Over HTTP.


class Place:
    """The faces over a journal of *events*; *fresh* while somebody turns."""

    def __init__(
        self,
        *events,
        fresh=True,
        default=None,
        files=("v1.2.0", "v1.3.0"),
        turn=TURN,
        at=DONE,
        rules=RULES,
    ):
        memory = Notebook()
        memory.add(AT, *events)
        memory.mark(turn)
        self.memory = memory
        faces = Faces(
            memory=memory,
            releases=Releases({v: a_release(v) for v in files}, default),
            rules=rules,
            poll=POLL,
            now=lambda: at,
            pulse=lambda: Pulse(1, 0.1, 0, fresh),
        )
        self.app = Starlette(routes=[*faces.public(), *faces.private()])

    def get(self, path, method="GET"):
        async def get():
            transport = httpx.ASGITransport(self.app)
            base = "http://watchdog"
            async with httpx.AsyncClient(transport=transport, base_url=base) as client:
                return await client.request(method, path)

        reply = asyncio.run(get())
        canary.heard(f"the answer to {method} {path}", reply.text)
        return reply

    def gate(self, version="v1.3.0"):
        """Give the status and the body, without what every answer says alike."""
        reply = self.get(f"/v1/promotion/{version}")
        body = reply.json()
        if reply.status_code in (200, 423):
            assert body.pop("audience") == "dms-test"
            assert body.pop("words")
        return reply.status_code, body


def test_promotion_is_200_while_it_is_open():
    assert Place(*HEALTHY_THEN_NEXT, *CLEAR).gate() == (
        200,
        {"release": "v1.3.0", "state": "open", "reasons": [], "over": "", "images": {}},
    )


def test_promotion_is_423_with_the_reasons_while_it_is_paused():
    pause = PromotionPaused("v1.3.0", "AwbRoutingFailures: 9 of 40")
    place = Place(*HEALTHY_THEN_NEXT, *CLEAR, pause)

    assert place.gate() == (
        423,
        {
            "release": "v1.3.0",
            "state": "paused",
            "reasons": ["AwbRoutingFailures: 9 of 40"],
            "over": "",
            "images": {},
            "pauses": {"v1.3.0": ["AwbRoutingFailures: 9 of 40"]},
            "pauses_digest": digest_of({"v1.3.0": ("AwbRoutingFailures: 9 of 40",)}),
        },
    )
    place.memory.add(AT, PromotionResumed("v1.3.0", "asha"))
    assert place.gate()[0] == 200


def test_promotion_is_404_for_a_release_that_nobody_knows():
    status, body = Place(*HEALTHY_THEN_NEXT, *CLEAR).gate("v9.9.9")

    assert (status, body["code"]) == (404, "unknown")
    default = a_release("")
    assert Place(*HEALTHY_THEN_NEXT, default=default).gate("v9.9.9")[0] == 404


def test_promotion_is_503_when_nobody_is_watching():
    for events in (CLEAR, (PromotionPaused("v1.3.0", "bad"),)):
        status, body = Place(*HEALTHY_THEN_NEXT, *events, fresh=False).gate()
        assert (status, body["code"]) == (503, "not_watching")


def test_a_version_without_a_file_is_paused_and_not_open():
    words_ = "v1.4.0 runs without a release file of its own"
    pause = PromotionPaused("v1.4.0", words_)
    ready = readiness("v1.4.0", "")
    place = Place(started("v1.4.0"), pause, *CLEAR, ready, default=a_release(""))

    assert place.gate("v1.4.0") == (
        423,
        {
            "release": "v1.4.0",
            "state": "paused",
            "reasons": [words_],
            "over": "",
            "images": {},
            "pauses": {"v1.4.0": [words_]},
            "pauses_digest": digest_of({"v1.4.0": (words_,)}),
        },
    )


def test_a_build_of_a_release_is_paused_like_the_release():
    pause = PromotionPaused("v1.3.0-4f9c2ab", "bad")
    place = Place(started("v1.3.0-4f9c2ab"), pause, *CLEAR)

    assert place.gate("v1.3.0-4f9c2ab")[0] == 423
    assert place.gate("v1.3.0")[0] == 423


def test_what_cannot_be_seen_is_paused():
    lost = FarEndLost("engine", "down")
    split = PairUnclear("split!", split=True)

    assert Place(*HEALTHY_THEN_NEXT, *CLEAR, lost).gate()[0] == 423
    assert Place(*HEALTHY_THEN_NEXT, *CLEAR, split).gate()[0] == 423
    assert Place().gate()[0] == 423


def test_alive_is_the_process_and_ready_is_a_full_turn():
    ready = Place(*HEALTHY_THEN_NEXT)
    idle = Place(*HEALTHY_THEN_NEXT, fresh=False)
    lost = Place(*HEALTHY_THEN_NEXT, FarEndLost("prometheus", "down"))

    for place in (ready, idle, lost, Place()):
        assert place.get("/healthz").status_code == 200
    assert ready.get("/readyz").status_code == 200
    for place in (idle, lost, Place()):
        assert place.get("/readyz").status_code == 503
    assert lost.get("/readyz").json()["unreachable"] == {"prometheus": "down"}


def test_a_faulty_release_file_is_said_while_the_last_good_ones_watch_on():
    faulty = Place(*HEALTHY_THEN_NEXT, FarEndLost("a release file", "1 fault"))

    assert faulty.get("/readyz").status_code == 200
    assert faulty.get("/readyz").json()["unreachable"] == {"a release file": "1 fault"}


def test_the_status_over_http_is_the_one_on_the_command_line():
    events = (*HEALTHY_THEN_NEXT, *CLEAR, breached())

    reply = Place(*events).get("/v1/status")

    assert reply.status_code == 200
    assert reply.json()["running"]["version"] == "v1.3.0"
    assert reply.json()["incident"]["id"] == "inc-1"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/v1/promotion/v1.3.0", "/v1/status", "/readyz"])
def test_faces_can_only_be_looked_at(method, path):
    assert Place(*HEALTHY_THEN_NEXT).get(path, method).status_code == 405


# Every face says what the gate says.


def test_status_says_paused_when_nothing_was_ever_seen():
    whole = shown()

    assert whole["promotion"]["state"] == "paused"
    assert "promotion      paused" in lines()
    assert "               - nothing has been seen running yet" in lines()


def test_status_page_metrics_and_the_gate_say_the_same_of_what_is_suspected():
    events = (*HEALTHY_THEN_NEXT, ARMED, verdict("pending"), *CLEAR[2:])
    place = Place(*events)
    why = [f"{AWB.name}: words"]

    assert place.gate()[0] == 423
    assert place.gate()[1]["reasons"] == why
    assert place.get("/v1/status").json()["promotion"]["reasons"] == why
    paused = 'watchdog_promotion_paused{release="v1.3.0"} 1.0'
    assert paused in place.get("/metrics").text
    place.memory.add(AT, verdict("clear"))
    assert 'watchdog_promotion_paused{release="v1.3.0"} 0.0' in (
        place.get("/metrics").text
    )


def test_the_answer_names_whose_it_is_and_what_was_measured():
    place = Place(started("v1.2.0"))
    record = a_record("v1.3.0")
    name = place.memory.keep(record, {})
    runs = replace(started("v1.3.0"), record=name)
    place.memory.add(AT, runs, *CLEAR)

    body = place.get("/v1/promotion/v1.3.0").json()

    assert body["audience"] == "dms-test"
    assert body["images"] == {"dms": [record.pair.image]}


def test_what_is_watched_no_longer_is_not_called_clear():
    over = DONE + 25 * HOUR
    turn = Turn(over, "no longer armed", {}, looked=over)
    said = lines(*HEALTHY_THEN_NEXT, *CLEAR, turn=turn, at=over)
    why = (
        "no longer watched since 2026-03-12 03:00:00 UTC: watch_for of its release "
        "is over"
    )

    assert said[0] == f"dms-test: v1.3.0 runs: {why}"
    assert f"               - {why}" in said
    assert not [line for line in said if line.startswith("trigger")]


def test_the_words_of_a_verdict_are_those_of_its_kind():
    """A turn that is under way changed it since the last one that is complete."""
    later = verdict("breached")
    before = Turn(AT, "watching", {AWB.name: "suspected: 1 poll of 2"}, looked=AT)

    whole = shown(*HEALTHY_THEN_NEXT, *CLEAR, later, turn=before)

    assert whole["triggers"][AWB.name]["verdict"] == "breached"
    assert whole["triggers"][AWB.name]["words"] == "words"


# In the middle of a rollback.


def in_the_middle(*more, at=DONE, **how):
    """Look at a rollback of which the journal's last word is at AT + 5 s."""
    stale = Turn(AT - MINUTE, "watching", {}, looked=AT - MINUTE)
    events = (*HEALTHY_THEN_NEXT, breached(), begun(), *more)
    return shown(*events, turn=stale, at=at, **how)


def test_an_orderly_rollback_is_not_called_not_watching():
    whole = in_the_middle()
    said = words(whole)

    assert whole["watching"]
    assert "NOT WATCHING" not in said
    step = PLAN.steps[0]
    assert f"at step 1 of 1, `{step.words}`, since 2026-03-11 03:00:04 UTC" in said
    assert "could roll back to v1.2.0 now: no, a rollback is under way" in said


def test_a_rollback_that_nobody_carries_on_does_not_look_orderly():
    whole = in_the_middle(at=AT + 20 * MINUTE)
    said = words(whole)

    assert not whole["watching"]
    assert "NOT WATCHING" in said
    assert "no sign of it since 2026-03-11 03:00:04 UTC (1196 s ago)" in said


def test_the_gate_stays_closed_and_ready_in_the_middle_of_a_rollback():
    place = Place(*HEALTHY_THEN_NEXT, *CLEAR, begun(), fresh=False)

    status, body = place.gate()
    assert (status, body["reasons"][0]) == (
        423,
        "a rollback to v1.2.0 is under way: why",
    )
    assert place.get("/readyz").status_code == 200
    words_ = place.get("/readyz").json()["words"]
    assert words_.startswith("a rollback is under way: at step 1 of 1")


def test_an_incident_that_was_rolled_back_waits_and_tells_no_old_failure():
    events = (*HEALTHY_THEN_NEXT, breached(), begun(), ended(how="put-back"))
    anew = (*events, begun(automatic=False), ended(), started("v1.2.0", by="op"))

    said = lines(*anew, turn=Turn(DONE, "", {}, looked=DONE))

    waits = f"rolled back at 2026-03-11T03:00:07Z; waiting for {AWB.name} to clear"
    assert said[0] == f"dms-test: inc-1: {waits}"
    assert f"incident       inc-1: {waits}" in said
    assert not [
        line for line in said if line.startswith("incident") and "proof" in line
    ]


def test_the_ledger_says_what_was_rolled_back_by_whom_and_why():
    by_hand = replace(begun(automatic=False), cause="rollback by hand, asha: slow")
    events = (*HEALTHY_THEN_NEXT, by_hand, ended(), started("v1.2.0", by="op"))

    said = ledger_words(ledger(stand(entries(*events)), a_release("v1.2.0")))

    assert "rolled back" in said.splitlines()[0]
    assert "  rolled back here: rollback by hand, asha: slow (to v1.2.0, " in said


def test_what_is_deployed_and_does_not_run_is_not_called_running():
    down = Lack(
        "1 of 1 containers of v1.3.0 is exited, not running", about="containers"
    )
    events = (*HEALTHY_THEN_NEXT, *CLEAR[:2], readiness("v1.3.0", "v1.2.0", down))

    said = lines(*events, turn=Turn(DONE, "", {}, looked=DONE))

    assert said[0] == f"dms-test: v1.3.0 is not up: {down.words}"
    assert not [line for line in said if line.startswith("running ")]
    assert [line for line in said if line.startswith("deployed ")]
    assert f"               - it could not be rolled back: {down.words}" in said
