"""What everything stands on fails in mid-rollback: the engine, and the disks."""

import shutil
import signal
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from tests.chaos import verdict
from tests.chaos.yard import Yard, witness
from tests.crash.disks import Disk
from tests.crash.hard import own_engine

_WAYS = ("freeze", "kill", "stop")


@contextmanager
def yard_on_own_engine(layout):
    """Have a yard on an engine of our own; only who is inside can ask its ports."""
    with own_engine() as engine:
        folder = Path(tempfile.mkdtemp(prefix="yard-", dir=engine.folder))
        made = Yard(folder, layout, url=engine.url, inside=engine.inside)
        made.engine, made.health = engine, f"{made.stage.dms}/health"
        try:
            yield made.deploy()
        finally:
            made.strike()


def shaken(yard, chance):
    """Freeze, kill or stop the engine while it has one of our requests."""
    case = yard.case()
    way, number = chance.choice(_WAYS), chance.randint(1, 8)
    phase = chance.choice(("received", "forwarded", "done", "answered"))
    lasts = chance.uniform(1, 15) if way == "freeze" else chance.uniform(0, 3)
    struck, back = threading.Event(), threading.Event()

    def rule(seen, at, request):
        if (seen, at) == (number, phase) and not struck.is_set():
            struck.set()
            _strike(yard.engine, way)
            threading.Thread(target=come_back).start()

    def come_back():
        time.sleep(lasts)
        _mend(yard.engine, way)
        back.set()

    with witness(yard) as heard:
        yard.proxy.count, yard.proxy.rule = 0, rule
        yard.watch(case)
        if struck.wait(20):
            assert back.wait(90), "the engine does not come back"
        yard.connect()
        yard.proxy.rule = lambda *_: None
        seen = verdict.ended(yard, case, heard, patience=90)
    if seen.faults:
        seen.faults += verdict.story(case)
    return f"engine: {way} at request {number} {phase}, {lasts:.0f} s", seen


def _strike(engine, way):
    if way == "freeze":
        engine.tell(signal.SIGSTOP)
    else:
        getattr(engine, way)()


def _mend(engine, way):
    if way == "freeze":
        engine.tell(signal.SIGCONT)
    else:
        engine.start()


@contextmanager
def yard_on_small_disk(layout, what):
    """Have a yard whose *what*, ``state`` or ``stack``, lies on a small disk."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir="/var/tmp"))
    disk = Disk(folder / "disk", "tmpfs", size="4M" if what == "stack" else "40M")
    states = {"states": disk.place} if what == "state" else {}
    stack = {"stack": disk.place / "stack"} if what == "stack" else {}
    made = Yard(folder / "yard", layout, **states, **stack)
    made.disk, made.what = disk, what
    try:
        yield made.deploy()
    finally:
        made.strike()
        disk.strike()
        shutil.rmtree(folder, ignore_errors=True)


def filled(yard, chance):
    """Fill the disk in mid-rollback, and leave it full: the service is up with it.

    The daemon is started again a few times, as `restart: always` does. Then somebody
    makes room.
    """
    disk = yard.disk
    disk.empty()
    case = yard.case()
    number = chance.choice((1, 2, 2, 2, 3, 4, 5))  # the second one stops the old one
    phase = chance.choice(("received", "done"))
    leave = chance.choice((0, 0, 4096, 20480))
    filled = threading.Event()

    def rule(seen, at, request):
        if (seen, at) == (number, phase) and not filled.is_set():
            filled.set()
            disk.fill(leave)

    with witness(yard) as heard:
        yard.proxy.count, yard.proxy.rule = 0, rule
        daemon = yard.watch(case)
        filled.wait(20)
        faults, codes = [], []
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and len(codes) < 4:
            if daemon.is_over():
                codes.append(daemon.kill())
                yard.watch(case)
            time.sleep(0.3)
        yard.proxy.rule = lambda *_: None
        up = _comes_up(yard, 20)
        if not up:
            faults.append(f"OUTAGE while the disk is full: {yard.seen()}, {codes}")
            faults.append(f"  it said: {case.said(3)[-800:]}")
        disk.empty()
        if daemon.is_over():
            yard.watch(case)
        seen = verdict.ended(yard, case, heard, patience=90)
    seen.faults[:0] = faults
    if seen.faults:
        seen.faults += verdict.story(case)
    shutil.rmtree(case.state)  # it would fill a small disk
    where = f"{yard.what} full but {leave} bytes at request {number} {phase}"
    return f"{where} (lives ended with {codes})", seen


def _comes_up(yard, within):
    """Wait until everything runs, and still does a moment later."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if len(yard.running()) == len(yard.names):
            time.sleep(1)
            if len(yard.running()) == len(yard.names):
                return True
        time.sleep(0.3)
    return False
