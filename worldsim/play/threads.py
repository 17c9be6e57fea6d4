"""How many processor threads a learned world gets: as many as are free, found out while playing.

Where another program keeps a core busy, two threads are slower than one: each small operation waits for the thread
that is not running. The load changes while one plays, so now and then a few ticks are lived with another number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Any

TRIAL = 6
"""Ticks of a trial; the first is not counted."""
FIRST, LONGEST = 40, 1280
"""Ticks between trials: at first, and after many that changed nothing."""
BETTER = 0.9
"""A number of threads is taken if it needs less than this share of the time."""
SLOWER = 1.4
"""How much slower than at the last decision the world has to become for a trial before its time."""


class Governor:
    """Chooses a number of threads by the time that ticks take.

    Args:
        counts: the numbers to choose from, the first one to begin with.
        set_threads: called with the number that the next ticks are to run with.
    """

    def __init__(self, counts: list[int], set_threads: Callable[[int], None]) -> None:
        self.counts, self.threads = counts, counts[0]
        self._set, self._period, self._since, self._next = set_threads, FIRST, 0, 0
        self._recent: deque[float] = deque(maxlen=12)
        self._trial: list[float] = []
        self._trying: int | None = None
        self._settled = 0.0
        set_threads(self.threads)

    def took(self, seconds: float) -> None:
        """Say how long a tick took."""
        if len(self.counts) < 2:
            return
        if self._trying is not None:
            self._trial.append(seconds)
            if len(self._trial) == TRIAL:
                self._decide(self._trying)
            return
        self._recent.append(seconds)
        self._since += 1
        if self._since >= self._period or self._slowed():
            others = [count for count in self.counts if count != self.threads]
            self._trying, self._trial = others[self._next % len(others)], []
            self._next += 1
            self._set(self._trying)

    def _slowed(self) -> bool:
        full = len(self._recent) == self._recent.maxlen and self._since >= FIRST // 2
        return full and self._settled > 0 and median(self._recent) > SLOWER * self._settled

    def _decide(self, tried: int) -> None:
        now, then = median(self._trial[1:]), median(self._recent)
        if now < BETTER * then:
            self.threads, self._period, self._settled = tried, FIRST, now
            self._recent.clear()
        else:
            self._period, self._settled = min(2 * self._period, LONGEST), then
        self._trying, self._since = None, 0
        self._set(self.threads)


def for_world(threads: int | None) -> Governor:
    """The governor of a learned world on this machine: a fixed number of threads, or all or one as it turns out."""
    import torch

    from worldsim.sim.graphs import thread_counts

    counts = thread_counts(torch.get_num_threads()) if threads is None else [threads]
    return Governor(counts, set_threads)


def set_threads(count: int) -> None:
    """Set the threads of torch and of the compiled kernels, of the calling thread's work."""
    import numba
    import torch

    config: Any = numba.config
    numba.set_num_threads(min(count, config.NUMBA_NUM_THREADS))
    torch.set_num_threads(count)  # last: a numba kernel hands its own number to OpenMP
