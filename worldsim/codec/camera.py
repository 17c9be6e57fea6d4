"""Camera degrees to and from a few bins: linear (Oasis) or by the mu-law (VPT, MineWorld)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import InvalidAction


@dataclass(frozen=True)
class CameraBins:
    """Bins of one axis: degrees beyond `limit` are clipped, bin `zero` stands for 0.

    With `mu` the degrees first go through mu-law companding, `sign(x) log(1 + mu |x|) / log(1 + mu)`
    of `x = degrees / limit`, which makes small turns finer than large ones (VPT, appendix on the
    action space); then they are rounded to steps of `size`, ties to the even bin, as numpy rounds.
    """

    limit: float
    size: float
    mu: float | None = None

    @property
    def count(self) -> int:
        """How many bins there are."""
        return round(2 * self.limit / self.size) + 1

    @property
    def zero(self) -> int:
        """The bin of 0 degrees."""
        return self.count // 2

    def encode(self, degrees: Any) -> NDArray[np.int64]:
        """The nearest bin of each angle, 0 to `count - 1`, in the shape of `degrees`."""
        turn = np.clip(np.asarray(degrees, np.float64) / self.limit, -1, 1)
        if self.mu is not None:
            turn = np.sign(turn) * np.log1p(self.mu * np.abs(turn)) / np.log1p(self.mu)
        return np.rint((turn + 1) * self.limit / self.size).astype(np.int64)

    def decode(self, bins: Any) -> NDArray[np.float64]:
        """The degrees that each bin stands for.

        Raises:
            InvalidAction: a bin outside 0 to `count - 1`, or no integer.
        """
        index = np.asarray(bins)
        if index.dtype.kind not in "iu" or ((index < 0) | (index >= self.count)).any():
            raise InvalidAction(
                f"camera: got {_short(index)}, expected integer bins from 0 to {self.count - 1}"
            )
        return self._degrees(index.astype(np.float64))

    def loss(self) -> float:
        """The largest error in degrees of `decode(encode(x))` for |x| up to `limit`."""
        half, edge = self.count // 2, self.count - 1
        edges = self._degrees(np.arange(half, edge, dtype=np.float64) + 0.5)
        centres = self._degrees(np.arange(half, self.count, dtype=np.float64))
        return float(np.maximum(edges - centres[:-1], centres[1:] - edges).max())

    def _degrees(self, index: NDArray[np.float64]) -> NDArray[np.float64]:
        turn = index * self.size / self.limit - 1
        if self.mu is not None:
            turn = np.sign(turn) * ((1 + self.mu) ** np.abs(turn) - 1) / self.mu
        degrees: NDArray[np.float64] = turn * self.limit
        return degrees


def _short(array: NDArray[Any]) -> str:
    return f"{array.dtype} {array.tolist()}" if array.size <= 4 else f"{array.dtype} {array.shape}"
