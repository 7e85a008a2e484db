"""What the page on the roster tells people to type does what it says."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from watchdog.config.roster_file import RosterFile
from watchdog.facts.roster import Scheme

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "keep-the-roster.md"
BELA, GLASS = "bela@flexli.example", "breakglass@flexli.example"
NOW, LATER = datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 31, tzinfo=UTC)


def test_every_command_of_the_page_on_the_roster_does_what_it_says(tmp_path):
    (tmp_path / "approvers.yaml").write_text("approvers:\n")
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    make, add, replace, revoke, glass, secret = blocks
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def typed(*some):
        for block in some:
            subprocess.run(
                ["bash", "-euc", block],
                cwd=tmp_path,
                env={**os.environ, "PATH": path},
                check=True,
                capture_output=True,
            )
        return RosterFile(tmp_path / "approvers.yaml").roster

    def keys(roster, at):
        return [key.id for owner, key in roster.keys_at(at) if owner == BELA]

    assert keys(typed(make, add), NOW) == [f"{BELA}#1"]
    both = typed(replace)
    assert keys(both, NOW) == ["bela-2026", "bela-2027"]
    assert keys(both, LATER) == ["bela-2027"]
    revoked = typed(revoke)
    assert keys(revoked, NOW) == ["bela-2026"]
    assert revoked.why_not(BELA, "bela-2027", NOW).startswith("the key bela-2027 is re")
    broken = typed(glass)
    assert broken.approvers[GLASS].break_glass
    assert GLASS not in broken.names
    ((_, shared),) = [(o, k) for o, k in typed(secret).keys_at(NOW) if o[:2] == "ci"]
    assert (shared.id, shared.scheme) == ("ci-2026", Scheme.HMAC)
    private = [tmp_path / name for name in ("bela.pem", "breakglass.pem", "ci.secret")]
    assert {file.stat().st_mode & 0o777 for file in private} == {0o600}
