#!/usr/bin/env bash
# Two builders of PromQL write out another sum than the one that was built.
#
# Versions: pangolier 0.4.2 and promql-builder 0.0.6 (Grafana's), from PyPI; Python 3.11.
# Meant: a query that is built of parts is written out so that the parts stay together.
# Seen: pangolier puts brackets by the ranks of the operators only. Two of one rank, where
#   the second belongs together, stand without: `all - (ok + refused)` becomes
#   `all - ok + refused`, and `failed / (all * share)` becomes `failed / all * share`.
#   promql-builder puts both sides of an operator into brackets, each on its own, and the
#   sign of `neg` before the first. What comes out is PromQL, and Prometheus answers it.
# Output on 30 November 2026, for all 100, ok 60, refused 30, failed 20, share 0.5:
#   pangolier: all - ok + refused = 70, built for 10
#   pangolier: failed / all * share = 0.1, built for 0.4
#   promql-builder: -(ok) + (refused) = -30, built for -90
#   promql-builder: (all) - ((ok) + (refused)) = 10, built for 10
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  pangolier==0.4.2 promql-builder==0.0.6
cat >"$dir/look.py" <<'PYTHON'
import sys

from pangolier.metrics import Metric
from promql_builder.builders import promql

# Python ranks these operators and signs as PromQL does.
VALUES = {"all": 100, "ok": 60, "refused": 30, "failed": 20, "share": 0.5}

every, ok, refused = Metric("all"), Metric("ok"), Metric("refused")
failed, share = Metric("failed"), Metric("share")
both = promql.add(promql.vector("ok"), promql.vector("refused"))
built = [
    ("pangolier", (every - (ok + refused)).to_str(), 10),
    ("pangolier", (failed / (every * share)).to_str(), 0.4),
    ("promql-builder", str(promql.neg(both)), -90),
    ("promql-builder", str(promql.sub(promql.vector("all"), both)), 10),
]
seen = []
for name, query, meant in built:
    value = eval(query, {}, VALUES)
    print(f"{name}: {query} = {value:g}, built for {meant:g}")
    seen.append(round(value, 6))
sys.exit(seen != [70, 0.1, -30, 10])
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: what is built together is written together" >&2
  exit 1
}
