"""The one door: looks are judged alone, and all of them confirm."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.judge.samples import (
    AT,
    GAP,
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
from watchdog.facts.trigger import Dispersion
from watchdog.facts.verdict import Breached, Clear, Pending
from watchdog.judge.breach import judge

OVER = counts(*[(120, 1200)] * 5)
FINE = counts(*[(6, 1200)] * 5)
NOTHING = counts(*[GAP] * 5)


def confirmed(*looks, polls=2):
    trigger = http_5xx(confirm_polls=polls)
    return judge(trigger, read(trigger, *looks), LONG_AGO)


def test_a_breach_of_one_poll_is_only_suspected():
    words = (
        "suspected: 1 poll of 2; 600 of 6000 (10%) were bad; "
        "with 99.9% confidence at least 8.84%; bound 5%"
    )

    assert confirmed(OVER, FINE) == Pending(words)
    assert confirmed(OVER, NOTHING) == Pending(words)
    assert confirmed(OVER) == Pending(words)


def test_a_breach_of_every_poll_asked_for_is_confirmed():
    assert isinstance(confirmed(OVER, OVER), Breached)
    assert isinstance(confirmed(OVER, OVER, FINE), Breached)
    assert isinstance(confirmed(OVER, OVER, OVER, polls=3), Breached)
    seen = confirmed(OVER, OVER, FINE, polls=3)
    assert isinstance(seen, Pending)
    assert seen.words.startswith("suspected: 2 polls of 3; ")


def test_the_newest_look_decides_what_is_not_a_breach():
    assert isinstance(confirmed(FINE, OVER), Clear)
    assert isinstance(confirmed(NOTHING, OVER), Blind)


def test_an_older_look_is_charged_by_its_own_time():
    trigger = awb(confirm_polls=2)
    reading = read(trigger, *[counts(*[(9, 30)] * 10)] * 2)

    # The newest look has three whole blocks since; the one before has two.
    seen = judge(trigger, reading, AT - 90 * SECOND)

    assert isinstance(seen, Pending)
    assert seen.words.startswith("suspected: 1 poll of 2")


def test_a_blind_reading_is_its_own_verdict():
    blind = Blind(Cause.UNREACHABLE, "connection refused")

    assert judge(http_5xx(), blind, LONG_AGO) == blind


def test_a_reading_without_a_look_is_blind():
    assert judge(http_5xx(), Measured(()), LONG_AGO) == Blind(
        Cause.PARTIAL, "the reading holds no look at the window"
    )


# ---------------------------------------------------------------- properties

pairs = st.one_of(
    st.none(),
    st.tuples(st.integers(0, 400), st.integers(0, 1200)).map(
        lambda pair: (min(pair), max(pair))
    ),
    st.tuples(st.none(), st.integers(0, 1200)),
)
windows = st.lists(pairs, min_size=5, max_size=5)
tens = st.lists(pairs, min_size=10, max_size=10)
places = st.sets(st.integers(0, 9))
# Near the bound of 1 %: most of these are over in most blocks.
hot = st.lists(
    st.one_of(
        st.none(),
        st.just((0, 0)),
        st.tuples(st.integers(0, 9), st.integers(20, 600)),
        st.tuples(st.integers(2, 9), st.integers(20, 200)),
        st.tuples(st.integers(2, 9), st.integers(20, 200)),
    ),
    min_size=10,
    max_size=10,
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


@given(
    tens | hot,
    st.sets(st.integers(0, 9), max_size=3),
    st.booleans(),
    st.sampled_from([0.5, 0.8, 1.0]),
    st.sampled_from([1, 2, 3]),
)
@settings(max_examples=500 * TIMES, deadline=None)
def test_losing_blocks_may_delay_a_breach_but_never_makes_one(
    window, lost, sustained, coverage, hit
):
    trigger = awb(sustained=sustained, coverage=coverage, min_blocks_hit=hit)
    seen = look(trigger, counts(*window))
    before = judge(trigger, Measured((seen,)), LONG_AGO)

    for after in (without(seen, lost), emptied(seen, lost)):
        if not isinstance(before, Breached):
            assert not isinstance(judge(trigger, after, LONG_AGO), Breached)


@given(tens, places, st.booleans())
def test_a_block_left_out_and_a_block_without_samples_are_the_same(
    window, lost, sustained
):
    trigger = awb(sustained=sustained)
    seen = look(trigger, counts(*window))

    left_out = judge(trigger, without(seen, lost), LONG_AGO)

    assert left_out == judge(trigger, emptied(seen, lost), LONG_AGO)


@given(tens, st.integers(3, 10))
def test_fewer_blocks_than_the_coverage_never_make_a_breach_or_a_clear(window, gaps):
    trigger = awb(sustained=True)
    seen = look(trigger, counts(*window))

    verdict = judge(trigger, emptied(seen, set(range(gaps))), LONG_AGO)

    assert not isinstance(verdict, Breached | Clear)


@given(st.sampled_from(list(Cause)), st.sampled_from([http_5xx(), outbox(), down()]))
def test_blindness_alone_never_makes_a_breach(cause, trigger):
    blind = Blind(cause, "…")
    gaps = look(trigger, [{}] * 6)

    assert judge(trigger, blind, LONG_AGO) == blind
    assert isinstance(judge(trigger, Measured((gaps,) * 2), LONG_AGO), Blind)


@given(tens, st.integers(2, 50), st.booleans())
def test_more_of_the_same_never_loses_a_breach(window, times, sustained):
    trigger = awb(sustained=sustained)
    scaled = [
        one and (one[0] if one[0] is None else one[0] * times, one[1] * times)
        for one in window
    ]

    if isinstance(judge(trigger, read(trigger, counts(*window)), LONG_AGO), Breached):
        seen = judge(trigger, read(trigger, counts(*scaled)), LONG_AGO)
        assert isinstance(seen, Breached)


@given(tens, st.randoms())
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


@given(tens, tens, st.integers(0, 10))
def test_what_was_before_the_release_never_changes_the_verdict(window, other, kept):
    trigger = awb()
    armed_from = AT - kept * trigger.block
    mixed = other[: 10 - kept] + window[10 - kept :]

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
        assert window[-1]
        assert len(measured) >= 4
        assert sum(one[1] for one in measured) >= trigger.min_samples


@given(windows, st.integers(0, 600))
def test_a_release_that_is_younger_is_never_judged_harder(window, seconds):
    trigger = http_5xx(window=5 * MINUTE)
    reading = read(trigger, counts(*window))

    if not isinstance(judge(trigger, reading, LONG_AGO), Breached):
        younger = judge(trigger, reading, AT - seconds * SECOND)
        assert not isinstance(younger, Breached)


@given(tens, st.integers(0, 60), st.integers(0, 60_000), st.booleans())
def test_what_was_before_never_makes_a_breach_nor_unmakes_one(
    window, bad, every, sustained
):
    trigger = awb(sustained=sustained, dispersion=Dispersion.NONE)
    looks = counts(*window)
    time_before = before(min(bad, every), every)

    alone = judge(trigger, read(trigger, looks), LONG_AGO)
    compared = judge(trigger, read(trigger, looks, before=time_before), LONG_AGO)

    assert type(alone) is type(compared)
    assert alone.words == compared.words


@given(tens, st.lists(st.integers(0, 400), min_size=60, max_size=60), st.booleans())
def test_batches_may_weigh_a_breach_away_but_never_make_one(window, minutes, sustained):
    trigger = awb(sustained=sustained)
    looks = counts(*window)
    in_batches = before(bad_each=tuple(map(float, minutes)))

    if not isinstance(judge(trigger, read(trigger, looks), LONG_AGO), Breached):
        seen = judge(trigger, read(trigger, looks, before=in_batches), LONG_AGO)
        assert not isinstance(seen, Breached)


@given(tens, st.sampled_from(list(Cause)), st.booleans())
def test_blindness_beside_the_looks_never_makes_a_breach(window, cause, sustained):
    trigger = awb(sustained=sustained, unless="down", by="tenant")
    looks, blind = counts(*window), Blind(cause, "…")

    alone = judge(trigger, read(trigger, looks), LONG_AGO)
    reading = read(trigger, looks, before=blind, outside=blind, groups=blind)
    seen = judge(trigger, reading, LONG_AGO)

    if isinstance(seen, Breached):
        assert isinstance(alone, Breached)
        assert seen.elsewhere
