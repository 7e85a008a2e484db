"""Kills, each followed by a restart without faults and by the judge."""

from dataclasses import dataclass, field

from tests.crash import judge

KILLED = -9
PHASES = ("received", "forwarded", "answered")


@dataclass
class Tally:
    """What was run, and everything that was not as it must be."""

    name: str
    runs: int = 0
    kills: int = 0
    stuck: int = 0
    faults: list = field(default_factory=list)

    @property
    def words(self):
        stuck = f"{self.stuck} said to be stuck, " if self.stuck else ""
        return (
            f"{self.name}: {self.runs} runs, {self.kills} kills, {stuck}"
            f"{len(self.faults)} violations"
        )


def places(ground):
    """Roll back once without a fault; give the kind of each append, from the start."""
    case = ground.case()
    code = case.live()
    faults = judged(ground, case)
    assert code == 0, f"{code}: {case.said()}"
    assert not faults, f"{faults}\n{case.said()}"
    return [line.split()[2] for line in case.acknowledged.read_text().splitlines()]


def judged(ground, case, **more):
    """Judge *case*; set the stack up anew if it is not as it must be."""
    ground.noted(case.starts + len(ground.names))
    faults = judge.after(ground, case, **more)
    if faults:
        ground.again()
    return faults


def kill_at(ground, tally, *plans, instead=None, ends=("proved",)):
    """One run: a life for each of *plans*, then as many as it takes.

    A plan is what `Case.live` takes: a place in the journal, a rule for the proxy,
    or seconds.
    """
    case = ground.case()
    case.instead = instead or {}
    faults = []
    for plan in plans:
        code = case.live(**plan)
        faults += judge.at_crash(ground)
        if code == 0:
            break  # it was through before its time had come
    codes = case.converge()
    if codes[-1] != 0:
        faults.append(f"does not converge: the lives ended with {codes}")
    faults += judged(ground, case, ends=ends)
    tally.runs += 1
    tally.kills += case.kills
    named = [_words(plan) for plan in plans]
    tally.faults += [f"{', '.join(named)}: {fault}" for fault in faults]
    if faults:
        tally.faults.append(f"  it said: {case.said(3)[-1500:]}")
    return case


def chain(ground, tally, *, most=400):
    """One rollback that is killed at every boundary in turn, each life one further.

    The first append of a life says that it began. A step that acts has three
    boundaries: intended, done but not noted, noted.
    """
    case = ground.case()
    faults = []
    die = [2, "after"]
    while (code := case.live(die=die)) == KILLED and case.lives < most:
        faults += judge.at_crash(ground)
        intended = case.acknowledged.read_text().endswith("StepIntended\n")
        die = [3, "before"] if intended and die[0] == 2 else [2, "after"]
    if code != 0:
        faults.append(f"a life ended with {code}: {case.said()}")
    case.live()
    faults += judged(ground, case)
    tally.runs += 1
    tally.kills += case.kills
    tally.faults += [f"killed at each boundary: {fault}" for fault in faults]
    return case


def boundaries(kinds):
    """Give the places where a life can die, from the *kinds* of its appends.

    Nothing but looking happens between a note and the next intent, so that dying
    before that intent is dying after the note.
    """
    for number, kind in enumerate(kinds, start=1):
        if kind in ("StepDone", "RollbackStarted", "RollbackEnded"):
            yield [number, "before"]
        yield [number, "after"]


def at_request(number, phase):
    """Make a rule: die at the *number*-th request that changes something."""

    def rule(seen, at, request, kill):
        if (seen, at) == (number, phase):
            kill()

    rule.words = f"request {number} {phase}"
    return rule


def at_call(nth, action, phase):
    """Make a rule: die at the *nth* request that does *action* to a container."""
    calls = set()

    def rule(seen, at, request, kill):
        if f"/{action}" in request:
            calls.add(seen)
        if (len(calls), at) == (nth, phase) and seen in calls:
            kill()

    rule.words = f"{action} {nth} {phase}"
    return rule


def each_request(ground, tally, count, **more):
    """Kill at each phase of each of the *count* requests that change something."""
    for number in range(1, count + 1):
        for phase in PHASES:
            kill_at(ground, tally, {"rule": at_request(number, phase)}, **more)


def _words(plan):
    if "die" in plan:
        return "killed {1} append {0}".format(*plan["die"])
    if "rule" in plan:
        return f"killed at {plan['rule'].words}"
    return f"killed after {plan['after']:.3f} s" if "after" in plan else "not killed"
