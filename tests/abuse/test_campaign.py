"""The campaign, for a few seconds: what it tells, and that it can tell."""

import random
import time

import pytest

from tests.abuse.campaign import try_the_door, try_the_verifier
from tests.abuse.door import now, watching

SEED = random.SystemRandom().getrandbits(32)


def test_what_was_signed_is_accepted_and_nothing_else_is():
    print(f"seed {SEED}")
    count = try_the_verifier(random.Random(SEED), now(), time.monotonic() + 1)

    assert set(count) == {"accepted", "refused"}


@pytest.mark.parametrize("listen", [{"failures_a_minute": 10**6}, {}], ids=str)
def test_the_door_takes_what_is_right_and_stands_whatever_comes(tmp_path, listen):
    print(f"seed {SEED}")
    with watching(tmp_path, **listen) as it:
        tries, wrong = try_the_door(it, SEED, 2)

    assert wrong == [], tries.count


def test_the_campaign_sees_a_verifier_that_takes_what_was_changed():
    def careless(*_):
        return "anybody"

    until = time.monotonic() + 0.2
    count = try_the_verifier(random.Random(SEED), now(), until, careless)

    assert count["wrong: a changed one accepted"]
