#!/usr/bin/env bash
# standardwebhooks signs another moment than the one that it is given.
#
# Version: standardwebhooks 1.1.0, from PyPI; Python 3.11.
# Meant: `sign(msg_id, timestamp, data)` takes a `datetime` and signs its moment, so that
#   the header `webhook-timestamp` of the same moment goes with the signature.
# Seen: the zone of the `datetime` is thrown away and its clock face is read as UTC. An
#   aware time at +02:00 is signed as two hours later, and a naive one, local time to the
#   rest of Python, as its face in UTC. The receiver, who has the right moment in the
#   header, finds no matching signature. Only a time that is in UTC already is signed as
#   it is, so that it works on a server and not on a laptop.
# Output on 30 November 2026:
#   in UTC: verified; as two hours later in UTC: False
#   at +02:00: No matching signature found; as two hours later in UTC: True
#   naive: No matching signature found; as two hours later in UTC: True
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check standardwebhooks==1.1.0
cat >"$dir/look.py" <<'PYTHON'
import os
import sys
import time
from datetime import UTC, datetime, timedelta, timezone

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

os.environ["TZ"] = "UTC-2"  # POSIX: two hours ahead of UTC
time.tzset()
door = Webhook("whsec_c2VjcmV0IG9mIGEgdGVzdA==")
body = '{"said": true}'


def taken(signature: str, moment: int) -> str:
    """Give the receiver's word; it wants a moment that is near now."""
    headers = {"webhook-id": "1", "webhook-timestamp": str(moment)}
    try:
        door.verify(body, {**headers, "webhook-signature": signature})
    except WebhookVerificationError as refused:
        return str(refused)
    return "verified"


now = int(time.time())
there = timezone(timedelta(hours=2))
ways = {
    "in UTC": datetime.fromtimestamp(now, UTC),
    "at +02:00": datetime.fromtimestamp(now, there),
    "naive": datetime.fromtimestamp(now),
}
later = door.sign("1", datetime.fromtimestamp(now + 7200, UTC), body)
seen = []
for name, moment in ways.items():
    assert int(moment.timestamp()) == now
    signature = door.sign("1", moment, body)
    word = taken(signature, now)
    print(f"{name}: {word}; as two hours later in UTC: {signature == later}")
    seen.append((word, signature == later))
wrong = ("No matching signature found", True)
sys.exit(seen != [("verified", False), wrong, wrong])
PYTHON
"$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: it signs the moment that it is given" >&2
  exit 1
}
