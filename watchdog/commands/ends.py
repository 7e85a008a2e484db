"""What commands end with: one number, one meaning, over all of them."""

from enum import IntEnum
from typing import Final, Self

from watchdog.facts.problem import (
    Held,
    JournalLost,
    NotConfirmed,
    NotTaken,
    Problem,
    Unreachable,
)


class End(IntEnum):
    """A command's exit code; the words are those of docs/reference/commands.md."""

    words: str

    def __new__(cls, code: int, words: str) -> Self:
        """Make a number that says what it means."""
        end = int.__new__(cls, code)
        end._value_ = code
        end.words = words
        return end

    DONE = 0, "done, or the answer is yes"
    NO = 1, "the answer is no: it is paused, or what was looked at has a fault"
    BAD_INPUT = 2, "what was given is wrong or not known; nothing was done"
    OVER = 3, "that release was rolled back or is quarantined; waiting is no use"
    TIMED_OUT = 4, "the time was over before there was an end"
    NOT_REACHED = 5, "the watchdog, Prometheus or the engine did not answer"
    NOT_WATCHING = 6, "nobody is watching"
    ANOTHER_WATCHDOG = 7, "another watchdog answered, or holds the journal"
    ANOTHER_BUILD = 8, "another build of that version was measured"
    REFUSED = 9, "the order or the answer was understood and not taken"
    NEEDS_A_PERSON = 10, "it began and did not come to what was meant; look at it"
    NOT_CONFIRMED = 11, "nobody said yes; nothing was done"
    SUPERSEDED = 12, "another release took its place unproved; waiting is no use"
    JOURNAL_LOST = 70, "the journal is missing, damaged or cannot be written"
    BROKEN = 71, "the watchdog itself is at fault; the traceback says where"
    INTERRUPTED = 130, "Ctrl-C"


_ANY: Final = (End.DONE, End.BAD_INPUT, End.BROKEN, End.INTERRUPTED)
_READS: Final = (*_ANY, End.JOURNAL_LOST)
_ORDERS: Final = (
    *_READS,
    End.NOT_REACHED,
    End.ANOTHER_WATCHDOG,
    End.REFUSED,
)
_TRIES: Final = (*_ORDERS, End.TIMED_OUT, End.NEEDS_A_PERSON)
_ANSWERS: Final = (
    *_ANY,
    End.NO,
    End.NOT_REACHED,
    End.REFUSED,
    End.NOT_CONFIRMED,
)
ENDS: Final = {
    "run": (*_READS, End.ANOTHER_WATCHDOG),
    "demo": _ANY,
    "status": (*_READS, End.NOT_WATCHING),
    "explain": (*_READS, End.NOT_WATCHING),
    "history": _READS,
    "report": _READS,
    "releases": _READS,
    "releases vouch": _ORDERS,
    "retention": (*_READS, End.NO, End.NOT_WATCHING),
    "retention release": _ORDERS,
    "audit verify": (*_READS, End.NO),
    "audit export": _READS,
    "audit key": _READS,
    "backup": _READS,
    "restore": (*_READS, End.ANOTHER_WATCHDOG),
    "move": (*_READS, End.ANOTHER_WATCHDOG),
    "uninstall": (
        *_READS,
        End.NOT_REACHED,
        End.ANOTHER_WATCHDOG,
        End.NOT_CONFIRMED,
    ),
    "hold": _ORDERS,
    "resume": (*_ORDERS, End.NO, End.NOT_CONFIRMED),
    "rollback": _TRIES,
    "drill": _TRIES,
    "repair": (*_TRIES, End.NO),
    "approve": _ANSWERS,
    "deny": _ANSWERS,
    "forward-fix": _ANSWERS,
    "keys new": (*_ANY, End.NOT_CONFIRMED),
    "keys show": (*_ANY, End.NOT_CONFIRMED),
    "promotion wait": (
        *_ANY,
        End.NO,
        End.OVER,
        End.TIMED_OUT,
        End.NOT_REACHED,
        End.NOT_WATCHING,
        End.ANOTHER_WATCHDOG,
        End.ANOTHER_BUILD,
        End.SUPERSEDED,
    ),
    "init": (*_ANY, End.NO, End.NOT_REACHED, End.NOT_CONFIRMED),
    "doctor": (*_ANY, End.NO),
    "config": _ANY,
    "check": (*_ANY, End.NO, End.NOT_REACHED),
    "backtest": (*_ANY, End.NO, End.NOT_REACHED),
    "export-rules": _ANY,
    "schema": _ANY,
}
"""What each command may end with, by the words that call it."""


def end_of(problem: Problem) -> End:
    """Say what a command ends with that *problem* ended."""
    match problem:
        case Held():
            return End.ANOTHER_WATCHDOG
        case JournalLost():
            return End.JOURNAL_LOST
        case NotTaken():
            return End.REFUSED
        case NotConfirmed():
            return End.NOT_CONFIRMED
        case Unreachable():
            return End.NOT_REACHED
        case _:
            return End.BAD_INPUT
