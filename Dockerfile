# The rollback watchdog. BuildKit only; no `# syntax=` line, which would be pulled.

# examples/supply/images.env names both by digest, and compose.yaml hands that over.
ARG PYTHON_IMAGE=python:3.13-slim
ARG COMPOSE_IMAGE=docker/compose-bin:v2.40.3

# Compose, asked what it would make of a pin; it gets no socket for that.
FROM ${COMPOSE_IMAGE} AS compose

# The stage exists for its cache key: pip runs again when the lock or the wheels
# change, not when the code does. `.wheelhous[e]` matches the folder if it is there;
# a machine without it takes the same files from its package index.
FROM scratch AS inputs
COPY requirements.lock .wheelhous[e] /

FROM ${PYTHON_IMAGE} AS build
RUN python -m venv /opt/watchdog
RUN --mount=type=bind,from=inputs,target=/inputs \
    if ls /inputs/*.whl >/dev/null 2>&1; then set -- --no-index --find-links=/inputs; fi; \
    /opt/watchdog/bin/pip install --no-cache-dir --disable-pip-version-check \
      --only-binary=:all: --require-hashes "$@" --requirement /inputs/requirements.lock \
 && rm -rf /opt/watchdog/lib/python3.*/site-packages/pip* /opt/watchdog/bin/pip*
# The package by hand: building a wheel would need a build back end from an index.
COPY watchdog /tmp/watchdog
RUN cp -r /tmp/watchdog /opt/watchdog/lib/python3.*/site-packages/ \
 && printf '%s\n' '#!/opt/watchdog/bin/python' 'from watchdog.__main__ import main' 'main()' \
      > /opt/watchdog/bin/watchdog \
 && chmod 755 /opt/watchdog/bin/watchdog \
 && /opt/watchdog/bin/python -m compileall -q /opt/watchdog/lib/python3.*/site-packages/watchdog

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 watchdog \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent watchdog \
 && install -d -m 1777 /var/lib/watchdog
COPY --from=build /opt/watchdog /opt/watchdog
COPY --from=compose /docker-compose /usr/local/bin/docker-compose
ENV PATH=/opt/watchdog/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    WATCHDOG_CONFIG=/etc/watchdog/watchdog.yaml
# The version that watchdog/__init__.py says; a test holds the two together.
ARG VERSION=26.11.0
# Which commit: `docker build --build-arg REVISION=$(git rev-parse HEAD)`.
ARG REVISION=
LABEL org.opencontainers.image.title="dms-rollback-watchdog" \
      org.opencontainers.image.description="Puts the last known-good pair back when a release is confirmed bad" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      io.flexli.watchdog.self="1"
USER 10001:10001
VOLUME /var/lib/watchdog
EXPOSE 8470 8471
# Ready, not only alive: a watchdog that does not turn is a sick one. Never through a
# proxy, which the Docker CLI may have written into the environment.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-ISc", "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:8471/readyz', timeout=2)"]
ENTRYPOINT ["watchdog"]
CMD ["run"]
