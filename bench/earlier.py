"""The rule of the first build, to be held against: one window, tested at each look.

Blocks of half a minute; enough failures in three of them or more; an exact binomial
test at 99.9 %, in batches as large as the hour before had them; two polls that agree.
"""

import math
from statistics import fmean, median, variance

from bench.watches import POLL, Watch
from watchdog.judge.tail import upper_tail

_WIDTHS = {True: 60, False: 30}


def batch_of(minutes: tuple[float, ...]) -> float:
    """Measure how many failures came at a time in the hour before."""
    ratios = [
        variance(part) / fmean(part) if fmean(part) > 0 else 1.0
        for part in (minutes[start : start + 10] for start in range(0, 60, 10))
    ]
    middle = median(ratios)
    return middle if middle > 1 + 3 * math.sqrt(2 / (len(minutes) - 1)) else 1.0


class Earlier:
    """Judges one watch as the first build did."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.batch = batch_of(watch.bad_each)
        self.trigger = watch.case.trigger
        self.width = max(_WIDTHS[self.trigger.sustained], 2 * watch.case.scrape)

    def rolled_back(self, turn: float) -> bool:
        """Tell whether it would be, in the turn at *turn*: both looks must say so."""
        newest = (turn - self.watch.case.scrape) // POLL * POLL
        return all(self._breached(newest - back * POLL) for back in (0, 1))

    def _breached(self, end: float) -> bool:
        trigger, width = self.trigger, self.width
        count = int(trigger.window.total_seconds()) // width
        settle = 2 * self.watch.case.scrape
        ends = [end - back * width for back in range(count)]
        blocks = [self.watch.rated(one, width) for one in ends if one - width >= settle]
        if len(blocks) < count and trigger.sustained:
            return False
        known = [block for block in blocks if block]
        if len(known) < 0.8 * len(blocks) or not blocks or not blocks[0]:
            return False
        bad = math.floor(sum(block["bad"] for block in known) + 0.5)
        every = math.floor(sum(block["all"] for block in known) + 0.5)
        bound = trigger.above or 0.0
        if every < 20 or bad < 5 or bad <= bound * every:
            return False
        if trigger.sustained:
            busy = [block for block in known if block["all"] >= 0.5]
            over = [block["bad"] > bound * block["all"] for block in busy]
            if not all(over) or len(over) < 3 or not blocks[0]["bad"]:
                return False
        elif sum(block["bad"] >= 0.5 for block in known) < min(3, count):
            return False
        few, many = self._in_batches(bad, every)
        return upper_tail(few, many, bound) < 0.001 and self._is_its_doing(bad, every)

    def _in_batches(self, bad: int, every: int) -> tuple[int, int]:
        if self.batch <= 1:
            return bad, every
        many = max(1, math.ceil(every / self.batch))
        return min(math.floor(bad / self.batch), many), many

    def _is_its_doing(self, bad: int, every: int) -> bool:
        before = self.watch.before
        lately, of = int(before.last["bad"]), int(before.last["all"])
        bound = self.trigger.above or 0.0
        if lately > bound * of and upper_tail(lately, of, bound) < 0.01:
            return False
        share = 1.5 * every / (1.5 * every + before.whole["all"])
        few, _ = self._in_batches(bad, every)
        earlier = math.ceil(before.whole["bad"] / max(1.0, self.batch))
        return upper_tail(few, few + earlier, share) < 0.01
