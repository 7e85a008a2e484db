"""The faults of all files as JSON, for a pipeline."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from watchdog.facts.problem import Refused


def files_json(refused: Sequence[Refused], unchecked: Sequence[str]) -> str:
    """Give each fault with its file, and what was not checked."""
    whole = {
        "faults": [
            {"file": one.file} | asdict(fault)
            for one in refused
            for fault in one.faults
        ],
        "unchecked": list(unchecked),
    }
    return json.dumps(whole, indent=2)
