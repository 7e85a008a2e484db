"""What was looked at and what came of it, line by line with the cure; or as JSON."""

import json
from collections import Counter
from collections.abc import Sequence

from watchdog.facts.finding import Finding, Mark

_SHOWN = {Mark.OK: "ok", Mark.DOUBT: "doubt", Mark.FAULT: "FAULT", Mark.UNASKED: "-"}


def words(found: Sequence[Finding]) -> str:
    """Say it for people: each fault and doubt with what to do, and the sum last."""
    about = max((len(one.about) for one in found), default=0)
    lines: list[str] = []
    for one in found:
        lines.append(f"{_SHOWN[one.mark]:<5}  {one.about:<{about}}  {one.words}")
        if one.hint and one.mark is not Mark.OK:
            lines.append(f"{'':<5}  {'':<{about}}  -> {one.hint}")
    return "\n".join([*lines, "", summed(found)])


def summed(found: Sequence[Finding]) -> str:
    """Say in one line whether anything keeps the watchdog from its work."""
    count = Counter(one.mark for one in found)
    faults, doubts = count[Mark.FAULT], count[Mark.DOUBT]
    if not faults:
        to_know = f"; {doubts} to know of" if doubts else ""
        rest = ", but not all could be asked" if count[Mark.UNASKED] else ""
        return f"nothing is wrong{rest}{to_know}"
    return f"{faults} fault{'s' if faults > 1 else ''} to mend, {doubts} to know of"


def as_json(found: Sequence[Finding]) -> str:
    """Give the same for programs."""
    whole = {
        "well": not any(one.mark is Mark.FAULT for one in found),
        "findings": [
            {
                "about": one.about,
                "mark": str(one.mark),
                "words": one.words,
                "hint": one.hint,
            }
            for one in found
        ],
    }
    return json.dumps(whole, indent=2)
