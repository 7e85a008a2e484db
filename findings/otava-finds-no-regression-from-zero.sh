#!/usr/bin/env bash
# Apache Otava sees that errors went from none to some, and does not call it a regression.
#
# Version: apache-otava 0.8.0 (numpy 2.2.0, scipy 1.16.3), from PyPI, without what it needs
#   for databases and Slack; Python 3.11.
# Meant: the report `regressions_only` lists each change that goes against the metric's
#   `direction`; what had no errors and has five is the plainest of them.
# Seen: the change from 0 is found, at p = 0, and its size in per cent, which cannot be
#   reckoned from a mean of 0, is put down as 0. The report takes only sizes with a sign, so
#   that the metric is left out (and has a blue dot, not a red one, in the message to Slack).
#   From 0.01 to 5 it is a regression. So the metrics that are 0 while all is well, errors,
#   restarts, lost messages, are those that never regress.
# Output on 30 November 2026:
#   errors 0 to 5: found, p 0, +0 %; No regressions found in dms.
#   errors 0.01 to 5: found, p 0, +49900 %; Regressions in dms: errors
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
  apache-otava==0.8.0 numpy==2.2.0 scipy==1.16.3 tabulate==0.10.0 pytz==2026.6 \
  dateparser==1.5.0 python-dateutil==4.0.0 regex==2026.11.19 tzlocal==5.4.5 tzdata==2026.6
cat >"$dir/look.py" <<'PYTHON'
import sys

from otava.report import Report, ReportType
from otava.series import Metric, Series

NOON = 1_795_953_600  # of 29 November 2026
seen = []
for before in (0, 0.01):
    runs = Series(
        "dms",
        branch=None,
        time=[NOON + 60 * run for run in range(40)],
        metrics={"errors": Metric(direction=-1)},
        data={"errors": [before] * 20 + [5] * 20},
        attributes={},
    )
    found = runs.analyze().change_points_by_time
    ((change,),) = [group.changes for group in found]
    size = round(change.forward_change_percent())
    said = Report(runs, found).produce_report("dms", ReportType.REGRESSIONS_ONLY)
    listed = "errors" in said
    print(
        f"errors {before} to 5: found, p {change.pvalue():.0g}, {size:+} %; "
        f"{said.splitlines()[0]}{' errors' if listed else ''}"
    )
    seen.append((change.index, size, listed))
sys.exit(seen != [(20, 0, False), (20, 49900, True)])
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: what comes up from zero is a regression" >&2
  exit 1
}
