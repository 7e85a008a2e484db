"""What a watchdog finds in itself: its process, its clock, its doors, its claim."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WatchStarted:
    """A watchdog process took up the journal."""

    version: str
    mode: str


@dataclass(frozen=True, slots=True)
class CheckpointSigned:
    """What the first *count* events come to was signed: *note* is a signed note."""

    count: int
    note: str


@dataclass(frozen=True, slots=True)
class StackClaimed:
    """Another watchdog, *by*, claims this stack: nothing is done here any more."""

    by: str
    words: str
    hint: str


@dataclass(frozen=True, slots=True)
class ClaimTaken:
    """The stack is claimed from here; *over* is whose claim was taken over, if any."""

    words: str
    over: str = ""


@dataclass(frozen=True, slots=True)
class FarEndLost:
    """Prometheus, the engine or a file cannot be reached; still trying."""

    what: str
    words: str


@dataclass(frozen=True, slots=True)
class SignaturesFailing:
    """Somebody tries the door for decisions, again and again, without a good key.

    Said once, however many come: an answer is still taken, a little later.
    """

    words: str


@dataclass(frozen=True, slots=True)
class SignaturesCalm:
    """Nobody has tried the door too often for a while."""

    words: str


@dataclass(frozen=True, slots=True)
class RequestCrashed:
    """Something nobody had foreseen was raised in a request; it was answered with 500.

    *again*: there was another one within the last minute.
    """

    listener: str
    request: str
    words: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class HostRefused:
    """The first request for a host that is none of ours came; it was refused."""

    listener: str
    host: str


@dataclass(frozen=True, slots=True)
class FarEndBack:
    """What could not be reached answers again."""

    what: str


@dataclass(frozen=True, slots=True)
class TurnsLate:
    """Turns do not come at their time, or take longer than a poll."""

    words: str


@dataclass(frozen=True, slots=True)
class TurnsOnTime:
    """Turns come at their time again."""

    words: str


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The wall clock and the monotonic one disagree: a step, or a suspended box."""

    seconds: float
    words: str


@dataclass(frozen=True, slots=True)
class TurnCrashed:
    """A fault that we have no words for; the next turn starts from the journal."""

    words: str
