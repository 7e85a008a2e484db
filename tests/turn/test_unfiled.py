"""A version without a release file has manifests all the same: those it mounts."""

import pytest

from tests.turn.test_ordering import order
from tests.turn.test_transaction import ends
from tests.worlds import World, a_pair, a_release
from watchdog.facts.event import PairStarted

LAYOUTS = pytest.mark.parametrize("shared", [False, True], ids=["versioned", "shared"])
VERSIONS = pytest.mark.parametrize("unfiled", ["v1.3.0", "v1.2.0"])


@pytest.fixture
def world(folders):
    def world(unfiled, *, shared=False, **how):
        it = World(folders(), shared=shared, **how)
        if unfiled == "v1.3.0":
            del it.releases[unfiled]
        it.bake("v1.2.0")
        it.releases.pop(unfiled, None)
        it.compose_up("v1.3.0")
        it.turn()
        return it

    return world


@LAYOUTS
@VERSIONS
def test_a_rollback_by_hand_puts_both_halves_back(world, shared, unfiled):
    it = world(unfiled, shared=shared)
    seen = it.memory.all(PairStarted)[-1].pair
    assert seen == a_pair("v1.3.0")

    order(it, "rollback")

    assert it.turn() == "rollback to v1.2.0 proved after 0.0 s"
    it.releases[unfiled] = a_release(unfiled)
    assert it.stands_on("v1.2.0") == []
    assert ends(it) == [("proved", "v1.3.0", "v1.2.0")]
