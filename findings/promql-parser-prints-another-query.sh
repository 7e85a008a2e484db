#!/usr/bin/env bash
# promql-parser's `str()` of a query is a valid query, and another one.
#
# Version: promql-parser 0.12.0, from PyPI; Python 3.11.
# Meant: `str(parse(query))`, by which its README writes out what `transform` gave, is the
#   same query; `prettify()` is the same with line breaks.
# Seen: a subquery that leaves its step to the server loses its colon and is a range of
#   samples. Parts of a second are cut off, in ranges, steps and offsets. A backslash in
#   a label's value is written once instead of twice, so that `\\b`, the end of a word
#   in a regex, is the character backspace and matches nothing. All three are parsed
#   again without an error, by Prometheus too. `prettify()` writes all three as they were.
# Output on 30 November 2026:
#   max_over_time(up[5m:])
#     str: max_over_time(up{}[5m]), the same query: False; prettify: True
#   rate(up[1m] offset 1500ms)
#     str: rate(up{}[1m] offset 1s), the same query: False; prettify: True
#   up{job=~"dms\\b.*"}
#     str: up{job=~"dms\b.*"}, the same query: False; prettify: True
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check promql-parser==0.12.0
cat >"$dir/look.py" <<'PYTHON'
import sys

from promql_parser import parse

seen = []
for query in (
    "max_over_time(up[5m:])",
    "rate(up[1m] offset 1500ms)",
    r'up{job=~"dms\\b.*"}',
):
    once = parse(query)
    ways = {"str": str(once), "prettify": once.prettify()}
    same = {way: parse(text).prettify() == once.prettify() for way, text in ways.items()}
    print(f"{query}\n  str: {ways['str']}, the same query: {same['str']};", end=" ")
    print(f"prettify: {same['prettify']}")
    seen.append((ways["str"], same["str"], same["prettify"]))
sys.exit(
    seen
    != [
        ("max_over_time(up{}[5m])", False, True),
        ("rate(up{}[1m] offset 1s)", False, True),
        (r'up{job=~"dms\b.*"}', False, True),
    ]
)
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: a query is written out as the same query" >&2
  exit 1
}
