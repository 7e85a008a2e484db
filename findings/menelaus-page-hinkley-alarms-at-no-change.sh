#!/usr/bin/env bash
# menelaus's Page-Hinkley test, asked for a fall, alarms at a value that never changes.
#
# Version: menelaus 0.2.0 (numpy 2.4.6, pandas 3.1.1, python-dateutil 4.0.0), from PyPI,
#   without scikit-learn and scipy, which this part of it does not need; Python 3.11.
# Meant: `direction="negative"` alarms when the mean falls. `delta`, the "minimum amplitude
#   of change in data needed to sound alarm", is what keeps it still until then, in either
#   direction: the greater, the fewer alarms.
# Seen: `delta` is taken off the sum in both directions. For a fall, which is how far the sum
#   has come down, it works the other way round: at a share of good answers that is the same
#   for ever the sum comes down by `delta` with each of them, until it alarms, and again and
#   again. The greater the change that is asked for, the sooner. At a value of 0 all the
#   time it alarms as soon as it may. For a rise it is silent, as it should be.
# Output on 1 December 2026, of 3000 values, all of them the same:
#   0.99, a delta of 0.01: rise none, fall 1, the first at 1980
#   0.99, a delta of 0.1: rise none, fall 15, the first at 198
#   0.99, a delta of 0.4: rise none, fall 60, the first at 50
#   0, a delta of 0.01: rise none, fall 96, the first at 31
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check --no-compile --no-deps \
  menelaus==0.2.0 numpy==2.4.6 pandas==3.1.1 python-dateutil==4.0.0 six==1.17.0
cat >"$dir/look.py" <<'PYTHON'
import sys

from menelaus.change_detection import PageHinkley


def alarms(value: float, delta: float, direction: str) -> list[int]:
    detector = PageHinkley(delta=delta, direction=direction)
    at = []
    for number in range(1, 3001):
        detector.update(value)
        if detector.drift_state == "drift":
            at.append(number)
    return at


seen = []
for value, delta in ((0.99, 0.01), (0.99, 0.1), (0.99, 0.4), (0, 0.01)):
    rise, fall = alarms(value, delta, "positive"), alarms(value, delta, "negative")
    told = f"{len(fall)}, the first at {fall[0]}" if fall else "none"
    print(f"{value}, a delta of {delta}: rise {len(rise) or 'none'}, fall {told}")
    seen.append((len(rise), len(fall)))
sys.exit(seen != [(0, 1), (0, 15), (0, 60), (0, 96)])
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: what never changes is no fall" >&2
  exit 1
}
