"""All that can go wrong and that we have words for.

Problem
├── Refused          settings or release file: every fault at once, nothing started
├── Unreachable      a far end did not answer; nothing is known of what it did
├── NotTaken         an order or an answer was understood, and refused
├── NotConfirmed     nobody said yes
├── EngineRefused    Docker said no; nothing after this call was tried
│   └── Stale         a swarm's service was written by somebody after it was read
├── WriteRefused     a client that may only look was asked to act
├── Foreign          the world is neither as we found it nor as we meant it
│   ├── Undone       somebody undid what was done; it may be done again
│   └── Altered      a file of the stack is neither what it was nor what was meant
├── NotProven        what came up is not what was meant
├── Claimed          this may happen once only, and did already
└── JournalLost      the memory cannot be trusted or written
    └── Held         another process writes it
"""

import re
from dataclasses import dataclass


class Problem(Exception):
    """What happened, the value seen, the value meant; then what to do about it."""

    def __init__(self, words: str, hint: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.hint = hint

    def __str__(self) -> str:
        """Give both lines, the way a terminal shows them."""
        return f"{self.words}\nhint: {self.hint}" if self.hint else self.words


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong in one file: *path* inside it, what is wrong, what to do."""

    path: str
    words: str
    hint: str = ""

    @property
    def place(self) -> tuple[object, ...]:
        """Where it is, to be sorted by: line 9 before line 10."""
        parts = re.split(r"([0-9]+)", self.path)
        found = [int(part) if n % 2 else part for n, part in enumerate(parts)]
        return (*found, self.words, self.hint)


class Refused(Problem):
    """A file is wrong: all of its faults, and nothing was started."""

    def __init__(self, file: str, faults: list[Fault]) -> None:
        self.file = file
        self.faults = tuple(sorted(set(faults), key=lambda fault: fault.place))
        count = len(self.faults)
        width = max((len(fault.path) for fault in self.faults), default=0)
        lines = [f"{file} refused, {count} fault{'s' if count > 1 else ''}"]
        for fault in self.faults:
            hint = f"; {fault.hint}" if fault.hint else ""
            lines.append(f"  {fault.path:<{width}}  {fault.words}{hint}")
        super().__init__("\n".join(lines))


class Unreachable(Problem):
    """A far end did not answer; what it did with the request is not known."""


class NotTaken(Problem):
    """An order or an answer was understood and not taken; nothing was changed."""


class NotConfirmed(Problem):
    """Nobody said yes, or nobody was there to be asked; nothing was done."""


class EngineRefused(Problem):
    """Docker said no. Nothing after this call was tried."""


class Stale(EngineRefused):
    """A write was made for what a service of a swarm is not any more."""


class WriteRefused(Problem):
    """A client that may only look was asked to change something."""


class Foreign(Problem):
    """Somebody else changed what a step owns; acting on would guess."""


class Undone(Foreign):
    """A container of a step is gone, or what was stopped runs: it was done before."""


class Altered(Foreign):
    """Somebody changed a file of the stack: what they wrote is not ours to lose."""


class NotProven(Problem):
    """The target did not come up as meant within its time."""


class Claimed(Problem):
    """What may happen once only, ever, happened already."""


class JournalLost(Problem):
    """The journal is missing, damaged, held by another process or not writable."""


class Held(JournalLost):
    """Another watchdog holds the journal; there is one writer."""
