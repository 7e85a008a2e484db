"""Triggers tried live, as a table for people and as JSON for the pipeline."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from watchdog.facts.problem import Fault
from watchdog.facts.reading import Blind
from watchdog.facts.trial import Held, Trial, cure
from watchdog.facts.verdict import Breached, kind_of

Trials = Iterable[tuple[str, Trial]]
_SHORT = 200


def words(trials: Trials, held: Held | None = None, *, queries: bool = False) -> str:
    """Say of each trigger what it has now, and what to do about it; then of the proof.

    With *queries* also what was asked; for one that has a fault as far as it is short.
    """
    found = list(trials)
    lines: list[str] = []
    for release, trial in found:
        state = "ok" if trial.is_proven else "FAULT"
        kind = kind_of(trial.verdict)
        lines.append(
            f"{release}  {trial.trigger:<24} {state:<6} {trial.series} series, "
            f"now {kind}: {trial.verdict.words}"
        )
        lines += [_line("fault", fault) for fault in trial.faults]
        lines += [_line("doubt", doubt) for doubt in trial.doubts]
        lines += [f"          {note}" for note in _notes(trial)]
        if queries or not trial.is_proven:
            lines += _asked(trial, whole=queries)
    faulty = sum(not trial.is_proven for _, trial in found)
    if not found:
        lines.append("no trigger was tried live: no release file names one")
    else:
        lines.append(
            f"{len(found)} triggers tried live: "
            + (f"{faulty} cannot be relied on" if faulty else "all can be relied on")
        )
    if held is not None:
        lines.append(held.words)
        lines += [_line("fault", fault) for fault in held.faults]
    return "\n".join(lines)


def _asked(trial: Trial, *, whole: bool) -> Iterable[str]:
    """Give what was asked, a line each; a screenful of it only to who wants it."""
    for asked in trial.queries:
        said = " ".join(asked.split())
        if whole or len(said) <= _SHORT:
            yield f"  query   {said}"
        else:
            yield f"  query   {len(said):,} characters: --queries shows them"


def as_json(trials: Trials, held: Held | None = None) -> str:
    """Give the same for programs; what has no trigger is the proof of what runs."""
    found = [_plain(release, trial) for release, trial in trials]
    return json.dumps(found + ([_proof(held)] if held else []), indent=2)


def _proof(held: Held) -> dict[str, Any]:
    return {
        "release": held.release,
        "trigger": "",
        "proven": not held.faults,
        "series": 0,
        "verdict": "",
        "words": held.words,
        "queries": [],
        "faults": [asdict(fault) for fault in held.faults],
        "doubts": [],
    }


def _plain(release: str, trial: Trial) -> dict[str, Any]:
    return {
        "release": release,
        "trigger": trial.trigger,
        "proven": trial.is_proven,
        "series": trial.series,
        "verdict": kind_of(trial.verdict),
        "words": trial.verdict.words,
        "queries": list(trial.queries),
        "faults": [asdict(fault) for fault in trial.faults],
        "doubts": [asdict(doubt) for doubt in trial.doubts],
    }


def _line(kind: str, fault: Fault) -> str:
    hint = f"; {fault.hint}" if fault.hint else ""
    return f"  {kind}   {fault.path}: {fault.words}{hint}"


def _notes(trial: Trial) -> list[str]:
    match trial.verdict:
        case Blind() as blind if trial.is_proven:
            return [f"blind now ({blind.cause}); {cure(blind)}"]
        case Breached():
            return ["over its bound with what runs now: is the bound right?"]
        case _:
            return []
