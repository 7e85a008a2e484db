#!/usr/bin/env bash
# aiodocker's `create_or_replace` replaces a container that is just as it is asked for.
#
# Versions: aiodocker 0.27.0 (aiohttp 3.14.5), from PyPI; Python 3.11. An engine of a few
#   lines stands in for the real one: it keeps what it is given and notes how it is called.
# Meant: `create_or_replace(name, config)` compares the container with the configuration and
#   leaves it alone where they are the same, so that it can be called at each start.
# Seen: it compares the whole answer of inspect (Id, Created, State and the rest) with what
#   was given to create, and takes a name that only one of them has for a difference. They
#   are never the same. Each call stops the running container, removes it with all that
#   was written in it, and makes another, which is not started.
# Output on 30 November 2026:
#   the first call: inspect, create; then started
#   the same call again: inspect, stop, remove, create; running: False
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  aiodocker==0.27.0 aiohttp==3.14.5
cat >"$dir/look.py" <<'PYTHON'
import asyncio
import sys

from aiodocker import Docker
from aiohttp import web

SOCKET = sys.argv[1]
WANTED = {"Image": "dms:v1", "Cmd": ["serve"], "Env": ["MODE=fast"]}
calls = []
containers = {}


async def version(_request: web.Request) -> web.Response:
    return web.json_response({"ApiVersion": "1.43"})


async def inspect(request: web.Request) -> web.Response:
    calls.append("inspect")
    container = containers.get(request.match_info["name"])
    if container is None:
        return web.json_response({"message": "No such container"}, status=404)
    return web.json_response(container)


async def create(request: web.Request) -> web.Response:
    calls.append("create")
    made = {"Id": f"{len(calls):064x}", "Name": f"/{request.query['name']}"}
    config = await request.json()
    state = {"Status": "created", "Running": False}
    container = {**made, "Image": f"sha256:{1:064x}", "State": state, "Config": config}
    containers[request.query["name"]] = containers[made["Id"]] = container
    return web.json_response(made, status=201)


async def start(request: web.Request) -> web.Response:
    containers[request.match_info["name"]]["State"]["Running"] = True
    return web.Response(status=204)


async def stop(request: web.Request) -> web.Response:
    calls.append("stop")
    containers[request.match_info["name"]]["State"]["Running"] = False
    return web.Response(status=204)


async def remove(request: web.Request) -> web.Response:
    calls.append("remove")
    gone = containers.pop(request.match_info["name"])
    del containers[gone["Name"].removeprefix("/")]
    return web.Response(status=204)


def noted() -> str:
    said = ", ".join(calls)
    calls.clear()
    return said


async def look() -> list[str]:
    app = web.Application()
    one = "/v1.43/containers/{name}"
    app.add_routes(
        [
            web.get("/version", version),
            web.get(f"{one}/json", inspect),
            web.post("/v1.43/containers/create", create),
            web.post(f"{one}/start", start),
            web.post(f"{one}/stop", stop),
            web.delete(one, remove),
        ]
    )
    engine = web.AppRunner(app)
    await engine.setup()
    await web.UnixSite(engine, SOCKET).start()
    lines = []
    async with Docker(url=f"unix://{SOCKET}") as docker:
        container = await docker.containers.create_or_replace("dms", WANTED)
        await container.start()
        assert (await container.show())["Config"] == WANTED
        calls.pop()
        lines.append(f"the first call: {noted()}; then started")
        await docker.containers.create_or_replace("dms", WANTED)
        running = containers["dms"]["State"]["Running"]
        lines.append(f"the same call again: {noted()}; running: {running}")
    await engine.cleanup()
    return lines


seen = asyncio.run(look())
print(*seen, sep="\n")
sys.exit(
    seen
    != [
        "the first call: inspect, create; then started",
        "the same call again: inspect, stop, remove, create; running: False",
    ]
)
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py" "$dir/engine.sock" || {
  echo "changed: a container that is as it is asked for is left alone" >&2
  exit 1
}
