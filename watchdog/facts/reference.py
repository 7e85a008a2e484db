"""How images are named: ``[registry/]path[:tag][@digest]``, and what each part is.

Source: the grammar of image references, github.com/distribution/reference, which the
Docker Engine and Compose read names by.
"""

import re
from dataclasses import dataclass

_WORD = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"(?:{_WORD}(?:\.{_WORD})*|\[[a-fA-F0-9:]+\])"
_REGISTRY = rf"{_HOST}(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_ALGORITHM = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*"
_DIGEST = rf"{_ALGORITHM}:[0-9a-fA-F]{{32,}}"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")
REFERENCE = re.compile(
    rf"(?P<name>(?:{_REGISTRY}/)?{_PATH.pattern})"
    rf"(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
)
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST = 255
_HUB = ("docker.io/", "index.docker.io/")


@dataclass(frozen=True, slots=True)
class Reference:
    """An image's name as somebody wrote it.

    *name* is registry and path, *tag* and *digest* are empty where none is written:
    a name with neither means whatever ``latest`` is at the time; with a digest, the
    engine and Compose leave the tag unread.
    """

    name: str
    tag: str = ""
    digest: str = ""

    @property
    def version(self) -> str:
        """Give what people call it: the tag, or what is taken for want of one.

        ``latest`` beside a digest is every release's: the digest tells them apart.
        """
        short = self.digest.partition(":")[2][:12]
        if short and self.tag in ("", "latest"):
            return short
        return self.tag or "latest"

    @property
    def familiar(self) -> str:
        """Give the name as the engine shows it: Docker Hub's own is left out."""
        name = self.name
        for hub in _HUB:
            name = name.removeprefix(hub)
        short = name.removeprefix("library/")
        return name if "/" in short else short

    def names(self, repo_digest: str) -> bool:
        """Tell whether *repo_digest*, ``name@digest``, is one of this repository."""
        other = parse(repo_digest)
        return other is not None and other.familiar == self.familiar


def is_same(written: str, other: str) -> bool:
    """Tell whether *other* is the image that is *written*, with a digest or without."""
    one, two = parse(written), parse(other)
    if one is None or two is None:
        return written == other
    same = (one.familiar, one.tag) == (two.familiar, two.tag)
    return same and one.digest in ("", two.digest)


def parse(text: str) -> Reference | None:
    """Take *text* apart; None where no engine would read it as an image's name.

    An image's ID is none: ``sha256:…`` and 64 digits alone name no repository.
    """
    found = REFERENCE.fullmatch(text)
    if found is None or len(found["name"]) > _LONGEST:
        return None
    name, tag, digest = found["name"], found["tag"] or "", found["digest"] or ""
    if digest.startswith("sha256:") and not _SHA256.fullmatch(digest):
        return None
    if re.fullmatch(r"[0-9a-f]{64}", text) or _SHA256.fullmatch(text):
        return None
    first, slash, _ = name.partition("/")
    # Only what looks like a registry is one: else it is a path, and paths are small.
    registry = slash and (set(".:") & set(first) or first.lower() != first)
    if not (registry or first == "localhost") and not _PATH.fullmatch(name):
        return None
    return Reference(name, tag, digest)
