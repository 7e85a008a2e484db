"""Any event at all, as Hypothesis finds it in the types."""

from collections.abc import Mapping
from datetime import UTC, datetime

from hypothesis import strategies as st

from watchdog.facts.event import EVERY_EVENT, WentBack
from watchdog.facts.plan import Plan, Swap, Write

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(max_size=9), inner, max_size=2)
    ),
    max_leaves=4,
)
_OBJECT = st.dictionaries(st.text(max_size=9), _JSON, max_size=3)
_OBJECTS = st.dictionaries(st.text(max_size=9), _OBJECT, max_size=2)
st.register_type_strategy(float, st.floats(allow_nan=False))  # equal to itself
st.register_type_strategy(datetime, st.datetimes(timezones=st.just(UTC)))
# A mapping of an event is read back as a dict; Hypothesis knows rarer ones, too.
st.register_type_strategy(
    Mapping, lambda kind: st.dictionaries(*map(st.from_type, kind.__args__))
)
# What Docker gave is ``Any``; here it is any JSON.
st.register_type_strategy(
    Swap, st.builds(Swap, old_restart=_OBJECT, new=_OBJECT, networks=_OBJECTS)
)
st.register_type_strategy(Plan, st.builds(Plan, networks=_OBJECTS))
_SPECS = dict.fromkeys(("before", "carrier", "home", "back"), _OBJECT)
st.register_type_strategy(Write, st.builds(Write, **_SPECS))
# A mapping that was read is a dict; Hypothesis knows more kinds than JSON does.
_WORDS = st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=2)
st.register_type_strategy(
    WentBack, st.builds(WentBack, st.text(), st.text(), evidence=_WORDS)
)

of_kind = st.from_type
events = st.sampled_from(EVERY_EVENT).flatmap(of_kind)
