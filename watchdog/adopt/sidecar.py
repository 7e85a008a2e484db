"""The Compose project of the watchdog itself, in the user's own folder."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sidecar:
    """How the watchdog's containers are run beside a stack.

    *socket* and *group* are the engine's, *owner* has the stack's folder. *networks*
    are those on which the stack and Prometheus are; *needs_host* is true where one of
    them is reached by this box's own address.
    """

    project: str
    folder: str
    image: str
    proxy_image: str
    socket: str
    group: int
    owner: tuple[int, int]
    networks: tuple[str, ...]
    port: int = 8470
    needs_host: bool = False


def env_file(it: Sidecar) -> str:
    """Write the ``.env`` beside compose.yaml."""
    uid, gid = it.owner
    return f"""\
# What compose.yaml beside this file fills in; written by `watchdog init`.
# The folder of the stack's compose.yaml, by the labels of its containers.
STACK_DIR={it.folder}
# Who owns that folder: .env and manifests are replaced there.
WATCHDOG_UID={uid}
WATCHDOG_GID={gid}
# The engine's socket and its group, for the filtering proxy alone.
DOCKER_SOCKET={it.socket}
DOCKER_GID={it.group}
# The image that wrote this, or the one of its version.
WATCHDOG_IMAGE={it.image}
HAPROXY_IMAGE={it.proxy_image}
# yes: smoke checks of the kind `exec`, at the price of a command in any container.
SOCKET_PROXY_EXEC=no
# Where answers are taken, on this box.
DECISIONS_PORT={it.port}
"""


def compose_file(it: Sidecar) -> str:
    """Write ``compose.yaml``; tests hold it against the project's own."""
    names = [f"stack{nth or ''}" for nth, _ in enumerate(it.networks)] or ["outside"]
    host = '\n    extra_hosts: ["host.docker.internal:host-gateway"]'
    of_the_stack = (
        "".join(
            f"\n  {name}:\n    name: {network}\n    external: true"
            for name, network in zip(names, it.networks, strict=False)
        )
        or "\n  outside:"
    )
    return f"""\
# The watchdog beside {it.project}, written by `watchdog init`: a project of its own, so
# that nothing done to the stack (`down`, `up --remove-orphans`) takes its watcher away.
name: {it.project}-watchdog

services:
  watchdog:
    image: ${{WATCHDOG_IMAGE:?in .env beside this file}}
    user: "${{WATCHDOG_UID}}:${{WATCHDOG_GID}}"
    read_only: true
    tmpfs: ["/tmp:size=16m,noexec,nosuid,nodev"]
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    mem_limit: 256m
    pids_limit: 128
    init: true
    # A rollback cut off by a crash is the first thing that the next start goes on with.
    restart: always
    # A rollback's step in hand is finished before it leaves.
    stop_grace_period: 30s
    depends_on: [socket-proxy]{host if it.needs_host else ""}
    volumes:
      # At its own path: Compose, asked what it would make, sees the paths of the box.
      - ${{STACK_DIR}}:${{STACK_DIR}}
      - .:/etc/watchdog:ro
      - state:/var/lib/watchdog
    ports:
      - 127.0.0.1:${{DECISIONS_PORT}}:8470
    networks: [{", ".join([*names, "socket"])}]
    logging: {{driver: json-file, options: {{max-size: 10m, max-file: "5"}}}}

  # The one container with the engine's socket: it passes on what the watchdog asks of
  # the engine, by method and path, and answers 403 to the rest.
  socket-proxy:
    image: ${{HAPROXY_IMAGE}}
    user: "99:99"
    group_add: ["${{DOCKER_GID}}"]
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    mem_limit: 128m
    pids_limit: 64
    restart: always
    environment:
      ALLOW_EXEC: ${{SOCKET_PROXY_EXEC}}
    volumes:
      - ${{DOCKER_SOCKET}}:/var/run/docker.sock
      - ./haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro
    healthcheck:
      # -Y off: a proxy that the Docker CLI wrote into the environment is not asked.
      test: [CMD, wget, -Y, "off", -q, -O, /dev/null, "http://127.0.0.1:8405/healthz"]
      interval: 10s
      timeout: 3s
      retries: 3
    networks: [socket]
    logging: {{driver: json-file, options: {{max-size: 10m, max-file: "5"}}}}

networks:{of_the_stack}
  # Nothing but these two, and no way out.
  socket:
    internal: true

volumes:
  state:
"""
