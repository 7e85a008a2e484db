"""A second watchdog with a state folder of its own, on the same stack."""

import time

from tests.chaos import verdict
from tests.chaos.product import Product
from tests.chaos.yard import witness
from tests.crash.ground import Case, _ports


def both(yard, chance):
    """Let two watchdogs with one breach each at it; one may act, and only once."""
    return tried(yard, chance.choice((0.0, chance.uniform(0, 2))))


def tried(yard, apart):
    """Let the second one start *apart* seconds later; give (words, what was seen)."""
    case = yard.case(poll="1s")
    other = _beside(yard, case)
    second = Product(inside=yard._inside)
    try:
        for one in (yard._daemon, second):
            one.run("schema", log=case.log)  # so that both have imported the product
            one.died()
        with witness(yard) as heard:
            yard.watch(case)
            time.sleep(apart)
            yard.watch(other, product=second)
            faults = _settled(yard, case, other)
            began = verdict.count(case, "RollbackStarted")
            acts, waits = (case, other) if began else (other, case)
            seen = verdict.ended(yard, acts, heard, watched=False)
            seen.faults[:0] = faults
            _, text = yard.type_(waits, "status")
            if "another watchdog" not in text:
                seen.faults.append(f"the one that waits does not say so: {text}")
            if seen.faults:
                seen.faults += verdict.story(acts)
                seen.faults += ["  the other one:", *verdict.story(waits)]
    finally:
        second.end()
    return f"two watchdogs, {apart:.1f} s apart", seen


def _beside(yard, case):
    """Make a case beside *case*, as another person would set another watchdog up."""
    yard.cases += 1
    folder = yard.folder / f"case-{yard.cases}"
    decisions, private, *_ = _ports()
    listen = {
        "decisions": f"127.0.0.1:{decisions}",
        "private": f"127.0.0.1:{private}",
    }
    return Case(yard, folder, case.settings | {"listen": listen})


def _settled(yard, case, other, within=45):
    """Wait until neither is at work; say who acted, if it was not exactly one."""
    deadline, calm = time.monotonic() + within, None
    while time.monotonic() < deadline:
        seen = [yard.status(one)[1] for one in (case, other)]
        ended = [whole.get("last_rollback") for whole in seen]
        busy = [whole.get("rollback") for whole in seen]
        calm = (calm or time.monotonic()) if any(ended) and not any(busy) else None
        if calm and time.monotonic() - calm > 4:
            break
        time.sleep(0.3)
    began = [verdict.count(one, "RollbackStarted") for one in (case, other)]
    if sum(began) != 1:
        return [f"{began[0]} and {began[1]} rollbacks began, meant one in all"]
    return []
