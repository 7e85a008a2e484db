"""The one door: a reading in, a verdict out, whatever it holds."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.judge.samples import (
    AT,
    LONG_AGO,
    MINUTE,
    SECOND,
    awb,
    before,
    counts,
    down,
    http_5xx,
    look,
    outbox,
    points,
    queue,
    read,
)
from tests.thorough import TIMES
from watchdog.facts.reading import Blind, Block, Cause, Look, Measured
from watchdog.facts.verdict import Breached, Clear
from watchdog.judge.breach import judge


def test_a_blind_reading_is_its_own_verdict():
    blind = Blind(Cause.UNREACHABLE, "connection refused")

    assert judge(http_5xx(), blind, LONG_AGO) == blind


def test_what_may_be_measured_in_part_is_not_clear_and_a_breach_all_the_same():
    why = Blind(Cause.TIMEOUT, "prometheus gave no answer in the turn's time")
    fine, bad = counts(*[(0, 100)] * 200), counts(*[(50, 100)] * 200)

    seen = judge(awb(), read(awb(), fine, uncounted=why), LONG_AGO)
    assert isinstance(judge(awb(), read(awb(), fine), LONG_AGO), Clear)
    assert isinstance(seen, Blind)
    assert seen.cause is Cause.TIMEOUT
    assert seen.words.startswith(
        "whether it is measured on all containers is not known: prometheus gave no "
        "answer in the turn's time; 0 of "
    )
    seen = judge(awb(), read(awb(), bad, uncounted=why), LONG_AGO)
    assert isinstance(seen, Breached)


def test_a_reading_without_a_look_is_blind():
    assert judge(http_5xx(), Measured(()), LONG_AGO) == Blind(
        Cause.PARTIAL, "the reading holds no look at the window"
    )


# ---------------------------------------------------------------- properties

SCRAPES = 20
pairs = st.one_of(
    st.none(),
    st.tuples(st.integers(0, 40), st.integers(0, 120)).map(
        lambda pair: (min(pair), max(pair))
    ),
    st.tuples(st.none(), st.integers(0, 120)),
)
windows = st.lists(pairs, min_size=SCRAPES, max_size=SCRAPES)
places = st.sets(st.integers(0, SCRAPES - 1))
# Near the bound of 1 %: most of these are over in some scrapes.
hot = st.lists(
    st.one_of(
        st.none(),
        st.just((0, 0)),
        st.tuples(st.integers(0, 2), st.integers(20, 60)),
        st.tuples(st.integers(0, 1), st.integers(5, 20)),
        st.tuples(st.integers(0, 1), st.integers(5, 20)),
    ),
    min_size=SCRAPES,
    max_size=SCRAPES,
)


def without(seen, lost):
    """Leave out the blocks at *lost*."""
    kept = [one for place, one in enumerate(seen.blocks) if place not in lost]
    return Measured((Look(seen.at, tuple(kept), bridged(seen, lost)),))


def emptied(seen, lost):
    """Keep the blocks at *lost*, but nothing in them."""
    blocks = [
        Block(one.end, {}) if place in lost else one
        for place, one in enumerate(seen.blocks)
    ]
    return Measured((Look(seen.at, tuple(blocks), bridged(seen, lost)),))


def bridged(seen, lost):
    """Count what was lost, as the counters tell it on the other side of a gap.

    What had not been measured at all stays unknown.
    """
    gaps, run = {}, []
    for place, one in enumerate(seen.blocks):
        if place in lost or not one.parts:
            run.append(one)
            continue
        if run and all("all" in block.parts for block in run):
            gaps[run[-1].end] = {
                part: sum(block.parts.get(part, 0.0) for block in run)
                for part in ("bad", "all")
            }
        run = []
    return gaps


@given(windows | hot, places, st.booleans())
@example([None] * 16 + [(1, 1), (1, 1), (2, 2), None], {0, 1, 19}, False)
@settings(max_examples=200 * TIMES, deadline=None)
def test_lost_scrapes_that_nobody_can_tell_of_never_make_odds(window, lost, sustained):
    """What was before a hole is forgotten: less is known, so less is charged.

    One that nothing came after yet is no hole, and leaves what was as it was.
    """
    trigger = awb(sustained=sustained)
    seen = look(trigger, counts(*window))
    blocks = emptied(seen, lost).looks[0].blocks

    after = judge(trigger, Measured((Look(seen.at, blocks),)), LONG_AGO)

    if isinstance(after, Breached):
        known = [place for place, block in enumerate(blocks) if block.parts]
        hole = max((place for place in lost if place < known[-1]), default=-1)
        kept = Measured((Look(seen.at, seen.blocks[hole + 1 : known[-1] + 1]),))
        assert isinstance(judge(trigger, kept, LONG_AGO), Breached)


@given(windows, places, st.booleans())
def test_a_block_left_out_and_a_block_without_samples_are_the_same(
    window, lost, sustained
):
    trigger = awb(sustained=sustained)
    seen = look(trigger, counts(*window))

    left_out = judge(trigger, without(seen, lost), LONG_AGO)

    assert left_out == judge(trigger, emptied(seen, lost), LONG_AGO)


@given(windows, st.integers(5, SCRAPES))
def test_fewer_scrapes_than_the_coverage_never_make_a_clear(window, gaps):
    trigger = awb(sustained=True)
    seen = look(trigger, counts(*window))
    blocks = emptied(seen, set(range(gaps))).looks[0].blocks

    verdict = judge(trigger, Measured((Look(seen.at, blocks),)), LONG_AGO)

    assert not isinstance(verdict, Clear)


@given(st.sampled_from(list(Cause)), st.sampled_from([http_5xx(), outbox(), down()]))
def test_blindness_alone_never_makes_a_breach(cause, trigger):
    blind = Blind(cause, "…")
    gaps = look(trigger, [{}] * 6)

    assert judge(trigger, blind, LONG_AGO) == blind
    assert isinstance(judge(trigger, Measured((gaps,)), LONG_AGO), Blind)


@given(windows, st.randoms())
def test_a_verdict_does_not_depend_on_the_order_or_the_identity_of_blocks(
    window, random
):
    trigger = awb()
    seen = look(trigger, counts(*window))
    shuffled = [Block(one.end, dict(one.parts)) for one in seen.blocks]
    random.shuffle(shuffled)

    first = judge(trigger, Measured((seen,)), LONG_AGO)
    again = judge(trigger, Measured((Look(AT, tuple(shuffled)),)), LONG_AGO)

    assert first == again


@given(windows, windows, st.integers(0, SCRAPES))
def test_what_was_before_the_release_never_changes_the_verdict(window, other, kept):
    trigger = awb()
    armed_from = AT - kept * trigger.block
    mixed = other[: SCRAPES - kept] + window[SCRAPES - kept :]

    first = judge(trigger, read(trigger, counts(*window)), armed_from)
    again = judge(trigger, read(trigger, counts(*mixed)), armed_from)

    assert first == again


values = st.lists(
    st.one_of(st.none(), st.sampled_from([0.0, 1.0])), min_size=25, max_size=25
)


@given(values, st.sets(st.integers(0, 24)))
def test_losing_points_of_a_value_may_delay_a_breach_but_never_makes_one(window, lost):
    trigger = down()
    seen = look(trigger, points(*window), step=5 * SECOND)
    before = judge(trigger, Measured((seen,)), LONG_AGO)

    after = judge(trigger, emptied(seen, lost), LONG_AGO)

    if not isinstance(before, Breached):
        assert not isinstance(after, Breached)


floors = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 90), st.integers(0, 90)),
    min_size=6,
    max_size=6,
)


@given(floors, st.sets(st.integers(0, 5)))
def test_losing_blocks_of_a_queue_may_delay_a_breach_but_never_makes_one(window, lost):
    trigger = outbox()
    seen = look(trigger, queue(*window))
    before = judge(trigger, Measured((seen,)), LONG_AGO)

    after = judge(trigger, without(seen, lost), LONG_AGO)

    if not isinstance(before, Breached):
        assert not isinstance(after, Breached)


@given(windows)
def test_a_clear_verdict_has_measured_enough(window):
    trigger = http_5xx()
    seen = judge(trigger, read(trigger, counts(*window)), LONG_AGO)

    if isinstance(seen, Clear):
        measured = [one for one in window if one]
        assert any(window[-3:])
        assert len(measured) >= 14
        assert sum(one[1] for one in measured) >= trigger.min_samples


@given(windows, st.integers(0, 600))
def test_a_release_that_is_younger_is_never_judged_harder(window, seconds):
    trigger = http_5xx(window=5 * MINUTE)
    reading = read(trigger, counts(*window))

    if not isinstance(judge(trigger, reading, LONG_AGO), Breached):
        younger = judge(trigger, reading, AT - seconds * SECOND)
        assert not isinstance(younger, Breached)


@given(windows, st.integers(0, 60), st.integers(0, 60_000), st.booleans())
def test_what_was_before_never_makes_a_breach_nor_unmakes_one(
    window, bad, every, sustained
):
    trigger = awb(sustained=sustained)
    looks = counts(*window)
    time_before = before(min(bad, every), every)

    alone = judge(trigger, read(trigger, looks), LONG_AGO)
    compared = judge(trigger, read(trigger, looks, before=time_before), LONG_AGO)

    assert type(alone) is type(compared)
    assert alone.words == compared.words


@given(windows, st.sampled_from(list(Cause)), st.booleans())
def test_blindness_beside_the_looks_never_makes_a_breach(window, cause, sustained):
    trigger = awb(sustained=sustained, unless="down", by="tenant")
    looks, blind = counts(*window), Blind(cause, "…")

    alone = judge(trigger, read(trigger, looks), LONG_AGO)
    reading = read(trigger, looks, before=blind, outside=blind, groups=blind)
    seen = judge(trigger, reading, LONG_AGO)

    if isinstance(seen, Breached):
        assert isinstance(alone, Breached)
        assert seen.elsewhere
