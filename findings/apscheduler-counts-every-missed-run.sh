#!/usr/bin/env bash
# APScheduler counts out every run that an interval missed, though only one is wanted.
#
# Version: APScheduler 3.11.3, from PyPI; Python 3.11.
# Meant: with `coalesce=True` what was missed is one run, whatever the length of the gap.
# Seen: one run it is, but the scheduler's thread first asks the trigger for each missed
#   time and lists them all. A clock that is set forward (a box that starts in 1970 until
#   it has the time, a machine that was suspended) costs a step for every interval of
#   the gap, and memory for a list of them, while no job of any kind runs. A poll of
#   1 s and a gap of 30 days: 2.6 million times, about 5 s and 140 MB on a busy machine.
# Output on 29 November 2026:
#   a gap of 86400 s and an interval of 1 s: 1 run, after 86401 times were worked out
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check apscheduler==3.11.3
cat >"$dir/look.py" <<'PYTHON'
import sys
import threading
from datetime import datetime, timedelta, timezone

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

GAP = 86400
worked_out = 0
runs = []
ran = threading.Event()


class Counted(IntervalTrigger):
    def get_next_fire_time(self, previous_fire_time, now):
        global worked_out
        if not ran.is_set():
            worked_out += 1
        return super().get_next_fire_time(previous_fire_time, now)


def job():
    runs.append(datetime.now(timezone.utc))
    ran.set()


due = datetime.now(timezone.utc) - timedelta(seconds=GAP)
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.add_job(
    job,
    Counted(seconds=1, timezone="UTC"),
    next_run_time=due,
    coalesce=True,
    misfire_grace_time=None,
    max_instances=1,
)
scheduler.start()
came = ran.wait(60)
count = len(runs)
scheduler.shutdown()
print(
    f"a gap of {GAP} s and an interval of 1 s: {count} run, "
    f"after {worked_out} times were worked out"
)
as_seen = came and count == 1 and worked_out >= GAP
sys.exit(0 if as_seen else "this is not what was seen: 1 run, and a time for each s")
PYTHON
timeout 120 "$dir/venv/bin/python" "$dir/look.py"
