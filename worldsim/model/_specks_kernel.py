"""The compiled twin of `specks.py`: asks only where it may change something."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from worldsim.model.camera import FAR, NEAR
from worldsim.model.specks import OFF, WINDOW

_FACTOR = 2.0 ** (5.5 * OFF)  # of depth, for so many codes


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def despeckle(depth: Any, free: Any, out: Any) -> None:
    """Depth `[B, H, W]`, where it is free, into `out`."""
    batch, height, width = depth.shape
    half = WINDOW // 2
    edged = np.empty((height + 2 * half, width + 2 * half), np.float32)
    around, alike = np.empty(WINDOW * WINDOW, np.float32), np.empty(width, np.int32)
    for n in range(batch):
        _edge(depth[n], half, edged)
        for j in range(height):
            if not free[n, j].any():
                continue
            alike[:] = 0
            for row in range(WINDOW):
                for column in range(WINDOW):
                    _count(edged[j + half, half : half + width], edged[j + row, column : column + width], alike)
            for i in range(width):
                if not free[n, j, i] or 2 * alike[i] > WINDOW * WINDOW:  # then so is the median
                    continue
                for k in range(WINDOW * WINDOW):
                    around[k] = edged[j + k // WINDOW, i + k % WINDOW]
                here, middle = edged[j + half, i + half], _median(around)
                if here > middle * _FACTOR or middle > here * _FACTOR:
                    out[n, j, i] = middle


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _edge(depth: Any, half: int, out: Any) -> None:
    """One depth `[H, W]`, clamped, and as it goes on beyond its edges."""
    height, width = depth.shape
    for j in range(height + 2 * half):
        for i in range(width + 2 * half):
            value = depth[min(max(j - half, 0), height - 1), min(max(i - half, 0), width - 1)]
            out[j, i] = min(max(value, np.float32(NEAR)), np.float32(FAR))


# Without a branch, so that the compiler makes vector instructions of it.
@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _count(here: Any, there: Any, alike: Any) -> None:
    """Add one where two rows of depths are alike."""
    for i in range(len(alike)):
        alike[i] += (here[i] <= there[i] * _FACTOR) & (there[i] <= here[i] * _FACTOR)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _median(values: Any) -> float:
    """The middle one of an odd number of values; each is asked how many are less, which is faster than to sort them."""
    half = len(values) // 2
    for value in values:
        less, more = 0, 0
        for other in values:
            less += other < value
            more += other > value
        if less <= half and more <= half:
            return value
    return np.float32(np.nan)
