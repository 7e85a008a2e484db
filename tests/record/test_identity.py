"""Which watchdog this is, among all that may share an engine."""

from watchdog.record.identity import identity


def test_a_watchdog_is_the_same_after_every_start_and_no_other_is(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    first = identity(tmp_path / "one")

    assert identity(tmp_path / "one") == first
    assert identity(tmp_path / "other") != first


def test_what_a_crash_left_half_written_is_drawn_again(tmp_path):
    (tmp_path / "watchdog.id").write_text("a1b2")
    (tmp_path / "watchdog.id.new").write_text("")

    drawn = identity(tmp_path)

    assert len(drawn) == 12
    assert identity(tmp_path) == drawn
