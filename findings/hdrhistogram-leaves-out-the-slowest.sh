#!/usr/bin/env bash
# hdrhistogram leaves out what took longer than it can hold, and the percentiles get better.
#
# Version: hdrhistogram 0.10.8 (pbr 7.1.3), from PyPI; Python 3.11.
# Meant: a value above `highest_trackable_value` is an error, as it is in the Java library
#   that this one follows, and in this one's own `add`; or it counts as the highest.
# Seen: `record_value`, and `record_corrected_value` with all that it would fill in, return
#   False, which its README does not tell of and its own examples do not look at. The value
#   is in no count. Where a release makes one request in twenty run into a time limit, the
#   99th percentile and the maximum are as good as before, of fewer requests.
# Output on 30 November 2026:
#   950 answers of 20 ms and 50 of 30 s, in a histogram up to 10 s:
#     count 950, p99 0.02 s, max 0.02 s; add: IndexError
#   the same in a histogram up to an hour:
#     count 1000, p99 30 s, max 30 s
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  hdrhistogram==0.10.8 pbr==7.1.3
cat >"$dir/look.py" <<'PYTHON'
import sys

from hdrh.histogram import HdrHistogram


def filled(highest: int) -> HdrHistogram:
    histogram = HdrHistogram(1, highest, 3)
    for latency in [20] * 950 + [30_000] * 50:
        histogram.record_value(latency)
    return histogram


def told(histogram: HdrHistogram) -> str:
    count, worst = histogram.get_total_count(), histogram.get_max_value()
    at_99 = histogram.get_value_at_percentile(99)
    return f"count {count}, p99 {at_99 / 1000:.2g} s, max {worst / 1000:.2g} s"


short, long = filled(10_000), filled(3_600_000)
seen = [told(short), told(long)]
try:
    filled(10_000).add(long)
    seen.append("nothing")
except IndexError:
    seen.append("IndexError")
print("950 answers of 20 ms and 50 of 30 s, in a histogram up to 10 s:")
print(f"  {seen[0]}; add: {seen[2]}")
print(f"the same in a histogram up to an hour:\n  {seen[1]}")
fewer = "count 950, p99 0.02 s, max 0.02 s"
sys.exit(seen != [fewer, "count 1000, p99 30 s, max 30 s", "IndexError"])
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: what is too slow for the histogram is counted, or is an error" >&2
  exit 1
}
