#!/usr/bin/env bash
# dockerfile-parse drops `--platform` from each FROM whose image it is asked to change.
#
# Version: dockerfile-parse 2.0.1, from PyPI; Python 3.11.
# Meant: setting `baseimage` or `parent_images`, as one does to pin a tag to its digest,
#   changes the image and nothing else: its own reader knows the flag and leaves it out of
#   the image's name.
# Seen: the line is written anew, of the image and the stage's name. The platform is gone,
#   without a word, and the build takes that of the machine it runs on: on an ARM runner,
#   an image of amd64 becomes one of arm64 under the same tag, and a stage that was to be
#   built on the builder's own platform runs under emulation. A FROM whose image stays the
#   same keeps its flag.
# Output on 1 December 2026:
#   as written: FROM --platform=$BUILDPLATFORM golang:1.25 AS build
#   as written: FROM --platform=linux/amd64 debian:12
#   first pinned: FROM golang:1.25.4 AS build
#   first pinned: FROM --platform=linux/amd64 debian:12
#   last pinned: FROM --platform=$BUILDPLATFORM golang:1.25 AS build
#   last pinned: FROM debian:12.12
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check dockerfile-parse==2.0.1
cat >"$dir/look.py" <<'PYTHON'
import io
import sys

from dockerfile_parse import DockerfileParser

WRITTEN = b"""\
FROM --platform=$BUILDPLATFORM golang:1.25 AS build
RUN go build -o /dms .
FROM --platform=linux/amd64 debian:12
COPY --from=build /dms /dms
"""


def lines(name: str, parser: DockerfileParser) -> list[str]:
    found = [line for line in parser.content.splitlines() if line.startswith("FROM")]
    for line in found:
        print(f"{name}: {line}")
    return found


written, first, last = (DockerfileParser(fileobj=io.BytesIO(WRITTEN)) for _ in range(3))
assert written.parent_images == ["golang:1.25", "debian:12"]
first.parent_images = ["golang:1.25.4", "debian:12"]
last.baseimage = "debian:12.12"
build, run = lines("as written", written)
seen = [lines("first pinned", first), lines("last pinned", last)]
sys.exit(seen != [["FROM golang:1.25.4 AS build", run], [build, "FROM debian:12.12"]])
PYTHON
"$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: the platform stays where the image is changed" >&2
  exit 1
}
