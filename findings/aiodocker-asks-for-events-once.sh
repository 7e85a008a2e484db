#!/usr/bin/env bash
# aiodocker asks the engine for events once, whatever and however often is subscribed to.
#
# Versions: aiodocker 0.27.0 (aiohttp 3.14.5), from PyPI; Python 3.11. An engine of a few
#   lines stands in for the real one: it tells of the containers that it is asked about.
# Meant: `docker.events.subscribe(filters=…)` asks for what it is given, and subscribing
#   anew, once the engine has ended the stream, asks anew.
# Seen: the first subscription of a client makes the one request. The filters of a second
#   are thrown away, and it is given what the first asked for. When the engine ends the
#   stream (a restart, a proxy's time limit), each subscriber is given None; who then
#   subscribes again is told nothing for ever, for the request is not made again, and no
#   None comes either. Only `await docker.events.stop()` between the two brings it back.
# Output on 30 November 2026:
#   asked for dms: told of dms; asked for db: told of dms; requests: 1
#   the stream ended; asked for dms: told of nothing within 3 s; requests: 1
#   after stop(); asked for dms: told of dms; requests: 2
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  aiodocker==0.27.0 aiohttp==3.14.5
cat >"$dir/look.py" <<'PYTHON'
import asyncio
import json
import sys

from aiodocker import Docker
from aiohttp import web

SOCKET = sys.argv[1]
asked = []
restart = asyncio.Event()


async def version(_request: web.Request) -> web.Response:
    return web.json_response({"ApiVersion": "1.43"})


async def events(request: web.Request) -> web.StreamResponse:
    """Tell that each container in the filter died, and stay until the restart."""
    asked.append(json.loads(request.query["filters"])["container"])
    answer = web.StreamResponse(headers={"Content-Type": "application/json"})
    await answer.prepare(request)
    for name in asked[-1]:
        event = {"Action": "die", "Actor": {"Attributes": {"name": name}}}
        await answer.write(json.dumps(event).encode() + b"\n")
    await restart.wait()
    return answer


def subscribed(docker: Docker, name: str):
    return docker.events.subscribe(filters=json.dumps({"container": [name]}))


async def told(subscriber) -> str:
    try:
        event = await asyncio.wait_for(subscriber.get(), 3)
    except TimeoutError:
        return "nothing within 3 s"
    return event["Actor"]["Attributes"]["name"] if event else "the end"


async def look() -> list[str]:
    app = web.Application()
    app.add_routes([web.get("/version", version), web.get("/v1.43/events", events)])
    engine = web.AppRunner(app)
    await engine.setup()
    await web.UnixSite(engine, SOCKET).start()
    lines = []
    async with Docker(url=f"unix://{SOCKET}") as docker:
        dms, db = subscribed(docker, "dms"), subscribed(docker, "db")
        lines.append(
            f"asked for dms: told of {await told(dms)}; "
            f"asked for db: told of {await told(db)}; requests: {len(asked)}"
        )
        restart.set()
        assert await told(dms) == await told(db) == "the end"
        again = subscribed(docker, "dms")
        lines.append(
            f"the stream ended; asked for dms: told of {await told(again)}; "
            f"requests: {len(asked)}"
        )
        await docker.events.stop()
        again = subscribed(docker, "dms")
        lines.append(
            f"after stop(); asked for dms: told of {await told(again)}; "
            f"requests: {len(asked)}"
        )
    await engine.cleanup()
    return lines


seen = asyncio.run(look())
print(*seen, sep="\n")
sys.exit(
    seen
    != [
        "asked for dms: told of dms; asked for db: told of dms; requests: 1",
        "the stream ended; asked for dms: told of nothing within 3 s; requests: 1",
        "after stop(); asked for dms: told of dms; requests: 2",
    ]
)
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py" "$dir/engine.sock" || {
  echo "changed: each subscription asks for what it is given" >&2
  exit 1
}
