#!/usr/bin/env bash
# docker-py gives a pull all the time of the world, whatever timeout its client has.
#
# Versions: docker 7.2.0 (requests 2.34.2, urllib3 2.8.0), from PyPI; Python 3.11.
# Meant: `APIClient(timeout=1)`, the "default timeout for API calls, in seconds", ends a
#   pull from an engine that says nothing, as it ends every look and a push.
# Seen: `pull` hands on `timeout=None` and has no parameter for another one, so that it
#   waits for ever where a proxy or an engine took the request and fell silent. `push`,
#   its mirror image, ends in time.
# Output on 29 November 2026:
#   inspect_image: ReadTimeout; push: ReadTimeout; pull: still waits after 8 s
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  docker==7.2.0 requests==2.34.2 urllib3==2.8.0
cat >"$dir/look.py" <<'PYTHON'
import socket
import sys
import threading

import docker

silent = socket.create_server(("127.0.0.1", 0))
kept = []


def accept():
    while True:
        kept.append(silent.accept())


threading.Thread(target=accept, daemon=True).start()
port = silent.getsockname()[1]
client = docker.APIClient(base_url=f"tcp://127.0.0.1:{port}", version="1.41", timeout=1)


def came_to(call):
    """Say how *call* ended within 8 s, if it did."""
    said = []

    def ask():
        try:
            call()
        except Exception as error:
            said.append(type(error).__name__)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(8)
    return said[0] if said else "still waits after 8 s"


seen = {
    "inspect_image": came_to(lambda: client.inspect_image("dms:1")),
    "push": came_to(lambda: client.push("dms", tag="1")),
    "pull": came_to(lambda: client.pull("dms", tag="1")),
}
print("; ".join(f"{name}: {words}" for name, words in seen.items()))
meant = ["ReadTimeout", "ReadTimeout", "still waits after 8 s"]
sys.exit(0 if list(seen.values()) == meant else f"this is not what was seen: {meant}")
PYTHON
# No credentials of this user are read, nor a proxy asked.
timeout 60 env -u http_proxy -u HTTP_PROXY -u all_proxy -u ALL_PROXY \
  DOCKER_CONFIG="$dir" "$dir/venv/bin/python" "$dir/look.py"
