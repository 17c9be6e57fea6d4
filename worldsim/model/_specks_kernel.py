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
    around, half = np.empty(WINDOW * WINDOW, np.float32), WINDOW // 2
    for n in range(batch):
        for j in range(height):
            for i in range(width):
                if not free[n, j, i]:
                    continue
                here, alike, count = _clamped(depth[n, j, i]), 0, 0
                for row in range(j - half, j + half + 1):
                    for column in range(i - half, i + half + 1):
                        value = depth[n, min(max(row, 0), height - 1), min(max(column, 0), width - 1)]
                        around[count] = _clamped(value)
                        alike += here <= around[count] * _FACTOR and around[count] <= here * _FACTOR
                        count += 1
                if 2 * alike > count:  # then so is the median
                    continue
                middle = np.partition(around, count // 2)[count // 2]
                if here > middle * _FACTOR or middle > here * _FACTOR:
                    out[n, j, i] = middle


@nb.njit(cache=True)  # type: ignore[untyped-decorator]
def _clamped(depth: float) -> float:
    return min(max(depth, np.float32(NEAR)), np.float32(FAR))
