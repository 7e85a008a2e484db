"""It is killed between two system calls; or halted there, and somebody else acts."""

import math
import signal
import time

from tests.chaos import people, table, verdict
from tests.chaos.yard import witness
from tests.crash import judge

_READS = ("status", "explain", "repair", "releases", "retention")
_CALLS = 900  # a rollback has as many calls that write, and a bit more
_MOST = 10  # kills in one rollback


def somewhere(chance):
    """Choose a call: early ones as often as late ones, by their number of digits."""
    return int(math.exp(chance.uniform(math.log(10), math.log(_CALLS))))


def killed(yard, chance):
    """Kill it in one rollback at up to ten calls; give (words, what was seen)."""
    case = yard.case()
    faults, places = [], []
    with witness(yard) as heard:
        for _ in range(chance.randint(1, _MOST)):
            place = somewhere(chance)
            daemon = yard.watch(case, armed=[place, signal.SIGKILL])
            if not _died(yard, case, daemon):
                break
            places.append(place)
            case.kills += 1
            faults += [f"after the kill: {fault}" for fault in judge.at_crash(yard)]
            faults += [f"after the kill: {fault}" for fault in read(yard, case)]
        yard.watch(case)  # the one before is over, or armed still
        seen = verdict.ended(yard, case, heard)
    seen.faults[:0] = faults
    if seen.faults:
        seen.faults += verdict.story(case)
    return f"kills at calls {places}", seen


def _died(yard, case, daemon, within=40):
    """Wait until it is dead, or until its rollback is over; tell which."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if daemon.is_over():
            return True
        whole = yard.status(case)[1] if case.state.is_dir() else {}
        if whole.get("last_rollback") and not whole.get("rollback"):
            return daemon.is_over()
        time.sleep(0.1)
    return daemon.is_over()


def read(yard, case):
    """Let every command that only reads look at what is there; say who could not."""
    failed = {}
    for command in _READS:
        code, text = yard.type_(case, command)
        if code not in (0, 1, 6) or "Traceback" in text:  # 6: it is dead
            failed.setdefault(f"ended with {code}: {text[-300:]}", []).append(command)
    return [f"{', '.join(names)} {how}" for how, names in failed.items()]


def halted(yard, chance):
    """Stop it at a call, let somebody act, and let it go on, or start it anew."""
    act = chance.choice(sorted(people.ACTS))
    dead, sick = chance.random() < 0.5, yard.published and chance.random() < 0.3
    layout = yard.layout if yard.published else f"{yard.layout} without a port"
    case = yard.case(**({"prove_within": "4s"} if sick else {}))
    place = chance.randint(20, _CALLS)
    with witness(yard) as heard:
        yard.doctor.refuses = case.target if sick else ""
        daemon = yard.watch(case, armed=[place, signal.SIGSTOP])
        deadline = time.monotonic() + 20
        while not (daemon.is_halted() or daemon.is_over()):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        was_there = daemon.is_halted()
        if dead:
            daemon.kill()
        begun = verdict.begun(case)
        said = people.ACTS[act](yard, case)
        there = {one["Id"] for one in yard.listed() if one["State"] == "running"}
        if dead:
            yard.watch(case)
        else:
            daemon.tell(signal.SIGCONT)
        # What is replaced or taken away before the plan is made leaves none to make;
        # so does what nobody knows any more, under which its shared manifest changed.
        # And without its network nothing can be put back: that is refused, and said.
        unknown = act == "manifest rewritten" and yard.layout == "shared-file"
        unknown = unknown or act == "network removed"
        needless = not begun and (unknown or not case.old <= there)
        gone = act in people.TAKES_DOWN or act == "rm new" or not (begun or there)
        seen = verdict.ended(
            yard,
            case,
            heard,
            nothing=gone,
            mixed=table.may_mix(layout, act),
            needless=needless,
            both_since=time.time() if table.may_run_both(layout, act) else None,
        )
    if needless and not (unknown or seen.faults or seen.how):
        seen.faults += table.rolled_back(yard, case, seen)
    if seen.faults:
        seen.faults += [f"  {said.strip()[-300:]}", *verdict.story(case)]
    more = [", the watchdog dead"] * dead + [", target sick"] * sick
    more += ["" if was_there else " (not reached)"]
    return f"{act} at call {place}{''.join(more)}", seen
