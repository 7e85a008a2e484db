"""A real Prometheus on a free port of loopback, filled with a known past."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from contextlib import closing, contextmanager
from datetime import timedelta

from watchdog.observe.prometheus import Prometheus

TOOLS = ("prometheus", "promtool")
# Folders with both, to try several versions; empty is what PATH finds.
BINARIES = os.environ.get("PROMETHEUS_BINARIES", "").split(os.pathsep)


def is_there():
    """Tell whether the Debian package `prometheus` is installed here."""
    return all(map(shutil.which, TOOLS))


def line(name, labels, value, at):
    """Write one sample in the text format of OpenMetrics."""
    matchers = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"{name}{{{matchers}}} {value} {at:.3f}\n"


@contextmanager
def taken_from(folder):
    """Find the tools in *folder* first, until the block ends."""
    path = os.environ["PATH"]
    os.environ["PATH"] = os.pathsep.join(filter(None, (folder, path)))
    try:
        yield
    finally:
        os.environ["PATH"] = path


@contextmanager
def running(
    folder, lines, *, web="", opened=urllib.request.urlopen, scrapes="", flags=()
):
    """Serve *lines*, samples of any time, until the block ends: its address.

    *web* is what its ``--web.config.file`` says, and *opened* opens a URL of it then;
    *scrapes* is its whole configuration, *flags* are more of its command line.
    """
    samples, data = folder / "samples.om", folder / "data"
    samples.write_text("".join(lines) + "# EOF\n")
    making = ["promtool", "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run([*making, samples, data], check=True, capture_output=True)
    config = folder / "prometheus.yml"
    config.write_text(scrapes or "global: {}\n")
    doors = folder / "web.yml"
    doors.write_text(web)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"{'https' if 'tls' in web else 'http'}://127.0.0.1:{port}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={data}",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address=127.0.0.1:{port}",
                f"--web.config.file={doors}",
                *flags,
            ],
            stderr=log,
            stdout=log,
        )
        try:
            _wait(url, process, folder / "log", opened)
            yield url
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def asked(tools, folder, lines, scrape=timedelta(seconds=15)):
    """Have who asks a Prometheus of *tools* that holds *lines*."""
    with (
        taken_from(tools),
        running(folder, lines) as url,
        closing(Prometheus(url, timedelta(seconds=20), scrape, scrape / 3)) as far_end,
    ):
        yield far_end


def _wait(url, process, log, opened=urllib.request.urlopen):
    last = time.monotonic() + 90
    while time.monotonic() < last:
        assert process.poll() is None, log.read_text()
        try:
            query = f"{url}/api/v1/query?query=time()"
            with opened(query, timeout=2) as answer:
                assert json.load(answer)["status"] == "success"
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())
