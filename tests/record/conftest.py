"""Where the memory may be: the same is asked of each place."""

import time

import pytest

from tests.record.postgresql import Cluster

PLACES = ("file", pytest.param("server", marks=pytest.mark.real))


@pytest.fixture(scope="session")
def cluster():
    made = Cluster()
    yield made
    made.remove()


@pytest.fixture(params=PLACES)
def place(request, folders):
    if request.param == "file":
        return folders()
    return request.getfixturevalue("cluster").server(folders())


@pytest.fixture
def until():
    """Wait for what a busy machine takes its time for."""

    def until(is_so):
        end = time.monotonic() + 90
        while not is_so():
            assert time.monotonic() < end
            time.sleep(0.1)

    return until
