#!/usr/bin/env bash
# prometheus-client's text parser makes a family of each sample that has no TYPE line.
#
# Version: prometheus-client 0.26.0, from PyPI; Python 3.11.
# Meant: a family is a name and all of its samples; a TYPE line is optional in the text
#   format, and without it the type is unknown, no more.
# Seen: three samples `queue{…}` in a row are one family of three with a TYPE line, also
#   one that says `untyped`, and three families of one sample, all called `queue`, without.
#   Whoever keeps families by their names, as in `{f.name: f for f in …}`, is left with
#   the last sample and is told nothing. The node exporter's textfiles and what a shell
#   script writes often have no TYPE line.
# Output on 30 November 2026:
#   # TYPE queue untyped: samples [3]; by name: 3
#   no TYPE line: samples [1, 1, 1]; by name: 1
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check prometheus-client==0.26.0
cat >"$dir/look.py" <<'PYTHON'
import sys

from prometheus_client.parser import text_string_to_metric_families as families

text = "".join(f'queue{{name="{name}"}} {n}\n' for n, name in enumerate("abc"))
seen = []
for head in ("# TYPE queue untyped\n", ""):
    found = list(families(head + text))
    by_name = {family.name: family for family in found}
    counts = [len(family.samples) for family in found]
    kept = sum(len(family.samples) for family in by_name.values())
    print(f"{head.strip() or 'no TYPE line'}: samples {counts}; by name: {kept}")
    seen.append((counts, kept))
sys.exit(seen != [([3], 3), ([1, 1, 1], 1)])
PYTHON
"$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: samples of one name are one family without a TYPE line too" >&2
  exit 1
}
