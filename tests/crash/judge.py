"""What must hold after a crash, read from outside the watchdog."""

import hashlib
import json
import sqlite3
from collections import Counter
from contextlib import closing

from watchdog.facts.problem import JournalLost
from watchdog.record.journal import Journal

OP = "io.flexli.rollback.op"


def at_crash(ground):
    """Say what must never be seen, however dead the watchdog is (shared file)."""
    faults = []
    env = ground.pinned()
    if env not in ground.versions and not env.startswith("rolling-back-to-"):
        faults.append(f"the env file names {env!r}")
    if ground.layout == "shared-file":
        held = ground.shared_manifest()
        if held not in ground.versions:
            faults.append(f"the shared manifest is {held!r}")
        faults += [
            f"{name} runs {version} over the manifest of {held}"
            for name, version, state in ground.seen()
            if state == "running" and version != held
        ]
    return faults


def after(ground, case, *, ends=("proved",), again=0, mixed=False):
    """Say everything that is not as it must be, once it has converged.

    *ends* are the ends that it may have come to. *again* starts may be more than
    one for each container: an engine that was restarted starts what ran. *mixed*
    allows a start that the DMS refused.
    """
    faults = [] if mixed else mixed_starts(ground, case)
    audit = _audit(case)
    faults += audit.faults
    if audit.kinds["RollbackStarted"] != 1 or audit.kinds["RollbackEnded"] != 1:
        faults.append(
            f"{audit.kinds['RollbackStarted']} rollbacks started, "
            f"{audit.kinds['RollbackEnded']} ended, meant one"
        )
    how = audit.how or "not"
    if how not in ends:
        faults.append(f"it ended as {how}: {audit.words}")
    version = case.target if how == "proved" else case.before
    faults += _whole(ground, version)
    if how == "proved":
        meant = len(ground.names)
        starts = [image for image, _ in ground.starts()[case.starts :]]
        wrong = [image for image in starts if image != version]
        if not meant <= len(starts) - len(wrong) <= meant + again or (
            wrong and not again
        ):
            faults.append(f"started {starts}, meant {meant} times {version}")
    return faults


def mixed_starts(ground, case):
    """Say which starts of the DMS met another version's manifest, by its own log."""
    return [
        f"a mixed start: image {image}, manifest {manifest}"
        for image, manifest in ground.starts()[case.starts :]
        if image != manifest
    ]


def _whole(ground, version):
    """Say what of the stack is not wholly and only *version*."""
    faults = []
    found = ground.inspected()
    names = sorted(c["Name"] for c in found)
    meant = sorted(f"/{ground.project}-{name}" for name in ground.names)
    if names != meant:
        faults.append(f"containers are {names}, meant {meant}")
    record = ground.records[version][0]
    for c in found:
        name = c["Name"]
        if c["State"]["Status"] != "running":
            faults.append(f"{name} is {c['State']['Status']}")
            continue
        if c["Image"] != record.pair.image:
            faults.append(f"{name} runs {c['Config']['Image']}, meant {version}")
        policy = c["HostConfig"]["RestartPolicy"]["Name"]
        if policy != ground.restart:
            faults.append(f"{name} restarts {policy!r}, meant {ground.restart!r}")
        inside = ground.read_in(c["Id"], "/manifests/meesho.manifest.json")
        if hashlib.sha256(inside).hexdigest() != dict(record.pair.manifests)["meesho"]:
            faults.append(f"the manifest inside {name} is not that of {version}")
    if ground.pinned() != version:
        faults.append(f"the env file says {ground.pinned()}, what runs is {version}")
    if ground.layout == "shared-file" and ground.shared_manifest() != version:
        faults.append(f"the shared manifest is {ground.shared_manifest()}'s")
    left = [path.name for path in ground.stack.rglob("*.rb-new")]
    if left:
        faults.append(f"left over: {left}")
    return faults


def lost(case):
    """Say which events had been acknowledged and are not there any more."""
    path = case.state / "journal.db"
    if not path.is_file():
        return ["the journal is gone"]
    # Not read-only: what a crash left half done is rolled back by the first opening.
    with closing(sqlite3.connect(path)) as db:
        try:
            hashes = dict(db.execute("SELECT seq, hash FROM event").fetchall())
        except sqlite3.Error as error:
            return [f"the journal cannot be read: {error}"]
    return _lost(case, hashes)


def _lost(case, hashes):
    acknowledged = [
        line.split(" ") for line in case.acknowledged.read_text().splitlines()
    ]
    return [
        f"lost: event {seq} ({kinds}) had been acknowledged"
        for seq, digest, kinds in acknowledged
        if hashes.get(int(seq)) != digest
    ]


class _Audit:
    def __init__(self):
        self.faults, self.kinds, self.how, self.words = [], Counter(), "", ""


def _audit(case):
    """Read the journal without the watchdog, and check its chain with it."""
    audit = _Audit()
    path = case.state / "journal.db"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        (sound,) = db.execute("PRAGMA quick_check").fetchone()
        rows = db.execute("SELECT seq, hash, kind, body FROM event").fetchall()
    if sound != "ok":
        audit.faults.append(f"the journal is damaged: {sound}")
    hashes = {seq: digest for seq, digest, _, _ in rows}
    audit.kinds = Counter(kind for _, _, kind, _ in rows)
    for _, _, kind, body in rows:
        if kind in ("RollbackEnded", "RollbackStuck", "RollbackRefused"):
            whole = json.loads(body)
            audit.how = whole.get("how", "") or kind
            audit.words = whole.get("proof") or whole.get("words") or ""
    audit.faults += _lost(case, hashes)
    try:
        journal = Journal(case.state, read_only=True)
        journal.entries()
        journal.close()
    except JournalLost as problem:
        audit.faults.append(problem.words)
    return audit
