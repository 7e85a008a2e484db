#!/usr/bin/env bash
# River's FHDDM alarms when the errors stop, and is silent when everything fails.
#
# Version: river 0.26.1 (numpy 2.4.6, scipy 1.17.1), from PyPI; Python 3.11.
# Meant: its documentation says what goes in: "1 indicates error/failure"; so an alarm is
#   for more of them, as with the detectors DDM and HDDMA beside it, which say the same.
# Seen: it keeps the highest share of ones and alarms when the share falls well below. From
#   no error to nothing but errors it never alarms; from half of them to none it does. The
#   paper's method is fed 1 for what went well: who feeds it so, against the documentation,
#   is told of the failures. Also the example in the documentation says that it makes the
#   ones more likely, and makes them less likely.
# Output on 30 November 2026:
#   none fails, then all: DDM alarms, HDDMA alarms, FHDDM silent, fed otherwise alarms
#   half fails, then none: DDM silent, HDDMA silent, FHDDM alarms, fed otherwise silent
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  river==0.26.1 numpy==2.4.6 scipy==1.17.1
cat >"$dir/look.py" <<'PYTHON'
import sys

from river.drift import binary

ANSWERS = {  # 1: an error
    "none fails, then all": [0] * 1000 + [1] * 1000,
    "half fails, then none": [0, 1] * 500 + [0] * 1000,
}


def alarms(detector, answers: list[int]) -> bool:
    alarmed = False
    for answer in answers:
        detector.update(answer)
        alarmed = alarmed or detector.drift_detected
    return alarmed


seen = []
for name, answers in ANSWERS.items():
    words = {
        "DDM": alarms(binary.DDM(), answers),
        "HDDMA": alarms(binary.HDDMA(), answers),
        "FHDDM": alarms(binary.FHDDM(), answers),
        "fed otherwise": alarms(binary.FHDDM(), [1 - n for n in answers]),
    }
    told = (f"{one} {'alarms' if word else 'silent'}" for one, word in words.items())
    print(f"{name}: {', '.join(told)}")
    seen.append(list(words.values()))
sys.exit(seen != [[True, True, False, True], [False, False, True, False]])
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: FHDDM alarms at errors" >&2
  exit 1
}
