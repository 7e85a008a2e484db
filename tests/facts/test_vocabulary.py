"""Which new values of a label may be what told errors before."""

import pytest

from watchdog.facts.vocabulary import others_for_bad


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
