"""Start the DMS: note the start, believe the manifest, then serve until SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dms import manifest as manifests
from dms.faults import FaultsFile, checked
from dms.web import Service

EXIT_REFUSED = 3  # the pair is not whole, or not signed
EXIT_TOLD_TO = 4  # the fault `refuse_start`


def say(level: str, event: str, **fields: object) -> None:
    """One JSON line: errors and warnings on stderr, the rest on stdout."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"at": at, "level": level, "event": event, **fields}
    stream = sys.stdout if level == "info" else sys.stderr
    print(json.dumps(line, ensure_ascii=False), file=stream, flush=True)


def note_start(data: Path, image: str, content: dict[str, Any] | None) -> None:
    """Append this start to starts.jsonl: what really ran together, pair or not.

    Written before anything is checked, so that a mixed pair leaves its trace.
    """
    line = {
        "image": image,
        "manifest": content.get("version") if content else None,
        "tenant": content.get("tenant") if content else None,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    mode = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    fd = os.open(data / "starts.jsonl", mode, 0o644)
    try:
        os.write(fd, json.dumps(line).encode() + b"\n")
        os.fsync(fd)
    finally:
        os.close(fd)


def believed(path: Path, signers: Path, data: Path, image: str) -> manifests.Manifest:
    """Give the manifest that this image may run with, once its start is noted."""
    try:
        raw, content = manifests.read(path)
    except manifests.Refused:
        note_start(data, image, None)
        raise
    note_start(data, image, content)
    configured = os.environ.get("DMS_VERSION", image)
    if configured != image:
        raise manifests.Refused(
            "the container was configured for another version",
            seen=f"DMS_VERSION={configured}",
            meant=f"DMS_VERSION={image}, the version of this image",
            hint="start this image with its own environment, not its successor's",
        )
    return manifests.verify(path, raw, content, signers=signers, image=image)


def main() -> int:
    """Run until SIGTERM; give the exit code."""
    env = os.environ
    image = env.get("DMS_IMAGE_VERSION") or "v0.0.0"
    data = Path(env.get("DMS_DATA", "/var/lib/dms"))
    path = Path(env.get("DMS_MANIFEST", "/manifests/meesho.manifest.json"))
    signers = Path(env.get("DMS_ALLOWED_SIGNERS", "/manifests/allowed_signers"))
    built_in = checked(json.loads(env.get("DMS_BUILT_IN_FAULTS") or "{}"))
    faults = FaultsFile(data / "faults.json", image, built_in)
    closing = threading.Event()

    def on_signal(number: int, _: object) -> None:
        if faults.current()["ignore_sigterm"]:
            say("warning", "stop.ignored", signal=signal.Signals(number).name)
        else:
            closing.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    try:
        manifest = believed(path, signers, data, image)
    except manifests.Refused as no:
        say("error", "start.refused", version=image, **no.fields)
        return EXIT_REFUSED
    now = faults.current()
    if now["refuse_start"]:
        say("error", "start.refused", version=image, what="told to, by a fault")
        return EXIT_TOLD_TO
    if closing.wait(float(now["start_delay"])):
        return 0
    port = int(env.get("DMS_PORT_INSIDE", "5269"))
    service = Service(("0.0.0.0", port), manifest, faults)
    for work, how in ((service.serve_forever, 0.05), (service.outbox.drain, closing)):
        threading.Thread(target=work, args=(how,), daemon=True).start()
    say("info", "start.listening", version=image, port=port, tenant=manifest.tenant)
    closing.wait()
    # Within 0.05 s, the poll above: a rollback waits for this exit.
    service.shutdown()
    # A scan in hand is finished; 2 s is well inside Compose's stop_grace_period.
    deadline = time.monotonic() + 2
    while service.busy and time.monotonic() < deadline:
        time.sleep(0.01)
    say("info", "stop.done", version=image, cut_off=service.busy)
    return 0


if __name__ == "__main__":
    sys.stdout.flush()
    # Threads of keep-alive connections are left behind: they hold nothing.
    code = main()
    sys.stdout.flush()
    os._exit(code)
