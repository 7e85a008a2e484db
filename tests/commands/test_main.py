"""The commands, as a shell runs them."""

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime

import pytest
import yaml
from typer.testing import CliRunner

from tests.decide.test_standing import verdict
from tests.worlds import AWB, HEALTHY_THEN_NEXT, HTTP_5XX, breached, started
from watchdog.__main__ import app
from watchdog.commands.ends import End
from watchdog.facts.problem import Problem
from watchdog.record.journal import Journal
from watchdog.turn.roles import Turn

ASHA = "asha@flexli.example"
KEY = "whpk_alLk/OrfdKOk4OsDzjwjcpkpTb8MesibGq9UGt6/9nw="
RELEASE = {
    "release": "v1.3.0",
    "image": "ghcr.io/flexli/dms:v1.3.0",
    "manifests": {"meesho": "meesho.v1.3.0.manifest.json"},
    "dri": [ASHA],
    "triggers": [
        {
            "alert": "DmsDown",
            "value": "up",
            "below": 1,
            "for": "2m",
            "action": "pause-and-alert",
        }
    ],
}


class Box:
    """A folder with settings and release files, and a shell in it."""

    def __init__(self, folder):
        self.folder = folder
        self.state = folder / "state"
        (folder / "stack").mkdir()
        (folder / "stack/.env").write_text("DMS_VERSION=v1.2.0\n")
        (folder / "releases").mkdir()
        self.release(RELEASE)
        people = {"approvers": {ASHA: {"keys": [KEY]}}}
        (folder / "approvers.yaml").write_text(yaml.safe_dump(people))
        self.settings = {
            "state": str(self.state),
            "stack": {"directory": str(folder / "stack")},
            "listen": {"decisions": "127.0.0.1:0", "private": "127.0.0.1:0"},
            # Nobody listens there.
            "engine": {"url": f"unix://{folder}/docker.sock"},
            "prometheus": {"url": "http://127.0.0.1:9"},
            "log": {"format": "json"},
        }

    def release(self, whole):
        text = yaml.safe_dump(whole)
        (self.folder / "releases" / f"{whole['release']}.yaml").write_text(text)

    def says(self, *words, **settings):
        """Run a command in this process: half a second less than in its own."""
        self.write(settings)
        return CliRunner().invoke(app, words, env=self.env)

    def refuses(self, *words, **settings):
        """Give the words of a command that ends with a problem."""
        problem = self.says(*words, **settings).exception
        assert isinstance(problem, Problem)
        return str(problem)

    @property
    def env(self):
        path = self.folder / "watchdog.yaml"
        return {"WATCHDOG_CONFIG": str(path), "COLUMNS": "200"}

    def write(self, settings):
        path = self.folder / "watchdog.yaml"
        path.write_text(yaml.safe_dump(self.settings | settings))

    def runs(self, *words, **settings):
        """Run a command as a shell does."""
        self.write(settings)
        env = {k: v for k, v in os.environ.items() if not k.startswith("WATCHDOG_")}
        return subprocess.run(
            [sys.executable, "-m", "watchdog", *words],
            env=env | self.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def journal(self, *events, turned=True):
        journal = Journal(self.state)
        now = datetime.now(UTC)
        journal.append(now, *events)
        if turned:
            journal.mark(Turn(now, "watching v1.3.0", {}))
        journal.close()


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path)


def test_without_a_command_it_lists_them(box):
    done = box.says()

    assert done.exit_code == 2
    for command in ("run", "check", "status", "demo"):
        assert f" {command} " in done.output


def test_check_finds_no_fault_where_there_is_none(box):
    done = box.says("check")

    assert done.exit_code == 0
    assert done.output.startswith(f"{box.folder / 'watchdog.yaml'} and 1 release file")
    assert done.output.endswith(f"{box.folder}/releases: no fault\n")


def test_check_needs_no_stack_where_there_is_none_and_says_what_it_left_out(box):
    done = box.says("check", stack={"directory": "/nowhere"})

    assert done.exit_code == 0
    assert "there is no folder /nowhere here" in done.output
    assert "not checked: the stack's folder" in done.output


def test_check_of_files_alone_reads_no_secret_and_asks_for_no_folder(box):
    shared = {"keys": [{"secret_file": "/run/secrets/bo"}, {"secret_file": "two"}]}
    whole = {"approvers": {ASHA: {"keys": [KEY]}, "bo@x.example": shared}}
    (box.folder / "approvers.yaml").write_text(yaml.safe_dump(whole))
    hook = {"name": "hook", "url": "http://x.example", "key_file": "/run/secrets/hook"}

    done = box.says("check", "--files-only", notify={"webhooks": [hook]})

    assert done.exit_code == 0, done.output
    assert "not checked: files with secrets" in done.output
    assert "cannot be read" in box.refuses("check", notify={"webhooks": [hook]})


@pytest.mark.parametrize("where", [[], ["--files-only"]])
def test_check_names_the_faults_of_all_files_at_once(box, where):
    box.release(RELEASE | {"release": "v1.4.0", "image": "x:v9"})
    (box.folder / "releases/v1.5.0.yaml").write_text("a: [")
    (box.folder / "approvers.yaml").write_text("approvers: {x y: {keys: [z]}}")

    words = box.refuses("check", *where, poll="5", mode="maybe")

    for said in ("poll", "mode", "x y", "v1.4.0.yaml refused", "v1.5.0.yaml refused"):
        assert said in words, words
    told = json.loads(box.says("check", "--json", *where, poll="5").output)
    assert {"poll", "image"} <= {one["path"] for one in told["faults"]}


def test_check_live_wants_the_stack_and_files_alone_ask_nobody(box):
    words = box.refuses("check", "--live", stack={"directory": "/nowhere"})

    assert "there is no folder" in words
    assert "two questions" in box.refuses("check", "--live", "--files-only")


def test_status_is_said_again_and_again_for_whoever_watches(box):
    box.write({})
    box.journal()
    env = {k: v for k, v in os.environ.items() if not k.startswith("WATCHDOG_")}
    command = [sys.executable, "-m", "watchdog", "status", "--watch"]
    with subprocess.Popen(
        command, env=env | box.env, stdout=subprocess.PIPE, text=True
    ) as watching:
        said = []
        for line in iter(watching.stdout.readline, ""):
            said += [line] if "dms-prod" in line else []
            if len(said) == 2:
                break
        watching.terminate()

    assert len(said) == 2


def test_without_settings_it_is_said_where_to_begin(box):
    box.write({})
    (box.folder / "watchdog.yaml").unlink()
    done = CliRunner().invoke(app, ["check"], env=box.env)

    assert "`watchdog init` writes one" in str(done.exception)


def test_rules_are_exported_where_there_is_no_stack(box):
    done = box.says("export-rules", "v1.3.0", stack={"directory": "/nowhere"})

    assert done.exit_code == 0
    assert "alert: DmsDown" in done.output


def test_check_holds_the_variable_against_the_env_file_where_it_is_at_hand(box):
    (box.folder / "stack/.env").write_text("SHOP_TAG=v1.2.0\n")
    words = box.refuses("check")
    assert "stack.version_variable  DMS_VERSION is not set in .env" in words

    # Deployed by `DMS_VERSION=v1.2.0 docker compose up -d`, a stack may have none.
    (box.folder / "stack/.env").unlink()
    assert "DMS_VERSION is not set in .env" in box.refuses("check")

    (box.folder / "stack/.env").write_bytes(b"# \xe4\nDMS_VERSION=v1.2.0\n")
    assert box.says("check").exit_code == 0


def test_check_names_every_fault_of_the_settings(box):
    done = box.runs("check", poll="5", mode="maybe", nmae="x")

    assert (done.returncode, done.stdout) == (2, "")
    assert "refused, 3 faults" in done.stderr
    for fault in ("poll", "mode", "nmae", "did you mean `name`?"):
        assert fault in done.stderr
    assert "Traceback" not in done.stderr


def test_check_names_every_fault_of_every_release_file(box):
    box.release(RELEASE | {"dri": []})
    box.release(RELEASE | {"release": "v1.4.0", "mttr": "soon"})

    words = box.refuses("check")

    for fault in ("v1.3.0.yaml refused", "v1.4.0.yaml refused", "dri", '"soon"'):
        assert fault in words
    assert not box.state.exists()


def test_run_starts_nothing_with_faults(box):
    assert "refused, 1 fault" in box.refuses("run", poll="5")
    assert not box.state.exists()


def test_run_says_which_port_is_taken(box):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        done = box.runs("run", listen={"decisions": at, "private": "127.0.0.1:0"})

    assert done.returncode == 2
    assert f"cannot listen on {at}: Address already in use" in done.stderr
    assert "hint: choose another address under `listen`" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_refuses_a_journal_that_another_watchdog_holds(box):
    held = Journal(box.state)
    words = box.refuses("run")
    held.close()

    assert words.startswith(f"another watchdog holds the journal in {box.state}")


def test_status_without_a_journal_says_so(box):
    done = box.runs("status")

    assert done.returncode == End.JOURNAL_LOST
    assert f"there is no journal in {box.state}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not box.state.exists()


def test_status_answers_in_its_first_line(box):
    clear = (verdict("clear"), verdict("clear", HTTP_5XX.name))
    # Watched still: by the clock, the other tests' release was deployed long ago.
    young = started("v1.3.0", since=datetime.now(UTC))
    box.journal(*HEALTHY_THEN_NEXT[:2], young, *clear)

    done = box.says("status")

    assert done.exit_code == 0
    first = done.output.splitlines()[0]
    assert first == "dms-prod: watching v1.3.0: clear"
    assert f"trigger        {AWB.name}: clear: words" in done.output


def test_status_for_programs_is_json(box):
    box.journal(*HEALTHY_THEN_NEXT)

    done = box.says("status", "--json")

    whole = json.loads(done.output)
    assert whole["running"]["version"] == "v1.3.0"
    assert whole["target"]["version"] == "v1.2.0"


def test_status_is_not_so_when_nobody_watches(box):
    box.journal(*HEALTHY_THEN_NEXT, turned=False)

    done = box.says("status")

    assert done.exit_code == End.NOT_WATCHING
    assert "NOT WATCHING: it never turned; is `watchdog run` up?" in done.output


def test_history_tells_what_happened_for_people_and_for_programs(box):
    box.journal(*HEALTHY_THEN_NEXT)

    told = box.says("history", "--most", "1")
    listed = json.loads(box.says("history", "--json", "--of", "release").output)

    assert told.exit_code == 0
    assert "release  v1.3.0 · deployed" in told.output.splitlines()[0]
    assert told.output.splitlines()[-1].startswith("and 1 before")
    assert [one["release"] for one in listed] == ["v1.3.0", "v1.2.0"]


def test_the_report_of_the_last_incident_is_written_as_text_and_as_a_page(box):
    box.journal(*HEALTHY_THEN_NEXT, breached())
    out = box.folder / "report.html"

    text = box.says("report")
    done = box.says("report", "inc-1", "--html", "--out", str(out))

    assert text.output.startswith(
        f"# dms-prod: v1.3.0 breached {AWB.name} (inc-1)\n\n## In five lines"
    )
    assert done.exit_code == 0
    assert f"No plot: no release file has {AWB.name} any more" in out.read_text()
    assert "there is no inc-2" in box.refuses("report", "inc-2")


def test_explain_reads_the_journal_and_leaves_it_as_it_was(box):
    box.journal(*HEALTHY_THEN_NEXT, verdict("clear"), verdict("clear", HTTP_5XX.name))
    done = box.says("explain")
    told = json.loads(box.says("explain", "--json").stdout)

    assert done.exit_code == 0
    assert told["words"] in done.stdout
    # It started long ago, and is not watched any more.
    assert told["words"].endswith("watch_for of its release is over")
    journal = Journal(box.state, read_only=True)
    assert len(journal.entries()) == len(HEALTHY_THEN_NEXT) + 2
    journal.close()


@pytest.mark.parametrize("look", ["status", "explain", "releases", "retention"])
def test_who_looks_is_answered_whatever_is_wrong_with_the_files(box, look):
    box.journal(*HEALTHY_THEN_NEXT)
    fine = box.says(look)

    (box.folder / "releases/v1.4.0.yaml").write_text("x: [")
    another = box.says(look)
    (box.folder / "approvers.yaml").write_text("approvers: [")
    (box.folder / "releases/v1.3.0.yaml").write_text("release: v1.3.0\n")
    all_wrong = box.says(look)

    assert another.exit_code == all_wrong.exit_code == fine.exit_code
    assert another.stdout == fine.stdout
    assert "v1.3.0" in all_wrong.stdout
    assert "left out: " in all_wrong.stderr
    assert "v1.3.0.yaml refused" in all_wrong.stderr


def test_repair_looks_whatever_is_wrong_with_the_files(box):
    box.journal(*HEALTHY_THEN_NEXT)
    (box.folder / "releases/v1.3.0.yaml").write_text("x: [")
    (box.folder / "approvers.yaml").write_text("approvers: [")

    done = box.runs("repair")

    assert done.returncode == End.NO
    assert "unread    the engine at" in done.stdout
    assert "the last whole pair was v1.3.0" in done.stdout


def test_a_plot_of_an_incident_needs_its_own_release_file_alone(box):
    box.journal(*HEALTHY_THEN_NEXT, breached())
    (box.folder / "releases/v1.4.0.yaml").write_text("x: [")
    out = box.folder / "report.html"

    assert box.says("report", "inc-1", "--html", "--out", str(out)).exit_code == 0
    assert f"No plot: no release file has {AWB.name} any more" in out.read_text()
