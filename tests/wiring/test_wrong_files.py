"""A watch that starts at night starts, whatever somebody wrote into a file by day."""

from contextlib import closing

import yaml

from tests.commands.test_main import RELEASE
from watchdog.config.settings_file import load
from watchdog.facts.event import WatchStarted
from watchdog.wiring.watch import wire


def test_a_faulty_roster_or_next_release_keeps_no_watch_from_starting(tmp_path):
    for name in ("stack", "releases"):
        (tmp_path / name).mkdir()
    (tmp_path / "approvers.yaml").write_text("approvers: [")
    (tmp_path / "releases/v1.3.0.yaml").write_text(yaml.safe_dump(RELEASE))
    (tmp_path / "releases/v1.4.0.yaml").write_text("release: v1.4.0\n")
    whole = {
        "stack": {"directory": str(tmp_path / "stack")},
        "state": str(tmp_path / "state"),
        "engine": {"url": f"unix://{tmp_path}/docker.sock"},
    }
    path = tmp_path / "watchdog.yaml"
    path.write_text(yaml.safe_dump(whole))

    watch = wire(load(path, {}), "test", lambda _: None)

    with closing(watch.journal):
        (begun,) = watch.journal.entries()
        assert isinstance(begun.event, WatchStarted)
