#!/usr/bin/env bash
# podman-compose makes one container of a service that wants three, unless the mode is said.
#
# Version: podman-compose 1.6.0, from PyPI; Python 3.11. A `podman` of a few lines stands in
#   for the real one and notes how it is called.
# Meant: `deploy.replicas: 3` is three containers. The mode needs no word: `replicated` is
#   what the Compose specification has where none is written.
# Seen: without `mode: replicated` beside it the number is not read, and one container is
#   made, without a warning. `scale: 3` is read.
# Output on 30 November 2026:
#   replicas: 1; replicas and mode: 3; scale: 3
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
cd "$dir/demo"
export CALLS="$dir/calls" PATH="$dir/bin:$PATH"
made() {
  : >"$CALLS"
  printf 'services:\n  dms:\n    image: localhost/dms:v1\n    %s\n' "$1" >compose.yaml
  timeout 60 "$dir/venv/bin/podman-compose" up -d >"$dir/said" 2>&1
  grep -c '^create' "$CALLS"
}
said="replicas: $(made 'deploy: {replicas: 3}')"
said+="; replicas and mode: $(made 'deploy: {mode: replicated, replicas: 3}')"
said+="; scale: $(made 'scale: 3')"
meant="replicas: 1; replicas and mode: 3; scale: 3"
echo "$said"
if [ "$said" != "$meant" ]; then
  echo "this is not what was seen: $meant" >&2
  exit 1
fi
