"""A window is counted in five blocks or more, each of two scrapes or more."""

from datetime import timedelta

from watchdog.config.notation import written

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_LEAST_BLOCKS = 5
_BLOCKS_OF_A_WINDOW = 10


def block_of(
    kind: str, window: timedelta, time: str, scrape_interval: timedelta
) -> timedelta:
    """Choose the block that the file left open."""
    if kind == "value":
        return max(scrape_interval, _SECOND)
    if kind == "queue":
        return window / _LEAST_BLOCKS
    if time == "window":
        return window / _BLOCKS_OF_A_WINDOW
    # A minute, or what divides the window evenly below it.
    least = max(_LEAST_BLOCKS, -(-window // max(_MINUTE, 2 * scrape_interval)))
    for blocks in range(least, 2 * least):
        block = window / blocks
        if window % (blocks * _SECOND) == timedelta() and block >= 2 * scrape_interval:
            return block
    return window / least


def fault_of_block(
    kind: str,
    time: tuple[str, timedelta],
    block: timedelta,
    scrape_interval: timedelta,
    *,
    is_written: bool,
) -> tuple[str, str] | None:
    """Say what is wrong with a block, and what to write instead."""
    key, window = time
    least = 2 * scrape_interval
    if kind == "value":
        words = f"a block of {written(block)} does not fit into {written(window)}"
        cure = f"write `{key}: {written(block)}` or more"
        return (words, cure) if block > window else None
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
    is_tenth = key == "window" and not is_written
    fewest = _BLOCKS_OF_A_WINDOW if is_tenth else _LEAST_BLOCKS
    longer = near * max(fewest, -(-window // near))
    cures = [f"`{key}: {written(longer)}`"]
    if is_written and near != block:
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
