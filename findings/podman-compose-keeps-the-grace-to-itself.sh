#!/usr/bin/env bash
# podman-compose makes a container without the grace that its service asks for.
#
# Version: podman-compose 1.6.0, from PyPI; Python 3.11. A `podman` of a few lines stands in
#   for the real one and notes how it is called.
# Meant: `stop_signal` and `stop_grace_period` are both of the container, as Compose has it:
#   whoever stops it, by name or by API, gives it the signal and the time.
# Seen: `create` is told the signal, and not the time. Only podman-compose's own `stop` and
#   `down` give it, from the file. Everyone else (`podman stop`, the API, the machine's
#   shutdown) kills a container after 10 s that was promised 90.
# Output on 30 November 2026:
#   create was told: --stop-signal SIGINT; podman-compose stop: stop -t 90 demo_dms_1
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  podman-compose==1.6.0 python-dotenv==1.2.4 pyyaml==6.0.4
mkdir "$dir/bin" "$dir/demo"
cat >"$dir/bin/podman" <<'PODMAN'
#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
  --version*) echo "podman version 5.4.2" ;;
  ps*) echo "[]" ;;
esac
PODMAN
chmod +x "$dir/bin/podman"
cat >"$dir/demo/compose.yaml" <<'YAML'
services:
  dms:
    image: localhost/dms:v1
    stop_signal: SIGINT
    stop_grace_period: 1m30s
YAML
cd "$dir/demo"
export CALLS="$dir/calls" PATH="$dir/bin:$PATH"
timeout 60 "$dir/venv/bin/podman-compose" up -d >"$dir/said" 2>&1
timeout 60 "$dir/venv/bin/podman-compose" stop >>"$dir/said" 2>&1
told=$(grep '^create' "$CALLS" | grep -oE -e '--stop-(signal|timeout)[ =][^ ]+' | paste -sd' ')
said="create was told: $told; podman-compose stop: $(grep '^stop' "$CALLS")"
meant="create was told: --stop-signal SIGINT; podman-compose stop: stop -t 90 demo_dms_1"
echo "$said"
if [ "$said" != "$meant" ]; then
  echo "this is not what was seen: $meant" >&2
  exit 1
fi
