"""Where the memory may be: the same is asked of each place."""

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
