"""An env file as Compose reads it: what it says, and every byte around that.

Source: the dotenv reader of Compose v2 (compose-go), which ``docker compose config
--environment`` shows at work; the tests hold this file against it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from watchdog.facts.problem import Problem

_BOM = "\ufeff"
# On one line, and at the ends of a value: two sets, neither of them Python's.
_BLANK = "\t\v\f\r \u0085\u00a0"
_SPACE = (
    _BLANK
    + "\n\u1680\u2028\u2029\u202f\u205f\u3000"
    + "".join(map(chr, range(0x2000, 0x200B)))
)
_EXPORT = re.compile(r"export[\t\n\f\r ]")
_IN_NAME = "_.-[]"
_QUOTES = ("'", '"')


@dataclass(frozen=True, slots=True)
class Said:
    """One assignment: its value stands from *start* to *end*, quotes left out.

    *value* is what it says; None where only Compose can tell, and *why* says so.
    *text* is the value as it is written.
    """

    name: str
    value: str | None
    text: str
    quote: str
    start: int
    end: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class EnvFile:
    """The text of an env file, called *name* for people, and what it says in order.

    A byte that is no UTF-8 is one character of the text, so that it comes back.
    """

    name: str
    text: str
    said: tuple[Said, ...]

    @classmethod
    def read(cls, data: bytes, name: str = ".env") -> "EnvFile":
        """Read *data* as Compose would.

        Raises:
            Problem: Compose cannot read it, and would do nothing with the stack.
        """
        text = data.decode("utf-8", "surrogateescape")
        return cls(name, text, tuple(_Reader(text, name).all()))

    @property
    def data(self) -> bytes:
        """Give its bytes."""
        return self.text.encode("utf-8", "surrogateescape")

    def value_of(self, name: str) -> str:
        """Give what *name* is for Compose; empty where it is not set, or to nothing.

        Raises:
            Problem: that is not written down here.
        """
        last = self._last(name)
        if last is None:
            return ""
        if last.value is None:
            raise Problem(
                f"{self.name}, line {self._line(last)}: {name} {last.why}",
                f"write the value itself there: `{name}=…`",
            )
        return last.value

    def with_values(self, values: Mapping[str, str]) -> "EnvFile":
        """Say each of *values* in the place where its name has one now.

        Compose reads the last line of a name, and only that is changed; quotes, the
        comment behind it and every other byte stay. Nothing is ever added.

        Raises:
            Problem: a name has no place, or its place cannot say the value.
        """
        text = self.text
        for said in reversed(self.said):
            if said.name in values and said is self._last(said.name):
                value = values[said.name]
                if said.quote:
                    value = value.replace(said.quote, f"\\{said.quote}")
                text = text[: said.start] + value + text[said.end :]
        for name in values:
            if self._last(name) is None:
                raise self.lacking(name)
            self._is_pinnable(name)
        if not self._became(text, values):
            meant = " ".join(f"{name}={value}" for name, value in values.items())
            raise Problem(
                f"{self.name} cannot say {meant} in the place where that stands",
                "write that line without quotes",
            )
        return EnvFile.read(text.encode("utf-8", "surrogateescape"), self.name)

    def _became(self, text: str, values: Mapping[str, str]) -> bool:
        """Tell whether *text* says all of *values*, and nothing else besides."""
        try:
            changed = EnvFile.read(text.encode("utf-8", "surrogateescape"), self.name)
            says = all(changed.value_of(name) == values[name] for name in values)
        except Problem:
            return False
        if not says or len(changed.said) != len(self.said):
            return False
        return all(
            (now.name, now.text) == (before.name, before.text)
            for now, before in zip(changed.said, self.said, strict=True)
            if not (before.name in values and before is self._last(before.name))
        )

    def pinnable(self, name: str) -> str:
        """Give what *name* is, where another value would be all that changes.

        Raises:
            Problem: it is not set, not written down, or said twice with one use
                between.
        """
        value = self.value_of(name)
        if not value:
            raise self.lacking(name)
        self._is_pinnable(name)
        return value

    def _is_pinnable(self, name: str) -> None:
        """Refuse a name of which an earlier line counts for what stands below it."""
        uses = re.compile(rf"\$\{{?{re.escape(name)}(?![A-Za-z0-9_])")
        earlier = False
        for said in self.said:
            if said is self._last(name):
                return
            earlier = earlier or said.name == name
            if earlier and said.quote != "'" and uses.search(said.text):
                raise Problem(
                    f"{self.name} sets {name} more than once, and {said.name} in line "
                    f"{self._line(said)} uses one that is not the last",
                    f"keep one line of {name}, above all that use it",
                )

    def without(self, name: str) -> "EnvFile":
        """Take the lines of *name* out, as an earlier build had put one in."""
        text = self.text
        for said in reversed(self.said):
            if said.name == name:
                start = text.rfind("\n", 0, said.start) + 1
                end = text.find("\n", said.end)
                text = text[:start] + (text[end + 1 :] if end >= 0 else "")
        return EnvFile.read(text.encode("utf-8", "surrogateescape"), self.name)

    def lacking(self, name: str) -> Problem:
        """Say that *name* is not set."""
        empty = self._last(name) is not None
        return Problem(
            f"{name} is {'empty' if empty else 'not set'} in {self.name}, so that it "
            "cannot be pinned there",
            "set stack.env_file and stack.version_variable to what Compose reads; "
            f"where that is {self.name}, write `{name}=` and the version that runs "
            "there",
        )

    def _last(self, name: str) -> Said | None:
        return next((s for s in reversed(self.said) if s.name == name), None)

    def _line(self, said: Said) -> int:
        return self.text.count("\n", 0, said.start) + 1


class _Reader:
    """Walks once over a text."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name
        self._at = 1 if text.startswith(_BOM) else 0
        self._begun = 0

    def all(self) -> list[Said]:
        """Give every assignment, in order."""
        found: list[Said] = []
        while self._next():
            name, inherited = self._named()
            if " " in name:
                self._refuse(f"the name {name!r} has a space in it")
            if inherited:
                why = "has no value, and is taken from the shell of who deploys"
                found.append(Said(name, None, "", "", self._begun, self._begun, why))
            elif self._text.startswith(_QUOTES, self._at):
                found.append(self._quoted(name))
            else:
                found.append(self._bare(name))
        return found

    def _next(self) -> bool:
        """Go to the next assignment; tell whether there is one."""
        text = self._text
        while True:
            self._skip(_SPACE)
            if not text.startswith("#", self._at):
                return self._at < len(text)
            end = text.find("\n", self._at)
            self._at = end if end >= 0 else len(text)

    def _skip(self, what: str) -> None:
        while self._at < len(self._text) and self._text[self._at] in what:
            self._at += 1

    def _named(self) -> tuple[str, bool]:
        """Take a name and its sign; tell whether the value is left to the shell."""
        if _EXPORT.match(self._text, self._at):
            self._at += len("export")
            self._skip(_BLANK)
        begun = self._begun = self._at
        for place in range(begun, len(self._text)):
            sign = self._text[place]
            if sign in ("=", ":", "\n"):
                self._at = place + 1
                self._skip(_BLANK)
                return self._text[begun:place].rstrip(_SPACE), sign == "\n"
            if sign in _BLANK or sign in _IN_NAME:
                continue
            if not (sign.isalpha() or sign.isnumeric()):
                self._at = place
                self._refuse(f"unexpected {_shown(sign)} in a variable's name")
        return "", False  # no sign up to the end: Compose takes it for a value

    def _bare(self, name: str) -> Said:
        start = self._at
        end = self._text.find("\n", start)
        end = end if end >= 0 else len(self._text)
        self._at = min(end + 1, len(self._text))
        text = self._text[start:end].partition(" #")[0].rstrip(_SPACE)
        why = "is made of other variables" if "$" in text else ""
        whole = None if why else text
        return Said(name, whole, text, "", start, start + len(text), why)

    def _quoted(self, name: str) -> Said:
        quote, start = self._text[self._at], self._at + 1
        place, escaped, value = start, False, ""
        while place < len(self._text):
            sign = self._text[place]
            if sign == quote and not escaped:
                break
            if escaped and sign != quote:
                value += "\\"
            escaped = sign == "\\" and not escaped
            value += "" if escaped else sign
            place += 1
        else:
            self._refuse("a quoted value that does not end")
        self._at = place + 1
        why = ""
        if quote == '"' and "$" in value:
            why = "is made of other variables"
        elif quote == '"' and "\\" in value:
            why = "has escapes in it"
        text = self._text[start:place]
        return Said(name, None if why else value, text, quote, start, place, why)

    def _refuse(self, why: str) -> NoReturn:
        line = self._text.count("\n", 0, self._at) + 1
        raise Problem(
            f"{self._name}, line {line}: {why}; Compose cannot read the file",
            f"mend that line; `docker compose config -q` says when {self._name} is "
            "fine",
        )


def _shown(sign: str) -> str:
    raw = sign.encode("utf-8", "surrogateescape")
    return repr(sign) if sign.isprintable() else f"byte 0x{raw[0]:02x}"
