"""``config/watchdog.yaml`` into settings, or a refusal with every fault in it.

What counts, from the strongest: ``WATCHDOG_…`` environment variables (``__`` between
the levels), files named ``watchdog_…`` in ``WATCHDOG_SECRETS_DIR``, the YAML file,
the defaults of the settings.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource
from pydantic_settings.sources.utils import parse_env_vars

from watchdog.config.crossed import crossed
from watchdog.config.filling import fill
from watchdog.config.notation import Said, one_of, seen
from watchdog.config.settings import PREFIX, Settings
from watchdog.config.yaml_file import bytes_of, mapping_in, value_in
from watchdog.facts.problem import Fault, Refused

SECRETS_DIR = "WATCHDOG_SECRETS_DIR"
NOT_SETTINGS = frozenset(
    {
        SECRETS_DIR,
        "WATCHDOG_URL",  # a DRI's command line: where decisions are taken
        "WATCHDOG_CONFIG",  # the command line's: where the settings file is
        # compose.yaml's: how the container is run
        "WATCHDOG_CONFIG_DIR",
        "WATCHDOG_GID",
        "WATCHDOG_IMAGE",
        "WATCHDOG_UID",
    }
)
"""Variables that begin like a setting and are not one."""


DEFAULT = "default"
_WRITTEN_BY = "name it with --config or WATCHDOG_CONFIG; `watchdog init` writes one"
_NOWHERE = object()
_SHOWN = re.compile(r'"(?:[^"\\]|\\.)*"')
_PART = re.compile(r"\w{4,}")


class _Secret(NamedTuple):
    file: str
    text: str


class _Given(EnvSettingsSource):
    """Settings by the names of environment variables, from wherever they are.

    Lists and mappings are YAML (so JSON too); what cannot be read stays the text
    that it is, for the model to refuse.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__(Settings)
        self.env_vars = parse_env_vars(
            given, self.case_sensitive, parse_none_str=self.env_parse_none_str
        )

    def decode_complex_value(
        self, field_name: str, field: FieldInfo | None, value: Any
    ) -> Any:
        """Read a list or a mapping out of one variable."""
        del field_name, field
        try:
            return value_in(value)
        except Said:
            return value


@dataclass(frozen=True, slots=True)
class Draft:
    """Settings with all that could be read of them; what is wrong has its default.

    *is_right* tells whether a place of them has no fault. *layers* are what was
    written where, the strongest first: each with the names by which it is known.
    """

    settings: Settings
    faults: tuple[Fault, ...]
    is_right: Callable[..., bool]
    layers: tuple["Layer", ...] = ()

    def origin(self, place: Sequence[str]) -> str:
        """Say where the value at *place* came from, or that it is the default."""
        found = self._layer(place)
        return found.name_of(place) if found else DEFAULT

    def is_secret(self, place: Sequence[str]) -> bool:
        """Tell whether it came from a secret's file, and is not to be shown."""
        found = self._layer(place)
        return found is not None and found.is_secret

    def _layer(self, place: Sequence[str]) -> "Layer | None":
        return next((one for one in self.layers if one.has(place)), None)


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says, and *names*: by the variable that each would be, its own.

    *else_* names what has no variable.
    """

    said: Mapping[str, Any]
    names: Mapping[str, str]
    else_: str = ""
    is_secret: bool = False

    def has(self, place: Sequence[str]) -> bool:
        """Tell whether it says anything at *place*."""
        at: Any = self.said
        for part in place:
            if not isinstance(at, Mapping) or part not in at:
                return False
            at = at[part]
        return True

    def name_of(self, place: Sequence[str]) -> str:
        """Name who says it."""
        for length in range(len(place), 0, -1):
            variable = PREFIX + "__".join(place[:length]).upper()
            if variable in self.names:
                return self.names[variable]
        return self.else_


def load(path: Path, env: Mapping[str, str]) -> Settings:
    """Read the settings file, overridden by *env* and by the secrets that it names.

    Raises:
        Refused: every fault of the three at once; nothing was started.
    """
    draft = read(path, env)
    if draft.faults:
        raise Refused(str(path), list(draft.faults))
    return draft.settings


def read(path: Path, env: Mapping[str, str], *, has_stack: bool = True) -> Draft:
    """Read the same, as far as it can be; *has_stack*: its folder is to be there.

    Raises:
        Refused: the file is not there, or is no YAML.
    """
    raw = mapping_in(path, absent=_WRITTEN_BY)
    layers = [Layer(raw, {}, str(path))]
    secrets, faults = _secrets(env)
    given = {name: text for name, text in env.items() if name not in NOT_SETTINGS}
    for by_name, shown in (
        (
            {name: secret.text for name, secret in secrets.items()},
            {name: secret.file for name, secret in secrets.items()},
        ),
        (given, {name: name for name in given}),
    ):
        above, unknown = _from_names(by_name, shown)
        raw = _merged(raw, above)
        faults += unknown
        layers.insert(0, Layer(above, shown, is_secret=by_name is not given))
    # BaseSettings would take some of them: as words to itself, or as settings in
    # capitals.
    for key in [key for key in raw if key not in Settings.model_fields]:
        del raw[key]
        faults.append(Fault(key, "unknown key", one_of(key, Settings.model_fields)))
    filled = fill(Settings, raw)
    found = (*filled.faults, *crossed(filled, has_stack=has_stack))
    faults += [_traced(fault, given, secrets) for fault in found]
    settings = filled.value
    here = path.parent
    settings = settings.model_copy(
        update={
            "releases": here / settings.releases,
            "approvers": here / settings.approvers,
        }
    )
    return Draft(settings, tuple(faults), filled.is_right, tuple(layers))


def _secrets(env: Mapping[str, str]) -> tuple[dict[str, _Secret], list[Fault]]:
    """Read the secrets, by the name of the variable that each stands for."""
    where = env.get(SECRETS_DIR)
    if not where:
        return {}, []
    secrets: dict[str, _Secret] = {}
    faults: list[Fault] = []
    hint = f"make the folder, or unset {SECRETS_DIR}"
    try:
        files = sorted(Path(where).iterdir())
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        return {}, [Fault(SECRETS_DIR, f"{seen(where)} cannot be read: {words}", hint)]
    for file in files:
        name = file.name.upper()
        if not name.startswith(PREFIX):
            continue
        try:
            text = bytes_of(file).decode("utf-8")
            secrets[name] = _Secret(str(file), text.strip())
        except Said as said:
            faults.append(Fault(str(file), said.words, said.hint))
        except (OSError, UnicodeDecodeError) as error:
            reason = str(getattr(error, "strerror", "") or "it is not text").lower()
            faults.append(Fault(str(file), f"cannot be read: {reason}"))
    return secrets, faults


def _from_names(
    given: Mapping[str, str], shown: Mapping[str, str]
) -> tuple[dict[str, Any], list[Fault]]:
    """Read settings by their variables' names; refuse names that lead nowhere."""
    ours = {name: text for name, text in given.items() if name.startswith(PREFIX)}
    raw = _Given(ours)()
    faults: list[Fault] = []
    known = [field.upper() for field in Settings.model_fields]
    for name in ours:
        parts = name.removeprefix(PREFIX).split("__")
        at: Any = raw
        for part in parts:
            at = at.get(part.lower(), _NOWHERE) if isinstance(at, dict) else _NOWHERE
        if at is _NOWHERE:
            hint = one_of(parts[0], known, prefix=PREFIX)
            if parts[0] in known:
                hint = f"{PREFIX}{parts[0]} has no parts of its own"
            faults.append(Fault(shown[name], "unknown setting", hint))
    return raw, faults


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay *above* over *below*, key by key; lists are replaced whole."""
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        both = isinstance(value, dict) and isinstance(under, dict)
        result[key] = _merged(under, value) if both and under is not None else value
    return result


def _traced(
    fault: Fault, given: Mapping[str, str], secrets: Mapping[str, _Secret]
) -> Fault:
    """Say where a wrong value came from when it is not the file.

    What a secret holds is not repeated.
    """
    parts = fault.path.partition("[")[0].upper().split(".")
    for length in range(len(parts), 0, -1):
        name = PREFIX + "__".join(parts[:length])
        if name in given:
            return Fault(name, fault.words, fault.hint)
        if name in secrets:
            file, text = secrets[name]
            words = _SHOWN.sub("what it holds", fault.words)
            if any(part in words + fault.hint for part in _PART.findall(text)):
                return Fault(file, "holds something else than what is meant")
            return Fault(file, words, fault.hint)
    return fault
