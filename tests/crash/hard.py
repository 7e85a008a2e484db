"""The parts of the campaign that restart, cut or fill what others would need.

Each has an engine and disks of its own; Debian and root only.
"""

import os
import random
import shutil
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.crash import judge, mutants, runs
from tests.crash.disks import Disk
from tests.crash.engine import OwnEngine
from tests.crash.ground import ONE, Ground
from tests.crash.runs import Tally
from tests.crash.victim import STUCK

LAYOUTS = ("versioned", "shared-file")
POLICIES = ("no", "always", "unless-stopped", "on-failure")


@contextmanager
def own_engine(**more):
    """Have an engine of our own, in a folder that goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="crash-engine-", dir="/var/tmp"))
    engine = OwnEngine(folder, **more)
    try:
        yield engine.up(os.environ["DOCKER_HOST"])
    finally:
        engine.down()


@contextmanager
def ground_on(engine, layout, scale=ONE, **more):
    """Have a stack on *engine*."""
    folder = Path(tempfile.mkdtemp(prefix="ground-", dir=engine.folder))
    url, inside = engine.url, engine.inside
    made = Ground(folder, layout, scale, url=url, inside=inside, **more)
    try:
        yield made.deploy()
    finally:
        made.strike()


def _back(engine, here):
    engine.start()
    here.connect()


def _finish(here, case, tally, words, codes, **more):
    """Start it until it ends, and judge."""
    faults = []
    codes += case.converge()
    if codes[-1] != 0:
        faults.append(f"does not converge: the lives ended with {codes}")
    faults += runs.judged(here, case, **more)
    tally.runs += 1
    tally.kills += case.kills
    tally.faults += [f"{words}: {fault}" for fault in faults]
    if faults:
        tally.faults.append(f"  it said: {case.said(4)[-2500:]}")


# -- the engine restarts ------------------------------------------------------------


def restarts(args):
    """Restart the engine in mid-rollback: told to, crashed, and with all power cut."""
    chance = random.Random(args.seed)
    with own_engine() as engine:
        for layout in LAYOUTS:
            for policy in POLICIES:
                tally = Tally(f"engine restarted, {layout}, restart: {policy}")
                with ground_on(engine, layout, restart=policy) as here:
                    runs.places(here)
                    every = [
                        (number, way)
                        for number in range(1, here.proxy.count + 1)
                        for way in ("stop", "kill", "cut")
                    ]
                    some = max(3, args.kills // 20)
                    last = here.proxy.count
                    for number, way in chance.sample(every, min(some, len(every))):
                        more = {"way": way, "last": number == last}
                        _restarted(engine, here, tally, number, **more)
                yield tally
    with own_engine(live_restore=True) as engine:
        for layout in LAYOUTS:
            tally = Tally(f"engine restarted, {layout}, live-restore")
            with ground_on(engine, layout) as here:
                runs.places(here)
                last = here.proxy.count
                for number in range(1, last + 1):
                    for way in ("stop", "kill"):
                        more = {"way": way, "last": number == last}
                        _restarted(engine, here, tally, number, **more)
            yield tally


def _restarted(engine, here, tally, number, *, way, last):
    case = here.case()
    # The last one is not passed on before: with its answer it may be over.
    when = "received" if last else "answered"
    done = threading.Event()

    def rule(seen, phase, request, kill):
        if (seen, phase) != (number, when):
            return
        try:
            if way == "cut":
                kill()
        finally:
            getattr(engine, way)()
            done.set()
        _back(engine, here)

    codes = [case.live(rule=rule)]
    if way == "cut" and done.wait(60):
        _back(engine, here)
    words = f"{way} after request {number}"
    _finish(here, case, tally, words, codes, again=2 * len(here.names))


# -- the engine forgets -------------------------------------------------------------


def amnesia(args, instead=None):
    """Cut the power, and let the engine come back without its last writes."""
    chance = random.Random(args.seed)
    with own_engine() as engine:
        for layout in LAYOUTS:
            tally = Tally(f"engine forgets, {layout}")
            with ground_on(engine, layout) as here:
                places = list(runs.boundaries(runs.places(here)))
                # A place past the last one: it forgets after the rollback had ended.
                places += [[999, "after"]] * (len(places) // 4)
                for _ in range(max(4, args.kills // 10)):
                    more = {"chance": chance, "places": places, "instead": instead}
                    _forgot(engine, here, tally, **more)
            yield tally


def _forgot(engine, here, tally, *, chance, places, instead):
    case = here.case()
    case.instead = instead or {}
    engine.notes_done()

    def note(seen, phase, request, kill):
        if phase == "received":
            engine.note()

    place, writes = chance.choice(places), chance.randint(1, 3)
    codes = [case.live(die=place, rule=note)]
    engine.cut()
    if engine.kept:
        engine.forget(writes)
    _back(engine, here)
    words = f"killed {place[1]} append {place[0]}, {writes} writes forgotten"
    # With a shared file the engine alone, starting what it takes for running, can
    # make a mixed start: no journal can prevent it, and the DMS refuses to serve.
    alone = here.layout == "shared-file"
    _finish(here, case, tally, words, codes, again=9, mixed=alone)


def broken_engine(args):
    """Let a variant that trusts its notes meet an engine that forgets."""
    tally, seen = Tally("mutant TrustsDone"), Tally("TrustsDone")
    with own_engine() as engine, ground_on(engine, "versioned") as here:
        places = list(runs.boundaries(runs.places(here)))
        for place in places[len(places) // 2 :]:
            more = {"chance": _Once(place), "places": places}
            broken = mutants.instead("TrustsDone")
            _forgot(engine, here, seen, instead=broken, **more)
            if seen.faults:
                break
    caught(tally, seen)
    yield tally


class _Once:
    """Chance that has been told: this place, and one write."""

    def __init__(self, place):
        self.place = place

    def choice(self, _):
        return self.place

    def randint(self, low, _):
        return low


def caught(tally, seen):
    """Say whether a mutant was *seen*; if not, that is the violation."""
    tally.runs, tally.kills = seen.runs, seen.kills
    if seen.faults:
        tally.name += f": caught ({seen.faults[0][:160]})"
    else:
        tally.faults.append("it went through unnoticed")


# -- the power goes -----------------------------------------------------------------


def power(args):
    """Cut the power of everything: the journal's disk, the stack's and the engine."""
    chance = random.Random(args.seed)
    for kind, other in (("ext4", "xfs"), ("xfs", "ext4")):
        for layout in LAYOUTS:
            name = f"power cut, {layout}, stack on {kind}, journal on {other}"
            tally = Tally(name)
            with ExitStack() as held:
                engine, here, disks = _on_disks(held, layout, kind, other)
                places = list(runs.boundaries(runs.places(here)))
                some = chance.sample(places, min(len(places), args.kills // 20 + 2))
                for place in [*some, [999, "after"]]:
                    _cut(engine, here, disks, tally, place=place)
            yield tally


def broken_disks(args):
    """Let variants with weaker writes run until a power cut shows them."""
    for name, place in (
        ("put_without_folder", [999, "after"]),
        ("Normal", [20, "after"]),
        ("Full", [20, "after"]),
    ):
        tally, seen = Tally(f"mutant {name}"), Tally(name)
        with ExitStack() as held:
            engine, here, disks = _on_disks(held, "shared-file", "ext4", "xfs")
            if name == "Full":
                _lost_by_full(here, disks[1], seen)
            else:
                for _ in range(3):
                    broken = mutants.instead(name)
                    _cut(engine, here, disks, seen, place=place, instead=broken)
                    if seen.faults:
                        break
        caught(tally, seen)
        yield tally


def _on_disks(held, layout, kind, other):
    engine = held.enter_context(own_engine())
    disks = []
    for name, what in (("stack", kind), ("states", other)):
        disk = Disk(engine.folder / "disks" / name, what)
        held.callback(disk.strike)
        disks.append(disk)
    stack, states = (disk.place for disk in disks)
    here = held.enter_context(
        ground_on(engine, layout, stack=stack / "stack", states=states)
    )
    return engine, here, disks


def _cut(engine, here, disks, tally, *, place, instead=None):
    disks[0].sync()  # what people wrote; what the watchdog writes is its own affair
    case = here.case()
    case.instead = instead or {}
    codes = [case.live(die=place)]
    for disk in disks:
        disk.cut()
    engine.cut()
    for disk in disks:
        disk.back()
    _back(engine, here)
    words = f"power cut {place[1]} append {place[0]}"
    tally.faults += [f"{words}: {fault}" for fault in judge.lost(case)]
    if instead and tally.faults:
        tally.runs, tally.kills = tally.runs + 1, tally.kills + case.kills
        return  # seen; without its memory it would never converge
    tally.faults += [f"{words}: {fault}" for fault in judge.at_crash(here)]
    _finish(here, case, tally, words, codes, again=2)


def _lost_by_full(here, disk, tally):
    """Cut the journal's disk alone, right after an append, until one is lost."""
    for number in range(5, 40):
        case = here.case()
        case.instead = mutants.instead("Full")
        case.live(die=[number % 20 + 1, "after"])
        disk.cut()
        disk.back()
        tally.faults += judge.lost(case)
        tally.runs += 1
        tally.kills += case.kills
        if tally.faults:
            return
        case.converge()


# -- the disk fails -----------------------------------------------------------------


def disks(args):
    """Fill the state and the stack's folder, and take the right to write, midway."""
    for what in (
        "state is full",
        "state is read-only",
        "stack is full",
        "stack is read-only",
    ):
        for layout in LAYOUTS:
            tally = Tally(f"{what}, {layout}")
            with ExitStack() as held:
                folder = Path(tempfile.mkdtemp(prefix="crash-", dir="/var/tmp"))
                held.callback(shutil.rmtree, folder, ignore_errors=True)
                # A state disk has room to keep some, or no rollback begins.
                size = "2M" if what.startswith("stack ") else "40M"
                disk = Disk(folder / "disk", "tmpfs", size=size)
                held.callback(disk.strike)
                where = (
                    {"states": disk.place}
                    if what.startswith("state ")
                    else {"stack": disk.place / "stack"}
                )
                here = Ground(folder / "ground", layout, ONE, **where)
                held.callback(here.strike)
                here.deploy()
                runs.places(here)
                for number in range(1, here.proxy.count + 1):
                    for phase in ("received", "answered"):
                        _failing(
                            here, disk, tally, what=what, number=number, phase=phase
                        )
            yield tally


def _failing(here, disk, tally, *, what, number, phase):
    case = here.case()
    full = what.endswith("full")

    def rule(seen, at, request, kill):
        if (seen, at) == (number, phase):
            disk.fill() if full else disk.read_only(True)

    codes = [case.live(rule=rule, within=8)]
    disk.empty() if full else disk.read_only(False)
    words = f"at request {number} {phase} (life ended with {codes[0]})"
    ends = ("proved",) if what.startswith("state ") else ("proved", "put-back")
    # Neither way can be gone without writing: said loudly, and tried again.
    tally.stuck += codes[0] == STUCK
    _finish(here, case, tally, words, codes, ends=ends)
    if what.startswith("state "):
        for path in here.states.iterdir():
            # A small disk: yesterday's journals would fill it.
            if path.name.endswith("-state"):
                for one in path.iterdir():
                    one.unlink()


def errors(args):
    """Let the n-th write or sync of the journal fail, as a dying disk does."""
    chance = random.Random(args.seed)
    for layout in LAYOUTS:
        tally = Tally(f"journal's disk errs, {layout}")
        with ExitStack() as held:
            folder = Path(tempfile.mkdtemp(prefix="crash-", dir="/var/tmp"))
            held.callback(shutil.rmtree, folder, ignore_errors=True)
            here = Ground(folder / "ground", layout, ONE)
            held.callback(here.strike)
            here.deploy()
            runs.places(here)
            for what in ("fdatasync", "pwrite64", "unlink"):
                for _ in range(max(2, args.kills // 50)):
                    _erring(here, tally, what, chance.randint(1, 25))
        yield tally


def _erring(here, tally, what, number):
    case = here.case()
    strace = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={what}"]
    strace += ["-e", f"inject={what}:error=EIO:when={number}"]
    for name in ("journal.db", "journal.db-journal"):
        strace += ["-P", str(case.state / name)]
    here.under(*strace)
    codes = [case.live()]
    here.under()
    words = f"EIO at {what} {number} (life ended with {codes[0]})"
    _finish(here, case, tally, words, codes)


PARTS = {
    part.__name__: part
    for part in (
        broken_disks,
        broken_engine,
        restarts,
        amnesia,
        power,
        disks,
        errors,
    )
}
