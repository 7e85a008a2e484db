#!/usr/bin/env bash
# prometheus-client's text parser gives a counter's samples a name that was not scraped.
#
# Version: prometheus-client 0.26.0, from PyPI; Python 3.11.
# Meant: the parser of the classic text format gives each sample by the name that stands
#   in the text, as Prometheus stores it; only OpenMetrics demands `_total`.
# Seen: where the TYPE line says counter, a sample `errors` comes out as `errors_total`.
#   By the name it has in Prometheus it is not found, and written out again it is another
#   series. Where the text also has a counter `errors_total`, which the format allows, two
#   series come out under one name and one set of labels, in two families of one name.
#   A gauge, or a sample without a TYPE line, keeps its name.
# Output on 30 November 2026:
#   errors_total 3, errors_total 5
#   errors 3, errors_total 5
#   of errors 3 and errors_total 5, with a TYPE line each and without
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check prometheus-client==0.26.0
cat >"$dir/look.py" <<'PYTHON'
import sys

from prometheus_client.parser import text_string_to_metric_families as families

samples = "errors 3\n", "errors_total 5\n"
typed = "".join(f"# TYPE {sample.split()[0]} counter\n{sample}" for sample in samples)
seen = []
for text in (typed, "".join(samples)):
    out = [f"{s.name} {s.value:g}" for family in families(text) for s in family.samples]
    print(", ".join(out))
    seen.append(out)
written = ["errors 3", "errors_total 5"]
sys.exit(seen != [["errors_total 3", "errors_total 5"], written])
PYTHON
"$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: a counter keeps the name that it was scraped by" >&2
  exit 1
}
