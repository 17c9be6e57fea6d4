"""Keeping time: an even tick that never catches up, and meters for rates and delays."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np


class Pacer:
    """An even beat of `rate` ticks a second.

    A late tick is not made up for: the beat starts again from it, so that a slow world shows its
    frames late and never rushes through a queue of old ones.
    """

    def __init__(self, rate: float, now: Callable[[], float] = time.perf_counter) -> None:
        self.interval = 1.0 / rate
        self._now = now
        self._due = now()

    def remaining(self) -> float:
        """Seconds until the next tick is due; 0 when it is due now."""
        return max(0.0, self._due - self._now())

    def advance(self) -> None:
        """Say that the tick which was due begins now."""
        self._due = max(self._due + self.interval, self._now())


class Meter:
    """The last `size` values of something timed, in milliseconds when reported."""

    def __init__(self, size: int = 120) -> None:
        self._values: deque[float] = deque(maxlen=size)

    def __len__(self) -> int:
        return len(self._values)

    def add(self, seconds: float) -> None:
        """Take one measurement, in seconds."""
        self._values.append(seconds)

    def clear(self) -> None:
        """Forget everything measured so far."""
        self._values.clear()

    def percentile_ms(self, percent: float) -> float:
        """The value below which `percent` of the measurements lie, in ms; nan without any."""
        if not self._values:
            return float("nan")
        return float(np.percentile(list(self._values), percent)) * 1000.0


class Rate:
    """Events a second over the last `window` seconds."""

    def __init__(self, window: float = 2.0, now: Callable[[], float] = time.perf_counter) -> None:
        self._window = window
        self._now = now
        self._times: deque[float] = deque()

    def add(self) -> None:
        """Count one event now."""
        self._times.append(self._now())
        self._drop_old()

    def per_second(self) -> float:
        """The present rate; 0 before the second event."""
        self._drop_old()
        if len(self._times) < 2:
            return 0.0
        return (len(self._times) - 1) / max(1e-9, self._times[-1] - self._times[0])

    def _drop_old(self) -> None:
        oldest = self._now() - self._window
        while self._times and self._times[0] < oldest:
            self._times.popleft()
