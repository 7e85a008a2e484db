"""Which new values of a label may be what told errors before."""

import pytest

from watchdog.facts.vocabulary import others_for_bad, others_for_good


@pytest.mark.parametrize(
    ("before", "now", "bad", "others"),
    [
        # Renamed.
        ("200 404 500", "200 internal", "500", "internal"),
        ("2xx 5xx", "200 404", "5xx", "200 404"),
        ("200 500", "2xx", "500", "2xx"),
        ("200 500", "OK", "500", "OK"),
        ("0 13", "OK INTERNAL", "13", "INTERNAL OK"),
        ("ok failed", "ok failure", "failed", "failure"),
        ("ok failed", "ok FAILED", "failed", "FAILED"),
        ("ok failed", "ok error", "failed", "error"),
        ("ok lost_parcel", "ok los", "lost_parcel", "los"),
        ("ok failed", "success", "failed", "success"),
        ("true false", "yes", "false", "yes"),
        # No error yet.
        ("200 500", "200", "500", ""),
        ("200 500", "200 404", "500", ""),
        ("200 500", "204", "500", ""),
        ("200 500", "200 0", "500", ""),
        ("ok failed", "ok", "failed", ""),
        ("ok failed rejected", "ok rejected", "failed", ""),
        ("ok failed", "ok skipped", "failed", ""),
        ("ok failed", "", "failed", ""),
        ("", "ok error", "", ""),
    ],
)
def test_what_took_the_place_of_the_old_is_told_from_what_is_merely_new(
    before, now, bad, others
):
    found = others_for_bad(before.split(), now.split(), bad.split())

    assert found == tuple(others.split())


@pytest.mark.parametrize(
    ("before", "now", "others"),
    [
        ("200 500", "201 500", "201"),
        ("ok failed", "success failed", "success"),
        ("2xx 5xx", "200", "200"),
        ("200", "500", ""),
        ("ok", "failed", ""),
        ("ok", "skipped", ""),
        ("200 201", "201", ""),
        ("", "201", ""),
    ],
)
def test_what_went_well_under_another_name_is_known_by_its_word(before, now, others):
    assert others_for_good(before.split(), now.split()) == tuple(others.split())


def test_a_label_that_is_gone_says_nothing():
    assert others_for_good(["200", "500"], [""]) == ("",)
    assert others_for_good(["200", ""], [""]) == ()
