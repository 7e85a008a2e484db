"""What is kept for a rollback: said when it matters, and not at each look."""

import itertools

import pytest

from tests.worlds import (
    AT,
    HEALTHY_THEN_NEXT,
    MINUTE,
    Notebook,
    a_record,
    a_release,
    rules,
)
from watchdog.config.release_file import Releases
from watchdog.decide.steady import FREE
from watchdog.facts.event import ImageHeld, ImageLost
from watchdog.facts.problem import EngineRefused
from watchdog.turn.keeping import Keeping


class Registry:
    """An engine without the image, and a registry that fails; or all is well."""

    def __init__(self):
        self.ports = itertools.count(43_210)
        self.down = False

    def hold(self, _):
        if self.down:
            where = f"read tcp 10.0.0.2:{next(self.ports)}->10.0.0.9:443: i/o timeout"
            raise EngineRefused(f"the image is gone, and could not be pulled: {where}")
        return "held", {"sha256:aa": 10**8}


@pytest.fixture
def keeping():
    memory = Notebook()
    memory.add(AT, *HEALTHY_THEN_NEXT)
    for version in ("v1.2.0", "v1.3.0"):
        memory.records[f"record of {version}"] = a_record(version)
    files = Releases({v: a_release(v) for v in ("v1.2.0", "v1.3.0")})
    return Keeping(Registry(), memory, files, rules(), lambda: None)


def said(keeping):
    return keeping.memory.all(ImageHeld, ImageLost)


def test_a_registry_that_says_it_in_other_words_each_time_is_told_once(keeping):
    keeping.keeper.down = True
    for minute in range(100):
        keeping.turn(AT + minute * MINUTE)

    assert [type(one) for one in said(keeping)] == [ImageLost, ImageLost]


def test_an_image_that_comes_and_goes_is_lost_until_it_stays(keeping):
    for minute in range(400):
        keeping.keeper.down = bool(minute % 2)
        keeping.turn(AT + minute * MINUTE)
        if minute % 2:
            now = keeping.memory.standing.images.values()
            assert all(isinstance(one, ImageLost) for one in now)

    assert FREE <= len(said(keeping)) / 2 <= FREE + 40
    keeping.keeper.down = False
    for minute in range(400, 432):
        keeping.turn(AT + minute * MINUTE)
    now = keeping.memory.standing.images.values()
    assert all(isinstance(one, ImageHeld) for one in now)
