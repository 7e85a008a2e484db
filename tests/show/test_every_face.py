"""In each state of the watch, every face says the same: none says green alone."""

from dataclasses import dataclass

import pytest

from tests.decide.test_standing import begun, ended, verdict
from tests.show.test_faces import CLEAR, DONE, POLL, Place
from tests.worlds import (
    ARMED,
    AWB,
    HEALTHY_THEN_NEXT,
    HOUR,
    HTTP_5XX,
    MINUTE,
    a_release,
    breached,
    proved_good,
    readiness,
    rules,
    started,
)
from watchdog.commands.ends import End
from watchdog.commands.pipeline import Meant, _read
from watchdog.facts.event import (
    FarEndLost,
    HoldPlaced,
    IncidentClosed,
    PairUnclear,
    PromotionPaused,
    PromotionResumed,
    RollbackStuck,
    StackClaimed,
)
from watchdog.facts.lack import Lack
from watchdog.show.explain import explain
from watchdog.show.explain import words as explained
from watchdog.show.status import words
from watchdog.turn.roles import Turn

BOTH = (AWB.name, HTTP_5XX.name)
GOOD = (*HEALTHY_THEN_NEXT, *CLEAR)
FIRST = (*HEALTHY_THEN_NEXT, ARMED)
OTHER = verdict("clear", HTTP_5XX.name)
BREACH = (*GOOD, breached(), PromotionPaused("v1.3.0", "AwbRoutingFailures: 9 of 40"))
BACK = (*BREACH, begun(), ended(), started("v1.2.0", by="op"))
NOT_UP = Lack("1 of 1 containers of v1.3.0 is exited, not running", about="containers")
DRIFT = Lack(".env pins v1.2.0, and v1.3.0 runs", pin=True)
LATE = DONE + 25 * HOUR


@dataclass
class State:
    """What is journaled, who watches, and what must be said of it by everybody.

    *why* is in the gate's reasons; *first* is what `status` begins with, *because*
    what `explain` gives for a reason. *wait* is how `promotion wait` ends.
    """

    events: tuple
    wait: End
    first: str
    because: str
    why: str = ""
    ready: bool | None = True
    judged: bool = True
    fresh: bool = True
    at: object = DONE
    observe_only: bool = False
    version: str = "v1.3.0"


WATCHING = "watching: nothing is confirmed"
SEEN_NO_MORE = {"ready": None, "judged": False}
STATES = {
    "never seen": State(
        (),
        End.NO,
        "nothing has been seen running yet",
        "nothing has been seen running yet",
        "does not run here",
        ready=None,
    ),
    "started": State(
        HEALTHY_THEN_NEXT,
        End.NO,
        "watching v1.3.0: not judged yet",
        WATCHING,
        "has not been measured on this release yet",
        ready=None,
    ),
    "not tried yet": State(
        (*HEALTHY_THEN_NEXT, *CLEAR[1:]),
        End.NO,
        "watching v1.3.0: clear",
        WATCHING,
        "have not all been tried live yet",
    ),
    "pending": State(
        (*FIRST, verdict("pending"), *CLEAR[2:]),
        End.NO,
        "watching v1.3.0: pending: AwbRoutingFailures",
        WATCHING,
        "AwbRoutingFailures: words",
    ),
    "blind": State(
        (*FIRST, verdict("blind"), *CLEAR[2:]),
        End.NO,
        "watching v1.3.0: blind: AwbRoutingFailures",
        WATCHING,
        "has not been measured on this release yet: words",
    ),
    "clear": State(GOOD, End.DONE, "watching v1.3.0: clear", WATCHING),
    "known good": State(
        (*GOOD, proved_good("v1.3.0")), End.DONE, "watching v1.3.0: clear", WATCHING
    ),
    "drift of .env": State(
        (*FIRST, *CLEAR[1:3], readiness("v1.3.0", "v1.2.0", DRIFT)),
        End.NO,
        "watching v1.3.0: clear",
        WATCHING,
        DRIFT.words,
        ready=False,
    ),
    "stopped": State(
        (*FIRST, *CLEAR[1:3], readiness("v1.3.0", "v1.2.0", NOT_UP)),
        End.NO,
        f"v1.3.0 is not up: {NOT_UP.words}",
        f"it is not up: {NOT_UP.words}",
        NOT_UP.words,
        ready=False,
    ),
    "breached": State(
        (*BREACH, verdict("breached")),
        End.NO,
        "v1.3.0 has an open incident",
        "to v1.2.0, approved by",
        "AwbRoutingFailures: 9 of 40",
    ),
    "breached, observed only": State(
        (*GOOD, verdict("breached")),
        End.NO,
        "watching v1.3.0: breached: AwbRoutingFailures",
        "observed only: v1.3.0 would be paused by AwbRoutingFailures: words",
        "observed only: v1.3.0 would be paused by AwbRoutingFailures: words",
        observe_only=True,
    ),
    "breached, let go by a person": State(
        (
            *BREACH,
            verdict("breached"),
            PromotionResumed("v1.3.0", "asha", "known"),
            IncidentClosed("inc-1", "asha resumed it", latched=True),
        ),
        End.DONE,
        "watching v1.3.0: breached: AwbRoutingFailures",
        "AwbRoutingFailures is breached; ",
    ),
    "held": State(
        (*GOOD, HoldPlaced("ops", "maintenance")),
        End.NO,
        "watching v1.3.0: clear",
        WATCHING,
        "maintenance",
    ),
    "rolling back": State(
        (*BREACH, begun()),
        End.NO,
        "rolling back to v1.2.0: 0 of 1 steps",
        "to v1.2.0, 0 of 1 steps done",
        "a rollback to v1.2.0 is under way",
        ready=None,
    ),
    "stuck": State(
        (*BREACH, begun(), RollbackStuck("op", "rename refused", "hint")),
        End.NO,
        "STUCK, a person must act: rename refused",
        "STUCK on the way to v1.2.0: rename refused",
        "a rollback to v1.2.0 is stuck: rename refused",
        ready=None,
    ),
    "rolled back": State(
        BACK,
        End.OVER,
        "inc-1: rolled back at",
        "rolled back; waiting for the trigger to clear",
        "v1.3.0 was rolled back here",
        ready=None,
    ),
    "superseded": State(
        (*GOOD, started("v1.2.1"), ARMED, verdict("clear"), OTHER),
        End.SUPERSEDED,
        "watching v1.2.1: clear",
        WATCHING,
        "v1.3.0 was replaced by v1.2.1 before it was proved good",
        ready=None,
    ),
    "watch_for is over": State(
        GOOD,
        End.NO,
        "v1.3.0 runs: no longer watched since",
        "no longer watched since",
        "watch_for of its release is over",
        judged=False,
        at=LATE,
    ),
    "engine away": State(
        (*GOOD, FarEndLost("engine", "refused")),
        End.NO,
        "v1.3.0 runs: what runs cannot be seen: refused",
        "what runs cannot be seen: refused",
        "what runs cannot be seen: refused",
        **SEEN_NO_MORE,
    ),
    "split": State(
        (*GOOD, PairUnclear("split: manifests changed", split=True)),
        End.NO,
        "v1.3.0 runs: split: manifests changed",
        "split: manifests changed",
        "split: manifests changed",
        **SEEN_NO_MORE,
    ),
    "another watchdog's": State(
        (*GOOD, StackClaimed("other", "theirs has the stack", "stop one")),
        End.NO,
        "NOT ACTING: another watchdog has this stack",
        "theirs has the stack",
        "theirs has the stack",
        ready=False,
        judged=False,
    ),
    "nobody watches": State(
        GOOD,
        End.NOT_WATCHING,
        "v1.3.0 runs: nobody is watching",
        "nobody is watching",
        judged=False,
        fresh=False,
    ),
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_every_face_says_the_same(state):
    files = ("v1.2.0", "v1.2.1", "v1.3.0")
    at = state.at if state.fresh else DONE + MINUTE
    turned = Turn(state.at, "", {}, looked=state.at)
    chosen = rules(observe_only=state.observe_only)
    place = Place(
        *state.events, fresh=state.fresh, files=files, turn=turned, at=at, rules=chosen
    )
    s = place.memory.standing
    running = s.running.pair.version if s.running else ""

    shown = place.get("/v1/status").json()
    release = a_release(running) if running else None
    why = explain(s, release, chosen, turned, poll=POLL, at=at)
    reply = place.get(f"/v1/promotion/{state.version}")
    heard = _read(reply.status_code, reply.json(), state.version, Meant("", ()))
    metrics = place.get("/metrics").text.splitlines()

    def is_one(name):
        return f"{name} 1.0" in metrics

    # What each of them says.
    first = words(shown).splitlines()[0].removeprefix("dms-test: ")
    assert first.startswith(state.first)
    assert state.because in why["words"]
    assert heard.end is state.wait
    assert state.why in "; ".join(heard.reasons)
    assert shown["readiness"]["ready"] is state.ready
    # None of them says green where another does not.
    is_open = heard.end is End.DONE
    if running in ("", state.version):
        assert (shown["promotion"]["state"] == "open") is is_open
    assert why["promotion"] == shown["promotion"]
    assert shown["promotion"]["reasons"] or is_open or not state.fresh
    assert "clear over its whole" not in shown["promotion"]["words"] or is_open
    told = explained(why)
    assert ("\npromotion " in told) is (shown["promotion"]["state"] != "open")
    if running:
        paused = f'watchdog_promotion_paused{{release="{running}"}}'
        assert is_one(paused) is (shown["promotion"]["state"] != "open")
    assert is_one("watchdog_ready") is (state.ready is True)
    assert is_one("watchdog_watching") is state.fresh
    for name in BOTH if running else ():
        kinds = {one["trigger"]: one["verdict"] for one in why["triggers"]}
        shows = shown["triggers"].get(name, {}).get("verdict", "not judged")
        assert kinds[name].startswith("not judged") is (shows == "not judged")
        clear = is_one(f'watchdog_verdict{{trigger="{name}",verdict="clear"}}')
        assert clear is (shows == "clear")
        assert state.judged or shows == "not judged"
    alive = place.get("/readyz").status_code == 200
    assert alive is (state.fresh and bool(running) and not s.lost and not s.claimed)
