"""YAML that people wrote: one meaning, and what is written once is all there is.

It is read in its 1.2 sense (``no`` is a word, ``1:30`` is not a number), without
anchors, tags and repeated keys.

Two readers take it apart. libyaml is some forty times faster, which hundreds of release
files need; but it is not everywhere, and says less of a fault. So what it finds odd is
read once more by the strict one, whose word counts.
"""

import os
import re
import stat
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from watchdog.config.notation import WHOLE_FILE, Place, Said, in_words, seen
from watchdog.facts.problem import Fault, Refused


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

_Quick = getattr(getattr(yaml, "cyaml", None), "CParser", None)  # not in every build
_RESOLVER = _Loader("")
_ODD = re.compile("[\t\x85\u2028\u2029\ufeff]")  # of these the two think differently
_DEEPEST = 64  # levels; ours has six

_MOST = 1024 * 1024  # bytes; what people write is some kilobytes
_NOT_TAKEN = {
    yaml.AnchorToken: "an anchor (`&`)",
    yaml.AliasToken: "an alias (`*`)",
    yaml.TagToken: "a tag (`!`)",
    yaml.DirectiveToken: "a directive (`%`)",
}


def mapping_in(path: Path, *, absent: str = "") -> dict[str, Any]:
    """Read the one mapping that a YAML file holds; an empty file is an empty one.

    *absent* is what to do when it is not there.

    Raises:
        Refused: the file cannot be read, is not YAML, or says something twice.
    """
    name = str(path)
    try:
        text = bytes_of(path).decode("utf-8-sig")
    except FileNotFoundError:
        fault = Fault(WHOLE_FILE, "there is no such file", absent)
        raise Refused(name, [fault]) from None
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
    value, faults = taken_apart(text)
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
    value, faults = taken_apart(text)
    if faults:
        raise Said(f"{faults[0].path}: {faults[0].words}", faults[0].hint)
    return value


class _OddError(Exception):
    """What the strict reader is to say more of."""


def _quickly(text: str) -> Node | None:
    """Take one plain document apart by libyaml.

    Raises:
        yaml.YAMLError, _OddError: it is not there, or the text is not that plain.
    """
    if _Quick is None or _ODD.search(text):
        raise _OddError
    reader = _Quick(text)
    try:
        reader.get_event()  # the stream's start
        begins = reader.get_event()
        if isinstance(begins, yaml.StreamEndEvent):
            return None
        if begins.version or begins.tags:
            raise _OddError
        root = _composed(reader, 0, flows="?" not in text)
        reader.get_event()  # the document's end
        if not reader.check_event(yaml.StreamEndEvent):
            raise _OddError
        return root
    finally:
        reader.dispose()


def _composed(reader: Any, depth: int, *, flows: bool) -> Node:
    event = reader.get_event()
    alias = isinstance(event, yaml.AliasEvent)
    if alias or event.anchor or event.tag or depth > _DEEPEST:
        raise _OddError
    marks = event.start_mark, event.end_mark
    if isinstance(event, yaml.ScalarEvent):
        tag = _RESOLVER.resolve(ScalarNode, event.value, event.implicit)  # type: ignore[no-untyped-call]
        return ScalarNode(tag, event.value, *marks)
    if event.flow_style and not flows:
        raise _OddError  # a `?` in brackets is another thing to each of the two
    nodes: list[Node] = []
    ends = (yaml.SequenceEndEvent, yaml.MappingEndEvent)
    while not reader.check_event(*ends):
        nodes.append(_composed(reader, depth + 1, flows=flows))
    reader.get_event()
    if isinstance(event, yaml.SequenceStartEvent):
        return SequenceNode("seq", nodes, *marks)
    pairs = list(zip(nodes[::2], nodes[1::2], strict=True))
    return MappingNode("map", pairs, *marks)


def taken_apart(text: str) -> tuple[Any, list[Fault]]:
    """Give what *text* says, or its faults; the quick reading where it is plain."""
    faults: list[Fault] = []
    try:
        root = _quickly(text)
        value = _built(root, (), faults) if root else None
    except (yaml.YAMLError, _OddError):
        return strictly(text)
    return (value, []) if not faults else strictly(text)


def strictly(text: str) -> tuple[Any, list[Fault]]:
    """Give what *text* says, or its faults, by the reader that says most of them."""
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
