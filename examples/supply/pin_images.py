"""Name the images of a file by digest, or say which are not.

Each line of the file is VARIABLE=name:tag, with @sha256:… once it is pinned. The tag is
pulled, and the digest is what the registry said it means now. Ends with 1 when one is
not pinned (--check), and with 3 when a registry could not be asked, or there is no
engine to ask by; then that is said, and the file stays as it was.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

_WITHIN = 900  # s, for one pull
_NOT_ASKED = 3
_LINE = re.compile(r"([A-Z_]+)=([^@\s]+)(@sha256:[0-9a-f]{64})?")


def images(text: str) -> list[tuple[str, str, str]]:
    """Give (variable, name with tag, digest or nothing) of each line of *text*."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = [_LINE.fullmatch(line) for line in lines]
    wrong = [line for line, one in zip(lines, found, strict=True) if one is None]
    if wrong:
        raise SystemExit(f"{wrong[0]!r} is not VARIABLE=name:tag[@sha256:…]")
    return [(one[1], one[2], one[3] or "") for one in found if one]


def digest_of(ref: str) -> str:
    """Pull *ref*; give the digest by which its registry knows it."""
    _docker(ref, "pull", "-q", ref)
    said = _docker(ref, "image", "inspect", "--format", "{{json .RepoDigests}}", ref)
    repository = ref.rpartition(":")[0]
    names = [repository, repository.removeprefix("docker.io/").removeprefix("library/")]
    for name in json.loads(said) or ():
        where, _, digest = name.partition("@")
        if where in names:
            return f"@{digest}"
    raise _not_asked(ref, "the engine knows no digest of a registry for it")


def _docker(ref: str, *words: str) -> str:
    try:
        done = subprocess.run(
            ["docker", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=_WITHIN,
        )
    except FileNotFoundError:
        raise _not_asked(ref, "there is no `docker` here to ask it by") from None
    except subprocess.TimeoutExpired:
        why = f"`docker {words[0]}` did not end within {_WITHIN} s"
        raise _not_asked(ref, why) from None
    if done.returncode:
        raise _not_asked(ref, f"`docker {words[0]}` says: {done.stderr.strip()}")
    return done.stdout


def _not_asked(ref: str, why: str) -> SystemExit:
    """Say that nobody knows which digest *ref* has now, and give the end."""
    sys.stderr.write(
        f"NOT ASKED which digest {ref} has now: {why}\n"
        "nothing was written; run this where an engine reaches the registry\n"
    )
    return SystemExit(_NOT_ASKED)


def main() -> int:
    """Pin, or only look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true", help="only say what is not")
    given = parser.parse_args()
    text = given.file.read_text()
    listed = images(text)
    if given.check:
        loose = [ref for _, ref, digest in listed if not digest]
        for ref in loose:
            sys.stderr.write(f"{ref} is not pinned by digest: `make pin-images`\n")
        return 1 if loose else 0
    for variable, ref, before in listed:
        now = digest_of(ref)
        text = text.replace(f"{variable}={ref}{before}\n", f"{variable}={ref}{now}\n")
        sys.stdout.write(f"{ref}{now} ({'as before' if now == before else 'new'})\n")
    given.file.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
