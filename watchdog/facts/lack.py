"""What keeps the target from being put back now, in words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that is not as a rollback needs it: what is seen, and what to do.

    *mendable*: a rollback would try to mend it by itself, and may still succeed.
    *doubt*: worth knowing, and nothing that keeps the target from being put back.
    *pin*: it is about the version in the env file, or a name, which are looked at at
    each turn.
    *about* is ``containers`` for those of what is deployed that do not run, and
    ``proof`` for what else keeps it from being proved, ``standby`` for one that is
    asked for and not there.
    """

    words: str
    hint: str = ""
    mendable: bool = False
    pin: bool = False
    about: str = ""
    doubt: bool = False

    @property
    def sentence(self) -> str:
        """Both halves, as one line for people."""
        return f"{self.words} ({self.hint})" if self.hint else self.words
