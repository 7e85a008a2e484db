#!/usr/bin/env bash
# frouros's detector STEPD sees a drift in a service of which no answer ever failed.
#
# Version: frouros 0.9.0 (numpy 2.1.3, scipy 1.14.1), from PyPI, without what it needs for
#   plots and downloads; Python 3.11.
# Meant: the test compares the share of right answers among the last 30 with the share
#   before; where the two are the same there is no drift, however high the share is.
# Seen: a correction is taken off the difference, which makes it negative where the shares
#   are alike, and then its sign is thrown away. It is divided by a spread that is the
#   smaller the fewer answers fail: with no failure it is infinite, and each answer from
#   the 60th on is a drift. With one in a thousand nearly half of the answers are, with one
#   in a hundred or in ten none. A change for the worse is seen as it should be.
# Output on 1 December 2026, of 4000 answers:
#   no failure: drift at 3941 answers, from the 60th on
#   1 in 1000: drift at 1894 answers, from the 60th on
#   1 in 100: no drift
#   1 in 10: no drift
#   1 in 10, from the 2001st on 1 in 2: drift at 1368 answers, from the 2014th on
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check --no-compile --no-deps \
  frouros==0.9.0 numpy==2.1.3 scipy==1.14.1 tqdm==4.70.1
cat >"$dir/look.py" <<'PYTHON'
import sys

import numpy
from frouros.detectors.concept_drift import STEPD

numpy.seterr(divide="ignore")  # it says so once, for the service without failures


def failing_once_in(answers: int, total: int) -> list[int]:
    return [int(n % answers != answers // 2) for n in range(total)]  # 1: right


STREAMS = {
    "no failure": [1] * 4000,
    "1 in 1000": failing_once_in(1000, 4000),
    "1 in 100": failing_once_in(100, 4000),
    "1 in 10": failing_once_in(10, 4000),
    "1 in 10, from the 2001st on 1 in 2": failing_once_in(10, 2000) + [1, 0] * 1000,
}
seen = []
for name, answers in STREAMS.items():
    detector = STEPD()
    drifts = []
    for number, answer in enumerate(answers, start=1):
        detector.update(value=answer)
        if detector.drift:
            drifts.append(number)
    told = f"drift at {len(drifts)} answers, from the {drifts[0]}th on" if drifts else ""
    print(f"{name}: {told or 'no drift'}")
    seen.append((len(drifts), drifts[:1]))
sys.exit(seen != [(3941, [60]), (1894, [60]), (0, []), (0, []), (1368, [2014])])
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: where nothing fails there is no drift" >&2
  exit 1
}
