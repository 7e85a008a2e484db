"""What the values of one label are, and whether others took the place of the old ones.

A release may call the same thing otherwise: ``failed`` becomes ``failure``, ``500``
becomes ``5xx`` or ``internal``. What counts errors by the old value then counts none.
"""

import re
from collections.abc import Collection

_NUMBER = re.compile(r"-?[0-9]+")
_CLASS = re.compile(r"[0-9](?:xx|\*\*)", re.IGNORECASE)
_FAILS = re.compile(
    r"err|fail|fault|exception|invalid|reject|refus|denied|abort|crash|panic|fatal"
    r"|time.?out|timed.?out|deadline|exceed|unavail|unreach|internal|broken|lost|dead"
    r"|\bnot?.?ok\b|\bko\b|unsuccess",
    re.IGNORECASE,
)
_WENT_WELL = re.compile(
    r"[123][0-9][0-9]|[123]xx|ok(ay)?|success\w*|succeed\w*|complete[d]?|done|finished"
    r"|accepted|delivered|created|pass(ed)?|true|yes",
    re.IGNORECASE,
)
_ALIKE = 3  # letters that two words for one thing have in common: err, error


def others_for_bad(
    before: Collection[str], now: Collection[str], bad: Collection[str]
) -> tuple[str, ...]:
    """Give the values of *now* that may be what was called by those of *bad* before.

    Nothing where what runs says no more than was said before, or a status that is
    merely new: then there was no error yet. *bad* are values of *before*.
    """
    new = set(now) - set(before)
    kinds = {_kind(one) for one in before}
    if not set(now) & set(before):
        # Not one of the old ones is left; among numbers that is chance: 200, then 204.
        found = {one for one in new if _kind(one) != "number" or "number" not in kinds}
    else:
        found = {one for one in new if _kind(one) not in kinds or _is_like(one, bad)}
    return tuple(sorted(found)) if before else ()


def others_for_good(before: Collection[str], now: Collection[str]) -> tuple[str, ...]:
    """Give the new values of *now* that say that it went well, or nothing at all.

    What counts all but the old ``200`` as an error counts ``201`` for one, and every
    event once the label itself has another name.
    """
    new = set(now) - set(before) if before else set()
    return tuple(sorted(v for v in new if not v or _WENT_WELL.fullmatch(v)))


def _kind(value: str) -> str:
    if _NUMBER.fullmatch(value):
        return "number"
    return "class" if _CLASS.fullmatch(value) else "word"


def _is_like(value: str, bad: Collection[str]) -> bool:
    """Tell whether a word says that something failed, or begins as one of *bad*."""
    if _kind(value) != "word":
        return False
    begin = value.casefold()[:_ALIKE]
    same = len(begin) == _ALIKE and any(b.casefold().startswith(begin) for b in bad)
    return same or _FAILS.search(value) is not None
