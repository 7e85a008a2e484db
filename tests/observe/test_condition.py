"""What the engine says of containers, and of who ended them."""

from datetime import UTC, datetime, timedelta

from tests.worlds import AT, MINUTE, SECOND
from watchdog.facts.problem import EngineRefused, Unreachable
from watchdog.observe.condition import Condition

STARTED = AT - 10 * MINUTE


class Engine:
    """An engine that remembers *happened*; *no* is what it says instead."""

    def __init__(self, *happened, no=None):
        self.happened = list(happened)
        self.no = no
        self.asked = 0

    def events(self, until):
        self.asked += 1
        if self.no:
            raise self.no
        return [e for e in self.happened if e["timeNano"] <= nanos(until)]


def nanos(at):
    return (
        int((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1000
    )


def event(what, at, id_="one", **said):
    actor = {"ID": id_, "Attributes": said}
    return {"Type": "container", "Action": what, "Actor": actor, "timeNano": nanos(at)}


def inspected(state="exited", *, finished=AT, restarts=0, code=1, id_="one", **more):
    return {
        "Id": id_,
        "Name": "/dms-1",
        "RestartCount": restarts,
        "Config": {"Labels": {"com.docker.compose.service": "dms"}},
        "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}},
        "State": {
            "Status": state,
            "Running": state == "running",
            "ExitCode": code,
            "StartedAt": STARTED.isoformat(),
            "FinishedAt": finished.isoformat() if finished else "0001-01-01T00:00:00Z",
        }
        | more,
    }


def ends(engine, *looks):
    condition = Condition(engine)
    for look in [*looks, looks[-1], looks[-1]]:  # until it is sure
        (one,), _ = condition.of([look])
    return one.ends


def test_what_ended_with_no_signal_before_it_ended_by_itself():
    engine = Engine(event("start", STARTED), event("die", AT, exitCode="3"))

    (end,) = ends(engine, inspected(code=3))

    assert (end.code, end.by) == (3, "")


def test_what_ended_after_a_signal_was_ended_by_somebody_whatever_its_code():
    engine = Engine(
        event("start", STARTED),
        event("kill", AT - 5 * SECOND, signal="15"),
        event("die", AT, exitCode="1"),
    )

    (end,) = ends(engine, inspected())

    assert end.by == "somebody sent it signal 15 at 02:59:55 UTC"


def test_a_stop_may_take_as_long_as_it_likes():
    """`docker stop -t 600`: it is asked once, and ends when it is done."""
    engine = Engine(
        event("start", STARTED),
        event("kill", AT - 8 * MINUTE, signal="15"),
        event("die", AT, exitCode="1"),
    )

    (end,) = ends(engine, inspected())

    assert "signal 15" in end.by


def test_a_signal_that_a_busy_engine_notes_after_the_end_was_before_it():
    """It notes it when it was sent: what dies of it at once is noted first."""
    died = [event("start", STARTED), event("die", AT, exitCode="1")]
    engine = Engine(*died)
    condition = Condition(engine)
    (first,), _ = condition.of([inspected()])
    engine.happened.append(event("kill", AT + 4 * SECOND, signal="15"))
    condition.of([inspected()])
    (last,), _ = condition.of([inspected()])

    assert first.ends[0].by is None  # not sure yet
    assert "signal 15" in last.ends[0].by
    noted = [*died, event("stop", AT + SECOND)]
    assert "stopped it" in ends(Engine(*noted), inspected())[0].by


def test_a_signal_of_long_ago_ended_nothing():
    engine = Engine(
        event("start", STARTED),
        event("kill", AT - 5 * MINUTE, signal="1"),
        event("die", AT, exitCode="1"),
    )

    (end,) = ends(engine, inspected())

    assert end.by == ""


def test_what_the_engine_forgot_is_not_known():
    """After a restart of the engine, or 256 events later."""
    forgot = Engine()
    half = Engine(event("die", AT, exitCode="1"))
    other = Engine(event("die", AT - 3 * MINUTE, "two"), event("die", AT, exitCode="1"))

    assert [end.by for end in ends(forgot, inspected())] == [None]
    assert [end.by for end in ends(half, inspected())] == [None]
    assert [end.by for end in ends(other, inspected())] == [""]


def test_what_is_refused_is_said_and_leaves_it_unknown():
    engine = Engine(no=EngineRefused("the engine refused to tell: 403"))

    (one,), _ = Condition(engine).of([inspected()])

    assert one.untold == "the engine refused to tell: 403"
    assert one.ends[0].by is None


def test_an_engine_that_did_not_answer_is_asked_again():
    engine = Engine(no=Unreachable("no answer"))
    condition = Condition(engine)
    condition.of([inspected()])
    engine.no = None
    engine.happened = [event("start", STARTED), event("die", AT, exitCode="1")]

    for _ in range(3):
        (one,), _ = condition.of([inspected()])

    assert [end.by for end in one.ends] == [""]


def test_what_the_engine_starts_again_ended_by_itself_without_its_memory():
    look = inspected("restarting", restarts=1)
    later = inspected("restarting", restarts=2, finished=AT + MINUTE)

    found = ends(Engine(), look, later)

    assert [(end.at, end.by) for end in found] == [(AT, ""), (AT + MINUTE, "")]


def test_a_watchdog_that_begins_in_a_loop_hears_of_its_beginning():
    happened = [event("start", AT - 3 * MINUTE)]
    for minute in (2, 1, 0):
        happened.append(event("die", AT - minute * MINUTE, exitCode="3"))
        happened.append(event("start", AT - minute * MINUTE + SECOND))

    found = ends(Engine(*happened), inspected("restarting", restarts=3, code=3))

    assert [end.at for end in found] == [AT - n * MINUTE for n in (2, 1, 0)]


def test_who_starts_it_by_hand_begins_it_anew():
    loop = inspected("restarting", restarts=5)
    anew = inspected("running", restarts=0, finished=AT)

    assert ends(Engine(), loop, anew) == ()


def test_what_is_well_costs_no_question():
    engine = Engine()
    condition = Condition(engine)
    for _ in range(5):
        condition.of([inspected("running", finished=None)])

    assert engine.asked == 1  # whether it may be asked at all


def test_the_containers_that_were_replaced_are_those_before():
    condition = Condition(Engine())
    _, nobody = condition.of([inspected("running", finished=None)])
    new = inspected("running", finished=None, id_="new")

    _, before = condition.of([new])
    _, still = condition.of([new])

    assert nobody is None
    assert [one.id for one in before] == ["one"]
    assert still == before


def probed(streak, at=AT, **more):
    """Show a check of which *streak* probes failed, 40 s apart though every 10 s."""
    log = [
        {
            "Start": (at - (40 * back + 30) * SECOND).isoformat(),
            "End": (at - 40 * back * SECOND).isoformat(),
            "ExitCode": 1,
        }
        for back in reversed(range(min(5, streak)))
    ]
    health = {"Status": "unhealthy", "FailingStreak": streak, "Log": log}
    found = inspected("running", finished=None, Health=health, **more)
    found["Config"]["Healthcheck"] = {"Interval": 10 * 10**9, "Retries": 3}
    return found


def test_the_probe_that_made_it_unhealthy_is_remembered():
    condition = Condition(Engine())
    for streak in range(3, 30):
        at = AT + 40 * (streak - 3) * SECOND
        (one,), _ = condition.of([probed(streak, at)])

        assert one.health.since == AT

    (anew,), _ = Condition(Engine()).of([probed(30)])
    assert anew.health.since is None
    condition.of([probed(30) | {"State": {"Status": "paused", "Running": True}}])
    (after,), _ = condition.of([probed(31)])
    assert after.health.since is None


def test_out_of_memory_is_read_where_the_engine_says_it():
    engine = Engine(
        event("start", STARTED),
        event("oom", AT),
        event("die", AT, exitCode="137"),
    )

    (told,) = ends(engine, inspected(code=137))
    (shown,) = ends(Engine(), inspected(code=137, OOMKilled=True))

    assert told.out_of_memory
    assert shown.out_of_memory
