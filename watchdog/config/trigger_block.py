"""What a window is counted in: scrapes, points, or a queue's blocks."""

from datetime import timedelta

from watchdog.config.notation import written

_SECOND = timedelta(seconds=1)
_LEAST_BLOCKS = 5
_LEAST_SCRAPES = 4


def block_of(
    kind: str,
    window: timedelta,
    wanted: timedelta | None,
    scrape_interval: timedelta,
) -> timedelta:
    """Give the block of a kind; only a queue's may be *wanted* otherwise."""
    if kind != "queue":
        return max(scrape_interval, _SECOND)
    return wanted or window / _LEAST_BLOCKS


def fault_of_block(
    kind: str,
    time: tuple[str, timedelta],
    block: timedelta,
    scrape_interval: timedelta,
    *,
    is_written: bool,
) -> tuple[str, str] | None:
    """Say what is wrong with a block, and what to write instead.

    One that is not *written* is a part of its window.
    """
    key, window = time
    least = 2 * scrape_interval
    if kind == "container":
        return None  # the engine tells any time, whatever is scraped
    if kind == "value":
        words = f"a block of {written(block)} does not fit into {written(window)}"
        cure = f"write `{key}: {written(block)}` or more"
        return (words, cure) if block > window else None
    if kind != "queue":
        fewest = _LEAST_SCRAPES * block
        words = (
            f"{written(window)} holds {window // block} scrapes, {written(block)} "
            f"apart; meant {_LEAST_SCRAPES} or more"
        )
        cure = f"write `{key}: {written(fewest)}` or more"
        return (words, cure) if window < fewest else None
    blocks = window // block
    if block < least:
        words = f"blocks of {written(block)} are under two scrapes, {written(least)}"
    elif blocks * block != window:
        words = f"{written(window)} is not made of whole blocks of {written(block)}"
    elif blocks < _LEAST_BLOCKS:
        words = (
            f"{written(window)} holds {blocks} blocks of {written(block)},"
            f" meant {_LEAST_BLOCKS} or more"
        )
    else:
        return None
    return words, f"write {_cure(time, block, least, is_written=is_written)}"


def _cure(
    time: tuple[str, timedelta], block: timedelta, least: timedelta, *, is_written: bool
) -> str:
    """Name a longer window that fits, and a block that fits the window if any does."""
    key, window = time
    near = max(block, least)
    near = _SECOND * -(-near // _SECOND)
    longer = near * max(_LEAST_BLOCKS, -(-window // near))
    cures = [f"`{key}: {written(longer)}`"]
    if near != block and is_written:
        cures = [f"{cures[0]} with `block: {written(near)}`"]
    fitting = [
        window / blocks
        for blocks in range(_LEAST_BLOCKS, window // max(least, _SECOND) + 1)
        if window % (blocks * _SECOND) == timedelta()
    ]
    if fitting:
        fits = min(fitting, key=lambda one: abs(one - block))
        cures.append(f"`block: {written(fits)}`")
    return " or ".join(cures)
