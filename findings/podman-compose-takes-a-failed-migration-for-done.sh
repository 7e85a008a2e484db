#!/usr/bin/env bash
# podman-compose starts what waits for `service_completed_successfully` after a failure.
#
# Version: podman-compose 1.6.0, from PyPI; Python 3.11. A `podman` of a few lines stands in
#   for the real one: it notes how it is called, and tells of a container that ended with 1.
# Meant: a service that depends on a migration with `service_completed_successfully` is
#   started when the migration has ended with 0, and never when it ended with another code.
# Seen: the condition is turned into `podman wait --condition=stopped`. That prints the exit
#   code, and nobody reads it: the service is started on the data that the failed migration
#   left, and `up` ends with 0.
# Output on 30 November 2026:
#   the migration ended with 1; asked: wait --condition=stopped demo_migrate_1;
#   then: start demo_dms_1; up ended with 0
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
  wait*) echo 1 ;;
  inspect*) echo '[{"State": {"Status": "exited", "ExitCode": 1}}]' ;;
esac
PODMAN
chmod +x "$dir/bin/podman"
cat >"$dir/demo/compose.yaml" <<'YAML'
services:
  migrate:
    image: localhost/dms:v1
    command: [migrate]
  dms:
    image: localhost/dms:v1
    depends_on:
      migrate: {condition: service_completed_successfully}
YAML
cd "$dir/demo"
ended=0
CALLS="$dir/calls" PATH="$dir/bin:$PATH" timeout 60 \
  "$dir/venv/bin/podman-compose" up -d >"$dir/said" 2>&1 || ended=$?
asked=$(grep '^wait' "$dir/calls" || true)
after=$(sed -n '/^wait/,$p' "$dir/calls" | grep '^start' || true)
said="the migration ended with 1; asked: $asked; then: $after; up ended with $ended"
meant="the migration ended with 1; asked: wait --condition=stopped demo_migrate_1"
meant+="; then: start demo_dms_1; up ended with 0"
echo "$said"
if [ "$said" != "$meant" ]; then
  echo "this is not what was seen: $meant" >&2
  exit 1
fi
