"""The compiled twin of `specks.py`: asks only where it may change something."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from worldsim.model.camera import FAR, NEAR
from worldsim.model.specks import OFF, WINDOW

_FACTOR = 2.0 ** (5.5 * OFF)  # of depth, for so many codes


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def despeckle(depth: Any, free: Any, out: Any) -> None:
    """Depth `[B, H, W]`, where it is free, into `out`."""
    batch, height, width = depth.shape
    half, most = WINDOW // 2, WINDOW * WINDOW // 2
    edged = np.empty((height + 2 * half, width + 2 * half), np.float32)
    around = np.empty(WINDOW * WINDOW, np.float32)
    nearer, farther = np.empty(width, np.int32), np.empty(width, np.int32)
    for n in range(batch):
        _edge(depth[n], half, edged)
        for j in range(height):
            if not free[n, j].any():
                continue
            nearer[:], farther[:] = 0, 0
            for row in range(WINDOW):
                for column in range(WINDOW):
                    # Without a branch, so that the compiler makes vector instructions of it.
                    for i in range(width):
                        here, there = edged[j + half, half + i], edged[j + row, column + i]
                        nearer[i] += here > there * _FACTOR
                        farther[i] += there > here * _FACTOR
            for i in range(width):
                # Most are so much nearer, or farther, if the median is.
                if not free[n, j, i] or (nearer[i] <= most and farther[i] <= most):
                    continue
                for k in range(WINDOW * WINDOW):
                    around[k] = edged[j + k // WINDOW, i + k % WINDOW]
                out[n, j, i] = _median(around)


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _edge(depth: Any, half: int, out: Any) -> None:
    """One depth `[H, W]`, clamped, and as it goes on beyond its edges."""
    height, width = depth.shape
    for j in range(height + 2 * half):
        for i in range(width + 2 * half):
            value = depth[min(max(j - half, 0), height - 1), min(max(i - half, 0), width - 1)]
            out[j, i] = min(max(value, np.float32(NEAR)), np.float32(FAR))


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
