"""What the page on signing tells people to type does what it says."""

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from watchdog.facts.pair import HeldManifest, Pair
from watchdog.facts.problem import Problem
from watchdog.outside.stack_folder import StackFolder
from watchdog.sign.revocations import Revocations
from watchdog.sign.seals import Seals
from watchdog.sign.trust import When

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "sign-a-manifest.md"
KEPT = "manifests/meesho.v1.2.0.manifest.json"
HELD = HeldManifest("meesho", KEPT, KEPT, "", "")
PAIR = Pair("v1.2.0", "sha256:aa", (("meesho", ""),))


def test_every_command_of_the_page_on_signing_does_what_it_says(tmp_path):
    if not shutil.which("ssh-keygen"):
        pytest.skip("ssh-keygen is missing: install openssh-client")
    folder = StackFolder(tmp_path)

    def seals(revoked=""):
        return Seals(
            folder=folder,
            form="sshsig",
            namespace="manifest@dms",
            allowed="manifests/allowed_signers",
            revoked=revoked,
            argv=(),
            timeout=timedelta(seconds=1),
            tenant_key="tenant",
            version_key="version",
        )

    def checked(at, then=None, revoked=""):
        data, signature = folder.read(KEPT), folder.read(f"{KEPT}.sig")
        try:
            return seals(revoked).check(PAIR, HELD, data, signature, When(at, then))
        except Problem as problem:
            return problem.words

    july = datetime(2026, 7, 1, tzinfo=UTC)
    later = datetime(2027, 7, 1, tzinfo=UTC)
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    key, sign, verify, change, revoke, again, never = blocks

    def typed(block):
        subprocess.run(
            ["bash", "-euc", block], cwd=tmp_path, check=True, capture_output=True
        )

    typed(key)
    typed(sign)
    typed(verify)
    assert checked(july) == "signature valid"
    typed(change)
    assert checked(july) == "signature valid"
    assert "counts until 2027-01-01" in checked(later)
    assert "valid when it was first here, 2026-07-01" in checked(later, july)
    typed(revoke)
    assert "a revoked key" in checked(july, july, "manifests/revoked_signers")
    typed(again)
    assert checked(later, july, "manifests/revoked_signers") == "signature valid"
    typed(never)
    assert checked(later, july) == "signature valid"
    revocations = Revocations(
        folder,
        "manifests/revoked_versions.json",
        trust=seals().trust,
        now=lambda: later,
        last=lambda: (None, None),
        note=lambda _: None,
    )
    with pytest.raises(Problem, match="revoked by the list of epoch 1: CVE-2026-1"):
        revocations.check(PAIR, HELD)
