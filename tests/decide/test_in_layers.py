"""Services that do not need each other are changed side by side, others in order."""

from datetime import timedelta

import pytest

from tests.decide.test_plan import running
from tests.worlds import AT, a_pair, a_record, entries, rules
from watchdog.decide.fold import stand
from watchdog.decide.needed import in_layers
from watchdog.decide.plan import spell
from watchdog.decide.under_way import under_way
from watchdog.facts.event import RollbackStarted, StepIntended
from watchdog.facts.plan import AT_ONCE, Do, Which, side_by_side

DEPENDS = "com.docker.compose.depends_on"
STARTED, HEALTHY = "service_started:false", "service_healthy:false"
# The shape of a large stack of one image: all need `web`'s backends, which are not
# enrolled; some need others of their own.
WORKERS = tuple(f"consumer-{number}" for number in range(16))
LARGE = {
    "relay": "",
    "web": f"redis:{HEALTHY}",
    "worker": f"redis:{HEALTHY}",
    "cron": f"worker:{STARTED},redis:{HEALTHY}",
    "cleanup": f"cron:{STARTED}",
} | dict.fromkeys(WORKERS, f"kafka:{HEALTHY}")


def recorded(version, needs, **how):
    """Give a record whose containers say what they need."""
    record = a_record(version, services=tuple(needs), **how)
    for one in record.replicas:
        if needs[one.service] is not None:
            one.body.setdefault("Labels", {})[DEPENDS] = needs[one.service]
    return record


def plan(needs, *, shared=False, scale=None, before=None):
    services = tuple(needs)
    return spell(
        incident="inc-1",
        running=recorded("v1.3.0", before or needs, shared=shared, scale=scale),
        running_sha="running",
        target=recorded("v1.2.0", needs, shared=shared, scale=scale),
        target_sha="target",
        deployed=running(services, "always", scale=scale),
        services=services,
        stop_within=timedelta(seconds=5),
        pinned={"DMS_VERSION": "v1.3.0"},
    )


def groups(steps, do, which=None):
    """Give what is done at once, as sets of subjects, in their order."""
    found = side_by_side(enumerate(steps))
    several = [[step for _, step in group] for group in found]
    return [
        {step.subject for step in group}
        for group in several
        if group[0].do is do and which in (None, group[0].which)
    ]


# As deep as they are, and of one length: one that is started alone leaves the engine
# idle.
ROUNDS = [
    {"relay", "web", "worker", *WORKERS[:4]},
    {"cron", *WORKERS[4:10]},
    {"cleanup", *WORKERS[10:]},
]


def test_twenty_one_services_take_as_many_rounds_as_they_are_deep():
    it = plan(LARGE)

    assert len(LARGE) == 21
    for do in (Do.STOP, Do.START, Do.SET_RESTART):
        assert groups(it.steps, do) == ROUNDS
    assert groups(it.steps, Do.CREATE) == [set(LARGE)]
    assert groups(it.steps, Do.REMOVE) == [set(LARGE)]
    assert groups(it.way_back, Do.START) == ROUNDS


def test_nobody_waits_for_a_health_that_they_do_not_need():
    it = plan({"db": "", "dms": f"db:{HEALTHY}"} | dict.fromkeys(WORKERS, ""))

    assert groups(it.steps, Do.STOP) == [{"db", *WORKERS}, {"dms"}]
    assert groups(it.way_back, Do.START) == [{"db", *WORKERS}, {"dms"}]


def test_rounds_are_of_one_length_before_and_after_what_is_waited_for():
    more = {"web": "", "last": f"web:{STARTED},db:{HEALTHY}", "end": f"last:{STARTED}"}
    it = plan({"db": f"web:{STARTED}"} | more | dict.fromkeys(WORKERS, ""))

    assert groups(it.steps, Do.STOP) == [
        {"web", *WORKERS[:8]},
        {"db", *WORKERS[8:]},
        {"last"},
        {"end"},
    ]


def test_of_which_another_one_serves_is_still_changed_before_those_without():
    needs = {"a": "", "b": "", "dms": "", "end": f"a:{STARTED}"}
    it = plan(needs, scale={"dms": 2})

    assert groups(it.steps, Do.STOP)[:2] == [{"dms/1"}, {"dms/2"}]


def test_nothing_that_is_needed_is_down_once_who_needs_it_is_touched():
    it = plan(LARGE)

    at = {(s.do, s.subject): place for place, s in enumerate(it.steps)}
    for service, needs in (("cron", "worker"), ("cleanup", "cron")):
        assert at[Do.START, needs] < at[Do.STOP, service]


def order(steps, *dos):
    """Give the steps that are *dos*, in words, in their order."""
    return [step.words for step in steps if step.do in dos]


@pytest.mark.parametrize("shared", [False, True])
def test_who_needs_another_healthy_is_not_started_before_it_is(shared):
    it = plan({"db": "", "dms": f"db:{HEALTHY}", "relay": ""}, shared=shared)

    walk = order(it.steps, Do.AWAIT, Do.START)
    assert walk == [
        *("start db (new)", "start relay (new)"),
        *("await db (new)", "start dms (new)"),
    ]
    back = order(it.way_back, Do.AWAIT, Do.START)
    assert [words.replace("old", "new") for words in back] == walk


def test_what_serves_is_not_stopped_before_what_it_needs_is_healthy():
    it = plan({"db": "", "dms": f"db:{HEALTHY}"})

    assert order(it.steps, Do.AWAIT, Do.STOP) == [
        *("stop db (old)", "await db (new)", "stop dms (old)")
    ]


def test_who_needs_another_started_only_does_not_wait():
    it = plan({"db": "", "dms": f"db:{STARTED},redis:{HEALTHY}"})

    assert order(it.steps, Do.AWAIT) == order(it.way_back, Do.AWAIT) == []


def test_what_two_need_healthy_is_awaited_once_and_as_late_as_may_be():
    it = plan(
        {
            "db": "",
            "web": "",
            "mid": f"web:{STARTED}",
            "last": f"mid:{STARTED},db:{HEALTHY}",
            "more": f"mid:{HEALTHY},db:{HEALTHY}",
        }
    )

    assert order(it.steps, Do.AWAIT, Do.START)[2:] == [
        *("start mid (new)", "await db (new)", "await mid (new)"),
        *("start last (new)", "start more (new)"),
    ]


def test_each_target_is_awaited_as_its_own_record_has_it():
    it = plan({"db": "", "dms": f"db:{HEALTHY}"}, before={"db": "", "dms": ""})

    assert order(it.steps, Do.AWAIT) == ["await db (new)"]
    assert order(it.way_back, Do.AWAIT) == []


def test_all_containers_of_a_service_that_is_needed_are_awaited():
    it = plan({"db": "", "dms": f"db:{HEALTHY}"}, scale={"db": 2})

    assert order(it.steps, Do.AWAIT, Do.START) == [
        *("start db/1 (new)", "await db/1 (new)"),
        *("start db/2 (new)", "await db/2 (new)", "start dms (new)"),
    ]


@pytest.mark.parametrize("shared", [False, True])
def test_what_is_done_at_once_is_about_containers_of_their_own(shared):
    it = plan(LARGE, shared=shared)

    for steps in (it.steps, it.way_back):
        flat = list(side_by_side(enumerate(steps)))
        assert [step for group in flat for _, step in group] == list(steps)
        for group in flat:
            subjects = [step.subject for _, step in group]
            assert len(set(subjects)) == len(subjects)


def test_with_one_file_for_all_every_service_is_down_before_any_starts():
    it = plan(LARGE, shared=True)

    assert groups(it.steps, Do.STOP) == [set(LARGE)]
    assert groups(it.steps, Do.START) == ROUNDS


def test_several_of_one_service_are_still_changed_one_after_another():
    it = plan({"web": "", "dms": "", "relay": ""}, scale={"dms": 2})

    assert groups(it.steps, Do.STOP) == [{"dms/1"}, {"dms/2"}, {"web", "relay"}]


def test_of_which_nobody_wrote_what_it_needs_comes_after_the_one_before_it():
    it = plan({"dms": "", "worker": None, "relay": ""})

    assert groups(it.steps, Do.STOP) == [{"dms", "relay"}, {"worker"}]


def test_what_either_pair_needs_counts():
    before, now = {"dms": "", "web": f"dms:{STARTED}"}, {"dms": "", "web": ""}

    assert groups(plan(now, before=before).steps, Do.STOP) == [{"dms"}, {"web"}]
    assert groups(plan(before, before=now).steps, Do.STOP) == [{"dms"}, {"web"}]


def test_two_versions_that_need_each_others_services_are_taken_in_their_order():
    one = recorded("v1.2.0", {"dms": f"web:{STARTED}", "web": ""})
    other = recorded("v1.3.0", {"dms": "", "web": f"dms:{STARTED}"})

    assert in_layers(("dms", "web"), one, other) == [["dms"], ["web"]]


def test_what_the_new_ones_leave_is_taken_before_it_is_given():
    it = plan({"dms": "", "web": ""})

    renames = [
        group
        for group in side_by_side(enumerate(it.steps))
        if group[0][1].do is Do.RENAME
    ]
    assert [group[0][1].which for group in renames] == [Which.OLD, Which.NEW]
    assert all(len(group) == 2 for group in renames)


def test_stops_that_fill_the_calls_twice_may_take_twice_as_long():
    def patience(services):
        it = plan(dict.fromkeys(services, ""))
        began = RollbackStarted(
            "inc-1", it, a_pair("v1.3.0"), a_pair("v1.2.0"), "why", "asha", True
        )
        stop = next(step for step in it.steps if step.do is Do.STOP)
        standing = stand(entries(began, StepIntended(it.op, stop, 1)))
        words = under_way(standing, rules(), AT + timedelta(days=1)).words
        return int(words.rpartition("which takes ")[2].split()[0])

    many = tuple(f"s{number}" for number in range(2 * AT_ONCE))
    assert patience(many) == 2 * patience(many[:AT_ONCE])
