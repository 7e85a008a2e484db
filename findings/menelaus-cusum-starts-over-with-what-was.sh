#!/usr/bin/env bash
# After its first alarm menelaus's CUSUM looks at the stream's beginning, not at what comes.
#
# Version: menelaus 0.2.0 (numpy 2.4.6, pandas 3.1.1, python-dateutil 4.0.0), from PyPI,
#   without scikit-learn and scipy, which this part of it does not need; Python 3.11.
# Meant: after an alarm the detector takes the last `burn_in` values for its new normal and
#   goes on with the values that follow.
# Seen: the values are kept in a list that an alarm does not empty, and are looked up in it
#   by how many came since the alarm. So the first value after the alarm is judged by the
#   very first of all, the second by the second. What comes is not looked at until
#   as many have come as there were before the alarm: a second change, however great, is told
#   as late as that.
# Output on 1 December 2026, of answers in ms: 500 of about 100, 100 of 120, 900 of 5000
#   one detector: an alarm at 501, the next at 1004
#   another, that begins after the first alarm: an alarm at 601
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check --no-compile --no-deps \
  menelaus==0.2.0 numpy==2.4.6 pandas==3.1.1 python-dateutil==4.0.0 six==1.17.0
cat >"$dir/look.py" <<'PYTHON'
import sys

from menelaus.change_detection import CUSUM


def about(level: int, count: int) -> list[int]:
    return [level + (-1) ** n for n in range(count)]


def alarms(latencies: list[int], skipped: int = 0) -> list[int]:
    detector = CUSUM(delta=0.5, threshold=10)
    at = []
    for number, latency in enumerate(latencies[skipped:], start=skipped + 1):
        detector.update(latency)
        if detector.drift_state == "drift":
            at.append(number)
    return at


LATENCIES = about(100, 500) + about(120, 100) + about(5000, 900)
one = alarms(LATENCIES)
another = alarms(LATENCIES, skipped=one[0])
print(f"one detector: an alarm at {one[0]}, the next at {one[1]}")
print(f"another, that begins after the first alarm: an alarm at {another[0]}")
sys.exit([one[:2], another[:1]] != [[501, 1004], [601]])
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: after an alarm CUSUM goes on with what comes" >&2
  exit 1
}
