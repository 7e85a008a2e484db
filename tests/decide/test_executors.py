"""What the order of steps promises where others make what runs."""

from dataclasses import replace

import pytest

from tests.worlds import AT, SECOND, a_pair, a_record
from watchdog.decide.compose import Recreate
from watchdog.decide.git import CheckOut
from watchdog.facts.pair import Running
from watchdog.facts.plan import Do, Step, Wanted, Which
from watchdog.facts.problem import Problem


def _pinned(names):
    return dict.fromkeys(names or ["DMS_VERSION"], "v1.3.0")


def words(steps):
    return [step.words for step in steps]


def by_compose(
    *,
    shared=False,
    services=("dms", "dms", "worker"),
    restart="always",
    obstacles=(),
    target=None,
):
    body = {"HostConfig": {"RestartPolicy": {"Name": restart}}}
    how = {"services": services, "shared": shared}
    plans = Recreate(lambda: obstacles, lambda _: ("beside",), _pinned, SECOND)
    running = a_record("v1.3.0", **how, **body)
    ids = tuple(f"{service}{n}" for n, service in enumerate(services))
    return plans.plan(
        Wanted(
            incident="inc-1",
            running=running,
            running_sha="running",
            target=target or replace(a_record("v1.2.0", **how), replicas=()),
            target_sha="target",
            seen=Running(running.pair, ids, AT, ("running",) * len(ids)),
        )
    )


def test_one_up_brings_all_services_and_those_that_live_in_them():
    it = by_compose()

    image, manifest = a_pair().image[7:19], dict(a_pair().manifests)["meesho"][:12]
    before = a_pair("v1.3.0").image[7:19]
    assert words(it.steps) == [
        f"hold-image ghcr.io/flexli/dms:v1.2.0 to {image}",
        f"hold-manifest meesho to {manifest}",
        "keep-logs dms (old)",
        "keep-logs worker (old)",
        "pin variable to v1.2.0",
        "up dms=2 worker beside (new) to v1.2.0",
        f"prove v1.2.0 (new) to {image}",
    ]
    assert words(it.way_back) == [
        "pin variable to v1.3.0",
        "keep-logs dms (new)",
        "keep-logs worker (new)",
        "up dms=2 worker beside (old) to v1.3.0",
        f"prove v1.3.0 (old) to {before}",
    ]
    assert it.prepared == 4


def test_a_shared_manifest_is_swapped_while_nothing_runs_and_no_up_could_start_it():
    it = by_compose(shared=True)

    for steps, stops in ((it.steps, 2), (it.way_back, 4)):
        dos = [step.do for step in steps]
        bar, swap, pin = (dos.index(do) for do in (Do.BAR, Do.SWAP_MANIFEST, Do.PIN))
        stopped = [place for place, do in enumerate(dos) if do is Do.STOP]
        assert len(stopped) == stops
        assert bar < min(stopped) <= max(stopped) < swap < pin < dos.index(Do.UP)
    # The engine may start again what was stopped, until it may not; and it is given
    # back, for what Compose took for unchanged.
    for service in ("dms", "worker"):
        quiet = Step(Do.SET_RESTART, service, Which.OLD, to="no")
        again = replace(quiet, to="always")
        assert it.steps.index(quiet) < it.steps.index(Step(Do.STOP, service, Which.OLD))
        assert it.steps.index(again) > it.steps.index(_up(it.steps))
        assert it.way_back.index(again) < it.way_back.index(_up(it.way_back))


def _up(steps):
    return next(step for step in steps if step.do is Do.UP)


def test_what_keeps_compose_from_it_is_said_and_nothing_is_planned():
    with pytest.raises(Problem, match="Compose could not put this stack up: no CLI"):
        by_compose(obstacles=("no CLI",))


def commit(version):
    name = f"commit:{a_pair(version).image[7:47]}"
    record = a_record(version, pair=replace(a_pair(version), image=name), shared=True)
    return replace(record, image_ref=version, replicas=())


def by_git(target=None):
    running = commit("v1.3.0")
    return CheckOut(lambda: "main").plan(
        Wanted(
            incident="inc-1",
            running=running,
            running_sha="running",
            target=target or commit("v1.2.0"),
            target_sha="target",
            seen=Running(running.pair, ("head",), AT, ("running",)),
        )
    )


def test_a_work_tree_changes_only_while_its_service_is_stopped():
    it = by_git()

    new, old = (a_pair(v).image[7:19] for v in ("v1.2.0", "v1.3.0"))
    then, now = (dict(a_pair(v).manifests)["meesho"] for v in ("v1.2.0", "v1.3.0"))
    assert words(it.steps) == [
        f"hold-commit v1.2.0 to {new}",
        f"hold-manifest meesho to {then[:12]}",
        "stop service (old)",
        f"check-out v1.2.0 (new) to {new}",
        f"swap-manifest meesho to {then[:12]}",
        "start service (new)",
        f"prove v1.2.0 (new) to {new}",
    ]
    assert words(it.way_back) == [
        "stop service (new)",
        f"check-out v1.3.0 (old) to {old}",
        f"swap-manifest meesho to {now[:12]}",
        "start service (old)",
        f"prove v1.3.0 (old) to {old}",
    ]
    assert (it.prepared, it.variable_before) == (2, "main")


def test_a_pair_of_an_image_cannot_be_checked_out():
    with pytest.raises(Problem, match="was recorded by another executor"):
        by_git(target=a_record("v1.2.0"))
