"""The operator's table: who does what, at which step, in which layout."""

import itertools
import threading
import time
from dataclasses import dataclass

from tests.chaos import people, verdict
from tests.chaos.yard import Hold, witness
from tests.crash.proxy import Cut

# Each is (what the request does, which of its kind, the proxy's phase).
STEPS = {
    "before create": ("create", 1, "received"),
    "after create": ("create", 1, "done"),
    "before stop": ("stop", 1, "received"),
    "after stop": ("stop", 1, "done"),
    "before start": ("start", 1, "received"),
    "after start": ("start", 1, "done"),
    "between the names": ("rename", 1, "done"),
    "in the proof": ("rename", 2, "look"),
    "before remove": ("remove", 1, "received"),
    "after remove": ("remove", 1, "done"),
}
# Only where the target does not come up is there a way back.
BACK = {
    "back: before stop": ("stop", 2, "received"),
    "back: after stop": ("stop", 2, "done"),
    "back: before start": ("start", 2, "received"),
    "back: after start": ("start", 2, "done"),
    "back: before remove": ("remove", 1, "received"),
}
_COMES = 60.0  # s; a rollback begins in two turns, and a turn may take ten of these
_NOT_YET = 5
LAYOUTS = (
    "versioned",
    "shared-file",
    "versioned without a port",
    "shared-file without a port",
)


@dataclass(frozen=True)
class Cell:
    """One of the table: *dead* is the watchdog while it is done; *sick* the target."""

    layout: str
    step: str
    act: str
    dead: bool = False
    sick: bool = False

    @property
    def words(self):
        more = [", the watchdog dead"] * self.dead + [", target sick"] * self.sick
        return f"{self.layout}: {self.act} {self.step}{''.join(more)}"

    @classmethod
    def read(cls, text):
        """Read what `words` wrote."""
        layout, _, rest = text.partition(": ")
        rest, _, sick = rest.partition(", target sick")
        sick = text.endswith(", target sick")
        rest, dead, _ = rest.partition(", the watchdog dead")
        for act, step in itertools.product(people.ACTS, STEPS | BACK):
            if f"{act} {step}" == rest:
                return cls(layout, step, act, bool(dead), sick)
        raise ValueError(f"no such cell: {text}")


def cells():
    """Give every cell of the table."""
    for layout, act, dead in itertools.product(LAYOUTS, people.ACTS, (False, True)):
        for step in STEPS:
            yield Cell(layout, step, act, dead)
        if _has_no_port(layout) and not may_run_both(layout, act):
            continue  # the same steps as with a port
        for step in (*STEPS, *BACK):
            if step not in ("before remove", "after remove"):
                yield Cell(layout, step, act, dead, sick=True)


def tried(yard, cell, *, after=None):
    """Play *cell* on *yard*; give what was seen.

    The watchdog is held at the step while it is done, or goes on so many seconds
    *after* it was begun.
    """
    more = {"prove_within": "4s"} if cell.sick else {}
    case = yard.case(**more)
    hold = Hold(*(STEPS | BACK)[cell.step])
    with witness(yard) as heard:
        yard.doctor.refuses = case.target if cell.sick else ""
        yard.proxy.rule, yard.proxy.look = hold.rule, hold.look
        try:
            daemon = yard.watch(case)
            was_there = reached(hold, case)
            if cell.dead:
                daemon.kill()
                hold.go(Cut())
            elif after is not None:
                goes_on = threading.Timer(after, hold.go)
                goes_on.start()
            said = people.ACTS[cell.act](yard, case)
            if cell.dead:
                yard.watch(case)
        finally:
            hold.go()
        barred = _is_barred(cell, said)
        seen = verdict.ended(
            yard,
            case,
            heard,
            nothing=barred or _may_be_down(cell),
            # Killed before it began on a busy box, it finds another release.
            needless=cell.dead and not was_there,
            mixed=may_mix(cell.layout, cell.act, back=cell.sick),
            both_since=time.time() if may_run_both(cell.layout, cell.act) else None,
        )
    yard.proxy.rule, yard.proxy.look = lambda *_: None, lambda _: None
    if not was_there:
        seen.how += " (the step was not reached)"
    if barred and not (seen.faults or seen.running):
        seen.faults += _typed_again(yard, case, cell, seen)
    if not seen.faults and seen.how == "overtaken":
        seen.faults += rolled_back(yard, case, seen)
    if seen.faults:
        seen.faults += [f"  {said.strip()[-300:]}", *verdict.story(case)]
    return seen


def reached(hold, case):
    """Wait for the step, however busy the box is; tell whether it came."""
    deadline = time.monotonic() + _COMES
    while time.monotonic() < deadline and not verdict.over(case):
        if hold.reached.wait(1):
            return True
    return hold.reached.is_set()


def raced(yard, chance):
    """Play a cell of its layout while the watchdog goes on in the middle of it."""
    layout = yard.layout + ("" if yard.published else " without a port")
    mine = [one for one in cells() if one.layout == layout and not one.dead]
    cell, after = chance.choice(mine), chance.uniform(0, 6)
    return f"{cell.words}, held {after:.1f} s", tried(yard, cell, after=after)


def _may_be_down(cell):
    """Tell whether what was done took the only one that was up away."""
    if cell.act in people.TAKES_DOWN:
        return True
    return cell.act == "rm new" and cell.step.endswith("remove")


def _is_barred(cell, said):
    """Tell whether Compose refused to put up what somebody had taken down.

    Whoever takes the stack down asks for nothing to run, and an `up` that the bar
    refused leaves no trace: its own words say why, and the next one goes.
    """
    return cell.act == "down up" and "rolling-back-to-" in said


def _typed_again(yard, case, cell, seen):
    """Type `up` once more, as the words of the end say; one whole pair must run."""
    _, text = yard.type_(case, "status")
    if seen.how != "overtaken" or "TO DO" not in text or "up -d" not in text:
        yield f"nobody says that `up` goes now: {text}"
    said = people.up(yard, case)
    meant = case.before if cell.step.startswith("back") else case.target
    if yard.whole() != meant:
        yield f"`up` does not put {meant} up: {said}: {yard.seen()}"
        return
    seen.running = yard.whole()
    again = verdict.settled(yard, case)
    _, whole = yard.status(case)
    if again or (whole.get("running") or {}).get("version") != seen.running:
        yield f"{seen.running} was put up again, and is not seen: {again} {whole}"


def _has_no_port(layout):
    return layout.endswith("without a port")


def may_run_both(layout, act):
    """Tell whether people alone may have both versions run at once, for a moment.

    Compose starts all that carries its labels, and there is no port to forbid it.
    """
    return _has_no_port(layout) and act in people.STARTS_ALL


def may_mix(layout, act, *, back=False):
    """Tell whether people alone may start a mixed pair, which the DMS refuses.

    On a way *back* what failed is there until what ran is proved, and Compose starts
    that too, port or no port.
    """
    shared = layout.startswith("shared-file")
    if back and shared and act in people.STARTS_ALL:
        return True
    if act == "manifest rewritten":
        return True  # in the very instant of a start nobody looks
    return shared and (act == "checkout" or may_run_both(layout, act))


def rolled_back(yard, case, seen):
    """Roll what was deployed meanwhile back as well: it is a release like any other."""
    if seen.running in ("", case.target):
        return []
    yard.doctor.refuses = ""
    if case.settings.pop("prove_within", ""):
        yard.watch(case)  # one that is well has the time that it needs
    who = ["--by", "asha", "--reason", "it is bad, too", "--to", case.target]
    deadline = time.monotonic() + _COMES
    code, said = yard.type_(case, "rollback", *who)
    while code == _NOT_YET and time.monotonic() < deadline:
        time.sleep(1)  # its control door opens once it has looked
        code, said = yard.type_(case, "rollback", *who)
    if code == 0 and yard.whole() == case.target:
        return []
    return [f"what was deployed meanwhile cannot be rolled back: {code}: {said}"]
