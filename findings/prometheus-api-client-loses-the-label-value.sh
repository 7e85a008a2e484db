#!/usr/bin/env bash
# prometheus-api-client's data frames lose a label that is called `value` or `timestamp`.
#
# Versions: prometheus-api-client 0.7.2 (pandas 2.3.3, numpy 2.3.5), from PyPI;
#   Python 3.11.
# Meant: each row of `MetricSnapshotDataFrame` and of `MetricRangeDataFrame` carries all
#   labels of its series, so that two series are two.
# Seen: labels and the sample share one row's names. A label `value` or `timestamp`,
#   both good names to Prometheus, is written over by the sample's, without a word: two
#   series that differ in it alone become rows that nothing tells apart.
# Output on 30 November 2026:
#   MetricSnapshotDataFrame: columns __name__, timestamp, value; cells 0.0, 1.0,
#   2023-11-14 22:13:20, flag
#   MetricRangeDataFrame: the same
#   of flag{value="on"} 1 and flag{value="off"} 0
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  prometheus-api-client==0.7.2 pandas==2.3.3 numpy==2.3.5
cat >"$dir/look.py" <<'PYTHON'
import sys
import warnings

warnings.simplefilter("ignore")

from prometheus_api_client import (  # noqa: E402
    MetricRangeDataFrame,
    MetricSnapshotDataFrame,
)

# As Prometheus answers /api/v1/query for an instant and for a range.
names = [{"__name__": "flag", "value": value} for value in ("on", "off")]
instant = [
    {"metric": name, "value": [1700000000, number]}
    for name, number in zip(names, ("1", "0"))
]
range_ = [
    {"metric": name, "values": [[1700000000, number]]}
    for name, number in zip(names, ("1", "0"))
]
lost = True
for frame in (MetricSnapshotDataFrame(instant), MetricRangeDataFrame(range_)):
    rows = frame.reset_index() if frame.index.name else frame
    cells = {str(cell) for row in rows.to_numpy().tolist() for cell in row}
    columns = ", ".join(sorted(str(column) for column in rows.columns))
    print(f"{type(frame).__name__}: columns {columns}; cells {', '.join(sorted(cells))}")
    lost = lost and not cells & {"on", "off"} and {"1.0", "0.0"} <= cells
sys.exit(0 if lost else 'this is not what was seen: "on" and "off" nowhere')
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py"
