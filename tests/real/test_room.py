"""A state disk that fills up: the next start has room to carry on."""

from contextlib import closing

import pytest

from tests.crash.disks import Disk
from tests.worlds import AT, started
from watchdog.facts.problem import JournalLost
from watchdog.record.journal import Journal
from watchdog.roles import Turn

pytestmark = pytest.mark.real


def write_until_it_fails(journal):
    for _ in range(4000):
        journal.append(AT, *[started()] * 20)


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_after_a_disk_that_filled_up_the_next_start_can_write(tmp_path, kind):
    disk = Disk(tmp_path / "state", kind, size="48M")
    try:
        with closing(Journal(disk.place)) as journal:
            journal.mark(Turn(AT, "watching"))
            disk.fill()
            with pytest.raises(JournalLost, match="could not be written"):
                write_until_it_fails(journal)
            reached = journal.head

        with closing(Journal(disk.place)) as again:
            assert again.head >= reached
            for _ in range(300):
                again.append(AT, started())
            again.mark(Turn(AT, "watching"))
        assert not (disk.place / "journal.room").exists()

        disk.empty()
        with closing(Journal(disk.place)) as later:
            later.mark(Turn(AT, "watching"))
        assert (disk.place / "journal.room").exists()
    finally:
        disk.strike()
