"""Abuse cases I.96 to I.113: manifests that must not carry a rollback.

One test a number, on real bytes, files and keys.
"""

import base64
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.decide.test_standing import PLAN
from tests.sign.keyring import SPACE, Keyring
from tests.sign.test_dsse import KIND, envelope
from tests.sign.test_sshsig import KEY, allowed
from tests.worlds import (
    AT,
    AWB,
    MINUTE,
    Fuse,
    PowerCut,
    World,
    a_pair,
    a_record,
    a_release,
)
from watchdog.act.hands import Hands
from watchdog.facts.event import RollbackEnded, RollbackRefused, RollbackStarted
from watchdog.facts.pair import HeldManifest, Pair
from watchdog.facts.plan import Do, Step
from watchdog.facts.problem import Foreign, Problem
from watchdog.outside.engine import Engine
from watchdog.outside.stack_folder import StackFolder
from watchdog.record.journal import Journal
from watchdog.sign.bad import BadSeal
from watchdog.sign.seals import Seals
from watchdog.sign.trust import When

KEPT = "manifests/meesho.v1.2.0.manifest.json"
DAY = timedelta(days=1)
NOBODY = 65534


def written(tenant="meesho", version="v1.2.0"):
    return json.dumps({"tenant": tenant, "version": version}).encode()


@pytest.fixture
def keys(tmp_path):
    return Keyring(tmp_path / "keys")


class Box:
    """A stack's folder, a ledger with one pair in it, and the hands that hold it."""

    def __init__(self, at: Path, keys: Keyring):
        self.folder, self.keys = at / "stack", keys
        (self.folder / "manifests").mkdir(parents=True)
        self.journal = Journal(at / "state")
        self.now, self.then = AT, AT - 30 * DAY
        self.settings = {}
        self.trust(keys.line())

    def trust(self, *lines):
        text = "".join(lines)
        (self.folder / "manifests/allowed_signers").write_text(text)

    def put(self, path, data):
        place = self.folder / path
        place.unlink(missing_ok=True)
        place.write_bytes(data)
        return place

    def record(self, data=None, signature=None, kept=KEPT, version="v1.2.0"):
        """Have a pair in the ledger and its files in the folder."""
        data = written() if data is None else data
        signature = self.keys.sign(data) if signature is None else signature
        for blob in (data, signature):
            self.journal.put(blob)
        digests = [hashlib.sha256(one).hexdigest() for one in (data, signature)]
        held = HeldManifest("meesho", kept, kept, *digests)
        pair = Pair(version, f"sha256:{'a' * 64}", (("meesho", held.sha256),))
        self.target = replace(a_record(), pair=pair, manifests=(held,))
        if kept == KEPT:
            self.put(kept, data)
            if signature:
                self.put(f"{kept}.sig", signature)
        return self

    def seals(self):
        chosen = {
            "form": "sshsig",
            "namespace": SPACE,
            "allowed": "manifests/allowed_signers",
            "revoked": "",
            "argv": (),
            "timeout": timedelta(seconds=30),
            "tenant_key": "tenant",
            "version_key": "version",
        }
        return Seals(folder=StackFolder(self.folder), **(chosen | self.settings))

    def hands(self):
        return Hands(
            Engine("unix:///nowhere.sock", timedelta(seconds=1)),
            folder=self.folder,
            env_file=".env",
            variable="DMS_VERSION",
            blob=self.journal.blob,
            sealed=lambda pair, held, data, signature: self.seals().check(
                pair, held, data, signature, When(self.now, self.then)
            ),
        )

    def step(self):
        return Step(Do.HOLD_MANIFEST, "meesho", to=self.target.manifests[0].sha256)

    def look(self):
        """Look whether the target's manifest is held; nothing is changed."""
        return self.hands().is_done(PLAN, self.target, self.step())

    def hold(self):
        self.hands().do(PLAN, self.target, self.step())

    def refused(self, kind=BadSeal):
        """Give the words of the refusal; it must be one with a hint that orders."""
        with pytest.raises(kind) as said:
            self.look()
        assert said.value.hint, said.value.words
        return said.value.words


@pytest.fixture
def box(tmp_path, keys):
    made = Box(tmp_path, keys)
    yield made
    made.journal.close()


@pytest.fixture
def world(tmp_path, keys):
    """Give a whole stack, v1.2.0 known good and v1.3.0 about to be breached."""

    def world(*, shared=False, lines=None, fuse=None, **files):
        it = World(tmp_path / f"world{shared}", shared=shared, fuse=fuse)
        (it.folder / "manifests/allowed_signers").write_text(lines or keys.line())
        for name, text in files.items():
            (it.folder / name).write_text(text)
        it.sign = keys.sign
        seals = Seals(
            folder=StackFolder(it.folder),
            form="sshsig",
            namespace=SPACE,
            allowed="manifests/allowed_signers",
            revoked="revoked" if "revoked" in files else "",
            argv=(),
            timeout=MINUTE,
            tenant_key="tenant",
            version_key="version",
        )

        def sealed(pair, held, data, signature):
            known = it.memory.standing.pairs.get(pair.key)
            when = When(it.clock.now(), known.first_seen if known else None)
            return seals.check(pair, held, data, signature, when)

        it.sealed = sealed
        it.bake("v1.2.0")
        it.compose_up("v1.3.0")
        it.turn()
        it.turn(MINUTE)
        it.numbers.values[AWB.name] = 9
        return it

    return world


def ends(it):
    return [event.how for event in it.memory.all(RollbackEnded)]


def test_a_sealed_manifest_is_held(box):
    words = box.record().look()

    assert words == (
        f"{KEPT} is {box.target.manifests[0].sha256[:12]}, signature valid"
    )


def test_i_096_an_unsigned_manifest_is_no_target(box):
    assert "v1.2.0 has no signature" in box.record(signature=b"").refused()


def test_i_097_the_signature_of_another_tenants_manifest_is_refused(box, keys):
    box.record(signature=keys.sign(written(tenant="ajio")))

    assert "its bytes were changed" in box.refused()


def test_i_098_a_signature_by_the_same_key_for_git_is_refused(box, keys):
    box.record(signature=keys.sign(written(), "release", "git"))

    assert "is signed for 'git', meant 'manifest@dms'" in box.refused()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (written(tenant="ajio"), "says tenant 'ajio', meant meesho"),
        (written(version="v1.3.0"), "says version 'v1.3.0', meant v1.2.0"),
        (b'{"tenant": "meesho"}', "says version nothing, meant v1.2.0"),
        (b'{"tenant": ["meesho"], "version": "v1.2.0"}', "says tenant ['meesho']"),
        (b"[]", "says tenant nothing"),
        (b"tenant: meesho", "cannot be read as JSON"),
    ],
)
def test_i_099_a_manifest_well_signed_but_for_something_else_is_refused(
    box, data, said
):
    assert said in box.record(data).refused()


@pytest.mark.parametrize(
    "version",
    [
        "v1.2.00",
        "v1.2.0-rc1",
        "1.2.0",
        "V1.2.0",
        "v1.2.0 ",
        "v1.2.0\x00",
        "ｖ1.2.0",  # noqa: RUF001 # a full-width v is the case
    ],
)
def test_i_100_a_version_that_only_looks_like_it_is_another(box, version):
    assert "says version" in box.record(written(version=version)).refused()


@pytest.mark.parametrize(
    "kept",
    [
        "manifests/../../meesho.v1.2.0.manifest.json",
        "/etc/meesho.v1.2.0.manifest.json",
        "manifests/meesho.v1.2.0.manifest.json\0",
        "manifests/meesho.v1.2.00.manifest.json",
        "manifests/meesho.v1.2.0-rc1.manifest.json",
        "manifests/my-meesho.v1.2.0.manifest.json",
        "manifests/mееsho.v1.2.0.manifest.json",  # noqa: RUF001 # Cyrillic e is the case
        f"manifests/{'m' * 300}.v1.2.0.manifest.json",
        "manifests/\ud800.v1.2.0.manifest.json",
        "manifests/",
        "",
    ],
)
def test_i_100_a_file_name_that_leads_elsewhere_is_refused(box, kept):
    assert box.record(kept=kept).refused(Problem)


def test_i_100_a_build_of_a_release_runs_the_releases_manifest(box):
    assert box.record(version="v1.2.0-4f9c2ab").look()
    assert "v1.2.0-rc1" in box.record(version="v1.2.0-rc1").refused()


def a_link(place, beside):
    place.symlink_to(beside)


def a_hard_link(place, beside):
    place.hardlink_to(beside)


def a_socket(place, _):
    os.mknod(place, stat.S_IFSOCK | 0o600)


def a_device(place, _):
    if os.geteuid():
        pytest.skip("only root can make a device")
    os.mknod(place, 0o020666, os.makedev(1, 5))


@pytest.mark.parametrize("which", ["", ".sig"])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (a_link, "is a symbolic link"),
        (a_hard_link, "has 2 names"),
        (lambda place, _: os.mkfifo(place), "is a pipe"),
        (a_device, "is a device"),
        (a_socket, "is a socket"),
        (lambda place, _: place.mkdir(), "is a folder"),
        (lambda place, _: place.write_bytes(bytes(2**20 + 1)), "1048577 bytes"),
    ],
)
def test_i_101_what_is_no_small_plain_file_is_refused(box, make, said, which):
    place = box.record().folder / f"{KEPT}{which}"
    beside = place.rename(box.folder / "beside")
    make(place, beside)

    assert said in box.refused(Foreign)


def test_i_101_a_folder_on_the_way_may_be_no_link(box):
    manifests = box.record().folder / "manifests"
    manifests.rename(box.folder / "elsewhere")
    manifests.symlink_to("elsewhere")

    assert "is reached over a link" in box.refused(Foreign)


def test_i_101_a_file_that_may_not_be_read_is_a_problem_and_not_a_missing_one():
    code = (
        "import os, sys; from pathlib import Path\n"
        "from watchdog.outside.stack_folder import StackFolder\n"
        "folder = StackFolder(Path(sys.argv[1]))\n"
        f"os.geteuid() or os.setuid({NOBODY})\n"
        "try: print(folder.read('file'))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        Path(folder, "file").touch(0)
        done = subprocess.run(
            [sys.executable, "-c", code, folder],
            capture_output=True,
            text=True,
            check=True,
        )

    assert done.stdout.startswith("Problem could not read file: Permission denied")


def test_i_101_a_file_that_grows_is_whole_or_refused(box):
    place, stop = box.put("growing", b""), threading.Event()
    line = b"0123456789abcdef"

    def grow():
        with place.open("ab", buffering=0) as file:
            for _ in range(90_000):  # beyond the largest that is read
                if stop.is_set():
                    return
                file.write(line)

    writer = threading.Thread(target=grow)
    writer.start()
    refused = 0
    try:
        while writer.is_alive():
            try:
                data = StackFolder(box.folder).read("growing")
            except Foreign:
                refused += 1
            else:
                assert data == (line * (len(data) // 16 + 1))[: len(data)]
                assert len(data) <= 2**20
    finally:
        stop.set()
        writer.join()

    assert refused
    with pytest.raises(Foreign, match="bytes, meant at most"):
        StackFolder(box.folder).read("growing")


def test_i_102_bytes_swapped_after_they_were_verified_never_serve(world):
    it = world()
    check = it.sealed

    def swapping(*what):
        words = check(*what)
        (it.folder / KEPT).write_bytes(written(tenant="mallory"))
        return words

    it.sealed = swapping
    it.turn()

    (ended,) = it.memory.all(RollbackEnded)
    assert ended.how == "unchanged"
    assert "the ledger says" in ended.proof
    assert it.docker.up() == {"dms-dms-1": (a_pair("v1.3.0").image, "unless-stopped")}


def test_i_102_a_shared_file_never_gets_other_bytes_than_the_ledgers(world):
    it = world(shared=True)
    check = it.sealed

    def swapping(*what):
        words = check(*what)
        (it.folder / KEPT).write_bytes(written(tenant="mallory"))
        return words

    it.sealed = swapping
    it.turn()

    assert it.stands_on("v1.3.0") == []
    assert ends(it) == ["unchanged"]


def test_i_103_other_bytes_under_an_immutable_version_are_refused(box, keys):
    other = written() + b"\n"
    box.record().put(KEPT, other)
    box.put(f"{KEPT}.sig", keys.sign(other))

    assert "the ledger says" in box.refused(Foreign)


def test_i_104_a_key_that_is_unknown_expired_or_revoked_is_no_seal(box, keys):
    box.record(signature=keys.sign(written(), "stranger"))
    assert "by a key that is not in allowed_signers" in box.refused()

    box.record().trust(keys.line(options='valid-before="20260301Z"'))
    box.then = AT - DAY  # AT is the 11th of March
    assert "whose key counts until 2026-03-01 00:00 UTC" in box.refused()

    box.then = AT - 30 * DAY
    assert "signature valid when it was first here, 2026-02-09" in box.look()

    box.trust(keys.line())
    box.put("manifests/revoked", keys.public().encode())
    box.settings["revoked"] = "manifests/revoked"
    assert "release@flexli.example with a revoked key" in box.refused()


def test_i_104_what_a_revoked_key_signed_may_be_signed_again(box, keys):
    box.record().trust(keys.line(), keys.line("next"))
    box.put("manifests/revoked", keys.public().encode())
    box.settings["revoked"] = "manifests/revoked"
    assert "revoked key" in box.refused()

    box.put(f"{KEPT}.sig", keys.sign(written(), "next"))

    assert box.look().endswith(", signed again since, signature valid")
    # The ledger's own bytes stay what counts: a new seal is none for others.
    box.put(KEPT, written() + b" ")
    box.put(f"{KEPT}.sig", keys.sign(written() + b" ", "next"))
    assert "the ledger says" in box.refused(Foreign)


def test_i_105_an_authentic_release_that_never_ran_here_is_no_target(world, keys):
    it = world()
    it.build("v1.0.0")
    it.releases["v1.3.0"] = a_release("v1.3.0", rollback_to="v1.0.0")

    it.turn()

    (refusal,) = it.memory.all(RollbackRefused)
    assert "v1.0.0" in refusal.words
    assert it.memory.all(RollbackStarted) == []
    assert it.docker.calls == []
    assert it.stands_on("v1.3.0") == []


def test_i_106_without_the_list_of_revoked_keys_no_signature_counts(box, keys):
    box.settings["revoked"] = "manifests/revoked"
    assert "manifests/revoked is missing" in box.record().refused(Problem)

    for damaged in (b"SSHKRL\n\0" + bytes(9), b"ssh-ed25519", b"\xff" * 40):
        box.put("manifests/revoked", damaged)
        assert "revoked signers cannot be read" in box.refused(Problem)

    box.put("manifests/revoked", b"")
    assert box.look()

    (box.folder / "manifests/allowed_signers").unlink()
    assert "allowed_signers is missing" in box.refused(Problem)


def test_i_107_a_manifest_that_reads_in_two_ways_is_refused(box):
    data = b'{"tenant": "ajio", "version": "v1.2.0", "tenant": "meesho"}'

    assert "the key 'tenant' is there twice" in box.record(data).refused()


@pytest.mark.parametrize("shared", [False, True], ids=["versioned", "shared"])
def test_i_108_a_crash_around_the_swap_ends_in_one_whole_pair(
    tmp_path, keys, world, shared
):
    whole = world(shared=shared)
    before = whole.fuse.count
    whole.turn()
    instants = whole.fuse.count - before
    assert ends(whole) == ["proved"]

    for cut in range(1, instants + 1, 3):
        shutil.rmtree(whole.folder)
        it = world(shared=shared, fuse=Fuse())
        it.fuse.cuts = {it.fuse.count + cut}
        # A copy that was half written when the power went is nobody's manifest.
        half = it.folder / "manifests/.meesho.manifest.json.rb-new"
        half.write_bytes(b'{"tena')
        for _ in range(6):
            try:
                it.turn()
            except PowerCut:
                continue
            if ends(it):
                break
        assert it.stands_on("v1.2.0") == [], cut
        assert ends(it) == ["proved"]


def test_i_109_a_missing_signature_is_put_back_and_a_strange_one_refused(box, keys):
    (box.record().folder / f"{KEPT}.sig").unlink()
    assert box.look() == ""
    box.hold()
    assert box.look()

    good = keys.sign(written())
    for strange in (good + keys.sign(written(), "stranger"), good[:-40], good * 2):
        box.put(f"{KEPT}.sig", strange)
        assert "has not an SSH signature" in box.refused()
    box.put(f"{KEPT}.sig", bytes(2**20 + 1))
    assert "meant at most 1048576" in box.refused(Foreign)


def test_i_109_of_two_signatures_in_an_envelope_one_has_to_be_good(box):
    whole = envelope(written(), KEY)
    bad = {"sig": base64.b64encode(b"\0" * 64).decode()}
    box.settings |= {"form": "dsse", "namespace": KIND}
    box.trust(allowed())
    box.record(signature=json.dumps(whole | {"signatures": [bad]}).encode())
    assert "no signature by a key in allowed_signers" in box.refused()

    box.record(
        signature=json.dumps(
            whole | {"signatures": [bad, *whole["signatures"]]}
        ).encode()
    )
    assert box.look()


def test_i_110_an_old_image_that_trusts_only_old_keys_is_taken_down_again(world, keys):
    it = world(lines=keys.line() + keys.line("next"))
    data = (it.folder / KEPT).read_bytes()
    (it.folder / f"{KEPT}.sig").write_bytes(keys.sign(data, "next"))
    # It reads its signature when it starts, and will not start with this one.
    it.docker.crashing.add(a_pair("v1.2.0").image)

    it.turn()

    assert ends(it) == ["put-back"]
    assert it.stands_on("v1.3.0") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize(
    ("option", "said"), [("size=64k", "No space left"), ("ro", "Read-only")]
)
def test_i_111_a_full_or_read_only_disk_leaves_the_manifest_whole(
    tmp_path, option, said
):
    code = (
        "import sys; from pathlib import Path; from watchdog.act.files import put\n"
        "from watchdog.outside.stack_folder import StackFolder\n"
        "place = Path(sys.argv[1]) / 'meesho.manifest.json'\n"
        "try: put(StackFolder(place.parent), place.name, bytes(200_000))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
        "print(sorted(p.name for p in place.parent.iterdir()), place.read_text())\n"
    )
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = (
        f'mount -t tmpfs -o size=64k none "$1"; echo -n old >"$1/meesho.manifest.json"'
        f'; mount -o remount,{option} "$1"; shift; exec "$@"'
    )

    inner = [sys.executable, "-c", code, disk]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", mount, "sh", disk, *inner],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("this machine lets nobody mount a disk of its own")

    assert done.stdout.startswith("Problem could not write")
    assert said in done.stdout
    assert done.stdout.endswith("['meesho.manifest.json'] old\n")


def verifier(box, text):
    place = box.folder.parent / "verify"
    place.write_text(f"#!/bin/sh\n{text}\n")
    place.chmod(0o755)
    box.settings |= {
        "form": "exec",
        "argv": (str(place), "--", "{manifest}", "{signature}"),
        "timeout": timedelta(minutes=1),
    }
    return box


def test_i_112_a_verifier_of_ones_own_gets_the_bytes_and_nothing_else(box):
    says = 'cmp "$2" "$0.data" && cmp "$3" "$0.sig" && test "$(env)" = "PWD=$PWD"'
    verifier(box.record(), f"{says} || {{ env; exit 3; }}")
    for name, data in (("data", written()), ("sig", box.keys.sign(written()))):
        (box.folder.parent / f"verify.{name}").write_bytes(data)
    # The signature is Ed25519: the same bytes each time.

    assert box.look().endswith("signature valid, by the verifier")


def test_i_112_a_verifier_that_hangs_is_ended_with_its_children(box):
    pid = box.folder.parent / "pid"
    verifier(box.record(), f'sleep 600 & echo "$!" >{pid}; wait')
    box.settings["timeout"] = timedelta(seconds=2)

    assert "did not answer about the manifest of meesho" in box.refused()
    child = Path(f"/proc/{pid.read_text().strip()}/stat")
    # It was killed; on a busy machine it may take a while to be dead.
    deadline = time.monotonic() + 30
    while child.exists() and child.read_text().split()[2] not in "ZX":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_i_112_a_verifier_that_never_stops_talking_is_cut_short(box):
    verifier(box.record(), "echo a lot; head -c 1000000000 /dev/zero; exit 4")
    box.settings["timeout"] = timedelta(minutes=5)

    words = box.refused()

    assert (
        words == "the verifier refused the manifest of meesho for v1.2.0 with 4: a lot"
    )


def test_i_112_what_a_verifier_says_is_one_clean_line(box):
    verifier(box.record(), r"printf 'no\n\033[2J\342\200\250key'; exit 1")

    assert box.refused().endswith("with 1: no [2J key")


def test_i_112_a_yes_to_the_wrong_file_is_not_enough(box):
    verifier(box.record(written(tenant="ajio")), "exit 0")

    assert "says tenant 'ajio', meant meesho" in box.refused()


def test_i_112_a_verifier_that_is_not_there_is_a_problem(box):
    verifier(box.record(), "exit 0")
    box.settings["argv"] = ("/no/such; touch /tmp/x", "{manifest}", "{signature}")

    assert "could not be asked" in box.refused(Problem)


def test_i_113_with_no_valid_target_nothing_is_touched(world, keys):
    it = world(revoked="")
    (it.folder / "revoked").write_text(keys.public())
    before = dict(it.docker.boxes)

    it.turn()

    assert ends(it) == ["unchanged"]
    (ended,) = it.memory.all(RollbackEnded)
    assert "with a revoked key" in ended.proof
    assert it.docker.boxes == before
    assert it.stands_on("v1.3.0") == []
    it.turn()
    assert ends(it) == ["unchanged"]
