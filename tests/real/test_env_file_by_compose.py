"""An env file is read as the real Compose reads it, and changed so that it agrees."""

import json
import os
import random
import re
import subprocess

import pytest

from watchdog.facts.env_file import EnvFile
from watchdog.facts.problem import Problem

pytestmark = pytest.mark.real
NAME = "DMS_VERSION"
_NAMES = (NAME, "A", "B", "DMS_VERSION_OLD")
_VALUES = (
    *(b"v1.2.0", b"v1.3.0-4f9c2ab", b"", b"x y", b"a#b", b"a #b", b"a\t#b", b"# all"),
    *(b"'v1.2.0'", b'"v1.2.0"', b"'v1.2.0' # current", b'"v1.2.0"#x', b"'it\\'s'"),
    *(b'"say \\"x\\""', b"'a\\\\b'", b'"a\\nb"', b'"a\\\\b"', b"a\\nb", b"''", b'""'),
    *(b"'x\nDMS_VERSION=inner\ny'", b'"x\nDMS_VERSION=inner\n"', b"'#no'", b"x\x0cy"),
    *(
        b"x\x0by",
        b"a\xe2\x80\xa8b",
        b"a\xc2\x85b",
        b"\xc2\xa0x\xc2\xa0",
        b"x\xe3\x80\x80",
    ),
    *(b"${A}", b"$A-x", b"'$A'", b'"${B:-v1}"', b"a$$b", b'"\\$A"', b"x'y'", b"\xe4"),
    *(
        b"v1.2.0  # current",
        b"v1.2.0 \xdf",
        b"'v1'B=2",
        b"x\x1c",
        b"'x",
        b'"x\n',
        b"a=b",
    ),
)
_BEFORE = (b"", b"", b"", b" ", b"\t", b"export ", b"export\t", b" export  ", b"#")
_SIGNS = (
    b"=",
    b"=",
    b"=",
    b" = ",
    b"= ",
    b" =",
    b": ",
    b":",
    b"=\t",
    b"=\xc2\xa0",
    b"",
)
_ENDS = (b"\n", b"\n", b"\r\n", b" \n", b"\n\n", b"\n# \xe4 x\n", b"\n\x0c\n", b"")


def _some(seed):
    """Write an env file at random, of the kinds that people write and of worse."""
    dice = random.Random(seed)  # a seed that can be named again
    text = dice.choice((b"", b"", b"", b"\xef\xbb\xbf", b"# Gew\xe4hr\n"))
    for _ in range(dice.randint(1, 5)):
        text += dice.choice(_BEFORE) + dice.choice(_NAMES).encode()
        text += dice.choice(_SIGNS) + dice.choice(_VALUES) + dice.choice(_ENDS)
    return text


def _asked(folder, data, names):
    """Ask Compose what *data* says; None when it does not take it at all."""
    (folder / ".env").write_bytes(data)
    labels = {name: f"${{{name}-unset}}" for name in names}
    model = {"services": {"a": {"image": "x", "labels": labels}}}
    (folder / "compose.yaml").write_text(json.dumps(model))
    env = {
        k: os.environ[k] for k in ("PATH", "HOME", "DOCKER_CONFIG") if k in os.environ
    }
    argv = ["docker", "compose", "config", "--format", "json"]
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, check=False)
    if done.returncode:
        return None
    labels = json.loads(done.stdout)["services"]["a"]["labels"]
    return {name: text.replace("$$", "$") for name, text in labels.items()}


def _shown(value):
    """Give *value* as JSON can hold it."""
    raw = value.encode("utf-8", "surrogateescape")
    return re.sub("\ufffd+", "\ufffd", raw.decode("utf-8", "replace"))


def _holds(folder, data, names=_NAMES):
    """Hold what we read, and what we would write, against Compose."""
    seen = _asked(folder, data, names)
    try:
        env = EnvFile.read(data)
    except Problem:
        env = None
    if env is None or seen is None:
        assert seen is None
        assert env is None or any("$" in said.text for said in env.said), (
            "Compose does not take it"
        )
        return
    for name in names:
        try:
            value = env.value_of(name)
        except Problem:
            continue  # said in words, and nothing is pinned
        has = any(said.name == name for said in env.said)
        assert re.sub("\ufffd+", "\ufffd", seen[name]) == (
            _shown(value) if has else "unset"
        )
    try:
        env.pinnable(NAME)
        changed = env.with_values({NAME: "v9.8.7"})
    except Problem:
        return
    place = next(said for said in reversed(env.said) if said.name == NAME)
    ends = (env.text[: place.start], env.text[place.end :])
    assert changed.data == "v9.8.7".join(ends).encode("utf-8", "surrogateescape")
    after = _asked(folder, changed.data, names)
    assert after is not None
    assert after[NAME] == "v9.8.7"
    rest = {said.name for said in env.said if NAME not in said.text} - {NAME}
    rest -= {said.name for said in env.said if "$" in said.text}
    assert {name: after[name] for name in rest if name in after} == {
        name: seen[name] for name in rest if name in seen
    }
    back = changed.with_values({NAME: env.value_of(NAME)})
    assert back.data == data


def test_every_kind_of_value_is_what_compose_says_it_is(tmp_path):
    # What Compose refuses is for the others.
    fine = [value for value in _VALUES if value not in (b"'x", b'"x\n', b"x'y'")]
    lines = [b"V%d=%s\n" % (number, value) for number, value in enumerate(fine)]
    names = [f"V{number}" for number in range(len(fine))]
    _holds(tmp_path, b"".join(lines), names)


def test_any_env_file_is_read_and_changed_as_compose_reads_it(tmp_path):
    for seed in range(40):
        data = _some(seed)
        try:
            _holds(tmp_path, data)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {data!r}: {error}") from error


@pytest.mark.campaign
def test_thousands_of_env_files_are_read_and_changed_as_compose_reads_them(tmp_path):
    for seed in range(1000, 4000):
        data = _some(seed)
        try:
            _holds(tmp_path, data)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {data!r}: {error}") from error
