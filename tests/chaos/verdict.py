"""What must be so in the end, seen from outside: engine, files, chain, `status`."""

import hashlib
import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field

from tests.crash import judge

_END = 90.0  # s; a proof may take 20, an operator's Compose a few, and a box be busy
_STUCK = 6.0  # s; what says that it is stuck may see in a turn or two that it is not
_AGAIN = 40.0  # s; what is tried again by itself comes up late on a busy box
_TURNS = 2.5  # s; the turns after the end see what runs
_UNBEGUN = 10.0  # s; a rollback that has not begun until then does not any more
_NOTICED = 30.0  # s; of two that run the watchdog stops one, with its grace


@dataclass
class Seen:
    """How a cell ended, and everything that was not as it must be."""

    running: str = ""
    how: str = ""
    status: dict = field(default_factory=dict)
    faults: list = field(default_factory=list)

    @property
    def words(self):
        return f"{self.running or 'nothing'} runs, {self.how or 'no end'}"


def settled(yard, case, *, within=_END, needless=False):
    """Wait until the watchdog is through, or stuck; say what is wrong, or nothing.

    *needless* says that there may be nothing to roll back any more, before it began.
    """
    began = stuck = None
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        _, whole = yard.status(case)
        rollback = whole.get("rollback")
        now = time.monotonic()
        over = bool(whole.get("last_rollback"))
        if "broken" in whole or rollback or not (over or needless):
            began = None
        elif began is None:
            began = now
        elif now - began > (_TURNS if over else _UNBEGUN) and whole["watching"]:
            return ""
        if rollback and rollback["stuck"]:
            stuck = stuck or now
            tries = "trying again by itself" in rollback["words"]
            if now - stuck > (_AGAIN if tries else _STUCK):
                return ""
        else:
            stuck = None
        if yard.is_over():
            return f"the daemon ended with {yard.reaped()}: {case.said(5)}"
        time.sleep(0.3)
    return f"no end within {within:g} s"


def ended(
    yard,
    case,
    witness,
    *,
    nothing=False,
    watched=True,
    mixed=False,
    needless=False,
    both_since=None,
    patience=_END,
):
    """Look at everything once it has settled.

    *nothing* says that nobody asks for anything to run; *watched* that the daemon is
    to be waited for; *mixed* that people alone may have started a mixed pair;
    *needless* that there may be nothing to roll back any more; *both_since* that
    people alone had both versions run at once, and when the watchdog could see it.
    """
    seen = Seen()
    faults = seen.faults
    if watched:
        faults += filter(
            None, [settled(yard, case, within=patience, needless=needless)]
        )
    found = yard.running()
    seen.running = " and ".join(sorted({version for _, version, _ in found}))
    code, seen.status = status = yard.status(case)
    _, text = yard.type_(case, "status")
    rollback, last = seen.status.get("rollback"), seen.status.get("last_rollback")
    seen.how = (last or {}).get("how", "")
    if rollback:
        seen.how = "stuck" if rollback["stuck"] else "under way"
    if "broken" in seen.status or code not in (0, 1, 6):
        faults.append(f"status ended with {code}: {status}")
    faults += _ran_at_once(case, witness, both_since)
    if not mixed:
        faults += judge.mixed_starts(yard, case)
    faults += chain(case)
    faults += _what_runs(yard, seen, found, text, nothing=nothing, mixed=mixed)
    faults += _is_said(yard, seen, found, text, mixed=mixed)
    return seen


def _ran_at_once(case, witness, both_since):
    """Say what ran at once, and was not to; or for longer than it takes to be seen."""
    for versions, began, ended in witness.at_once:
        if both_since is None or versions != {case.before, case.target}:
            yield f"ran at once: {sorted(versions)}"
        elif ended is None or ended - max(began, both_since) > _NOTICED:
            lasted = f"{ended - began:.1f} s" if ended else "to the end"
            yield f"ran at once, {lasted}: {sorted(versions)}"


def _what_runs(yard, seen, found, text, *, nothing, mixed):
    versions = sorted({version for _, version, _ in found})
    if len(found) > len(yard.names) or len(versions) > 1:
        yield f"too much runs: {found}"
    elif not found and not nothing:
        yield f"OUTAGE: nothing runs: {yard.seen()}"
    elif found and len(found) < len(yard.names):
        yield f"not all of it runs: {found}"
    for name, version, manifest in found:
        if version != manifest and not (mixed and seen.status.get("unclear")):
            yield f"{name} is {version} over the manifest of {manifest}"
        if ".rb-" in name and name.strip("/") not in text:
            yield f"{version} runs as {name}, and nobody says so"
    if found and seen.how == "stuck":
        yield f"STUCK while {versions} serves: {seen.status['rollback']['words']}"
    elif found and seen.how == "under way":
        yield f"still at it: {seen.status['rollback']['words']}"


def _is_said(yard, seen, found, text, *, mixed):
    """Hold what status says against what is there."""
    running = seen.status.get("running") or {}
    said, down = running.get("version", ""), running.get("down", "")
    versions = {version for _, version, _ in found}
    unclear = seen.status.get("unclear", "")
    if found and not seen.status.get("rollback") and versions != {said}:
        yield f"status says that {said or 'nothing'} runs, it is {sorted(versions)}"
    known = found and len(versions) == 1 and versions == {said}
    named = "manifest" in unclear or "`docker rm " in unclear
    if known and unclear and not (mixed or named):
        yield f"status says that it is unclear what runs: {unclear}"
    if not found and said and not (unclear or down or seen.status.get("rollback")):
        yield f"status says that {said} runs, nothing does: {text}"
    if seen.how == "proved" and not found and not (unclear or down):
        yield "`proved` was recorded, and nothing runs"
    pinned = yard.pinned()
    if len(versions) == 1 and pinned not in versions and not _names_env(text):
        yield f"the env file says {pinned}, {sorted(versions)} runs, and no word of it"
    strays = [name for name, _, state in yard.seen() if state != "running" and found]
    if strays and not all(name.strip("/") in text for name in strays):
        yield f"left over, and nobody says so: {strays}"
    left = [path.name for path in yard.stack.rglob("*.rb-new")]
    if left:
        yield f"left over: {left}"


def _names_env(text):
    return ".env" in text or "DMS_VERSION" in text or "env file" in text


def chain(case):
    """Compute the journal's chain again, by its documentation alone."""
    path = case.state / "journal.db"
    if not path.is_file():
        return ["there is no journal"]
    with closing(sqlite3.connect(path)) as db:
        try:
            rows = db.execute(
                "SELECT seq, at, kind, body, previous, hash FROM event ORDER BY seq"
            ).fetchall()
        except sqlite3.Error as error:
            return [f"the journal cannot be read: {error}"]
    faults, before = [], "0" * 64
    for number, (seq, at, kind, body, previous, digest) in enumerate(rows, start=1):
        line = "\n".join((previous, str(seq), at, kind, body))
        if seq != number or previous != before:
            faults.append(f"event {seq} does not follow event {number - 1}")
        if hashlib.sha256(line.encode()).hexdigest() != digest:
            faults.append(f"event {seq} is not what was hashed")
        before = digest
    claims = [json.loads(row[3]).get("op") for row in rows if row[2] == "RollbackEnded"]
    faults += [f"{op} ended twice" for op in set(claims) if claims.count(op) > 1]
    return faults


def count(case, kind):
    """Count the events of *kind* in the journal."""
    with closing(sqlite3.connect(case.state / "journal.db")) as db:
        rows = db.execute("SELECT kind FROM event").fetchall()
    return [row[0] for row in rows].count(kind)


def begun(case):
    """Tell whether a plan was journaled, also while a halted writer has the lock."""
    return _has(case, "RollbackStarted", torn=True)


def over(case):
    """Tell whether a rollback ended, whoever writes meanwhile."""
    return _has(case, "RollbackEnded", torn=False)


def _has(case, kind, *, torn):
    """Look for an event of *kind*; *torn* is said of a page that is half written."""
    if not (case.state / "journal.db").is_file():
        return False
    beside = f"file:{case.state}/journal.db?immutable=1"
    with closing(sqlite3.connect(beside, uri=True)) as db:
        try:
            found = db.execute("SELECT 1 FROM event WHERE kind = ?", [kind])
            return found.fetchone() is not None
        except sqlite3.Error:  # halted in the middle of a page
            return torn


def story(case, most=14):
    """Give the journal's last events in a line each, for who repeats a cell."""
    with closing(sqlite3.connect(case.state / "journal.db")) as db:
        rows = db.execute("SELECT kind, body FROM event ORDER BY seq").fetchall()
    lines = []
    for kind, body in rows[-most:]:
        whole = json.loads(body)
        step = whole.get("step")
        named = (
            f"{step.get('do')} {step.get('subject')} {step.get('which') or ''}"
            if step
            else ""
        )
        words = whole.get("words") or whole.get("how") or whole.get("saw") or ""
        lines.append(f"    {kind} {named}: {str(words)[:200]}")
    return lines
