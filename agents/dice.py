"""Random choices that come out the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from worldsim.errors import UsageError

T = TypeVar("T")


class Dice:
    """Choices drawn from one seeded PCG64 stream.

    Everything is uniform draws, sums and products: `log` or `cos` may differ in the last bit
    between C libraries, and a player that differs in one bit is soon somewhere else. Draws are made
    in blocks, because a single draw from NumPy costs a microsecond.

    Raises:
        UsageError: the seed is not an integer in 0 .. 2**64 - 1.
    """

    def __init__(self, seed: int) -> None:
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
            raise UsageError(f"seed: got {seed!r}, expected an integer from 0 to 2**64 - 1")
        self._generator = np.random.Generator(np.random.PCG64(int(seed)))
        self._block: list[float] = []

    def random(self) -> float:
        """A number in [0, 1)."""
        if not self._block:
            self._block = self._generator.random(256).tolist()
        return self._block.pop()

    def chance(self, share: float) -> bool:
        """True in this share of calls."""
        return self.random() < share

    def between(self, low: float, high: float) -> float:
        """A number in [low, high), evenly."""
        return low + (high - low) * self.random()

    def skewed(self, low: float, high: float) -> float:
        """A number in [low, high), mostly near `low`: every order of magnitude gets its share."""
        u = self.random()
        return low + (high - low) * u * u * u

    def ticks(self, low: int, high: int) -> int:
        """A number of ticks in low .. high, the short ones more often."""
        u = self.random()
        return low + int((high - low + 1) * u * (0.5 + 0.5 * u))

    def sign(self) -> float:
        """-1 or 1."""
        return 1.0 if self.random() < 0.5 else -1.0

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, evenly."""
        return options[int(self.random() * len(options))]

    def weighted(self, weights: Sequence[float]) -> int:
        """An index, drawn in proportion to weights that are not negative and not all zero."""
        rest = self.random() * sum(weights)
        last = 0
        for i, weight in enumerate(weights):
            if weight > 0.0:
                last = i
                rest -= weight
                if rest < 0.0:
                    return i
        return last
