"""What the lines of a Compose file say, as far as that shows without Compose."""

from collections.abc import Iterator, Mapping

import yaml

from watchdog.facts.env_file import EnvFile
from watchdog.facts.problem import Problem
from watchdog.observe.obstacles import model_of, with_bases


def line_of(text: str, service: str, what: str) -> tuple[int, str, str] | None:
    """Find the line of *text* that says *what* of *service*; give that, and it."""
    key = {"image": "image", "mount": "volumes"}.get(what, "")
    try:
        whole = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return None
    node = _under(_under(_under(whole, "services"), service), key)
    if node is None:
        return None
    number = int(node.start_mark.line)
    said = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
    return number + 1, text.splitlines()[number].strip().removeprefix("- "), said


def lines_of(
    files: Mapping[str, str], service: str, what: str
) -> Iterator[tuple[str, int, str, str]]:
    """Find all such lines of *files*, by name, and of what they extend.

    What counts most comes first, as it does in *files*.
    """
    models = {name: model_of(text) for name, text in files.items()}
    for first in files:
        for name, base, _ in with_bases(models, first, service):
            if found := line_of(files[name], base, what):
                yield name, *found


def env_files(text: str, service: str) -> set[str]:
    """Give the env files that *service* reads, as far as *text* says it plainly."""
    try:
        whole = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return set()
    node = _under(_under(_under(whole, "services"), service), "env_file")
    each = node.value if isinstance(node, yaml.SequenceNode) else [node]
    paths = [_under(one, "path") or one for one in each]
    found = [one.value for one in paths if isinstance(one, yaml.ScalarNode)]
    return {str(path).removeprefix("./") for path in found}


def _under(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def filled(line: str, env: EnvFile, pins: Mapping[str, str]) -> str | None:
    """Fill the variables of *line* in; None where only Compose could."""
    rest, made = line, ""
    while "$" in rest:
        before, _, rest = rest.partition("$")
        made += before
        if rest.startswith("{"):
            inside, end, rest = rest[1:].partition("}")
            if not end or "$" in inside:
                return None
            name = _name_at(inside)
            if inside[len(name) :].lstrip(":").startswith("+"):
                return None  # its value does not show, but what stands there
        else:
            name = _name_at(rest)
            rest = rest[len(name) :]
        try:
            value = pins.get(name) or env.value_of(name)
        except Problem:
            return None
        if not name or not value:
            return None
        made += value
    return made + rest


def _name_at(text: str) -> str:
    ends = (i for i, sign in enumerate(text) if not (sign.isalnum() or sign == "_"))
    return text[: next(ends, None)]
