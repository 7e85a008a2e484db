"""How durations, shares and files are written, and every fault of a file at once.

Durations are Prometheus' (``1h30m``, ``250ms``), shares are ``5%`` or ``0.05``, and
YAML is read in its 1.2 sense (``no`` is a word, ``1:30`` is not a number), without
anchors, tags and repeated keys: what is written once is all there is.
"""

import json
import math
import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ValidationError
from pydantic_core import ErrorDetails
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from watchdog.facts.problem import Fault, Refused

Place = tuple[int | str, ...]
"""Where in a file: keys and list places, from the outside in."""

WHOLE_FILE = "file"

_UNITS = {
    "y": timedelta(days=365),
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>[0-9]+){unit})?" for unit in _UNITS))
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_USER_OF_URL = re.compile(r"(?<=://)[^/@\s]+(?=@)")


class Said(ValueError):
    """A value is not what is meant; says so, and what to write instead."""

    def __init__(self, words: str, hint: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.hint = hint


def seen(value: object) -> str:
    """Show a value as it was written, short, and without a URL's password."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case str() | bool() | int() | float():
            text = json.dumps(value, ensure_ascii=False)
        case _:
            text = str(value)
    text = _USER_OF_URL.sub("…", text)
    return text if len(text) <= 80 else f"{text[:76]}…{text[-1]}"


# Values.


def duration(value: object) -> timedelta:
    """Read a duration as Prometheus writes it, to the millisecond."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise Said(f"{seen(value)} has no unit", "write a duration like `5s` or `5m`")
    found = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if not found:
        hint = "write it like `5m`, `1h30m` or `250ms`, largest unit first"
        raise Said(f"{seen(value)} is not a duration", hint)
    try:
        parts = [
            int(number) * _UNITS[unit]
            for unit, number in found.groupdict().items()
            if number
        ]
        return sum(parts, timedelta())
    except (OverflowError, ValueError):
        raise Said(f"{seen(value)} is longer than time itself") from None


def written(value: timedelta) -> str:
    """Write a duration so that ``duration`` reads the same; parts of 1 ms are lost."""
    rest = value // timedelta(milliseconds=1)
    words = ""
    # Years and weeks are left out: people say 30d.
    for unit in ("d", "h", "m", "s", "ms"):
        count, rest = divmod(rest, _UNITS[unit] // timedelta(milliseconds=1))
        words += f"{count}{unit}" if count else ""
    return words or "0s"


def number(value: object) -> float:
    """Read a finite number, or a percentage as a share of 1."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            plain = float(value)
        except OverflowError:
            plain = math.inf
        if math.isfinite(plain):
            return plain
    if isinstance(value, str):
        text = value.strip()
        percent = text.endswith("%")
        digits = text.removesuffix("%").strip()
        if _NUMBER.fullmatch(digits):
            try:
                plain = float(Decimal(digits) / (100 if percent else 1))
            except ArithmeticError:
                plain = math.inf
            if math.isfinite(plain):
                return plain
    raise Said(f"{seen(value)} is not a number", "write it like `5%` or `0.05`")


def share(value: object) -> float:
    """Read a share of the whole, 0 to 1."""
    got = number(value)
    if got < 0:
        raise Said(f"{seen(value)} is less than nothing", "write `0%` to `100%`")
    if got > 1:
        hint = f"write `{got:g}%`" if got <= 100 else "write `0%` to `100%`"
        raise Said(f"{seen(value)} is more than the whole", hint)
    return got


def whole(value: object) -> int:
    """Read a whole number; a string of digits counts, since the environment has none.

    What counts up from nothing, so never negative.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        got = value
    elif isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]{1,18}", value):
        got = int(value)
    else:
        raise Said(f"{seen(value)} is not a whole number")
    if got < 0:
        raise Said(f"{seen(value)} is less than 0")
    return got


def prose(value: object) -> str:
    """Read text of one or more lines, without the spaces at its ends."""
    if not isinstance(value, str):
        hint = "put it in quotes" if isinstance(value, bool | int | float) else ""
        raise Said(f"{seen(value)} is not text", hint)
    if not value.strip():
        raise Said(f"{seen(value)} is empty")
    return value.strip()


def one_line(value: object) -> str:
    """Read text that people and logs can show on one line, as it stands."""
    got = prose(value)
    if got != value or not got.isprintable():
        raise Said(f"{seen(value)} has spaces at its ends or unprintable signs")
    return got


def yes_or_no(value: object) -> bool:
    """Read ``true`` or ``false``, also as the environment spells them."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise Said(f"{seen(value)} is not one of: true, false")


def _more_than_nothing(value: timedelta) -> timedelta:
    if value <= timedelta():
        raise Said(f"{written(value)} is no time at all", "write more than `0s`")
    return value


Duration = Annotated[timedelta, BeforeValidator(duration)]
SomeTime = Annotated[Duration, AfterValidator(_more_than_nothing)]
Number = Annotated[float, BeforeValidator(number)]
Share = Annotated[float, BeforeValidator(share)]
Whole = Annotated[int, BeforeValidator(whole)]
OneLine = Annotated[str, BeforeValidator(one_line)]
Prose = Annotated[str, BeforeValidator(prose)]
YesOrNo = Annotated[bool, BeforeValidator(yes_or_no)]


RETENTION = r"ask|after (?:[3-9]|[1-9][0-9]{1,2})"
RETENTION_MEANT = "`ask` or `after N`, N being how many newer releases: 3 or more"


def one_of(value: str, choices: Iterable[str], prefix: str = "") -> str:
    """Hint at the nearest of *choices*, or list them when none is near."""
    by_lower = {choice.lower(): f"{prefix}{choice}" for choice in sorted(choices)}
    near = get_close_matches(value.lower(), by_lower, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{by_lower[near[0]]}`?"
    return f"known here: {', '.join(by_lower.values())}" if by_lower else ""


# Files.


class _Loader(yaml.SafeLoader):
    """Scalars as in YAML 1.2: no ``yes``, no ``1:30``, no dates, no ``012``."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # PyYAML's own class attribute


_FLOAT = (
    r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?[eE][-+]?[0-9]+"
)
_SCALARS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    "float": (_FLOAT, list("-+.0123456789")),
}
for _tag, (_shape, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_shape})\Z"), _first
    )

_MOST = 1024 * 1024  # bytes; what people write is some kilobytes
_NOT_TAKEN = {
    yaml.AnchorToken: "an anchor (`&`)",
    yaml.AliasToken: "an alias (`*`)",
    yaml.TagToken: "a tag (`!`)",
    yaml.DirectiveToken: "a directive (`%`)",
}


def mapping_in(path: Path) -> dict[str, Any]:
    """Read the one mapping that a YAML file holds; an empty file is an empty one.

    Raises:
        Refused: the file cannot be read, is not YAML, or says something twice.
    """
    name = str(path)
    try:
        text = bytes_of(path).decode("utf-8-sig")
    except FileNotFoundError:
        raise Refused(name, [Fault(WHOLE_FILE, "there is no such file")]) from None
    except Said as said:
        raise Refused(name, [Fault(WHOLE_FILE, said.words, said.hint)]) from None
    except UnicodeDecodeError as error:
        fault = Fault(
            WHOLE_FILE, f"byte {error.start} is not UTF-8", "save it as UTF-8"
        )
        raise Refused(name, [fault]) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "let the watchdog's user read it"
        raise Refused(
            name, [Fault(WHOLE_FILE, f"cannot be read: {reason}", hint)]
        ) from None
    value, faults = _from_yaml(text)
    if not faults and value is None:
        return {}
    if not faults and not isinstance(value, dict):
        faults = [Fault(WHOLE_FILE, f"is {seen(value)}, meant keys with values")]
    if faults:
        raise Refused(name, faults)
    return dict(value)


def bytes_of(path: Path) -> bytes:
    """Read a file that people wrote, to its end; one behind a link too.

    Raises:
        OSError: it is not there, or not for us.
        Said: it is a folder, a pipe or the like, or longer than any that people write.
    """
    # Without O_NONBLOCK a pipe that took a file's place would hold a turn for ever.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise Said("is a folder, meant a file")
        if not stat.S_ISREG(mode):
            raise Said("is a pipe, a socket or a device, meant a plain file")
        data = bytearray()
        while more := os.read(handle, _MOST + 1 - len(data)):
            data += more
    finally:
        os.close(handle)
    if len(data) > _MOST:
        raise Said(f"has more than {_MOST} bytes")
    return bytes(data)


def value_in(text: str) -> Any:
    """Read one YAML value, the way lists come through the environment.

    Raises:
        Said: it is not one.
    """
    value, faults = _from_yaml(text)
    if faults:
        raise Said(f"{faults[0].path}: {faults[0].words}", faults[0].hint)
    return value


def _from_yaml(text: str) -> tuple[Any, list[Fault]]:
    try:
        faults = [
            Fault(
                f"line {token.start_mark.line + 1}", f"{what} is not taken here", hint
            )
            for token in yaml.scan(text, _Loader)
            for kind, what in _NOT_TAKEN.items()
            for hint in ["write the value out"]
            if isinstance(token, kind)
        ]
        if faults:
            return None, faults
        root = yaml.compose(text, _Loader)
        value = _built(root, (), faults) if root else None
    except yaml.MarkedYAMLError as error:
        return None, [_not_yaml(error)]
    except yaml.YAMLError as error:
        said = str(error).splitlines()[0]
        return None, [Fault(WHOLE_FILE, f"is not YAML: {said}")]
    except RecursionError:
        return None, [Fault(WHOLE_FILE, "is nested too deeply")]
    return value, faults


def _not_yaml(error: yaml.MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    at = f"line {mark.line + 1}" if mark else WHOLE_FILE
    problem = error.problem or error.context or "unreadable"
    if "'\\t'" in problem or "\t" in problem:
        return Fault(at, "a tab where YAML wants spaces", "indent with spaces")
    if "but found another document" in problem:
        return Fault(at, "a second document begins", "keep one per file")
    if "mapping values are not allowed" in problem:
        return Fault(at, "a `:` where none can be", "put the text in quotes")
    return Fault(at, f"is not YAML: {problem}")


def _built(node: Node, at: Place, faults: list[Fault]) -> Any:
    match node:
        case MappingNode():
            return _built_mapping(node, at, faults)
        case SequenceNode():
            return [
                _built(item, (*at, place), faults)
                for place, item in enumerate(node.value)
            ]
        case ScalarNode():
            return _built_scalar(node, at, faults)
        case _:  # pragma: no cover
            return None  # YAML has no fourth kind of node


def _built_mapping(node: MappingNode, at: Place, faults: list[Fault]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode):
            faults.append(Fault(f"line {line}", "a key that is not one word"))
            continue
        name = str(key.value)
        here = (*at, name)
        if name in result:
            said = f"written twice, in lines {lines[name]} and {line}"
            faults.append(Fault(in_words(here), said, "keep one"))
        lines[name] = line
        result[name] = _built(value, here, faults)
    return result


def _built_scalar(node: ScalarNode, at: Place, faults: list[Fault]) -> Any:
    text = str(node.value)
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" if len(text) > 18:
            faults.append(Fault(in_words(at), f"{seen(text)} is too large a number"))
            return 0
        case "int":
            return int(text)
        case "float":
            return float(text)
        case _:
            return text


# Models.

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Filled(Generic[Model]):
    """A model with all that could be read of it; what could not has its default.

    *wrong* holds the places that have a fault, so that nobody judges them further.
    """

    value: Model
    faults: tuple[Fault, ...]
    wrong: frozenset[Place]

    def is_right(self, *at: str) -> bool:
        """Tell whether this place, those around and those inside have no fault."""
        return not any(
            place[: len(at)] == at or at[: len(place)] == place for place in self.wrong
        )


def fill(model: type[Model], raw: Mapping[str, Any], at: Place = ()) -> Filled[Model]:
    """Read *raw* into *model*, none of whose own fields is required.

    *at* is where *raw* stands in its file.
    """
    faults: list[Fault] = []
    wrong: set[Place] = set()
    left: dict[str, Any] = dict(raw)
    while True:
        try:
            value = model.model_validate(left)
        except ValidationError as error:
            before = left
            for detail in error.errors():
                # What was wrong and is left out now is not missing too.
                if detail["loc"] not in wrong:
                    faults.append(_fault(model, detail, at))
                wrong.add(detail["loc"])
                left = _without(left, detail["loc"])
            if left == before:
                raise  # a default of ours is wrong, not the file
            continue
        return Filled(value, tuple(faults), frozenset(wrong))


def in_words(at: Place) -> str:
    """Write a place as people do: ``triggers[1].ratio.errors``."""
    text = ""
    for part in at:
        dot = "." if text else ""
        text += f"[{part}]" if isinstance(part, int) else f"{dot}{part}"
    return text or WHOLE_FILE


def _without(raw: dict[str, Any], at: Place) -> dict[str, Any]:
    """Leave out the value at *at*, or what holds it if there is no such value."""
    head, *rest = at
    inner = raw.get(str(head))
    if isinstance(inner, dict) and rest and rest[0] in inner:
        return {**raw, str(head): _without(inner, tuple(rest))}
    return {key: value for key, value in raw.items() if key != head}


def _fault(model: type[BaseModel], detail: ErrorDetails, at: Place) -> Fault:
    loc = detail["loc"]
    if detail["type"] != "extra_forbidden":  # there it is what somebody wrote
        loc = tuple(part for part in loc if part != "[key]")
    context = detail.get("ctx", {})
    said = context.get("error")
    value = seen(detail["input"])
    hint = ""
    match detail["type"]:
        case _ if isinstance(said, Said):
            text, hint = said.words, said.hint
        case "extra_forbidden":
            text, hint = "unknown key", one_of(str(loc[-1]), _keys_at(model, loc[:-1]))
        case "missing":
            text = "is missing"
        case "literal_error" | "enum":
            choices = re.findall(r"'([^']*)'", str(context["expected"]))
            text = f"{value} is not one of: {', '.join(choices)}"
        case "model_type" | "model_attributes_type" | "dict_type" | "mapping_type":
            text = f"{value} is not a mapping"
        case "tuple_type" | "list_type":
            text, hint = f"{value} is not a list", "write `[…]`"
        case _:
            text = f"{value}: {detail['msg'].lower()}"
    return Fault(in_words((*at, *loc)), text, hint)


def _keys_at(model: type[BaseModel], at: Place) -> Collection[str]:
    """Name the keys that are known at a place of *model*."""
    kind: Any = model
    for part in at:
        if isinstance(part, int):
            continue  # any place of a list holds the same
        kind = _model_in(kind)
        if kind is None or part not in _names(kind):
            return ()
        kind = _names(kind)[str(part)]
    kind = _model_in(kind)
    return _names(kind) if kind else ()


def _names(model: type[BaseModel]) -> dict[str, Any]:
    return {
        field.alias or name: field.annotation
        for name, field in model.model_fields.items()
    }


def _model_in(kind: Any) -> type[BaseModel] | None:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    if get_origin(kind) in (Union, UnionType, Annotated, tuple):
        return next(filter(None, map(_model_in, get_args(kind))), None)
    return None
