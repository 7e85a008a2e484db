"""Releases, one after another on a real engine: what they leave behind is flat."""

import os

import pytest

from bench.releases import SETTLED, deployed

pytestmark = [pytest.mark.real, pytest.mark.campaign]

# 500 take an hour.
RELEASES = int(os.environ.get("RELEASES", "60"))


def test_memory_descriptors_holders_and_images_do_not_grow_with_releases():
    rows = deployed(RELEASES)

    settled = next(row for row in rows if row.releases >= SETTLED)
    last = rows[-1]
    assert last.resident - settled.resident < 8, rows
    assert last.descriptors - settled.descriptors <= 4, rows
    # What runs, the target and `retain` before it; one more may be on its way out.
    assert max(row.holders for row in rows) <= 5, rows
    assert max(row.images for row in rows) <= 6, rows
