"""A real kill between SQLite's write of its rollback journal and the unlink of it."""

import signal
import subprocess
import sys

_DIES = """
import os, sqlite3, sys

db = sqlite3.connect(sys.argv[1], isolation_level=None)
# So little memory that pages spill into the file before the commit, as they do with
# a large one; the rollback journal is on the disk before the first of them.
db.execute("PRAGMA cache_size = 1")
db.execute("BEGIN IMMEDIATE")
db.execute("CREATE TABLE junk (bytes BLOB)")
for _ in range(50):
    db.execute("INSERT INTO junk VALUES (zeroblob(9000))")
db.execute(sys.argv[2])
os.kill(os.getpid(), 9)
"""


def kill_in_mid_commit(place, name="journal.db", statement="DELETE FROM event"):
    """Leave a hot rollback journal beside *name*, with *statement* not committed."""
    done = subprocess.run(
        [sys.executable, "-c", _DIES, str(place / name), statement], check=False
    )
    left = place / f"{name}-journal"

    assert done.returncode == -signal.SIGKILL
    assert left.read_bytes()[:4] == b"\xd9\xd5\x05\xf9"
