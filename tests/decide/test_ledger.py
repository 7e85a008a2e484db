"""Which pair a person means, and what their word is worth."""

from dataclasses import replace

import pytest

from tests.worlds import (
    ASHA,
    HEALTHY_THEN_NEXT,
    a_pair,
    entries,
    proved_good,
    started,
)
from watchdog.decide.fold import stand
from watchdog.decide.ledger import find, may_vouch
from watchdog.facts.event import PairProvedGood, PairQuarantined
from watchdog.facts.problem import Problem
from watchdog.show.releases import picture, words

REBUILT = a_pair("v1.2.0", manifest="v1.2.0 again")


def standing(*events):
    return stand(entries(*HEALTHY_THEN_NEXT, *events))


def refusal(call, *args, **more):
    with pytest.raises(Problem) as caught:
        call(*args, **more)
    return caught.value


def test_a_pair_is_named_by_its_version_or_by_the_beginning_of_its_id():
    s = standing()
    pair = a_pair("v1.2.0")

    for which in ("v1.2.0", pair.short, pair.short[:4]):
        assert find(s, which).pair == pair


def test_a_version_that_never_ran_here_is_refused_with_those_that_did():
    problem = refusal(find, standing(), "v9.9.9")

    assert problem.words == "no pair v9.9.9 ever ran here"
    assert problem.hint == "known: v1.2.0, v1.3.0; `watchdog releases` lists them"


def test_two_pairs_of_one_version_are_shown_and_never_guessed():
    s = standing(started(pair=REBUILT, containers="again"))

    problem = refusal(find, s, "v1.2.0")

    assert problem.words.startswith("v1.2.0 names 2 pairs: ")
    for pair in (a_pair("v1.2.0"), REBUILT):
        assert f"{pair.short} is {pair.words}" in problem.words
        assert find(s, pair.short).pair == pair
    assert problem.hint == "name one by the beginning of its id"


def test_less_than_four_digits_of_an_id_name_nothing():
    refusal(find, standing(), a_pair("v1.2.0").short[:3])


def test_a_quarantine_is_lifted_only_by_who_says_so():
    s = standing(PairQuarantined(a_pair("v1.3.0").key, "it failed"))
    known = find(s, "v1.3.0")

    problem = refusal(may_vouch, s, known, missing="", even_though_quarantined=False)

    assert problem.words == "v1.3.0 is quarantined: it failed"
    assert "--even-though-quarantined" in problem.hint
    may_vouch(s, known, missing="", even_though_quarantined=True)


def test_nobody_vouches_for_what_the_ledger_lost():
    s = standing()
    known = find(s, "v1.3.0")

    problem = refusal(
        may_vouch, s, known, missing="no bytes", even_though_quarantined=True
    )

    assert problem.words == "v1.3.0 cannot be put back any more: no bytes"


def test_a_persons_word_lifts_a_quarantine_and_a_bake_does_not():
    key = a_pair("v1.3.0").key
    bad = PairQuarantined(key, "it failed")
    word = PairProvedGood(key, "asha vouched", vouched_by=ASHA)

    lifted = find(standing(bad, word), "v1.3.0")
    baked = find(standing(bad, proved_good("v1.3.0")), "v1.3.0")

    assert (lifted.good, lifted.quarantined) == ("asha vouched", "")
    assert (lifted.vouched_by, lifted.quarantined_since) == (ASHA, None)
    assert baked.quarantined == "it failed"


def test_what_was_vouched_for_is_quarantined_like_any_other():
    key = a_pair("v1.3.0").key
    word = PairProvedGood(key, "asha vouched", vouched_by=ASHA)

    known = find(standing(word, PairQuarantined(key, "it failed")), "v1.3.0")

    assert (known.good, known.vouched_by, known.good_since) == ("", "", None)
    assert known.quarantined == "it failed"


def test_the_ledger_lists_the_newest_first_with_what_is_known_of_each():
    s = standing(PairQuarantined(a_pair("v1.3.0").key, "it failed"))

    listed = picture(s, None)
    said = words(listed).splitlines()

    new, old = a_pair("v1.3.0"), a_pair("v1.2.0")
    assert said == [
        f"v1.3.0  {new.short}  quarantined since 2026-03-11T03:00:03Z  <- running",
        (
            f"  first seen 2026-03-11T03:00:02Z; image {new.image[7:19]}, "
            f"meesho {dict(new.manifests)['meesho'][:12]}"
        ),
        "  it failed",
        f"v1.2.0  {old.short}  known good since 2026-03-11T03:00:01Z  <- target",
        (
            f"  first seen 2026-03-11T03:00:00Z; image {old.image[7:19]}, "
            f"meesho {dict(old.manifests)['meesho'][:12]}"
        ),
        "  v1.2.0 ran long enough",
    ]
    assert [one["target"] for one in listed] == [False, True]
    assert words([]) == "no pair has been seen here yet"


def test_an_id_says_nothing_of_the_version():
    pair = a_pair("v1.2.0")

    assert replace(pair, version="latest").short == pair.short
    assert pair.short != REBUILT.short
