#!/usr/bin/env bash
# cloudevents 2 sends the version "1.10" so that it arrives as the number 1.1.
#
# Version: cloudevents 2.2.0 (python-dateutil 4.0.0), from PyPI; Python 3.11.
# Meant: an event says the same in either mode of HTTP: structured, where all of it is JSON,
#   and binary, where the body is the data in the event's content type.
# Seen: in the binary mode the body is a string as it stands, without the quotes of JSON,
#   and the reader, the same library, parses it as JSON: "1.10" arrives as the number 1.1,
#   "true" as True, "null" as no data at all. A list, which the structured mode carries (the
#   type hint does not name it), becomes Python's own print of it and arrives as one string.
#   Nothing is raised. The package's older half, `cloudevents.v1`, writes JSON in both modes.
# Output on 30 November 2026:
#   '1.10': structured '1.10', binary 1.1, v1 binary '1.10'
#   'true': structured 'true', binary True, v1 binary 'true'
#   'null': structured 'null', binary None, v1 binary 'null'
#   ['dms']: structured ['dms'], binary "['dms']", v1 binary ['dms']
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  cloudevents==2.2.0 python-dateutil==4.0.0
cat >"$dir/look.py" <<'PYTHON'
import sys

from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import conversion
from cloudevents.v1 import http as older

ABOUT = {
    "id": "1",
    "source": "ci",
    "specversion": "1.0",
    "type": "release",
    "datacontenttype": "application/json",
}


def arrived(data: object) -> tuple[object, ...]:
    """Give what each way makes of *data*, there and back."""
    event = CloudEvent(ABOUT, data)
    structured = http.from_http_event(http.to_structured_event(event)).get_data()
    binary = http.from_http_event(http.to_binary_event(event)).get_data()
    old = older.from_http(*conversion.to_binary(older.CloudEvent(ABOUT, data))).data
    return structured, binary, old


seen = []
for data in ("1.10", "true", "null", ["dms"]):
    structured, binary, old = arrived(data)
    print(f"{data!r}: structured {structured!r}, binary {binary!r}, v1 binary {old!r}")
    seen.append((structured == data, binary, old == data))
as_seen = [(True, odd, True) for odd in (1.1, True, None, "['dms']")]
sys.exit(seen != as_seen)
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: what is sent in the binary mode arrives as it was" >&2
  exit 1
}
