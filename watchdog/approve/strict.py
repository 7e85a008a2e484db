"""JSON that has one meaning, into a model that takes nothing else."""

import json
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

_DEEPEST = 8
# What is in quotes opens and closes nothing; one that never ends goes to the end, so
# that each sign is looked at once.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)


class Strict(BaseModel):
    """A body whose every key is known and of its own type."""

    model_config = ConfigDict(strict=True, extra="forbid")


Body = TypeVar("Body", bound=Strict)


class Malformed(ValueError):
    """The body is not JSON of one meaning; *code* is ``malformed`` or ``schema``."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


def read(model: type[Body], body: bytes, *, deepest: int = _DEEPEST) -> Body:
    """Read *body* as *model*.

    Raises:
        Malformed: it is not UTF-8, has a byte order mark, a key twice, a number
            that JSON lacks, is nested too deeply, or is not what *model* says.
    """
    try:
        return model.model_validate(strict_json(body, deepest))
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        raise Malformed("schema", f"{path}: {first['msg']}") from None
    except ValueError as error:
        raise Malformed("malformed", str(error)) from None


def strict_json(body: bytes, deepest: int = _DEEPEST) -> dict[str, Any]:
    """Parse JSON that has one meaning: UTF-8, no BOM, no double keys, no NaN."""
    text = body.decode("utf-8")  # UnicodeDecodeError is a ValueError
    if text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}"):
        raise ValueError("the body begins with a byte order mark")
    depth = seen = 0
    for char in _STRING.sub("", text):
        depth += (char in "[{") - (char in "]}")
        seen = max(seen, depth)
    if seen > deepest:
        raise ValueError("the body is nested too deeply")
    whole = json.loads(text, object_pairs_hook=_no_doubles, parse_constant=_no_constant)
    if not isinstance(whole, dict):
        raise ValueError("the body is not a JSON object")  # noqa: TRY004 - a bad body, not a bad call
    return whole


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the body has a key twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")
